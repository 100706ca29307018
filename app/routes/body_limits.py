"""Routes that take a body. Its declared type, encoding and size are checked before it is parsed."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response, params
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from app.errors import TooLargeError, WrongMediaTypeError

_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_OVERHEAD_BYTES = 64 * 1024
"""Limit of a JSON body, and of a multipart body without its files."""


class BodyRoute(APIRoute):
    """Refuses with 413 and 415. FastAPI's own `max_body_size` does too, but answers in plain text."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        expected = _MULTIPART if self.body_field and isinstance(self.body_field.field_info, params.Form) else _JSON

        async def checked(request: Request) -> Response:
            _check_type(request, expected)
            limit = _OVERHEAD_BYTES
            if expected == _MULTIPART:
                limit += 2 * request.app.state.settings.max_upload_bytes
            try:
                return await handle(Request(request.scope, _limited(request, limit)))
            except _TooManyBytesError as error:
                raise TooLargeError(error.detail) from None

        return checked


class _TooManyBytesError(HTTPException):
    """An HTTPException, because FastAPI's body parser turns everything else into 400."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, _too_many(limit))


def _too_many(limit: int) -> str:
    return f"a body may have {limit} bytes here"


def _check_type(request: Request, expected: str) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongMediaTypeError("compressed bodies are not taken; send it without Content-Encoding")
    sent = request.headers.get("content-type")
    if sent is None and not _has_body(request):
        return  # the missing fields are the better answer
    if sent is None or sent.partition(";")[0].strip().lower() != expected:
        raise WrongMediaTypeError(f"expected a body of the type {expected}")


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
