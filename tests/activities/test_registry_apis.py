"""Pools by the venues' HTTP APIs, against a server that answers in their shapes or misbehaves."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from solders.pubkey import Pubkey

from activities.finding import apis, http
from activities.finding.apis import ApiSource
from activities.finding.chain import ChainSource
from activities.finding.file import FileSource
from activities.finding.meteora_apis import MeteoraDammV1Api, MeteoraGroupApi
from activities.finding.raydium_api import RaydiumApi
from activities.finding.sources import pool_source
from activities.settings import PoolSettings, PoolSourceName
from tests.activities.registry_world import BONK, SOL, USDC, genesis_chain
from tests.servers import free_port

FIRST, SECOND, TABLE = (Pubkey.from_bytes(bytes([number]) * 32) for number in (1, 2, 3))
GROUP = f"{USDC.mint}-{SOL.mint}"
Query = dict[str, list[str]]


def raydium(*pools: Pubkey, more: bool = False) -> Any:
    entries = [
        {
            "type": "Concentrated",
            "programId": "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK",
            "id": str(pool),
            "mintA": {"chainId": 101, "address": SOL.mint, "symbol": "WSOL", "decimals": 9},
            "mintB": {"chainId": 101, "address": USDC.mint, "symbol": "USDC", "decimals": 6},
            "price": 151.25,
            "mintAmountA": 20311.5,
            "mintAmountB": 1904417.25,
            "feeRate": 0.0004,
            "tvl": 4976000.5,
        }
        for pool in pools
    ]
    return {"id": "0b", "success": True, "data": {"count": len(entries), "data": entries, "hasNextPage": more}}


def raydium_keys(**tables: str) -> Any:
    entries = [{"id": pool, "programId": "CAMM", "lookupTableAccount": table} for pool, table in tables.items()]
    return {"id": "0c", "success": True, "data": [*entries, None, {"id": str(SECOND), "programId": "CPMM"}]}


def group(*pools: Pubkey, page: int = 1, pages: int = 1) -> Any:
    data = [
        {
            "address": str(pool),
            "name": "SOL-USDC",
            "token_x": {"address": SOL.mint, "symbol": "SOL", "decimals": 9},
            "token_y": {"address": USDC.mint, "symbol": "USDC", "decimals": 6},
            "current_price": 151.3,
            "tvl": 5101000.0,
            "is_blacklisted": False,
        }
        for pool in pools
    ]
    return {"total": len(data), "pages": pages, "current_page": page, "page_size": 100, "data": data}


def search(*pools: Pubkey, page: int = 0, total: int | None = None) -> Any:
    data = [{"pool_address": str(pool), "pool_token_mints": [SOL.mint, USDC.mint], "pool_tvl": "1"} for pool in pools]
    return {"data": data, "page": page, "total_count": len(data) if total is None else total}


@dataclass
class Venue:
    """An HTTP server whose answers a test decides: JSON, bytes, or (status, JSON) per path and query."""

    answer: Callable[[str, Query], Any] = lambda path, query: (404, {})
    asked: list[tuple[str, Query]] = field(default_factory=list)
    agents: set[str | None] = field(default_factory=set)
    url: str = ""


class Server(ThreadingHTTPServer):
    """A server whose clients may hang up in the middle of an answer."""

    def handle_error(self, *_: object) -> None:
        """They did."""


@pytest.fixture
def venue() -> Iterator[Venue]:
    venue = Venue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            venue.asked.append((parts.path, query))
            venue.agents.add(self.headers["User-Agent"])
            answer = venue.answer(parts.path, query)
            status, content = answer if isinstance(answer, tuple) else (200, answer)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        venue.url = f"http://127.0.0.1:{server.server_port}"
        yield venue
        server.shutdown()
        thread.join()


def damm_v1(venue: Venue) -> ApiSource:
    return ApiSource([MeteoraDammV1Api("meteora damm v1 api", venue.url)])


def groups(venue: Venue) -> ApiSource:
    return ApiSource([MeteoraGroupApi("meteora dlmm api", f"{venue.url}/")])


def raydium_api(venue: Venue) -> ApiSource:
    return ApiSource([RaydiumApi("raydium api", venue.url)])


async def test_raydium_lists_pools_of_a_pair_by_pages_and_their_lookup_tables(venue):
    def answer(path: str, query: Query) -> Any:
        if path == "/pools/key/ids":
            return raydium_keys(**{str(FIRST): str(TABLE)})
        return raydium(FIRST, more=True) if query["page"] == ["1"] else raydium(SECOND)

    venue.answer = answer
    found = await raydium_api(venue).find([SOL, USDC])
    assert found.pools == {FIRST: TABLE, SECOND: None}
    assert found.problems == ()
    asked = {"mint1": [USDC.mint], "mint2": [SOL.mint], "poolType": ["all"], "pageSize": ["100"], "sortType": ["desc"]}
    assert [path for path, _ in venue.asked] == ["/pools/info/mint", "/pools/info/mint", "/pools/key/ids"]
    assert venue.asked[0][1] == asked | {"poolSortField": ["default"], "page": ["1"]}
    assert venue.asked[2][1] == {"ids": [f"{FIRST},{SECOND}"]}
    assert venue.agents == {"order-engine"}


async def test_raydium_pools_count_without_their_lookup_tables(venue):
    venue.answer = lambda path, _: raydium(FIRST) if path == "/pools/info/mint" else (500, {})
    found = await raydium_api(venue).find([SOL, USDC])
    assert found.pools == {FIRST: None}
    assert found.problems == ("raydium api: no lookup tables: HTTP 500 Internal Server Error",)


@pytest.mark.parametrize("table", ["11111111111111111111111111111111", "nonsense", "", None, 7])
async def test_what_is_no_lookup_table_is_none(venue, table):
    keys = {
        "success": True,
        "data": [{"id": str(FIRST), "lookupTableAccount": table}, {"id": None}, {"id": str(TABLE)}],
    }
    venue.answer = lambda path, _: raydium(FIRST) if path == "/pools/info/mint" else keys
    found = await raydium_api(venue).find([SOL, USDC])
    assert (found.pools, found.problems) == ({FIRST: None}, ())


async def test_meteora_lists_pools_of_a_group_by_pages(venue):
    venue.answer = lambda _, query: group(
        FIRST if query["page"] == ["1"] else SECOND, page=int(query["page"][0]), pages=2
    )
    found = await groups(venue).find([SOL, USDC])
    assert (found.pools, found.problems) == ({FIRST: None, SECOND: None}, ())
    assert venue.asked == [
        (f"/pools/groups/{GROUP}", {"page": ["1"], "page_size": ["100"]}),
        (f"/pools/groups/{GROUP}", {"page": ["2"], "page_size": ["100"]}),
    ]


async def test_meteora_damm_v1_counts_its_pages_from_zero(venue):
    venue.answer = lambda _, query: search(
        FIRST if query["page"] == ["0"] else SECOND, page=int(query["page"][0]), total=101
    )
    found = await damm_v1(venue).find([SOL, USDC])
    assert (found.pools, found.problems) == ({FIRST: None, SECOND: None}, ())
    pairs = [GROUP, f"{SOL.mint}-{USDC.mint}"]
    assert [(path, query["page"], query["size"], query["include_pool_token_pairs"]) for path, query in venue.asked] == [
        ("/pools/search", ["0"], ["100"], pairs),
        ("/pools/search", ["1"], ["100"], pairs),
    ]


async def test_every_pair_is_asked_for(venue):
    venue.answer = lambda path, _: group(FIRST) if BONK.mint not in path else (404, {"message": "not found"})
    found = await groups(venue).find([SOL, USDC, BONK])
    assert (found.pools, found.problems) == ({FIRST: None}, ())
    assert {path for path, _ in venue.asked} == {
        f"/pools/groups/{GROUP}",
        f"/pools/groups/{BONK.mint}-{USDC.mint}",
        f"/pools/groups/{BONK.mint}-{SOL.mint}",
    }


async def test_apis_are_asked_side_by_side_and_fail_each_for_itself(venue):
    venue.answer = lambda path, _: search(FIRST) if path == "/pools/search" else (503, {})
    source = ApiSource([RaydiumApi("raydium api", venue.url), MeteoraDammV1Api("meteora damm v1 api", venue.url)])
    found = await source.find([SOL, USDC])
    assert found.pools == {FIRST: None}
    assert found.problems == (
        "raydium api failed for 1 of 1 pairs and was not asked any further: HTTP 503 Service Unavailable",
    )


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_overloaded_api_is_left_alone(venue, status):
    venue.answer = lambda _, __: (status, {})
    found = await groups(venue).find([SOL, USDC, BONK])
    assert found.pools == {}
    assert f"was not asked any further: HTTP {status}" in found.problems[0]
    assert len(venue.asked) == 1


@pytest.mark.parametrize("status", [302, 400, 403])
async def test_a_refused_question_is_told_and_the_next_one_asked(venue, status):
    venue.answer = lambda path, _: group(FIRST) if path.endswith(GROUP) else (status, {"message": "no"})
    found = await groups(venue).find([SOL, USDC, BONK])
    assert found.pools == {FIRST: None}
    assert found.problems[0].startswith(f"meteora dlmm api failed for 2 of 3 pairs: HTTP {status}")
    assert len(venue.asked) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b"null",
        b"[]",
        b'{"data": {}}',
        b'{"data": "x", "pages": 1, "current_page": 1}',
        b'{"data": [1], "pages": 1, "current_page": 1}',
        b'{"data": [], "pages": "many", "current_page": 1}',
        b"[" * 100_000,
        b'{"data": [], "pages": 1' + b"0" * 10_000,
    ],
)
async def test_an_answer_of_another_shape_is_a_problem(venue, body):
    venue.answer = lambda _, __: body
    found = await groups(venue).find([SOL, USDC])
    assert found.pools == {}
    assert "unexpected answer" in found.problems[0]


@pytest.mark.parametrize("address", [None, 7, "", "not base58!", str(FIRST)[:-3], "../../etc/passwd", {}, [str(FIRST)]])
async def test_an_entry_without_an_address_is_told_and_the_others_count(venue, address):
    answer = group(FIRST, SECOND)
    answer["data"].insert(1, {"address": address})
    venue.answer = lambda _, __: answer
    found = await groups(venue).find([SOL, USDC])
    assert found.pools == {FIRST: None, SECOND: None}
    assert found.problems == ("meteora dlmm api failed for 1 of 1 pairs: unexpected answer: a pool without an address",)


async def test_pages_without_end_are_given_up(venue):
    venue.answer = lambda _, query: group(FIRST, page=int(query["page"][0]), pages=10**9)
    found = await groups(venue).find([SOL, USDC])
    assert found.pools == {FIRST: None}
    assert len(venue.asked) == apis.MAX_PAGES
    assert "more than 20 pages" in found.problems[0]


async def test_an_empty_page_is_the_last(venue):
    venue.answer = lambda _, __: group(pages=7)
    assert (await groups(venue).find([SOL, USDC])).problems == ()
    assert len(venue.asked) == 1


async def test_an_answer_too_large_is_given_up(venue, monkeypatch):
    monkeypatch.setattr(http, "MAX_BYTES", 1_000)
    venue.answer = lambda _, __: group(FIRST) | {"filler": "x" * 2_000}
    found = await groups(venue).find([SOL, USDC])
    assert "an answer of more than 1000 bytes" in found.problems[0]


async def test_an_api_that_does_not_answer_in_time_is_given_up(venue, monkeypatch):
    monkeypatch.setattr(http, "SECONDS", 0.05)
    answered = threading.Event()
    venue.answer = lambda _, __: (answered.wait(30), group())[1]
    try:
        found = await groups(venue).find([SOL, USDC, BONK])
    finally:
        answered.set()
    assert found.pools == {}
    assert "not asked any further" in found.problems[0]
    # At once: it may be given up before the request has arrived.
    assert len(venue.asked) <= 1


@pytest.mark.parametrize("base", ["http://127.0.0.1:PORT", "nonsense", "ftp://x", "http://[::1", "http://a b"])
async def test_an_address_where_no_api_is_is_a_problem(base):
    nobody = base.replace("PORT", str(free_port()))
    found = await ApiSource([MeteoraGroupApi("meteora dlmm api", nobody)]).find([SOL, USDC])
    assert found.pools == {}
    assert found.problems[0].startswith("meteora dlmm api failed for 1 of 1 pairs and was not asked any further: ")


def settings(**changes: Any) -> PoolSettings:
    return PoolSettings(database_url="postgresql://x@127.0.0.1/x", _env_file=None, **changes)


def test_the_settings_name_the_source():
    chain = genesis_chain()
    assert isinstance(pool_source(settings(), chain), ChainSource)
    file = pool_source(settings(pool_source="file", pool_file="pools.txt"), chain)
    assert isinstance(file, FileSource)
    assert isinstance(pool_source(settings(pool_source="api", pool_file=Path("unused")), chain), ApiSource)
    assert settings(pool_source="api").pool_source is PoolSourceName.API


def test_a_file_source_needs_a_file():
    with pytest.raises(ValueError, match="needed when the pools come from a file"):
        settings(pool_source="file")


async def test_an_api_without_an_address_is_not_asked(venue):
    venue.answer = lambda _, __: search(FIRST)
    empty = {"raydium_api_url": "", "meteora_dlmm_api_url": "", "meteora_damm_v2_api_url": ""}
    chosen = settings(pool_source="api", meteora_damm_v1_api_url=venue.url, **empty)
    found = await pool_source(chosen, genesis_chain()).find([SOL, USDC])
    assert (found.pools, found.problems) == ({FIRST: None}, ())
    assert [path for path, _ in venue.asked] == ["/pools/search"]
