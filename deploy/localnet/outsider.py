"""Somebody else who trades: moves the price of a pool by a swap, so that the pool stays a real one.

The outsider's key follows from the faucet's. What it sells comes from outside of the chain: its token
account is filled up before each swap, and the supply of the mint raised by as much.
"""

import hashlib
import logging
from fractions import Fraction
from functools import partial
from typing import NamedTuple

from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from activities.venues import kinds
from activities.venues.errors import VenueError
from activities.venues.mint import NATIVE_MINT
from activities.venues.pool import MAX_COMPUTE_UNITS, Account, Mode, Pool, PoolKind, Quote, Swap, UserAccounts
from deploy.localnet.ledger import Ledger
from deploy.localnet.pool_cache import PoolCache
from deploy.localnet.sent_swaps import SentSwap
from deploy.localnet.tokens import (
    associated_address,
    read_mint,
    read_token_account,
    token_account,
    with_supply,
)
from deploy.localnet.transactions import decode

_MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
_BPS = 10_000
# Lamports for fees and rent.
_POCKET_MONEY = 10**10
# One swap may be too long a walk for one transaction; no move that is asked for needs more of them than this.
_MAX_SWAPS = 16
# The amount is right to about this share of itself.
_PRECISION = 1_000_000
# The largest amount that a swap instruction can name.
_MAX_AMOUNT = (1 << 64) - 1

_log = logging.getLogger(__name__)


class CannotMove(Exception):
    """The price cannot be moved; the message says why."""


class _Target(NamedTuple):
    """The price to reach, by selling the pool's first token (`a_to_b`) or its second."""

    price: Fraction
    a_to_b: bool

    def reached(self, price: Fraction) -> bool:
        """Whether `price` is there."""
        return price <= self.price if self.a_to_b else price >= self.price


class Outsider:
    """One trader with unlimited means."""

    def __init__(self, ledger: Ledger, faucet: Keypair) -> None:
        self._ledger = ledger
        self._keypair = Keypair.from_seed(hashlib.sha256(b"outsider" + bytes(faucet)).digest())
        self._pools = PoolCache()

    def trade_before(self, swap: SentSwap, bps: int) -> None:
        """Make the price of `swap` worse by `bps`, or better when negative; raises CannotMove."""
        state = self._state(self._kind(swap.pool), swap.pool)
        # Whoever sells the first token wants a high price of it.
        worse = -bps if swap.mint_in == state.mint_a.address else bps
        self.move(swap.pool, worse, self._ledger.clock.slot())

    def move(self, address: Pubkey, bps: int, slot: int) -> list[str]:
        """Trade in `slot`, the newest, until the pool's spot price (of its first token) has changed by `bps`.

        Returns the signatures of the swaps that it took; raises CannotMove.
        """
        kind = self._kind(address)
        start = self._state(kind, address).spot_price()
        target = _Target(start * (_BPS + bps) / _BPS, bps < 0)
        signatures: list[str] = []
        for _ in range(_MAX_SWAPS):
            quote, reaches = self._search(kind, address, target)
            signatures.append(self._swap(kind, address, quote, slot))
            if reaches:
                return signatures
        raise CannotMove(f"{_MAX_SWAPS} swaps do not move {address} by {bps} bps")

    def move_at(self, address: Pubkey, bps: int, slot: int) -> None:
        """Move the price when `slot` comes; raises CannotMove when `address` is not a pool."""
        self._kind(address)
        self._ledger.at(slot, partial(self._move_or_tell, address, bps))

    def _move_or_tell(self, address: Pubkey, bps: int, slot: int) -> None:
        try:
            self.move(address, bps, slot)
        except CannotMove as error:
            _log.warning("no price move: %s", error)

    def _kind(self, address: Pubkey) -> PoolKind:
        account = self._ledger.book[address]
        kind = None if account is None else kinds.by_program(account.owner)
        if kind is None:
            raise CannotMove(f"{address} is not a pool")
        return kind

    def _state(self, kind: PoolKind, address: Pubkey) -> Pool:
        try:
            return self._pools.pool(kind, address, self._ledger.book)[0]
        except VenueError as error:
            raise CannotMove(f"{address}: {error}") from error

    def _search(self, kind: PoolKind, address: Pubkey, target: _Target) -> tuple[Quote, bool]:
        """The least swap that reaches the target, else the largest that can be made."""
        low, best = 0, None
        high, reaching = max(1, self._state(kind, address).reserves()[0 if target.a_to_b else 1] // 10_000), None
        while reaching is None and high <= _MAX_AMOUNT:
            found = self._try(kind, address, target, high)
            if found is None:
                break
            quote, reached = found
            if reached:
                reaching = quote
            else:
                low, best, high = high, quote, high * 2
        while high - low > max(1, high // _PRECISION):
            middle = (low + high) // 2
            found = self._try(kind, address, target, middle)
            if found is None:
                high = middle
            elif found[1]:
                high, reaching = middle, found[0]
            else:
                low, best = middle, found[0]
        if reaching is not None:
            return reaching, True
        if best is None:
            raise CannotMove(f"no swap on {address} moves its price")
        return best, False

    def _try(self, kind: PoolKind, address: Pubkey, target: _Target, amount: int) -> tuple[Quote, bool] | None:
        """The quote for `amount` and whether it reaches the target; None when it is too much for one swap."""
        ledger = self._ledger
        swap = Swap(target.a_to_b, Mode.EXACT_IN, amount)
        clock = ledger.machine.clock
        try:
            pool, quote, _ = self._pools.quote(kind, address, ledger.book, swap, clock)
            return quote, target.reached(pool.after(quote, clock).spot_price())
        except VenueError:
            # Too little to buy anything is no swap either; the price that it leaves has not moved.
            return None

    def _swap(self, kind: PoolKind, address: Pubkey, quote: Quote, slot: int) -> str:
        pool = self._state(kind, address)
        owner = self._keypair.pubkey()
        mints = pool.mint_in(quote.swap), pool.mint_out(quote.swap)
        source, destination = (associated_address(owner, mint.address, mint.program) for mint in mints)
        self._fill(source, mints[0].address, quote.amount_in)
        self._fill(destination, mints[1].address, 0)
        ledger = self._ledger
        instructions = [
            set_compute_unit_limit(MAX_COMPUTE_UNITS),
            pool.instruction(quote, 1, UserAccounts(owner, source, destination)),
            # Two equal swaps of one slot would otherwise be the same transaction.
            Instruction(_MEMO, f"outsider {ledger.store.count() + 1}".encode(), []),
        ]
        message = Message.new_with_blockhash(instructions, owner, Hash(ledger.clock.blockhash(slot)))
        transaction = decode(bytes(VersionedTransaction(message, [self._keypair])))
        status = ledger.land(transaction, slot)
        if status is None or status.error is not None:
            raise CannotMove(f"the swap on {address} failed: {'not landed' if status is None else status.error}")
        return str(transaction.signature)

    def _fill(self, address: Pubkey, mint: Pubkey, amount: int) -> None:
        """Let the outsider's token account exist and hold at least `amount`, and itself the fees."""
        book, owner = self._ledger.book, self._keypair.pubkey()
        filled: dict[Pubkey, Account | None] = {}
        held = book[address]
        holding = None if held is None else read_token_account(held)
        missing = amount - (0 if holding is None else holding.amount)
        mint_account = book[mint]
        if mint_account is None:
            raise CannotMove(f"mint {mint} does not exist")
        if holding is None or missing > 0:
            filled[address] = token_account(mint, owner, amount, mint_data=mint_account)
            details = read_mint(mint_account)
            if missing > 0 and mint != NATIVE_MINT and details is not None:
                filled[mint] = with_supply(mint_account, details.supply + missing)
        pocket = book[owner]
        if pocket is None or pocket.lamports < _POCKET_MONEY // 2:
            filled[owner] = Account(Pubkey.default(), _POCKET_MONEY, b"")
        if filled:
            self._ledger.set_accounts(filled)
