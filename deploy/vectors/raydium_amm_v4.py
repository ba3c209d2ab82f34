"""The vector files of Raydium AMM v4."""

from collections.abc import Iterator
from typing import ClassVar

from solders.instruction import Instruction

from activities.venues.errors import SwapRefused, VenueError
from activities.venues.mint import token_balance
from activities.venues.pool import Pool, PoolKind, Quote, UserAccounts
from activities.venues.raydium.amm_v4 import KIND, AmmV4Pool
from activities.venues.raydium.amm_v4_legacy import OrderBook, legacy_instruction
from deploy.vectors.adapter import Adapter, Figure
from deploy.vectors.files import Case, Json, Scenario

_LEGACY_TAGS = (9, 11)
_ACCOUNTS_WITH_TARGET_ORDERS = 18


class RaydiumAmmV4(Adapter):
    """The order-book forms are compared too; the program's check of the user's balance is made."""

    set_name: ClassVar[str] = "raydium_amm_v4"
    kind: ClassVar[PoolKind] = KIND
    pool_role: ClassVar[str] = "amm"
    user_roles: ClassVar[tuple[str, str]] = ("user_coin", "user_pc")
    sides: ClassVar[tuple[str, str]] = ("coin2pc", "pc2coin")

    def quote(self, pool: Pool, case: Case, scenario: Scenario) -> Quote:
        """The quote for a user with the scenario's balance, which this program checks itself."""
        assert isinstance(pool, AmmV4Pool)
        swap = self.swap(case)
        source = scenario.roles[self.user_roles[0 if swap.a_to_b else 1]]
        account = scenario.accounts.get(source)
        balance = None if account is None else token_balance(source, account)
        return pool.quote(swap, scenario.clock, balance)

    def sdk_run(self, scenario: Scenario, case: Case) -> Json:
        """The run, unless today's source answers the same swap of the scenario otherwise."""
        for recorded in scenario.cases:
            same = (recorded.side, recorded.mode, recorded.amount) == (case.side, case.mode, case.amount)
            if same and "current_source" in recorded.raw:
                current: Json = recorded.raw["current_source"]
                return current
        return super().sdk_run(scenario, case)

    def fees(self, quote: Quote, pool: Pool, outcome: Json) -> Iterator[Figure]:
        """The output in the program's log line (it logs no fee)."""
        if "ray_log" in outcome and "out_amount" in outcome["ray_log"]:
            yield "logged out", quote.amount_out, outcome["ray_log"]["out_amount"]

    def is_refusal(self, error: VenueError, outcome: Json) -> bool:
        """Records derived from today's source say only that it refuses."""
        if "error" not in outcome:
            return isinstance(error, SwapRefused)
        return super().is_refusal(error, outcome)

    def instruction(
        self,
        scenario: Scenario,
        pool: Pool,
        quote: Quote,
        case: Case,
        user: UserAccounts,
        recorded: Instruction,
    ) -> Instruction | None:
        """The order-book form where that was recorded, else the one that the engine sends."""
        if recorded.data[0] not in _LEGACY_TAGS:
            return super().instruction(scenario, pool, quote, case, user, recorded)
        assert isinstance(pool, AmmV4Pool)
        roles = scenario.roles
        with_target_orders = len(recorded.accounts) == _ACCOUNTS_WITH_TARGET_ORDERS
        book = OrderBook(
            roles["open_orders"],
            roles["market_program"],
            roles["market"],
            roles["bids"],
            roles["asks"],
            roles["eventq"],
            roles["mcv"],
            roles["mpv"],
            roles["msigner"],
            roles["target_orders"] if with_target_orders else None,
        )
        return legacy_instruction(pool, quote, case.limit, user, book)
