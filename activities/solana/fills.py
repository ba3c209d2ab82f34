"""What a landed transaction traded, read from its token balance changes and nothing else."""

from collections.abc import Iterable

from solders.pubkey import Pubkey
from solders.transaction_status import EncodedConfirmedTransactionWithStatusMeta, UiTransactionTokenBalance

from activities.venues.mint import NATIVE_MINT
from workflows.domain.order import Fill


class FillUnreadable(Exception):
    """The node's record of the transaction lacks the balances; another answer may have them."""


def read_fill(landed: EncodedConfirmedTransactionWithStatusMeta, wallet: Pubkey, sold: Pubkey, bought: Pubkey) -> Fill:
    """Amounts in base units that the wallet paid of `sold` and received of `bought`, and the fee in lamports.

    Raises FillUnreadable when the record has no balances.
    """
    meta = landed.transaction.meta
    if meta is None or meta.pre_token_balances is None or meta.post_token_balances is None:
        raise FillUnreadable("the transaction record has no token balances")
    before, after = meta.pre_token_balances, meta.post_token_balances
    return Fill(
        amount_in=-_change(before, after, wallet, sold),
        amount_out=_change(before, after, wallet, bought),
        fee_lamports=meta.fee,
        slot=landed.slot,
    )


def _change(
    before: Iterable[UiTransactionTokenBalance],
    after: Iterable[UiTransactionTokenBalance],
    wallet: Pubkey,
    mint: Pubkey,
) -> int:
    """By how much the wallet's holding of the mint changed.

    Wrapped SOL sits in an account that is created and closed inside the transaction and so appears in neither
    list; what all others gained is what the wallet paid, and it has no transfer fee that could be lost between.
    """
    of_others = mint == NATIVE_MINT

    def total(balances: Iterable[UiTransactionTokenBalance]) -> int:
        return sum(
            int(balance.ui_token_amount.amount)
            for balance in balances
            if balance.mint == mint and (balance.owner != wallet) == of_others
        )

    change = total(after) - total(before)
    return -change if of_others else change
