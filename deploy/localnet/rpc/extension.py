"""Methods that real nodes do not have, for tests and chaos runs.

- `localnet_setAccount(address, account | null)`: overwrite an account, in the form of an account dump
  (`{lamports, data: [text, "base64"], owner, executable}`), or remove it.
- `localnet_warpSlots(n)`: let n slots pass at once; answers the new slot. The wall time stays.
- `localnet_setFaults(faults, seed | null)`: replace this node's faults, by none to clear them. Their kinds and
  fields: `deploy.localnet.faults`.
- `localnet_faults()`: this node's faults in force, how many calls each was drawn for and how many it hit.
- `localnet_fork(n, again | null)`: undo the newest n slots, which must not reach the finalized ones; their
  transactions come again by themselves `again` slots later where that is set. Answers the slot that is the
  newest one kept, and the signatures that vanished.
- `localnet_movePrice(pool, bps, slot | null)`: an outsider trades until the pool's price of its first token
  has changed by `bps`, at once or when `slot` comes. Answers the signatures of the outsider's swaps.
"""

from pydantic import TypeAdapter, ValidationError

from deploy.localnet import base58
from deploy.localnet.chain_errors import Json
from deploy.localnet.fault_file import explained
from deploy.localnet.faults import MAX_BPS, Fault
from deploy.localnet.genesis import DumpedAccount
from deploy.localnet.node import Node
from deploy.localnet.outsider import CannotMove
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
        node.set_faults(faults, None if params.value(1) is None else params.integer(1))
    except ValidationError as error:
        raise invalid(f"Invalid params: {explained(error)}") from error
    except ValueError as error:
        raise invalid(f"Invalid params: {error}") from error
    return True


def faults(node: Node, params: Params) -> Json:
    """`localnet_faults`."""
    return {"node": node.name, "seed": node.faults.seed, "faults": node.faults.report()}


def fork(node: Node, params: Params) -> Json:
    """`localnet_fork`."""
    again = None if params.value(1) is None else params.integer(1)
    if again == 0:
        raise invalid("Invalid params: `again` is at least 1 slot")
    try:
        slot, undone = node.ledger.fork(params.integer(0), again)
    except ValueError as error:
        raise invalid(f"Invalid params: {error}") from error
    return {"slot": slot, "signatures": [base58.encode(landed.signature) for landed in undone]}


def move_price(node: Node, params: Params) -> Json:
    """`localnet_movePrice`."""
    pool, bps = params.pubkey(0), params.value(1)
    if not isinstance(bps, int) or isinstance(bps, bool) or not -MAX_BPS <= bps <= MAX_BPS or not bps:
        raise invalid(f"Invalid params: bps is a whole number from -{MAX_BPS} to {MAX_BPS}, other than 0")
    ledger, outsider = node.ledger, node.outsider
    slot = ledger.clock.slot() if params.value(2) is None else params.integer(2)
    try:
        if slot <= ledger.clock.slot():
            signatures: Json = list(outsider.move(pool, bps, ledger.clock.slot()))
            return signatures
        outsider.move_at(pool, bps, slot)
    except CannotMove as error:
        raise invalid(f"Invalid params: {error}") from error
    return []
