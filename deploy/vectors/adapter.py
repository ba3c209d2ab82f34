"""What a pool kind has to say about its vector files; everything else about the check is shared.

A new kind is a subclass in a file of its own and one line in `deploy.vectors.adapters`. Most kinds set the
class variables and override `fees` only.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import CannotLand, MissingAccounts, SwapRefused, VenueError
from activities.venues.pool import Accounts, Mode, Pool, PoolKind, Quote, Swap, SwapCall, UserAccounts
from deploy.vectors.files import Case, Json, Scenario

# Refusals that another check may just as well come before: the token program's for too little of a token (1),
# Anchor's for too few accounts (3005), and two by which programs notice that a transfer came to nothing.
_ANY_REFUSAL_CODES = frozenset({1, 3005})
_ANY_REFUSAL_NAMES = frozenset({"MaxTokenOverflow", "RequireGtViolated"})

# A name, the value computed, the value recorded.
Figure = tuple[str, int, int]


class Adapter:
    """Reads the vector files of one set with one pool kind; overridable wherever a set differs."""

    # The `set` of the files, and the `program` of the instruction cases.
    set_name: ClassVar[str]
    kind: ClassVar[PoolKind]
    # The role of the pool account, and of the user's token accounts for mint A and mint B.
    pool_role: ClassVar[str]
    user_roles: ClassVar[tuple[str, str]]
    # The name of the side that sells mint A, then of the other.
    sides: ClassVar[tuple[str, str]]

    def pool_address(self, scenario: Scenario) -> Pubkey:
        """The pool of the scenario."""
        return scenario.roles[self.pool_role]

    def accounts(self, scenario: Scenario, case: Case) -> Accounts:
        """The accounts that the program could see in `case`."""
        return scenario.accounts

    def decode(self, scenario: Scenario, accounts: Accounts) -> Pool:
        """The pool of the scenario in the state of `accounts`."""
        return self.kind.decode(self.pool_address(scenario), accounts)

    def swap(self, case: Case) -> Swap:
        """What `case` asks of the pool."""
        a_to_b = (True, False)[self.sides.index(case.side)]
        return Swap(a_to_b, Mode(case.mode), case.amount, case.limit)

    def quote(self, pool: Pool, case: Case, scenario: Scenario) -> Quote:
        """The quote of `case` as its recorded instruction asked for it."""
        return pool.quote(self.swap(case), scenario.clock)

    def outcome(self, case: Case) -> Json:
        """The record to equal: the program's result, or `current_source` where its source moved on."""
        current: Json | None = case.raw.get("current_source")
        return case.result if current is None else current

    def sdk_run(self, scenario: Scenario, case: Case) -> Json:
        """What came of an SDK's instruction: `ok` and amounts, or less where it was not run."""
        run: Json = case.raw.get("run", {})
        return run

    def fees(self, quote: Quote, pool: Pool, outcome: Json) -> Iterator[Figure]:
        """The fees that the record states, each with its computed value."""
        yield from ()

    def is_refusal(self, error: VenueError, outcome: Json) -> bool:
        """Whether `error` is the refusal that the failed `outcome` records."""
        recorded = outcome.get("error") or {}
        code = recorded.get("code")
        if code in _ANY_REFUSAL_CODES or recorded.get("name") in _ANY_REFUSAL_NAMES:
            return isinstance(error, SwapRefused | MissingAccounts)
        if "exceeded CUs meter" in str(recorded):
            return isinstance(error, CannotLand)
        if code is None:
            return isinstance(error, SwapRefused)
        return isinstance(error, SwapRefused) and error.code == code

    def not_counted(self, scenario: Scenario, case: Case) -> str | None:
        """Why the case does not count, None when it does."""
        if scenario.warning is not None and not case.result["ok"]:
            return "refusals of a scenario with a warning"
        return None

    def after(self, pool: Pool, quote: Quote, scenario: Scenario, case: Case) -> Pool:
        """The computed next state."""
        return pool.after(quote, scenario.clock)

    def instruction(
        self,
        scenario: Scenario,
        pool: Pool,
        quote: Quote,
        case: Case,
        user: UserAccounts,
        recorded: Instruction,
    ) -> Instruction | None:
        """The instruction to compare with `recorded`, in its form; None when this form is only parsed."""
        return pool.instruction(quote, case.limit, user)

    def diff_base(self, scenario: Scenario, written: Mapping[Pubkey, bytes], outcome: Json) -> Accounts:
        """The accounts that the recorded `post_diff` is applied to; `written` is the computed next state."""
        return scenario.accounts

    def call(self, scenario: Scenario, case: Case, user: UserAccounts) -> SwapCall:
        """What `parse` has to find in the recorded instruction."""
        return SwapCall(self.pool_address(scenario), user, Mode(case.mode), case.amount, case.limit)
