"""The vector files of Meteora DAMM v2."""

from collections.abc import Iterator
from typing import ClassVar

from solders.instruction import Instruction

from activities.venues.meteora.damm_v2 import KIND, DammV2Pool
from activities.venues.meteora.damm_v2_instruction import Form, parse_swap
from activities.venues.meteora.damm_v2_swap import Fill, split_fee
from activities.venues.pool import Pool, PoolKind, Quote, UserAccounts
from deploy.vectors.adapter import Adapter, Figure
from deploy.vectors.files import Case, Json, Scenario


class MeteoraDammV2(Adapter):
    """The recorded instruction says whether there is a referral, and which form it takes."""

    set_name: ClassVar[str] = "meteora_damm_v2"
    kind: ClassVar[PoolKind] = KIND
    pool_role: ClassVar[str] = "pool"
    user_roles: ClassVar[tuple[str, str]] = ("user_token_a", "user_token_b")
    sides: ClassVar[tuple[str, str]] = ("a2b", "b2a")

    def quote(self, pool: Pool, case: Case, scenario: Scenario) -> Quote:
        """The quote for an instruction with the accounts that were recorded."""
        assert isinstance(pool, DammV2Pool)
        form = _form(scenario.instruction(case))
        return pool.quote(self.swap(case), scenario.clock, single=form is None or form.introspected)

    def fees(self, quote: Quote, pool: Pool, outcome: Json) -> Iterator[Figure]:
        """The parts of the fee and the transfer fees of the swap event, and the input left over."""
        event = outcome.get("event")
        if event is None:
            return
        assert isinstance(pool, DammV2Pool)
        fill = quote.path
        assert isinstance(fill, Fill)
        protocol, compounding, claimable = split_fee(pool.state, quote.fee)
        yield "protocol and referral fee", protocol, event["protocol_fee"] + event["referral_fee"]
        yield "compounding fee", compounding, event["compounding_fee"]
        yield "claimable fee", claimable, event["claiming_fee"]
        yield "input without transfer fee", fill.amount_in, event["included_fee_input_amount"]
        yield "input without fees", fill.curve_in, event["excluded_fee_input_amount"]
        yield "output with transfer fee", fill.amount_out, event["included_transfer_fee_amount_out"]

    def after(self, pool: Pool, quote: Quote, scenario: Scenario, case: Case) -> Pool:
        """The next state, the referral paid where the instruction names one."""
        assert isinstance(pool, DammV2Pool)
        form = _form(scenario.instruction(case))
        return pool.after(quote, scenario.clock, referral=form is not None and form.referral is not None)

    def instruction(
        self,
        scenario: Scenario,
        pool: Pool,
        quote: Quote,
        case: Case,
        user: UserAccounts,
        recorded: Instruction,
    ) -> Instruction | None:
        """The engine's own instruction, in the recorded form."""
        assert isinstance(pool, DammV2Pool)
        return pool.instruction(quote, case.limit, user, _form(recorded))


def _form(recorded: Instruction | None) -> Form | None:
    parsed = None if recorded is None else parse_swap(recorded)
    return None if parsed is None else parsed[1]
