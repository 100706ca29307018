"""GET / and /playground/...: the page and its files. And GET /docs. Neither page loads anything from another server."""

import re
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from app import page_files, reference

router = APIRouter(include_in_schema=False)

_ALWAYS_ASK = "no-cache"
_KEEP = "public, max-age=31536000, immutable"
_HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
)
_NO_GZIP = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")

IfNoneMatch = Annotated[str | None, Header()]
AcceptEncoding = Annotated[str, Header()]


@router.api_route("/", methods=["GET", "HEAD"])
async def page(if_none_match: IfNoneMatch = None, accept_encoding: AcceptEncoding = "") -> Response:
    """The playground: asked for each time, and sent again only when it has changed."""
    return _answer(page_files.PAGE, if_none_match, accept_encoding)


@router.api_route("/playground/{path:path}", methods=["GET", "HEAD"])
async def page_file(path: str, if_none_match: IfNoneMatch = None, accept_encoding: AcceptEncoding = "") -> Response:
    """A file of it. The addresses in the page have the release's tag in them, so that their files are kept for ever."""
    return _answer(path, if_none_match, accept_encoding)


@router.api_route("/docs", methods=["GET", "HEAD"])
async def docs(request: Request) -> Response:
    """Every call, to read."""
    return HTMLResponse(reference.page(request.app.openapi()), headers={"Content-Security-Policy": reference.POLICY})


def _answer(path: str, seen_tag: str | None, encodings: str) -> Response:
    file, is_kept = page_files.release().find(path)
    if file is None:
        raise HTTPException(404)
    packs = bool(file.packed) and "gzip" in encodings and not _NO_GZIP.search(encodings)
    tag = f'"{file.tag}{"-gzip" if packs else ""}"'
    headers = {**_HEADERS, "Cache-Control": _KEEP if is_kept else _ALWAYS_ASK, "ETag": tag}
    if seen_tag == tag:
        return Response(status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(file.packed if packs else file.content, headers=headers, media_type=file.media_type)
