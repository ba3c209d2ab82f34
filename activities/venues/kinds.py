"""The pool kinds that the engine trades; a new kind is one line here."""

from solders.pubkey import Pubkey

from activities.venues.meteora import damm_v1, damm_v2, dlmm
from activities.venues.pool import PoolKind
from activities.venues.raydium import amm_v4, clmm, cpmm

KINDS: tuple[PoolKind, ...] = (
    amm_v4.KIND,
    cpmm.KIND,
    clmm.KIND,
    damm_v1.KIND,
    damm_v2.KIND,
    dlmm.KIND,
)

_BY_PROGRAM = {kind.program_id: kind for kind in KINDS}
_BY_NAME = {kind.name: kind for kind in KINDS}


def by_program(program_id: Pubkey) -> PoolKind | None:
    """The kind whose pools `program_id` owns, None for any other program."""
    return _BY_PROGRAM.get(program_id)


def by_name(name: str) -> PoolKind:
    """The kind called `name` (`cpmm`, `damm_v2`, …); raises KeyError for any other name."""
    return _BY_NAME[name]
