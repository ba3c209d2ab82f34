"""The vector files of Meteora DLMM."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.meteora.dlmm import KIND
from activities.venues.meteora.dlmm_layout import extension_address
from activities.venues.pool import Accounts, Pool, PoolKind, Quote, UserAccounts
from deploy.vectors.adapter import Adapter, Figure
from deploy.vectors.files import Case, Json, Scenario
from deploy.vectors.states import overlaid

_UNDETERMINED = 6085
# Accounts of the v2 forms before the bin arrays, and bytes of their data before the slices.
_FIXED_ACCOUNTS, _FIXED_DATA = 16, 24
_NO_SLICES = bytes(4)


class MeteoraDlmm(Adapter):
    """A scenario without a bitmap extension is one of a pair that has none."""

    set_name: ClassVar[str] = "meteora_dlmm"
    kind: ClassVar[PoolKind] = KIND
    pool_role: ClassVar[str] = "lb_pair"
    user_roles: ClassVar[tuple[str, str]] = ("user_token_x", "user_token_y")
    sides: ClassVar[tuple[str, str]] = ("x2y", "y2x")

    def decode(self, scenario: Scenario, accounts: Accounts) -> Pool:
        """The pool with the arrays that the instructions pass."""
        address = self.pool_address(scenario)
        return KIND.decode(address, {extension_address(address): None, **accounts})

    def fees(self, quote: Quote, pool: Pool, outcome: Json) -> Iterator[Figure]:
        """The whole trading fee of the swap event, and its side."""
        for event in outcome.get("events", ()):
            if event["name"] == "Swap2Evt":
                parts = ("mm_fee", "protocol_fee", "limit_order_fee", "host_fee")
                yield "fee", quote.fee, sum(int(event[part]) for part in parts)
                yield "fee on input", quote.fee_on_input, event["fees_on_input"]

    def not_counted(self, scenario: Scenario, case: Case) -> str | None:
        """Refusals for an undetermined error are kept apart: VENUES records no cause for them."""
        error = case.result.get("error") or {}
        if error.get("code") == _UNDETERMINED:
            return "UndeterminedError"
        return super().not_counted(scenario, case)

    def instruction(
        self,
        scenario: Scenario,
        pool: Pool,
        quote: Quote,
        case: Case,
        user: UserAccounts,
        recorded: Instruction,
    ) -> Instruction | None:
        """The engine's instruction with the slices and the further arrays of the recorded one; v1 is only parsed.

        The program finds arrays by index: a record may pass more of them than the swap needs.
        """
        built = pool.instruction(quote, case.limit, user)
        data, theirs = bytes(recorded.data), recorded.accounts[_FIXED_ACCOUNTS:]
        if len(data) == _FIXED_DATA:
            return None
        slices = _NO_SLICES if data[_FIXED_DATA:] == _NO_SLICES else bytes(built.data)[_FIXED_DATA:]
        arrays = theirs if _in_order(built.accounts[_FIXED_ACCOUNTS:], theirs) else built.accounts[_FIXED_ACCOUNTS:]
        accounts = [*built.accounts[:_FIXED_ACCOUNTS], *arrays]
        return Instruction(built.program_id, bytes(built.data)[:_FIXED_DATA] + slices, accounts)

    def diff_base(self, scenario: Scenario, written: Mapping[Pubkey, bytes], outcome: Json) -> Accounts:
        """Records of long walks name the pair only: for the arrays there is nothing but the computed state."""
        if any(role.startswith("bin_array[") for role in outcome["post_diff"]):
            return scenario.accounts
        pair = scenario.roles[self.pool_role]
        return overlaid(scenario.accounts, ((key, data) for key, data in written.items() if key != pair))


def _in_order(some: list[AccountMeta], all_of_them: list[AccountMeta]) -> bool:
    """Whether `some` are among `all_of_them` in the same order."""
    rest = iter(all_of_them)
    return all(meta in rest for meta in some)
