"""The fixed-width integers of on-chain programs, for arithmetic that has to fail where theirs does."""

from activities.venues.errors import SwapRefused

U64_MAX = 2**64 - 1
U128_MAX = 2**128 - 1


def require_u64(name: str, value: int) -> None:
    """Raise SwapRefused (`<name>_out_of_range`) where `value` is no u64, which no instruction carries."""
    if not 0 <= value <= U64_MAX:
        raise SwapRefused(f"{name}_out_of_range")
