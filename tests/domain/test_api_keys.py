"""API keys: their text, their life, their scopes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.domain.access import NEW_KEY_BYTES, ApiKey, Scope, fingerprint, key_id_of, new_key, parse_scopes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@given(st.binary(min_size=NEW_KEY_BYTES, max_size=NEW_KEY_BYTES))
def test_a_new_key_names_its_id(randomness: bytes):
    key_id, text = new_key(randomness)
    assert key_id_of(text) == key_id
    assert len(fingerprint(text)) == 64


@given(st.binary(min_size=NEW_KEY_BYTES, max_size=NEW_KEY_BYTES), st.data())
def test_each_random_bit_counts(randomness: bytes, data: st.DataObject):
    # The id takes 60 bits of its eight bytes, the secret all of its own.
    bit = data.draw(st.integers(0, NEW_KEY_BYTES * 8 - 1).filter(lambda at: not 60 <= at < 64))
    other = bytearray(randomness)
    other[bit // 8] ^= 0x80 >> bit % 8
    assert new_key(bytes(other))[1] != new_key(randomness)[1]


@given(st.text(max_size=80))
def test_any_other_text_is_no_key(text: str):
    assert key_id_of(text) is None


def test_too_little_randomness_makes_no_key():
    with pytest.raises(ValueError, match="random bytes"):
        new_key(bytes(NEW_KEY_BYTES - 1))


@pytest.mark.parametrize(
    ("expires", "revoked", "usable"),
    [
        (None, None, True),
        (NOW + SECOND, None, True),
        (NOW, None, False),
        (None, NOW + SECOND, True),
        (None, NOW, False),
        (NOW + SECOND, NOW - SECOND, False),
    ],
)
def test_a_key_opens_until_it_expires_or_is_revoked(expires, revoked, usable: bool):
    key = ApiKey(
        id="a" * 12,
        account="desk",
        name="",
        scopes=frozenset({Scope.READ}),
        created_at=NOW - SECOND,
        expires_at=expires,
        revoked_at=revoked,
    )
    assert key.usable(NOW) is usable


def test_scopes_are_read_from_a_list():
    assert parse_scopes("read, trade") == {Scope.READ, Scope.TRADE}
    for text in ("", "read,write", "Read"):
        with pytest.raises(ValueError, match="no scope"):
            parse_scopes(text)
