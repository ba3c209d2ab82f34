"""The web page as files: what serves it, how long it is kept, and that it needs nothing from outside."""

import gzip
import re

import httpx

from tests.api.running import Api

PAGE_POLICY = "default-src 'self'"


async def linked(api: Api) -> list[str]:
    page = (await api.http.get("/")).text
    found: list[str] = re.findall(r'(?:src|href)="(/[^"#]*)"', page)
    return [path for path in found if path.startswith("/web/")]


async def test_the_page_is_served_with_a_policy_that_lets_nothing_in_from_outside(shared_api: Api):
    answer = await shared_api.http.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(PAGE_POLICY)
    assert "script-src" not in policy


async def test_an_unchanged_page_is_not_sent_again_and_keeps_its_policy(shared_api: Api):
    tag = (await shared_api.http.get("/")).headers["etag"]
    answer = await shared_api.http.get("/", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["content-security-policy"].startswith(PAGE_POLICY)
    assert (await shared_api.http.get("/", headers={"If-None-Match": '"older"'})).status_code == 200


async def test_every_file_that_the_page_names_is_there_and_kept_for_ever(shared_api: Api):
    paths = await linked(shared_api)
    assert len(paths) >= 8
    for path in paths:
        answer = await shared_api.http.get(path)
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["cache-control"]


async def test_every_module_that_a_module_imports_is_there(shared_api: Api):
    todo = [path for path in await linked(shared_api) if path.endswith("main.js")]
    seen: set[str] = set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = await shared_api.http.get(path)
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8", path
        base = httpx.URL(f"http://page{path}")
        todo += [base.join(name).path for name in re.findall(r'from "(\.[^"]+)"', answer.text)]
    assert len(seen) > 20


async def test_files_are_compressed_for_those_who_take_it(shared_api: Api):
    path = next(path for path in await linked(shared_api) if path.endswith(".css"))
    plain = await shared_api.http.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with shared_api.http.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(raw) == plain.content


async def test_there_are_no_files_of_another_release_and_none_outside(shared_api: Api):
    path = next(path for path in await linked(shared_api) if path.endswith("main.js"))
    release = path.split("/")[2]
    for other in (
        path.replace(release, "0" * 16),
        f"/web/{release}/index.html",
        f"/web/{release}/../routes/web.py",
        f"/web/{release}/%2e%2e/routes/web.py",
        f"/web/{release}/",
    ):
        answer = await shared_api.http.get(other)
        assert (answer.status_code, answer.json()["code"]) == (404, "resource_not_found"), other
