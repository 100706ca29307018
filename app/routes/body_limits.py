"""Routes that take a body. Its declared type, encoding and size are checked before it is parsed; a form may be JSON, or
an array with its other fields in the query. A route that declares no body takes a file as it is."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from anyio.to_thread import run_sync
from fastapi import Request, Response, params
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from app.errors import TooLargeError, WrongMediaTypeError
from app.imaging.npy import MEDIA_TYPE as NPY
from app.routes.json_forms import json_limit, read_array_form, read_form
from app.routes.known_query import KnownQueryRoute
from app.schema.request_bodies import FILES
from worker.contract.coded_file import MEDIA_TYPE

_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_FILE = MEDIA_TYPE, "application/octet-stream"
_OVERHEAD_BYTES = 64 * 1024
"""Limit of a JSON body, and of a multipart body without its files."""


class BodyRoute(KnownQueryRoute):
    """Refuses with 413 and 415. FastAPI's own `max_body_size` does too, but answers in plain text."""

    def takes_further_words(self, request: Request) -> bool:
        """An array comes with the form's fields in the query, and the form's model judges them."""
        is_form = _form_of(self) is not None
        return super().takes_further_words(request) or (is_form and _declared_type(request) == NPY)

    def get_checked_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_checked_handler()
        form = _form_of(self)
        is_file = self.body_field is None
        expected = _FILE if is_file else (_JSON,) if form is None else (_MULTIPART, _JSON, NPY)

        async def checked(request: Request) -> Response:
            sent = _checked_type(request, expected)
            file_bytes = request.app.state.settings.max_upload_bytes
            limited = Request(request.scope, _limited(request, _limit(sent, is_file, form is not None, file_bytes)))
            try:
                if form is None or sent == _MULTIPART:
                    return await handle(limited)
                body, threads = await limited.body(), request.app.state.services.imaging
            except _TooManyBytesError as error:
                raise TooLargeError(error.detail) from None
            if sent == NPY:
                return await self.endpoint(read_array_form(body, request.query_params, form), request)
            return await self.endpoint(await run_sync(read_form, body, form, file_bytes, limiter=threads), request)

        return checked


def _limit(sent: str, is_file: bool, is_form: bool, file_bytes: int) -> int:
    """How many bytes a body of this type may have."""
    if is_file or sent == NPY:
        return file_bytes
    if not is_form:
        return _OVERHEAD_BYTES
    return _OVERHEAD_BYTES + (json_limit(file_bytes) if sent == _JSON else len(FILES) * file_bytes)


def _form_of(route: APIRoute) -> type[BaseModel] | None:
    """The model of a route that takes a form. Such a route's endpoint takes the form and the request, in this order."""
    found = route.body_field and route.body_field.field_info
    return cast(type[BaseModel], found.annotation) if isinstance(found, params.Form) else None


class _TooManyBytesError(HTTPException):
    """An HTTPException, because FastAPI's body parser turns everything else into 400."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, _too_many(limit))


def _too_many(limit: int) -> str:
    return f"a body may have {limit} bytes here"


def _declared_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _checked_type(request: Request, expected: Sequence[str]) -> str:
    """The one of the expected types that is sent; the first if nothing is sent."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongMediaTypeError("compressed bodies are not taken; send it without Content-Encoding")
    if "content-type" not in request.headers and not _has_body(request):
        return expected[0]  # the missing fields are the better answer
    kind = _declared_type(request)
    if kind not in expected:
        raise WrongMediaTypeError(f"expected a body of the type {' or '.join(expected)}")
    return kind


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _limited(request: Request, limit: int) -> Receive:
    """A `receive` that raises _TooManyBytesError at the first byte too many. Raises TooLargeError at once when too
    many are declared."""
    if int(_digits(request.headers.get("content-length"))) > limit:
        raise TooLargeError(_too_many(limit))
    total = 0

    async def receive() -> Message:
        nonlocal total
        message = await request.receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise _TooManyBytesError(limit)
        return message

    return receive


def _digits(text: str | None) -> str:
    return text if text and text.isascii() and text.isdigit() and len(text) < 20 else "0"
