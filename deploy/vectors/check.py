"""Compares one recorded case with what the venues compute: every difference is one line of text."""

from collections.abc import Iterator, Sequence

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import VenueError
from activities.venues.pool import Accounts, Pool, Quote, TokenTransfer, UserAccounts
from deploy.vectors.adapter import Adapter
from deploy.vectors.files import Case, InstructionCase, Json, Scenario
from deploy.vectors.states import movements, overlaid, patched, settled, user_of

_ATA_PROGRAM = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")


def check_case(adapter: Adapter, scenario: Scenario, case: Case) -> list[str]:
    """Every difference between the recorded swap and the computed one; empty when it is exact."""
    outcome = adapter.outcome(case)
    recorded = scenario.instruction(case)
    try:
        pool = adapter.decode(scenario, adapter.accounts(scenario, case))
        quote = adapter.quote(pool, case, scenario)
        _require_funds(adapter, scenario, pool, quote)
    except VenueError as error:
        return [*_refusal(adapter, error, outcome), *_parsed(adapter, scenario, case, recorded)]
    if not outcome["ok"]:
        return [f"expected a refusal {_error_text(outcome)}, computed {_amounts_text(quote)}"]
    return [
        *_figures(adapter, pool, quote, outcome),
        *_instruction(adapter, scenario, case, pool, quote, recorded),
        *_parsed(adapter, scenario, case, recorded),
        *_next_state(adapter, scenario, case, pool, quote, outcome),
    ]


def check_instruction_case(adapter: Adapter, scenario: Scenario, recorded: InstructionCase) -> list[str]:
    """Every difference between the SDK's instruction and the one built for the same swap."""
    case = recorded.case
    run = adapter.sdk_run(scenario, case)
    try:
        pool = adapter.decode(scenario, adapter.accounts(scenario, case))
        quote = adapter.quote(pool, case, scenario)
    except VenueError as error:
        if run.get("ok") is False:
            return list(_parsed(adapter, scenario, case, recorded.instruction))
        return [f"expected a quote, computed a refusal {_reason(error)}"]
    return [
        *(_figures(adapter, pool, quote, run) if run.get("ok") else ()),
        *_instruction(adapter, scenario, case, pool, quote, recorded.instruction),
        *_parsed(adapter, scenario, case, recorded.instruction),
    ]


def _require_funds(adapter: Adapter, scenario: Scenario, pool: Pool, quote: Quote) -> None:
    """Raise SwapRefused where the token program would refuse the swap's transfers."""
    user = user_of(scenario, adapter.user_roles, quote.swap.a_to_b)
    settled(scenario.accounts, pool.transfers(quote, user), scenario)


def _refusal(adapter: Adapter, error: VenueError, outcome: Json) -> Iterator[str]:
    if outcome["ok"]:
        yield f"expected in {outcome['in_spent']} out {outcome['out_received']}, computed {_reason(error)}"
    elif not adapter.is_refusal(error, outcome):
        yield f"expected a refusal {_error_text(outcome)}, computed {_reason(error)}"


def _figures(adapter: Adapter, pool: Pool, quote: Quote, outcome: Json) -> Iterator[str]:
    amounts = [("in", quote.amount_in, outcome["in_spent"]), ("out", quote.amount_out, outcome["out_received"])]
    for name, computed, expected in (*amounts, *adapter.fees(quote, pool, outcome)):
        if computed != int(expected):
            yield f"{name}: expected {expected}, computed {computed}"


def _user(adapter: Adapter, scenario: Scenario, case: Case, pool: Pool | None, recorded: Instruction) -> UserAccounts:
    """The user's token accounts: the scenario's own, or the associated ones where an SDK derives those."""
    listed = {meta.pubkey for meta in recorded.accounts}
    a_to_b = adapter.swap(case).a_to_b
    user = user_of(scenario, adapter.user_roles, a_to_b)
    if pool is None or listed.issuperset((user.source, user.destination)):
        return user
    mints = (pool.mint_a, pool.mint_b) if a_to_b else (pool.mint_b, pool.mint_a)
    return UserAccounts(scenario.payer, *(_associated(scenario.payer, mint.program, mint.address) for mint in mints))


def _associated(owner: Pubkey, token_program: Pubkey, mint: Pubkey) -> Pubkey:
    seeds = [bytes(owner), bytes(token_program), bytes(mint)]
    return Pubkey.find_program_address(seeds, _ATA_PROGRAM)[0]


def _instruction(
    adapter: Adapter, scenario: Scenario, case: Case, pool: Pool, quote: Quote, recorded: Instruction | None
) -> Iterator[str]:
    if recorded is None:
        return
    user = _user(adapter, scenario, case, pool, recorded)
    built = adapter.instruction(scenario, pool, quote, case, user, recorded)
    if built is None:
        return
    if built.program_id != recorded.program_id:
        yield f"instruction program: expected {recorded.program_id}, computed {built.program_id}"
    if built.data != recorded.data:
        yield f"instruction data: expected {recorded.data.hex()}, computed {built.data.hex()}"
    if len(built.accounts) != len(recorded.accounts):
        yield f"instruction accounts: expected {len(recorded.accounts)}, computed {len(built.accounts)}"
    for index, (ours, theirs) in enumerate(zip(built.accounts, recorded.accounts, strict=False)):
        if ours != theirs:
            yield f"instruction account {index}: expected {_meta(theirs)}, computed {_meta(ours)}"


def _meta(meta: object) -> str:
    return " ".join(str(meta).split())


def _parsed(adapter: Adapter, scenario: Scenario, case: Case, recorded: Instruction | None) -> Iterator[str]:
    """Compare what `parse` finds in the recorded instruction with what the case asked."""
    if recorded is None:
        return
    try:
        pool = adapter.decode(scenario, scenario.accounts)
    except VenueError:
        pool = None
    expected = adapter.call(scenario, case, _user(adapter, scenario, case, pool, recorded))
    try:
        parsed = adapter.kind.parse(recorded)
    except VenueError as error:
        yield f"parsed instruction: expected {expected}, computed {_reason(error)}"
    else:
        if parsed != expected:
            yield f"parsed instruction: expected {expected}, computed {parsed}"


def _next_state(
    adapter: Adapter, scenario: Scenario, case: Case, pool: Pool, quote: Quote, outcome: Json
) -> Iterator[str]:
    """Compare the computed next state with the recorded one, and with what its own bytes decode to."""
    after = adapter.after(pool, quote, scenario, case)
    user = user_of(scenario, adapter.user_roles, quote.swap.a_to_b)
    transfers = pool.transfers(quote, user)
    yield from _moved(transfers, user, scenario, outcome)
    written = after.writes(scenario.accounts)
    states: list[tuple[str, Accounts]] = [("written", overlaid(scenario.accounts, written.items()))]
    if "post_diff" in outcome:
        changes = (patched(scenario, role, diff) for role, diff in outcome["post_diff"].items())
        base = adapter.diff_base(scenario, written, outcome)
        states.append(("recorded", overlaid(base, changes)))
    for name, accounts in states:
        try:
            decoded = adapter.decode(scenario, settled(accounts, transfers, scenario))
        except VenueError as error:
            yield f"{name} next state: {_reason(error)}"
            continue
        if decoded != after:
            yield f"{name} next state: " + "; ".join(_differences(decoded, after))


def _moved(transfers: Sequence[TokenTransfer], user: UserAccounts, scenario: Scenario, outcome: Json) -> Iterator[str]:
    """Compare what the transfers move at the user's accounts with the recorded amounts."""
    totals = {user.source: 0, user.destination: 0}
    for key, amount in movements(transfers, scenario):
        if key in totals:
            totals[key] += amount
    moved = (-totals[user.source], totals[user.destination])
    recorded = (int(outcome["in_spent"]), int(outcome["out_received"]))
    if moved != recorded:
        yield f"transfers (in, out): expected {recorded}, computed {moved}"


def _differences(expected: Pool, computed: Pool) -> Iterator[str]:
    names = {name for kind in type(expected).__mro__ for name in getattr(kind, "__slots__", ())}
    names |= set(getattr(expected, "__dict__", ()))
    for name in sorted(names):
        values = getattr(expected, name, None), getattr(computed, name, None)
        if values[0] != values[1]:
            yield f"{name}: expected {values[0]}, computed {values[1]}"


def _reason(error: VenueError) -> str:
    return f"{type(error).__name__} {error}"


def _error_text(outcome: Json) -> str:
    error = outcome.get("error", {})
    return f"{error.get('name')} ({error.get('code')})"


def _amounts_text(quote: Quote) -> str:
    return f"in {quote.amount_in} out {quote.amount_out}"
