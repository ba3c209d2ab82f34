"""The compute units that a transaction may use and the fee that it pays."""

from solders.pubkey import Pubkey

from activities.venues.pool import MAX_COMPUTE_UNITS
from deploy.localnet.draft import SYSTEM_PROGRAM
from deploy.localnet.transactions import COMPUTE_BUDGET, Resolved

LAMPORTS_PER_SIGNATURE = 5_000
# What an instruction may use by default: programs, and the programs built into the node (SIMD-0170).
_DEFAULT_UNITS = 200_000
_DEFAULT_BUILTIN_UNITS = 3_000
PRECOMPILES = frozenset(
    map(
        Pubkey.from_string,
        (
            "Ed25519SigVerify111111111111111111111111111",
            "KeccakSecp256k11111111111111111111111111111",
            "Secp256r1SigVerify1111111111111111111111111",
        ),
    )
)
_BUILTINS = PRECOMPILES | {
    SYSTEM_PROGRAM,
    COMPUTE_BUDGET,
    Pubkey.from_string("BPFLoader1111111111111111111111111111111111"),
    Pubkey.from_string("BPFLoader2111111111111111111111111111111111"),
    Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111"),
}
_SET_LIMIT = 2
_SET_PRICE = 3
# What the machine charges for a call of a built-in program.
BUILTIN_CALL_UNITS = 150


def requested_limit(resolved: Resolved) -> int | None:
    """The compute unit limit that the transaction asks for itself."""
    for at, instruction in enumerate(resolved.instructions):
        data = instruction.data
        if resolved.program(at) == COMPUTE_BUDGET and len(data) >= 5 and data[0] == _SET_LIMIT:
            return min(int.from_bytes(data[1:5], "little"), MAX_COMPUTE_UNITS)
    return None


def compute_limit(resolved: Resolved) -> int:
    """The compute units that the transaction may use."""
    asked = requested_limit(resolved)
    if asked is not None:
        return asked
    programs = [resolved.program(at) for at in range(len(resolved.instructions))]
    units = sum(_DEFAULT_BUILTIN_UNITS if program in _BUILTINS else _DEFAULT_UNITS for program in programs)
    return min(units, MAX_COMPUTE_UNITS)


def set_limit_data(units: int) -> bytes:
    """The compute-budget instruction that sets the limit."""
    return bytes([_SET_LIMIT]) + units.to_bytes(4, "little")


def unit_price(resolved: Resolved) -> int:
    """The priority fee that the transaction offers, in micro-lamports per compute unit."""
    for at, instruction in enumerate(resolved.instructions):
        data = instruction.data
        if resolved.program(at) == COMPUTE_BUDGET and len(data) >= 9 and data[0] == _SET_PRICE:
            return int.from_bytes(data[1:9], "little")
    return 0


def transaction_fee(resolved: Resolved) -> int:
    """The lamports that the transaction costs: per signature, and by price and limit, rounded up."""
    priority = -(-unit_price(resolved) * compute_limit(resolved) // 1_000_000)
    return LAMPORTS_PER_SIGNATURE * resolved.signers + priority
