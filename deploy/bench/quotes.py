"""`order-engine bench quotes`: microseconds per quote by kind and by ticks or bins crossed, on made-up pools."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from time import perf_counter

from solders.pubkey import Pubkey

from activities.venues import kinds
from activities.venues.errors import VenueError
from activities.venues.mint import NATIVE_MINT
from activities.venues.pool import Account, Clock, Mode, Pool, PoolKind, Swap
from deploy.localnet.pools.spec import PoolSpec, Token
from deploy.localnet.tokens import mint_account

_CLOCK = Clock(slot=400_000_000, epoch=925, unix_timestamp=1_790_000_000)
_USDC = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
_BASE = Token("SOL", NATIVE_MINT, 9, mint_account(9, 0, None))
_QUOTE = Token("USDC", _USDC, 6, mint_account(6, 0, None))

_ONE_SOL = 10**9

# 150 USDC for a SOL, in base units of each.
_PLAIN = PoolSpec(
    base=_BASE,
    quote=_QUOTE,
    price=Fraction(150, 1_000),
    quote_depth=5_000_000 * 10**6,
    fee_ppm=2_500,
    index=0,
    step=10,
    range_bps=1_000,
)

# Ticks over a dozen arrays to each side; bins without a gap.
_SPECS = {
    "clmm": replace(_PLAIN, fee_ppm=400, step=1, range_bps=800, positions=96),
    "dlmm": replace(_PLAIN, fee_ppm=1_000, step=10, range_bps=1_200),
}
_CROSSINGS = {"clmm": (0, 10, 60), "dlmm": (0, 10, 70)}

# A run takes long enough for the timer, and the best of several is the least disturbed one.
_RUN_SECONDS = 0.05
_RUNS = 7


@dataclass(frozen=True, slots=True)
class Timing:
    """One row; all times in microseconds. `curve` is None where the precomputed curve does not reach the amount."""

    kind: str
    crossings: int
    decode_and_quote: float
    quote: float
    curve: float | None


def run() -> Iterator[Timing]:
    """Measure every kind."""
    for kind in kinds.KINDS:
        accounts, address = _build(kind)
        pool = kind.decode(address, accounts)
        for wanted in _CROSSINGS.get(kind.name, (0,)):
            yield _measure(kind, address, accounts, pool, wanted)


def _build(kind: PoolKind) -> tuple[dict[Pubkey, Account | None], Pubkey]:
    builder = import_module(f"deploy.localnet.pools.{kind.name}")
    built = builder.build(_SPECS.get(kind.name, _PLAIN))
    accounts: dict[Pubkey, Account | None] = {_BASE.mint: _BASE.account, _QUOTE.mint: _QUOTE.account, **built}
    address = next(key for key in built if _is_pool(kind, key, accounts))
    # What the pool needs and the builder did not make does not exist: bitmap extensions, arrays without liquidity.
    for key in kind.requirements(address, accounts):
        accounts.setdefault(key, None)
    return accounts, address


def _is_pool(kind: PoolKind, key: Pubkey, accounts: dict[Pubkey, Account | None]) -> bool:
    try:
        return len(kind.requirements(key, accounts)) > 1
    except VenueError:
        return False


def _measure(
    kind: PoolKind, address: Pubkey, accounts: dict[Pubkey, Account | None], pool: Pool, wanted: int
) -> Timing:
    a_to_b = pool.mint_a.address == NATIVE_MINT
    amount = _amount_that_crosses(pool, a_to_b, wanted)
    swap = Swap(a_to_b, Mode.EXACT_IN, amount)
    quote = pool.quote(swap, _CLOCK)
    curve = pool.curve(a_to_b, _CLOCK)
    reached = curve.max_in is None or amount <= curve.max_in
    if reached and curve.amount_out(amount) != quote.amount_out:
        raise AssertionError(f"{kind.name}: the curve pays {curve.amount_out(amount)}, the quote {quote.amount_out}")
    return Timing(
        kind=f"{kind.venue} {kind.name}",
        crossings=quote.crossings,
        decode_and_quote=_microseconds(lambda: kind.decode(address, accounts).quote(swap, _CLOCK)),
        quote=_microseconds(lambda: pool.quote(swap, _CLOCK)),
        curve=_microseconds(lambda: curve.amount_out(amount)) if reached else None,
    )


def _amount_that_crosses(pool: Pool, a_to_b: bool, wanted: int) -> int:
    """An input whose walk crosses at least `wanted` ticks or bins, close to the least such input."""
    low, high = 0, _ONE_SOL
    if wanted == 0:
        return high
    while pool.quote(Swap(a_to_b, Mode.EXACT_IN, high), _CLOCK).crossings < wanted:
        low, high = high, high * 2
    while high - low > 1 + high // 1_000:
        middle = (low + high) // 2
        if pool.quote(Swap(a_to_b, Mode.EXACT_IN, middle), _CLOCK).crossings < wanted:
            low = middle
        else:
            high = middle
    return high


def _microseconds(work: Callable[[], object]) -> float:
    rounds = 1
    while (elapsed := _time(work, rounds)) < _RUN_SECONDS:
        rounds = max(rounds * 2, int(rounds * _RUN_SECONDS / max(elapsed, 1e-9)))
    return min(_time(work, rounds) for _ in range(_RUNS)) / rounds * 1e6


def _time(work: Callable[[], object], rounds: int) -> float:
    started = perf_counter()
    for _ in range(rounds):
        work()
    return perf_counter() - started
