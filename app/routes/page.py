"""GET / and /playground/...: the page and its files; GET /docs and /openapi.json: the
description of the API; GET /clients/...: options to generate a client. No page loads anything from another server."""

import base64
import hashlib
import json
from types import MappingProxyType
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from app.routes import page_files
from app.routes.caching import IfNoneMatch, has_seen, has_whatever_is_there
from app.wire.compression import takes_gzip
from app.wire.middleware import FOR_EVER

router = APIRouter(include_in_schema=False)

_ALWAYS_ASK = "no-cache"
_HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
        "img-src 'self' blob: data:; font-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types pixelrnn-engine",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }
)
"""Headers of the page itself, which apply to the files that it loads."""

_START = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#docs", deepLinking: true, defaultModelsExpandDepth: 0})'
_DOCS = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>pixelrnn: API</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon.png"></head>
<body><noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> has the same content.</noscript>
<main id="docs"></main><script src="docs/swagger-ui-bundle.js"></script><script>{_START}</script></body></html>"""
_START_HASH = base64.b64encode(hashlib.sha256(_START.encode()).digest()).decode()
_DOCS_POLICY = (
    f"default-src 'none'; script-src 'self' 'sha256-{_START_HASH}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Allows inline styles, because Swagger UI writes some."""

_PYTHON_CLIENT = """\
# openapi-python-client knows bytes by one type only.
content_type_overrides:
  image/png: application/octet-stream
  text/event-stream: application/octet-stream
  application/vnd.pixelrnn: application/octet-stream
  application/zip: application/octet-stream
"""

AcceptEncoding = Annotated[str, Header()]


@router.get("/")
async def page(
    if_none_match: IfNoneMatch = None, accept_encoding: AcceptEncoding = ""
) -> Response:
    """Return the page, or 304 if the client has it: browsers ask at each visit, so that
    they show a new release at once."""
    return _answer(page_files.PAGE, if_none_match, accept_encoding)


@router.get("/playground/{path:path}")
async def page_file(
    path: str, if_none_match: IfNoneMatch = None, accept_encoding: AcceptEncoding = ""
) -> Response:
    """Return a file of the page, or 304 if the client has it.

    path: its name. Pages put the release's tag before it, so that browsers may keep it
        for ever.

    Raises HTTPException (404).
    """
    return _answer(path, if_none_match, accept_encoding)


@router.get("/docs")
async def docs() -> Response:
    """Return the page of Swagger UI, which documents every call and can send it. Its
    files come with the package fastapi-offline."""
    return HTMLResponse(_DOCS, headers={"Content-Security-Policy": _DOCS_POLICY})


@router.get("/openapi.json")
async def schema(request: Request) -> Response:
    """Return the description of the API. FastAPI builds it at the first request, which
    takes so long that a thread does it."""
    return Response(
        await run_sync(lambda: json.dumps(request.app.openapi())),
        media_type="application/json",
    )


@router.get("/clients/openapi-python-client.yml")
async def python_client_options() -> Response:
    """Return the options with which openapi-python-client reads the schema."""
    return Response(_PYTHON_CLIENT, media_type="application/yaml")


def _answer(path: str, seen_tags: str | None, encodings: str) -> Response:
    """Return a file of the page, compressed if the client accepts that, or 304 if the
    client has it. Raises HTTPException (404)."""
    file, is_kept = page_files.release().find(path)
    if file is None:
        raise HTTPException(404)
    packs = bool(file.packed) and takes_gzip(encodings)
    tag = f'"{file.tag}{"-gzip" if packs else ""}"'
    policies = _HEADERS if file.media_type == page_files.HTML else {}
    kept = FOR_EVER if is_kept else _ALWAYS_ASK
    headers = {
        **policies,
        "Vary": "Accept-Encoding",
        "Cache-Control": kept,
        "ETag": tag,
    }
    if has_seen(seen_tags, tag) or has_whatever_is_there(seen_tags):
        return Response(status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(
        file.packed if packs else file.content,
        headers=headers,
        media_type=file.media_type,
    )
