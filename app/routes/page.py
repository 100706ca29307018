"""GET / and /playground/...: the page and its files, as they lie in app/playground. And GET /docs. Neither page loads
anything from another server."""

import hashlib
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from app import reference

router = APIRouter(include_in_schema=False)

_ROOT = Path(__file__).parent.parent / "playground"
_TYPES = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".webp": "image/webp",
    }
)
_HEADERS = MappingProxyType(
    {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)

IfNoneMatch = Annotated[str | None, Header()]


@router.api_route("/", methods=["GET", "HEAD"])
async def page(if_none_match: IfNoneMatch = None) -> Response:
    """The playground."""
    return _answer("index.html", if_none_match)


@router.api_route("/playground/{name:path}", methods=["GET", "HEAD"])
async def page_file(name: str, if_none_match: IfNoneMatch = None) -> Response:
    """A file of it: asked for again each time, and sent again only when it has changed."""
    return _answer(name, if_none_match)


@router.api_route("/docs", methods=["GET", "HEAD"])
async def docs(request: Request) -> Response:
    """Every call, to read."""
    return HTMLResponse(reference.page(request.app.openapi()), headers={"Content-Security-Policy": reference.POLICY})


def _answer(name: str, seen_tag: str | None) -> Response:
    path = _path(name)
    content = path.read_bytes()
    headers = {**_HEADERS, "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
    if seen_tag == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=_TYPES[path.suffix])


def _path(name: str) -> Path:
    """Raises HTTPException (404) for everything that is not one of the page's files."""
    if "\0" not in name:
        path = (_ROOT / name).resolve()
        if path.suffix in _TYPES and path.is_relative_to(_ROOT.resolve()) and path.is_file():
            return path
    raise HTTPException(404)
