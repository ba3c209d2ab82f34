"""Find the pools of the known tokens on the chain and say of each whether it can be traded."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from solders.pubkey import Pubkey

from activities.pools import CLOCK_SYSVAR, read_clock
from activities.solana.rpc import SolanaRpc
from activities.venues.errors import Unsupported, VenueError
from activities.venues.kinds import KINDS
from activities.venues.pool import Account, Clock, Pool, PoolKind
from workflows.domain.money import Token
from workflows.domain.pools import RegisteredPool

# Pool, then what it points at, then what those point at: `PoolKind.requirements` needs no more rounds.
_REQUIREMENT_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class _Candidate:
    kind: PoolKind
    address: Pubkey
    mint_a: str
    mint_b: str

    def listed(self, reason: str | None = None, detail: str | None = None) -> RegisteredPool:
        return RegisteredPool(
            str(self.address), self.kind.venue, self.kind.name, self.mint_a, self.mint_b, reason, detail
        )


async def discover(rpc: SolanaRpc, tokens: Sequence[Token]) -> list[RegisteredPool]:
    """Every pool of every pair of the tokens, those that cannot be traded with the reason why.

    Raises ChainUnavailable.
    """
    listed: list[RegisteredPool] = []
    for first, second in combinations(tokens, 2):
        for kind in KINDS:
            for query in kind.filters(Pubkey.from_string(first.mint), Pubkey.from_string(second.mint)):
                found = await rpc.program_accounts(kind.program_id, query)
                listed += [await _examine(rpc, _Candidate(kind, key, first.mint, second.mint)) for key in found]
    return listed


async def _examine(rpc: SolanaRpc, candidate: _Candidate) -> RegisteredPool:
    try:
        pool, clock = await _read(rpc, candidate)
    except Unsupported as error:
        return candidate.listed(error.reason, error.detail or None)
    except VenueError as error:
        return candidate.listed("not_readable", str(error))
    return candidate.listed(pool.unavailable(clock))


async def _read(rpc: SolanaRpc, candidate: _Candidate) -> tuple[Pool, Clock]:
    kind, address = candidate.kind, candidate.address
    keys: set[Pubkey] = {address, CLOCK_SYSVAR}
    accounts: dict[Pubkey, Account | None] = {}
    for _ in range(_REQUIREMENT_ROUNDS):
        _, accounts = await rpc.accounts(sorted(keys, key=bytes))
        needed = set(kind.requirements(address, accounts)) | {CLOCK_SYSVAR}
        if needed <= keys:
            break
        keys |= needed
    return kind.decode(address, accounts), read_clock(accounts[CLOCK_SYSVAR])
