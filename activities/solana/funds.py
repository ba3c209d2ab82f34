"""What a swap needs from its wallet, in lamports and tokens. Pure."""

from dataclasses import dataclass

from activities.solana.fees import Fees
from activities.solana.token_accounts import TokenSide
from activities.solana.transaction import LAMPORTS_PER_SIGNATURE


@dataclass(frozen=True, slots=True)
class Needs:
    """What one swap transaction takes from its wallet.

    In the order of the chain, in lamports: `fee` (signature and priority), `deposits` into token accounts (rent, and
    the amount when SOL is sold), `returned` rent of the temporary ones, `tip`. `tokens` in base units of the token
    sold, 0 when that is SOL. `bought_lamports` is the least that arrives when SOL is bought.
    """

    fee: int
    deposits: int
    returned: int = 0
    tip: int = 0
    tokens: int = 0
    bought_lamports: int = 0

    @property
    def lamports(self) -> int:
        """What the wallet must hold so that every transfer of the transaction finds its lamports."""
        received = self.returned + self.bought_lamports
        return self.fee + self.deposits + max(0, self.tip - received)

    def shortage(self, held: int, rent: int) -> int:
        """How many lamports a wallet that holds `held` lacks, 0 when it can pay.

        `rent` is the rent-exempt minimum of an account without data: no wallet may be left with less, unless with
        nothing, neither by the fee alone nor by the whole transaction.
        """
        left = held - self.lamports
        if left < 0:
            return -left
        after_fee = held - self.fee
        after_all = after_fee - self.deposits + self.returned + self.bought_lamports - self.tip
        lowest = min((kept for kept in (after_fee, after_all) if kept > 0), default=rent)
        return max(0, rent - lowest)


def needs(selling: TokenSide, buying: TokenSide, tokens: int, fee: int, tip: int, bought_lamports: int = 0) -> Needs:
    """The needs of a transaction with these two sides; `tokens` and `bought_lamports` as in `Needs`."""
    return Needs(
        fee=fee,
        deposits=selling.lamports + buying.lamports,
        returned=selling.returned + buying.returned,
        tip=tip,
        tokens=tokens,
        bought_lamports=bought_lamports,
    )


def most_needed(amount_in: int, sells_sol: bool, rent: int, fees: Fees) -> Needs:
    """The most that a swap of `amount_in` base units can need, whatever its route, attempt and market of fees.

    `rent` is the rent-exempt minimum of a token account; the side that buys may have to make one.
    """
    return Needs(
        fee=LAMPORTS_PER_SIGNATURE + fees.lamports_cap,
        deposits=rent + rent + amount_in if sells_sol else rent,
        returned=rent if sells_sol else 0,
        tip=fees.tip_lamports,
        tokens=0 if sells_sol else amount_in,
    )
