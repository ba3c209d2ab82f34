"""A swap that has landed is never called failed because a node cannot show it."""

from dataclasses import dataclass, field

import pytest
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction_status import EncodedConfirmedTransactionWithStatusMeta

from activities.solana import fill_reader
from activities.solana.errors import ChainUnavailable
from activities.solana.fill_reader import FillReader, Traded
from activities.solana.fills import FillUnreadable
from workflows.domain.order import Fill

FILL = Fill(amount_in=5, amount_out=7, fee_lamports=1, slot=9)
TRADED = Traded(Pubkey.new_unique(), Pubkey.new_unique(), Pubkey.new_unique())


@dataclass
class Node:
    """Gives one answer after the other, the last one for ever: an exception, what `read_fill` makes of it, or None."""

    host: str
    answers: list[object] = field(default_factory=list)
    asked: int = 0

    async def transaction(self, signature: Signature) -> EncodedConfirmedTransactionWithStatusMeta | None:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ChainUnavailable):
            raise answer
        return answer  # type: ignore[return-value]


class Nodes:
    def __init__(self, *nodes: Node) -> None:
        self._nodes = nodes

    def nodes(self) -> tuple[Node, ...]:
        return self._nodes


@pytest.fixture(autouse=True)
def _reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(landed: object, *_: object) -> Fill:
        if isinstance(landed, Exception):
            raise landed
        assert isinstance(landed, Fill)
        return landed

    monkeypatch.setattr(fill_reader, "read_fill", read)


async def read(*nodes: Node) -> Fill | None:
    pauses = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    fill = await FillReader(Nodes(*nodes), sleep).read(Signature.new_unique(), TRADED)
    assert pauses == sorted(pauses)
    return fill


@pytest.mark.parametrize(
    "trouble", [None, ChainUnavailable("down"), FillUnreadable("no balances"), KeyError("nobody foresaw this")]
)
async def test_what_one_node_cannot_show_the_next_one_does(trouble: object) -> None:
    first, second = Node("a", [trouble]), Node("b", [FILL])
    assert await read(first, second) == FILL
    assert (first.asked, second.asked) == (1, 1)


async def test_a_node_that_has_it_later_is_asked_again() -> None:
    assert await read(Node("a", [None, ChainUnavailable("busy"), KeyError("?"), FILL])) == FILL


async def test_each_reason_is_told_once_and_in_the_end_that_nobody_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    node = Node("a", [ChainUnavailable("down")] * 3 + [KeyError("nobody foresaw this")])
    assert await read(node) is None
    assert node.asked > 4
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "WARNING"]
    assert "a: down" in caplog.text
    assert "nobody foresaw this" in caplog.text
    assert "no node shows it" in caplog.text


async def test_while_every_node_rests_nobody_is_asked() -> None:
    assert await read() is None
