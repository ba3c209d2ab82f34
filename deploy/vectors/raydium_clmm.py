"""The vector files of Raydium CLMM: swaps of the executed program, and the 2026 features quoted by its SDK."""

from collections.abc import Iterator
from typing import ClassVar

from solders.instruction import Instruction

from activities.venues.pool import Accounts, Mode, Pool, PoolKind, Quote, Swap, SwapCall, UserAccounts
from activities.venues.raydium.clmm import KIND
from activities.venues.raydium.clmm_bitmap import extension_address
from activities.venues.raydium.clmm_instruction import SWAP
from activities.venues.raydium.clmm_math import tick_at
from activities.venues.raydium.clmm_pool import ClmmPool, Path
from deploy.vectors.adapter import Adapter, Figure
from deploy.vectors.files import Case, Json, Scenario


class RaydiumClmm(Adapter):
    """Of its tick arrays and its bitmap extension, the program sees those that the instruction lists."""

    set_name: ClassVar[str] = "raydium_clmm"
    kind: ClassVar[PoolKind] = KIND
    pool_role: ClassVar[str] = "pool_state"
    user_roles: ClassVar[tuple[str, str]] = ("user_token_0", "user_token_1")
    sides: ClassVar[tuple[str, str]] = ("0to1", "1to0")

    def accounts(self, scenario: Scenario, case: Case) -> Accounts:
        """The scenario's accounts without those of the program that the case does not pass."""
        instruction = scenario.account_lists.get(case.instruction_key)
        if instruction is None:
            return scenario.accounts
        listed = {key for key, _ in instruction["accounts"]}
        own = (key for key, account in scenario.accounts.items() if account and account.owner == KIND.program_id)
        return {**scenario.accounts, **dict.fromkeys(key for key in own if str(key) not in listed)}

    def decode(self, scenario: Scenario, accounts: Accounts) -> Pool:
        """The pool; an extension that the scenario does not have does not exist."""
        address = self.pool_address(scenario)
        return KIND.decode(address, {extension_address(address): None, **accounts})

    def after(self, pool: Pool, quote: Quote, scenario: Scenario, case: Case) -> Pool:
        """The next state of all that the scenario has, passed or not."""
        return self.decode(scenario, scenario.accounts).after(quote, scenario.clock)

    def swap(self, case: Case) -> Swap:
        """The swap with the case's limit of the square root price."""
        limit = int(case.raw["sqrt_price_limit_x64"])
        return Swap(case.side == self.sides[0], Mode(case.mode), case.amount, case.limit, limit)

    def fees(self, quote: Quote, pool: Pool, outcome: Json) -> Iterator[Figure]:
        """Transfer fees and the pool's price, liquidity and tick of the swap event."""
        event = outcome.get("event")
        if event is None:
            return
        side_in, side_out = (0, 1) if quote.swap.a_to_b else (1, 0)
        yield "input transfer fee", quote.transfer_fee_in, event[f"transfer_fee_{side_in}"]
        yield "output transfer fee", quote.transfer_fee_out, event[f"transfer_fee_{side_out}"]
        yield from _prices(quote, event)

    def instruction(
        self,
        scenario: Scenario,
        pool: Pool,
        quote: Quote,
        case: Case,
        user: UserAccounts,
        recorded: Instruction,
    ) -> Instruction | None:
        """The older form where that was recorded, else the one that the engine sends."""
        assert isinstance(pool, ClmmPool)
        if recorded.data.startswith(SWAP):
            return pool.legacy_instruction(quote, case.limit, user)
        return pool.instruction(quote, case.limit, user)

    def call(self, scenario: Scenario, case: Case, user: UserAccounts) -> SwapCall:
        """The recorded call, with its limit of the square root price."""
        swap = self.swap(case)
        pool = self.pool_address(scenario)
        return SwapCall(pool, user, swap.mode, case.amount, case.limit, swap.sqrt_price_limit)


class RaydiumClmm2026(RaydiumClmm):
    """The SDK applies no limit and states the whole fee and where the price ends."""

    set_name: ClassVar[str] = "raydium_clmm_2026_features"

    def fees(self, quote: Quote, pool: Pool, outcome: Json) -> Iterator[Figure]:
        """The trading fee, and the pool's price, liquidity and tick afterwards."""
        yield "fee", quote.fee, outcome["fee"]
        yield from _prices(quote, outcome["sdk_post"])


def _prices(quote: Quote, recorded: Json) -> Iterator[Figure]:
    path = quote.path
    assert isinstance(path, Path)
    after = path.outcome
    yield "price", after.sqrt_price, recorded["sqrt_price_x64"]
    yield "liquidity", after.liquidity, recorded["liquidity"]
    yield "tick", tick_at(after.sqrt_price) if after.tick is None else after.tick, recorded["tick"]
