"""Account bytes that nobody meant, and everything a kind can be asked about them."""

import random

from solders.pubkey import Pubkey

from activities.venues.errors import VenueError
from activities.venues.pool import Account, Accounts, Clock, Mode, Pool, PoolKind, Swap, UserAccounts

U64_MAX = 2**64 - 1
USER = UserAccounts(*(Pubkey.new_unique() for _ in range(3)))


def interesting_number(rng: random.Random) -> int:
    return rng.choice([0, 1, 2, U64_MAX, U64_MAX - 1, rng.getrandbits(64), rng.getrandbits(rng.randint(1, 64))])


def mutated(account: Account | None, rng: random.Random) -> Account | None:
    """Some change of an account: other bytes, other numbers, another length or owner, or none at all."""
    if account is None:
        return None
    data = bytearray(account.data)
    how = rng.randrange(7)
    if how == 0:
        return None
    if how == 1:
        return Account(Pubkey.new_unique(), account.lamports, account.data)
    if how == 2:
        return Account(account.owner, account.lamports, rng.randbytes(rng.randrange(1300)))
    if how == 3:
        return Account(account.owner, account.lamports, bytes(data[: rng.randrange(len(data) + 1)]))
    if how == 4:
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    else:
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(max(1, min(len(data), 1240) - 8))
            data[at : at + 8] = interesting_number(rng).to_bytes(8, "little")
    return Account(account.owner, account.lamports, bytes(data))


def exercise(kind: PoolKind, address: Pubkey, accounts: Accounts, clock: Clock, rng: random.Random) -> bool:
    """Use whatever decodes in every way; True when a swap was quoted."""
    attempt(kind.requirements, address, accounts)
    pool = attempt(kind.decode, address, accounts)
    if not isinstance(pool, Pool):
        return False
    attempt(pool.reserves)
    attempt(pool.spot_price)
    attempt(pool.unavailable, clock)
    limit = rng.choice([None, 0, interesting_number(rng)])
    swap = Swap(rng.random() < 0.5, rng.choice(list(Mode)), interesting_number(rng), limit)
    try:
        quote = pool.quote(swap, clock)
    except VenueError:
        return False
    assert 0 <= quote.amount_out <= U64_MAX
    assert 0 < quote.amount_in <= U64_MAX
    after = pool.after(quote, clock)
    after.writes(accounts)
    assert all(0 <= move.amount <= U64_MAX for move in pool.transfers(quote, USER))
    assert kind.parse(pool.instruction(quote, limit or 0, USER)) is not None
    return True


def attempt(function: object, *arguments: object) -> object:
    assert callable(function)
    try:
        return function(*arguments)
    except VenueError:
        return None
