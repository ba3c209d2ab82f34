"""The order-book forms of the AMM v4 swap (tags 9 and 11), which the engine itself never sends.

The program still takes them, and recorded transactions and SDK instructions have this form; building them is
what lets those records be checked to the byte. The market accounts are passed over by the program.
"""

from dataclasses import dataclass

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.mint import TOKEN_PROGRAM
from activities.venues.pool import Mode, Quote, UserAccounts
from activities.venues.raydium.amm_v4 import AUTHORITY, PROGRAM, AmmV4Pool, swap_data

_TAGS = {Mode.EXACT_IN: 9, Mode.EXACT_OUT: 11}


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The order-book accounts of a pool; `target_orders` is in the 18-account form only."""

    open_orders: Pubkey
    program: Pubkey
    market: Pubkey
    bids: Pubkey
    asks: Pubkey
    event_queue: Pubkey
    coin_vault: Pubkey
    pc_vault: Pubkey
    vault_signer: Pubkey
    target_orders: Pubkey | None = None


def legacy_instruction(pool: AmmV4Pool, quote: Quote, limit: int, user: UserAccounts, book: OrderBook) -> Instruction:
    """The swap in the 17-account form, or with target orders in that of 18."""
    target_orders = () if book.target_orders is None else ((book.target_orders, True),)
    accounts = (
        (TOKEN_PROGRAM, False),
        (pool.address, True),
        (AUTHORITY, False),
        (book.open_orders, True),
        *target_orders,
        (pool.vault_a, True),
        (pool.vault_b, True),
        (book.program, False),
        (book.market, True),
        (book.bids, True),
        (book.asks, True),
        (book.event_queue, True),
        (book.coin_vault, True),
        (book.pc_vault, True),
        (book.vault_signer, False),
        (user.source, True),
        (user.destination, True),
    )
    metas = [AccountMeta(key, is_signer=False, is_writable=writable) for key, writable in accounts]
    metas.append(AccountMeta(user.owner, is_signer=True, is_writable=False))
    return Instruction(PROGRAM, swap_data(_TAGS[quote.swap.mode], quote, limit), metas)
