"""The adapters by set; a new kind is one line here."""

from deploy.vectors.adapter import Adapter
from deploy.vectors.files import VectorFile
from deploy.vectors.meteora_damm_v1 import MeteoraDammV1
from deploy.vectors.meteora_damm_v2 import MeteoraDammV2
from deploy.vectors.meteora_dlmm import MeteoraDlmm
from deploy.vectors.raydium_amm_v4 import RaydiumAmmV4
from deploy.vectors.raydium_clmm import RaydiumClmm, RaydiumClmm2026
from deploy.vectors.raydium_cpmm import RaydiumCpmm

ADAPTERS: tuple[Adapter, ...] = (
    RaydiumAmmV4(),
    RaydiumCpmm(),
    RaydiumClmm(),
    RaydiumClmm2026(),
    MeteoraDammV1(),
    MeteoraDammV2(),
    MeteoraDlmm(),
)


def adapter_of(file: VectorFile) -> Adapter | None:
    """The adapter for a swap file: by its set, else by the program that ran; None for any other."""
    named = adapter_named(file.set_name)
    if named is not None or file.program is None:
        return named
    return next((adapter for adapter in ADAPTERS if adapter.kind.program_id == file.program), None)


def adapter_named(set_name: str) -> Adapter | None:
    """The adapter of the set called `set_name`, None when there is none."""
    return next((adapter for adapter in ADAPTERS if adapter.set_name == set_name), None)
