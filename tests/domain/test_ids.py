"""Names that must never change: a changed one would let an order be made twice or a trade be lost sight of."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.domain.ids import derived_order_id, is_order_id, memo, new_order_id, parse_memo, workflow_id

ORDER_IDS = st.builds(new_order_id, st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))


class TestDerivedIds:
    @pytest.mark.parametrize(
        ("account", "key", "order_id"),
        [
            ("local", "first", "6d7233b4-9e6d-551a-bb9d-f5e5d3bc3e8f"),
            ("local", "", "14e34f66-489f-5234-a6f1-c528a57805d2"),
            ("desk-7", "7f0c", "dd730767-7441-5084-8e68-2ab23cef2c01"),
            ("café", "ключ", "54af4cbf-9910-5d68-a3de-ad71b16a8a2b"),
        ],
    )
    def test_a_key_leads_to_the_same_order_in_every_version(self, account: str, key: str, order_id: str) -> None:
        assert derived_order_id(account, key) == order_id

    def test_accounts_do_not_share_keys(self) -> None:
        pairs = [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc"), ("a", "b")]
        assert len({derived_order_id(*pair) for pair in pairs}) == len(pairs)

    @given(st.text(), st.text())
    def test_a_derived_id_is_an_order_id(self, account: str, key: str) -> None:
        assert is_order_id(derived_order_id(account, key))


class TestNewIds:
    @given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
    def test_an_id_is_a_version_7_uuid_of_its_time(self, unix_ms: int, randomness: bytes) -> None:
        value = UUID(new_order_id(unix_ms, randomness))
        assert (value.version, value.variant) == (7, "specified in RFC 4122")
        assert value.int >> 80 == unix_ms
        # All 74 bits that the version and variant leave are random.
        tail = int.from_bytes(randomness, "big")
        free = (2**80 - 1) & ~(0xF << 76) & ~(0x3 << 62)
        assert value.int & free == tail & free

    @given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
    def test_a_later_id_sorts_later(self, unix_ms: int, first: bytes, second: bytes) -> None:
        assert new_order_id(unix_ms, first) < new_order_id(unix_ms + 1, second)

    def test_a_known_id(self) -> None:
        assert new_order_id(0x0123_4567_89AB, bytes(range(10))) == "01234567-89ab-7001-8203-040506070809"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "order-01234567-89ab-7001-8203-040506070809",
        "01234567-89AB-7001-8203-040506070809",
        "0123456789ab70018203040506070809",
        "{01234567-89ab-7001-8203-040506070809}",
        " 01234567-89ab-7001-8203-04050607080",
    ],
)
def test_only_the_canonical_form_is_an_order_id(text: str) -> None:
    assert not is_order_id(text)


def test_the_workflow_of_an_order_is_named_after_it() -> None:
    assert workflow_id("01234567-89ab-7001-8203-040506070809") == "order-01234567-89ab-7001-8203-040506070809"


class TestMemo:
    @given(ORDER_IDS, st.integers(1, 9999))
    def test_a_memo_is_read_back_from_what_a_node_reports(self, order_id: str, attempt: int) -> None:
        text = memo(order_id, attempt)
        assert parse_memo(text) == (order_id, attempt)
        # getSignaturesForAddress reports "[length] text", several memos joined by "; ".
        assert parse_memo(f"[{len(text)}] {text}") == (order_id, attempt)
        assert parse_memo(f"[5] hello; [{len(text)}] {text}") == (order_id, attempt)

    @given(ORDER_IDS)
    def test_a_memo_is_short_enough_to_cost_little(self, order_id: str) -> None:
        assert len(memo(order_id, 100)) <= 48

    @pytest.mark.parametrize(
        "text", ["", "hello", "order:", "order:x:1", "order:01234567-89AB-7001-8203-040506070809:1"]
    )
    def test_another_memo_is_not_ours(self, text: str) -> None:
        assert parse_memo(text) is None

    @given(st.text())
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        found = parse_memo(text)
        assert found is None or is_order_id(found[0])
