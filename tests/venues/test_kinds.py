"""The registry of pool kinds."""

import pytest
from solders.pubkey import Pubkey

from activities.venues.kinds import KINDS, by_name, by_program
from activities.venues.pool import PoolKind


def test_every_kind_is_found_by_its_program_and_its_name() -> None:
    assert len(KINDS) == len({kind.program_id for kind in KINDS}) == len({kind.name for kind in KINDS})
    for kind in KINDS:
        assert by_program(kind.program_id) is kind
        assert by_name(kind.name) is kind
        assert kind.venue in ("raydium", "meteora")


def test_other_programs_and_names_are_no_kind() -> None:
    assert by_program(Pubkey.default()) is None
    with pytest.raises(KeyError):
        by_name("orca")


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_codes_with_a_meaning_have_a_name(kind: PoolKind) -> None:
    named = set(kind.error_names)
    assert kind.slippage_codes <= named
    assert kind.closed_codes <= named
    assert kind.slippage_codes
