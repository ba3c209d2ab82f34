"""Methods that real nodes do not have, for tests and chaos runs.

- `localnet_setAccount(address, account | null)`: overwrite an account, in the form of an account dump
  (`{lamports, data: [text, "base64"], owner, executable}`), or remove it.
- `localnet_warpSlots(n)`: let n slots pass at once; answers the new slot. The wall time stays.
- `localnet_setFaults(faults, seed | null)`: replace the injected faults (`deploy.localnet.faults.Fault`).
"""

from pydantic import TypeAdapter, ValidationError

from deploy.localnet.chain_errors import Json
from deploy.localnet.faults import Fault
from deploy.localnet.genesis import DumpedAccount
from deploy.localnet.node import Node
from deploy.localnet.rpc.errors import invalid
from deploy.localnet.rpc.params import Params

_MAX_WARP = 10_000_000
_FAULTS = TypeAdapter(list[Fault])


def set_account(node: Node, params: Params) -> Json:
    """`localnet_setAccount`."""
    address, given = params.pubkey(0), params.required(1)
    if given is None:
        node.ledger.set_accounts({address: None})
        return True
    try:
        dumped = DumpedAccount.model_validate(given)
        account = dumped.to_account()
    except ValueError as error:
        raise invalid(f"Invalid params: {error}") from error
    node.ledger.set_accounts({address: account}, frozenset({address} if dumped.executable else ()))
    return True


def warp_slots(node: Node, params: Params) -> Json:
    """`localnet_warpSlots`."""
    slots = params.integer(0)
    if slots > _MAX_WARP:
        raise invalid(f"Invalid params: at most {_MAX_WARP} slots at once")
    node.ledger.skip(slots)
    return node.ledger.clock.slot()


def set_faults(node: Node, params: Params) -> Json:
    """`localnet_setFaults`."""
    try:
        faults = _FAULTS.validate_python(params.required(0))
    except ValidationError as error:
        raise invalid(f"Invalid params: {error}") from error
    node.faults.set(faults, None if params.value(1) is None else params.integer(1))
    return True
