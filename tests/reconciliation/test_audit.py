"""`order-engine audit` counts what is on the chain, and names each kind of damage."""

import asyncio
import json
from datetime import timedelta

import pytest
from solders.keypair import Keypair
from solders.system_program import TransferParams, transfer

from deploy.cli import main
from tests.localnet.chain import memo
from tests.reconciliation.world import World
from workflows.domain.ids import memo as memo_text
from workflows.domain.reconciliation import FindingKind

Kinds = list[tuple[FindingKind, str]]


def kinds(findings) -> Kinds:
    return sorted((finding.kind, finding.order_id) for finding in findings)


async def test_an_installation_where_all_is_well(world: World) -> None:
    await world.trade(3)
    audited = await world.audited()
    assert str(audited) == "orders=3 terminal=3 landed=3 duplicated=0 missing=0 drift=0"
    assert audited.clean
    assert audited.workflows == 3


async def test_nothing_at_all(world: World) -> None:
    assert str(await world.audited()) == "orders=0 terminal=0 landed=0 duplicated=0 missing=0 drift=0"


async def test_an_order_that_runs_is_no_fault(world: World) -> None:
    order, _ = await world.submitted()
    assert str(await world.audited()) == "orders=1 terminal=0 landed=0 duplicated=0 missing=0 drift=0"
    await world.heal()
    await order.result()
    assert str(await world.audited()) == "orders=1 terminal=1 landed=1 duplicated=0 missing=0 drift=0"


async def test_a_second_swap_of_an_order(world: World) -> None:
    order = await world.trade_one()
    await world.chain.land([memo(memo_text(order.order_id, 2))])
    audited = await world.audited()
    assert str(audited) == "orders=1 terminal=1 landed=2 duplicated=1 missing=0 drift=1"
    assert not audited.clean
    assert kinds(audited.findings) == [
        (FindingKind.SIGNATURE_UNRECORDED, order.order_id),
        (FindingKind.TRADED_TWICE, order.order_id),
    ]


async def test_a_stranger_cannot_make_an_order_look_doubled(world: World) -> None:
    order = await world.trade_one()
    stranger, ours = world.chain.wallet("poor"), world.chain.wallet().pubkey()
    gift = TransferParams(from_pubkey=stranger.pubkey(), to_pubkey=ours, lamports=1_000_000)
    await world.chain.land([transfer(gift), memo(memo_text(order.order_id, 2))], stranger)
    assert str(await world.audited()) == "orders=1 terminal=1 landed=1 duplicated=0 missing=0 drift=0"


async def test_an_order_that_was_deleted(world: World) -> None:
    order, _ = await world.trade(2)
    for table, key in (("swap_attempts", "order_id"), ("order_events", "order_id"), ("orders", "id")):
        await world.sql(f"DELETE FROM {table} WHERE {key} = %s", order.order_id)
    audited = await world.audited()
    assert str(audited) == "orders=1 terminal=1 landed=2 duplicated=0 missing=1 drift=0"
    assert kinds(audited.findings) == [
        (FindingKind.LANDED_NOT_CONFIRMED, order.order_id),
        (FindingKind.ORDER_UNRECORDED, order.order_id),
    ]


async def test_an_order_that_was_never_stored(idle_world: World) -> None:
    order = await idle_world.start()
    assert (await idle_world.audited(grace=timedelta(minutes=1))).clean
    audited = await idle_world.audited()
    assert str(audited) == "orders=0 terminal=0 landed=0 duplicated=0 missing=1 drift=0"
    await order.terminate()


async def test_a_confirmed_order_whose_swap_is_not_on_the_chain(world: World) -> None:
    order = await world.trade_one()
    elsewhere = str(Keypair().sign_message(b"another chain"))
    for table, key in (("swap_attempts", "order_id"), ("orders", "id")):
        await world.sql(f"UPDATE {table} SET signature = %s WHERE {key} = %s", elsewhere, order.order_id)
    await world.sql("UPDATE order_events SET signature = %s WHERE signature IS NOT NULL", elsewhere)
    # The wallet's real swap names the order still: it landed, and nobody recorded it.
    audited = await world.audited()
    assert kinds(audited.findings) == [
        (FindingKind.FILL_DIFFERS, order.order_id),
        (FindingKind.OUTCOME_CONTRADICTED, order.order_id),
        (FindingKind.SIGNATURE_UNRECORDED, order.order_id),
    ]


async def test_a_confirmed_order_of_which_the_chain_knows_nothing(world: World) -> None:
    order, other = await world.trade_one(), "0f8fad5b-d9cb-469f-a165-70867728950e"
    for table, key in (("swap_attempts", "order_id"), ("order_events", "order_id"), ("orders", "id")):
        await world.sql(f"UPDATE {table} SET {key} = %s", other)
    signature = str(Keypair().sign_message(b"another chain"))
    for table in ("swap_attempts", "order_events", "orders"):
        await world.sql(f"UPDATE {table} SET signature = %s WHERE signature IS NOT NULL", signature)
    audited = await world.audited()
    assert str(audited) == "orders=1 terminal=1 landed=1 duplicated=0 missing=2 drift=0"
    assert kinds(audited.findings) == [
        (FindingKind.CONFIRMED_NOT_LANDED, other),
        (FindingKind.LANDED_NOT_CONFIRMED, order.order_id),
        (FindingKind.ORDER_UNRECORDED, order.order_id),
    ]


_DAMAGES = (
    ("UPDATE swap_attempts SET outcome = 'expired'", FindingKind.OUTCOME_CONTRADICTED, "drift"),
    ("UPDATE swap_attempts SET outcome = 'reverted'", FindingKind.OUTCOME_CONTRADICTED, "drift"),
    ("UPDATE swap_attempts SET outcome_slot = 1", FindingKind.OUTCOME_CONTRADICTED, "drift"),
    ("UPDATE swap_attempts SET outcome = NULL, settled_at = NULL", FindingKind.SIGNATURE_UNSETTLED, "drift"),
    (
        "WITH e AS (UPDATE order_events SET fill = jsonb_set(fill, '{amount_out}', '\"1\"') WHERE fill IS NOT NULL)"
        " UPDATE orders SET filled_out = 1",
        FindingKind.FILL_DIFFERS,
        "drift",
    ),
    ("UPDATE orders SET filled_in = filled_in + 1", FindingKind.ROW_DIFFERS, "drift"),
    ("UPDATE orders SET reason = 'internal_error'", FindingKind.ROW_DIFFERS, "drift"),
    ("UPDATE orders SET status = 'failed'", FindingKind.LANDED_NOT_CONFIRMED, "missing"),
    ("DELETE FROM order_events WHERE seq = 3", FindingKind.LOG_BROKEN, "drift"),
    ("UPDATE order_events SET status = 'failed' WHERE seq = 3", FindingKind.LOG_BROKEN, "drift"),
)


async def test_damage_to_a_confirmed_order(world: World) -> None:
    order = await world.trade_one()
    for damage, kind, fault in _DAMAGES:
        async with world.damaged(damage):
            audited = await world.audited()
        assert (kind, order.order_id) in kinds(audited.findings), damage
        assert f"{fault}=1" in str(audited), damage
        assert not audited.clean
    assert (await world.audited()).clean


async def test_the_command_prints_one_line_and_fails_when_something_is_wrong(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr("sys.argv", ["order-engine", "audit", *arguments])
        with pytest.raises(SystemExit) as end:
            main.main()
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    monkeypatch.setenv("ORDER_ENGINE_DATABASE_URL", world.database_url)
    monkeypatch.setenv("ORDER_ENGINE_SOLANA_RPC_URL", world.chain.url)
    monkeypatch.setenv("ORDER_ENGINE_DATA_DIR", "/nowhere")
    order = await world.trade_one()
    assert await asyncio.to_thread(run) == (0, "orders=1 terminal=1 landed=1 duplicated=0 missing=0 drift=0\n", "")
    await world.chain.land([memo(memo_text(order.order_id, 2))])
    code, out, err = await asyncio.to_thread(run)
    assert (code, out) == (1, "orders=1 terminal=1 landed=2 duplicated=1 missing=0 drift=1\n")
    assert err == "order-engine: database, Temporal and chain do not agree; --verbose lists what\n"
    code, out, _ = await asyncio.to_thread(run, "--verbose")
    assert code == 1
    assert order.order_id in out
    code, out, _ = await asyncio.to_thread(run, "--json")
    document = json.loads(out)
    assert (document["duplicated"], document["drift"], document["lastReconciliation"]) == (1, 1, None)
    assert {each["orderId"] for each in document["findings"]} == {order.order_id}
    monkeypatch.setenv("ORDER_ENGINE_SOLANA_RPC_URL", "http://127.0.0.1:9")
    code, out, err = await asyncio.to_thread(run)
    assert (code, out) == (1, "")
    assert err.startswith("order-engine: ")
