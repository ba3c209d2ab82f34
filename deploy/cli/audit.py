"""`order-engine audit`: count on the chain what the database says."""

import asyncio
import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.failure import CommandError
from deploy.cli.output import print_table
from deploy.cli.running import adopt_running_stack
from deploy.cli.settings import load

if TYPE_CHECKING:
    from deploy.audit import Audited


def audit(
    as_json: Annotated[bool, typer.Option("--json", help="Print figures and findings as JSON.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List each finding with its order.")] = False,
    grace: Annotated[
        int, typer.Option(help="Seconds that a running order has to record what landed, a new one to be stored.", min=0)
    ] = 60,
    wallet: Annotated[
        list[str] | None, typer.Option(help="Address of a further wallet, if its attempts are lost; may be repeated.")
    ] = None,
    amounts: Annotated[
        bool, typer.Option("--amounts/--no-amounts", help="Read each landed swap's amounts, one request each.")
    ] = True,
    temporal: Annotated[
        bool, typer.Option("--temporal/--no-temporal", help="Look for accepted orders that are not stored.")
    ] = True,
) -> None:
    """Compare the database with the chain's memos and with Temporal; print one line of figures.

        orders=… terminal=… landed=… duplicated=0 missing=0 drift=0

    Fails unless the last three are zero. Each counts orders:

    duplicated: more than one swap of the order landed.

    missing: a confirmed order without a landed swap; a landed swap without a confirmed order; an order that Temporal
    accepted and the database does not have.

    drift: amounts, signature or slot differ from the chain; an attempt's recorded outcome is not what the chain
    says, or is missing although the order has ended; a landed swap that no attempt records; a gap or an impossible
    step in the order's log; a row that is not as its last event left it.

    A swap is a transaction that executed, signed by one of the wallets that sign for orders, with the memo
    order:<order id>:<attempt>. Orders that still run are counted and are no fault: --grace gives them time to take note
    of what landed. The node must have the whole history of the wallets. Nothing is changed.
    """
    from deploy.audit import AuditSettings, audit_installation

    adopt_running_stack()
    settings = load(AuditSettings)
    for address in wallet or ():
        _check_address(address)
    try:
        audited = asyncio.run(audit_installation(settings, timedelta(seconds=grace), wallet or (), amounts, temporal))
    except ConnectionError as error:
        raise CommandError(str(error)) from error
    if as_json:
        print(json.dumps(_document(audited), indent=2))
    else:
        print(audited.audit)
        if verbose:
            _print_findings(audited)
    if not audited.audit.clean:
        hint = "" if verbose or as_json else "; --verbose lists what"
        raise CommandError(f"database, Temporal and chain do not agree{hint}")


def _check_address(text: str) -> None:
    from solders.pubkey import Pubkey

    try:
        Pubkey.from_string(text)
    except ValueError:
        raise CommandError(f"{text!r} is not an address") from None


def _print_findings(audited: "Audited") -> None:
    from workflows.domain.reconciliation import FAULTS

    rows = [(FAULTS.get(each.kind, ""), each.kind, each.order_id, each.detail) for each in audited.audit.findings]
    if rows:
        print_table(rows, ("fault", "finding", "order", "detail"))
    done = audited.reconciled
    if done is None:
        print("no reconciliation has run", file=sys.stderr)
        return
    print(
        f"last reconciliation {done.finished_at:%Y-%m-%d %H:%M:%S} UTC: {done.orders} orders, {done.swaps} swaps,"
        f" {done.workflows} workflows; {done.raised} raised, {done.repaired} repaired",
        file=sys.stderr,
    )
    for each in audited.open_findings:
        finding = each.finding
        print(f"open since {each.first_seen:%Y-%m-%d %H:%M:%S}: {finding.kind} {finding.order_id}: {finding.detail}")


def _document(audited: "Audited") -> dict[str, Any]:
    from workflows.domain.reconciliation import FAULTS, Fault

    figures, done = audited.audit, audited.reconciled
    return {
        "orders": figures.orders,
        "terminal": figures.terminal,
        "landed": figures.landed,
        **{fault.value: figures.count(fault) for fault in Fault},
        "workflows": figures.workflows,
        "findings": [
            {
                "fault": FAULTS.get(each.kind),
                "finding": each.kind,
                "orderId": each.order_id,
                "signature": each.signature or None,
                "detail": each.detail,
            }
            for each in figures.findings
        ],
        "lastReconciliation": done
        and {
            "startedAt": done.started_at.isoformat(),
            "finishedAt": done.finished_at.isoformat(),
            "whole": done.whole,
            "orders": done.orders,
            "swaps": done.swaps,
            "workflows": done.workflows,
            "raised": done.raised,
            "repaired": done.repaired,
        },
        "openFindings": [
            {
                "finding": each.finding.kind,
                "orderId": each.finding.order_id,
                "signature": each.finding.signature or None,
                "detail": each.finding.detail,
                "firstSeen": each.first_seen.isoformat(),
                "lastSeen": each.last_seen.isoformat(),
            }
            for each in audited.open_findings
        ],
    }
