"""How far two clocks are apart, and whether that matters."""

from collections.abc import Callable

from deploy.doctor.finding import Finding, failure, ok, warning

# Wall clock, in Unix seconds.
Now = Callable[[], float]

# Machines that keep time by NTP agree far better; deadlines of orders are counted in seconds.
_NOTICEABLE_SECONDS = 2.0
_WRONG_SECONDS = 30.0


def compared(whose: str, server: float, before: float, after: float) -> Finding:
    """A server's clock, read at some moment between two readings of this machine's."""
    check = f"clock of {whose}"
    # Within the question's own duration nothing is known.
    ahead = server - after if server > after else min(0.0, server - before)
    if abs(ahead) < _NOTICEABLE_SECONDS:
        return ok(check, f"agrees with this machine to {max(abs(ahead), after - before):.1f} s")
    says = f"is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine"
    mend = "set both machines by NTP (timedatectl set-ntp true)"
    return (warning if abs(ahead) < _WRONG_SECONDS else failure)(check, says, mend)
