"""`verify-vectors`: exact records pass, and every kind of falsified record is reported."""

import copy
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.vectors.adapters import ADAPTERS, adapter_named
from deploy.vectors.command import verify

Json = dict[str, Any]
FOLDER = Path(__file__).parent / "vectors"


def unpacked(name: str) -> Json:
    content: Json = json.loads(lzma.decompress((FOLDER / f"{name}.json.xz").read_bytes()))
    return content


@pytest.fixture(scope="session")
def cpmm() -> Json:
    """One scenario with a sale, a purchase and a refusal."""
    content = unpacked("raydium_cpmm")
    scenario = content["scenarios"][0]
    chosen = [
        next(case for case in scenario["cases"] if case["mode"] == mode and case["result"]["ok"] is ok)
        for mode, ok in (("exact_in", True), ("exact_out", True), ("exact_in", False))
    ]
    content["scenarios"] = [{**scenario, "cases": chosen}]
    content["account_data"] = {name: content["account_data"][name] for name in scenario["accounts"].values()}
    return content


@pytest.fixture(scope="session")
def sdk() -> Json:
    """The SDK's instructions for that scenario."""
    content = unpacked("swap_instructions")
    content["cases"] = [case for case in content["cases"] if case["scenario"] == "plain_25bps_a"][:2]
    return content


def run(*paths: Path) -> tuple[int, list[str]]:
    out = io.StringIO()
    status = verify(paths, out)
    return status, out.getvalue().splitlines()


def write(path: Path, content: Json) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def first_case(content: Json) -> Json:
    case: Json = content["scenarios"][0]["cases"][0]
    return case


def set_result(field: str, value: object) -> Callable[[Json], None]:
    def change(content: Json) -> None:
        first_case(content)["result"][field] = value

    return change


def set_event(field: str) -> Callable[[Json], None]:
    def change(content: Json) -> None:
        first_case(content)["result"]["event"][field] += 1

    return change


def set_post_state(content: Json) -> None:
    # The protocol's fees owed in token 0.
    first_case(content)["result"]["post_diff"]["pool_state"].append([341, "01"])


def set_instruction_account(content: Json) -> None:
    content["scenarios"][0]["instructions"]["0to1:exact_in"]["accounts"][6][0] = "1" * 32


def set_instruction_flag(content: Json) -> None:
    content["scenarios"][0]["instructions"]["0to1:exact_in"]["accounts"][3][1] = ""


def set_instruction_data(content: Json) -> None:
    first_case(content)["data_hex"] = first_case(content)["data_hex"][:-2] + "01"


def set_refusal_code(content: Json) -> None:
    content["scenarios"][0]["cases"][2]["result"]["error"] |= {"code": 6005, "name": "ExceededSlippage"}


def set_refusal_for_a_success(content: Json) -> None:
    first_case(content)["result"] = {"ok": False, "error": {"code": 6005, "name": "ExceededSlippage"}}


def set_success_for_a_refusal(content: Json) -> None:
    content["scenarios"][0]["cases"][2]["result"] = {"ok": True, "in_spent": 1, "out_received": 1, "post_diff": {}}


def set_balance_under_the_price(content: Json) -> None:
    user = content["scenarios"][0]["roles"]["user_token_0"]
    content["scenarios"][0]["accounts"][user] = content["scenarios"][0]["accounts"][
        content["scenarios"][0]["roles"]["user_token_1"]
    ]
    first_case(content)["amount"] = 2**63


def test_every_set_has_one_adapter() -> None:
    names = [adapter.set_name for adapter in ADAPTERS]
    assert sorted(names) == sorted(set(names))
    assert adapter_named("raydium_cpmm") in ADAPTERS
    assert adapter_named("no_such_set") is None


def test_exact_records_pass_under_any_file_name(cpmm: Json, tmp_path: Path) -> None:
    path = write(tmp_path / "renamed.json", cpmm)
    assert run(path) == (0, [f"{path}: 3 of 3 exact"])
    for suffix, pack in ((".gz", gzip.compress), (".xz", lzma.compress)):
        packed = tmp_path / f"renamed.json{suffix}"
        packed.write_bytes(pack(path.read_bytes()))
        assert run(packed) == (0, [f"{packed}: 3 of 3 exact"])


def test_the_program_tells_a_set_of_unknown_name(cpmm: Json, tmp_path: Path) -> None:
    path = write(tmp_path / "more.json", {**cpmm, "set": "more_of_it"})
    assert run(path)[1] == [f"{path}: 3 of 3 exact"]


@pytest.mark.parametrize(
    ("falsify", "named"),
    [
        (set_result("in_spent", 8), "in: expected 8, computed 7"),
        (set_result("out_received", 2), "out: expected 2, computed 1"),
        (set_event("trade_fee"), "trade fee: expected 2, computed 1"),
        (set_event("creator_fee"), "creator fee: expected 1, computed 0"),
        (set_event("input_transfer_fee"), "input transfer fee: expected 1, computed 0"),
        (set_post_state, "recorded next state: state: expected"),
        (set_instruction_account, "instruction account 6: expected"),
        (set_instruction_flag, "instruction account 3: expected"),
        (set_instruction_data, "instruction data: expected"),
        (set_refusal_code, "expected a refusal ExceededSlippage (6005), computed SwapRefused RequireGtViolated (2505)"),
        (set_refusal_for_a_success, "expected a refusal ExceededSlippage (6005), computed in 7 out 1"),
        (set_success_for_a_refusal, "expected in 1 out 1, computed SwapRefused RequireGtViolated (2505)"),
        (set_balance_under_the_price, "computed SwapRefused InsufficientFunds (1)"),
        (set_result("post_diff", {"no such role": []}), "ValueError"),
    ],
)
def test_a_falsified_record_is_reported(
    cpmm: Json, tmp_path: Path, falsify: Callable[[Json], None], named: str
) -> None:
    content = copy.deepcopy(cpmm)
    falsify(content)
    path = write(tmp_path / "raydium_cpmm.json", content)
    status, lines = run(path)
    assert status == 1
    assert any(named in line for line in lines[:-1])
    assert all(line.startswith(f"{path}: plain_25bps_a: ") for line in lines[:-1])
    exact = int(lines[-1].removeprefix(f"{path}: ").removesuffix(" of 3 exact"))
    assert exact < 3


def test_the_current_source_goes_before_the_result(cpmm: Json, tmp_path: Path) -> None:
    content = copy.deepcopy(cpmm)
    case = first_case(content)
    case["current_source"] = {**case["result"], "out_received": 5}
    status, lines = run(write(tmp_path / "a.json", content))
    assert (status, "out: expected 5, computed 1" in lines[0]) == (1, True)


def test_refusals_of_a_warned_scenario_are_kept_apart(cpmm: Json, tmp_path: Path) -> None:
    content = copy.deepcopy(cpmm)
    content["scenarios"][0]["warning"] = "stale"
    set_refusal_code(content)
    path = write(tmp_path / "a.json", content)
    reason = "refusals of a scenario with a warning"
    assert run(path) == (0, [f"{path}: 1 not counted (1 {reason})", f"{path}: 2 of 2 exact"])


def test_instructions_find_their_scenarios_beside_them_and_above(cpmm: Json, sdk: Json, tmp_path: Path) -> None:
    beside = write(tmp_path / "beside" / "sdk.json", sdk)
    write(tmp_path / "beside" / "any name.json", cpmm)
    (tmp_path / "beside" / "noise.json").write_text("[]")
    above = write(tmp_path / "above" / "sub" / "sdk.json", sdk)
    write(tmp_path / "above" / "swaps.json", cpmm)
    given = write(tmp_path / "given" / "sdk.json", sdk)
    swaps = write(tmp_path / "elsewhere" / "swaps.json", cpmm)
    assert run(beside, above) == (0, [f"{path}: 2 of 2 exact" for path in (beside, above)])
    assert run(given, swaps)[0] == 0
    status, lines = run(given)
    assert (status, lines[-1]) == (1, f"{given}: 0 of 2 exact")
    assert "no such scenario" in lines[0]


def test_a_falsified_instruction_is_reported(cpmm: Json, sdk: Json, tmp_path: Path) -> None:
    content = copy.deepcopy(sdk)
    content["cases"][0]["instruction"]["accounts"][12][1] = "s"
    content["cases"][1]["run"]["out_received"] += 1
    write(tmp_path / "swaps.json", cpmm)
    status, lines = run(write(tmp_path / "sdk.json", content))
    assert status == 1
    assert "instruction account 12" in lines[0]
    assert "out: expected" in lines[1]


def test_a_set_without_a_kind_is_not_passed(cpmm: Json, sdk: Json, tmp_path: Path) -> None:
    foreign = {**cpmm, "set": "other", "source": {"program": "1" * 32}}
    path = write(tmp_path / "other.json", foreign)
    assert run(path) == (1, [f"{path}: no pool kind for the set other", f"{path}: 0 of 3 exact"])
    unknown = {**sdk, "cases": [{**case, "program": "other"} for case in sdk["cases"]]}
    assert run(write(tmp_path / "sdk.json", unknown))[0] == 1


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"scenarios": 5}', '{"cases": [{}]}', '{"scenarios": [{}]}', "\x1f"]
)
def test_what_is_no_vector_file_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    status, (line,) = run(path)
    assert status == 2
    assert line.startswith(str(path))


def test_a_missing_or_torn_file_is_named(tmp_path: Path) -> None:
    torn = tmp_path / "torn.json.gz"
    torn.write_bytes(gzip.compress(b"{}" * 1000)[:-20])
    assert run(tmp_path / "none.json")[0] == run(torn)[0] == run(tmp_path)[0] == 2


def test_a_file_without_cases_proves_nothing(cpmm: Json, tmp_path: Path) -> None:
    path = write(tmp_path / "empty.json", {**cpmm, "scenarios": []})
    assert run(path)[0] == 1
