"""The web page: static files, read once, served compressed, and kept by browsers for as long as they are these."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from workflows.domain.errors import EngineError, ErrorCode

router = APIRouter(include_in_schema=False)

_DIRECTORY = Path(__file__).parents[1] / "web"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# What the page calls the folder of its files; each release has another one, so that no browser mixes two.
_PLACEHOLDER = b"/web/release/"

_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    compressed: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class _Site:
    release: str
    files: Mapping[str, _File]
    page: _File


@router.get("/")
async def page(request: Request) -> Response:
    """The page. It names the files of its release, so it is asked for each time."""
    site = _site()
    tag = f'"{site.release}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        # With its type: from that follows which policy it gets, and a browser takes the policy of this answer.
        return Response(status_code=304, media_type=site.page.media_type, headers=headers)
    return _answer(request, site.page, headers)


@router.get("/web/{release}/{path:path}")
async def file(request: Request, release: str, path: str) -> Response:
    """A file of the page. Raises EngineError `resource_not_found`, for those of another release too."""
    site = _site()
    found = site.files.get(path) if release == site.release else None
    if found is None:
        raise EngineError(ErrorCode.RESOURCE_NOT_FOUND, f"there is no {request.url.path}")
    return _answer(request, found, {"Cache-Control": _FOR_EVER})


def _answer(request: Request, found: _File, headers: dict[str, str]) -> Response:
    headers = headers | {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.compressed, media_type=found.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(found.content, media_type=found.media_type, headers=headers)


@cache
def _site() -> _Site:
    paths = sorted(path for path in _DIRECTORY.rglob("*") if path.suffix in _TYPES)
    contents = {path.relative_to(_DIRECTORY).as_posix(): path.read_bytes() for path in paths}
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    release = digest.hexdigest()[:16]
    page = contents.pop("index.html").replace(_PLACEHOLDER, f"/web/{release}/".encode())
    return _Site(release, {name: _file(name, content) for name, content in contents.items()}, _file(".html", page))


def _file(name: str, content: bytes) -> _File:
    return _File(content, gzip.compress(content, mtime=0), _TYPES[Path(name).suffix or name])
