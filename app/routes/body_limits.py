"""Routes that take a body: its declared type, encoding and size are checked before it
is parsed, and its bytes are counted while they arrive.

A form may be sent as multipart/form-data, as JSON, or as an array with its other fields
in the query. A route that declares no body takes a file as it is.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, cast

import structlog
from anyio.to_thread import run_sync
from fastapi import Request, Response, UploadFile, params
from fastapi.routing import APIRoute
from pydantic import BaseModel
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from app.dependencies import Services
from app.errors import (
    BadParameterError,
    TooLargeError,
    TooManyBytesError,
    WrongMediaTypeError,
)
from app.imaging.npy import MEDIA_TYPE as NPY
from app.routes.json_forms import Form, json_limit, read_array_form, read_form
from app.routes.known_query import KnownQueryRoute
from app.services.bodies import unpacked_limit
from worker.contract.coded_file import MEDIA_TYPE
from worker.contract.kind import FILES

_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_FILE = MEDIA_TYPE, "application/octet-stream"
_CHARSETS = frozenset(
    {b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin-1"}
)
"""Values of `charset` of a form, in lower case. Starlette decodes names and values by
any codec of Python, and some of these need minutes for a megabyte, or raise errors that
it does not expect."""
_OVERHEAD_BYTES = 64 * 1024
"""Limit of a JSON body, and of a multipart body without its files."""
_log = structlog.get_logger("pixelrnn.api")


class BodyRoute(KnownQueryRoute):
    """A route that responds with 413 and 415 to bodies that it does not take. FastAPI's
    own `max_body_size` does so too, but in plain text."""

    def takes_other_parameters(self, request: Request) -> bool:
        """Return True for an array, whose query has the fields of a form: the form's
        model checks them."""
        return _form_of(self) is not None and _declared_type(request) == NPY

    def get_checked_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that checks a body's type and length while it reads it."""
        handle = super().get_checked_handler()
        form = _form_of(self)
        is_file = self.body_field is None
        if is_file:
            expected = _FILE
        elif form is None:
            expected = (_JSON,)
        else:
            expected = (_MULTIPART, _JSON, NPY)

        async def checked(request: Request) -> Response:
            sent = checked_type(request, expected)
            services: Services = request.app.state.services
            file_bytes = services.settings.max_upload_bytes
            limit = _limit(sent, is_file, form is not None, file_bytes)
            with services.bodies.place(request.state.caller.account) as place:
                request.state.place = place
                receive = limited(request, limit, place.expect)
                if form is not None and sent != _MULTIPART:
                    other = await _form_sent_otherwise(request, receive, sent, form)
                    return await self.endpoint(other, request)
                body = Request(request.scope, receive)
                # FastAPI uses what has been read here. If it read the body itself, it
                # would turn every refusal into a 400.
                if form is not None:
                    parts = await read_parts(body.form(**self.form_limits))
                    await expect_lone_files(parts, form)
                elif not is_file:
                    await body.body()
                return await handle(body)

        return checked


async def _form_sent_otherwise(
    request: Request, receive: Receive, sent: str, form: type[Form]
) -> Form:
    """Read a form that is sent as JSON or as an array. Nothing keeps the body's bytes
    but the form."""
    services: Services = request.app.state.services
    body = await Request(request.scope, receive).body()
    if sent == NPY:
        return read_array_form(body, request.query_params, form)
    return await run_sync(
        read_form,
        body,
        form,
        services.settings.max_upload_bytes,
        limiter=services.imaging,
    )


async def read_parts(sent: Awaitable[FormData]) -> FormData:
    """Read a multipart body. Raises HTTPException (400) if it is malformed,
    TooManyBytesError if there is no room on the disk for its files."""
    try:
        return await sent
    except FormParserError:
        raise HTTPException(400, "expected a body of multipart/form-data") from None
    # Long files are written to the directory of temporary files.
    except OSError as error:
        _log.error("upload_not_written", reason=str(error))
        raise TooManyBytesError(
            "this server has no room for a long body; send it again in a moment"
        ) from None


async def expect_lone_files(parts: FormData, form: type[BaseModel]) -> None:
    """Raise BadParameterError, and close the parts, if several files were sent in a
    field that takes one: FastAPI would take the last of them."""
    for role, field in form.model_fields.items():
        takes_one = field.annotation in (UploadFile, UploadFile | None)
        if takes_one and len(parts.getlist(role)) > 1:
            await parts.close()
            raise BadParameterError(
                f"{role}: expected one file, not several", field=role
            )


def largest_request(file_bytes: int) -> int:
    """Return the bytes of the largest body of a call, with what is unpacked from it.

    file_bytes: limit of one file.
    """
    body = _limit(_JSON, is_file=False, is_form=True, file_bytes=file_bytes)
    return body + unpacked_limit(file_bytes)


def _limit(sent: str, is_file: bool, is_form: bool, file_bytes: int) -> int:
    """Return the bytes that a body of this type may have, all parts together."""
    if is_file or sent == NPY:
        return file_bytes
    if not is_form:
        return _OVERHEAD_BYTES
    if sent == _JSON:
        return _OVERHEAD_BYTES + json_limit(file_bytes)
    return _OVERHEAD_BYTES + len(FILES) * file_bytes


def _form_of(route: APIRoute) -> type[BaseModel] | None:
    """Return the model of a route that takes a form; None for other routes. The
    endpoint of such a route takes the form and the request, in this order."""
    found = route.body_field and route.body_field.field_info
    if not isinstance(found, params.Form):
        return None
    return cast(type[BaseModel], found.annotation)


def _declared_type(request: Request) -> str:
    """Return the media type of a request's body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def checked_type(request: Request, expected: Sequence[str]) -> str:
    """Return the media type of a body, which is one of `expected`; the first of them if
    there is no body. Raises WrongMediaTypeError."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongMediaTypeError(
            "compressed bodies are not taken; send it without Content-Encoding"
        )
    if "content-type" not in request.headers and not _has_body(request):
        # The error about missing fields, which follows, says more.
        return expected[0]
    kind = _declared_type(request)
    if kind not in expected:
        raise WrongMediaTypeError(
            f"expected a body of the type {' or '.join(expected)}"
        )
    if kind == _MULTIPART:
        _expect_charset(request.headers["content-type"])
    return kind


def _expect_charset(content_type: str) -> None:
    """Raise WrongMediaTypeError if a form declares a charset that is not in
    _CHARSETS."""
    # Starlette's own function, so that both find the same charset.
    _, parameters = parse_options_header(content_type)
    charset = parameters.get(b"charset")
    if charset is not None and charset.strip().lower() not in _CHARSETS:
        raise WrongMediaTypeError("expected a form in UTF-8: send no charset")


def _has_body(request: Request) -> bool:
    return (
        request.headers.get("content-length", "0") != "0"
        or "transfer-encoding" in request.headers
    )


def limited(
    request: Request, limit: int, expect: Callable[[int], None] = lambda _: None
) -> Receive:
    """Return the ASGI `receive` of a request, with a limit on the bytes of its body.

    It raises TooLargeError at the first byte above the limit, HTTPException (400) if
    the client leaves before the end, and TooManyBytesError. A declared length is
    checked at once.

    expect: called with the bytes so far; it raises TooManyBytesError if this process
        has no room for them.
    """
    declared = int(_digits(request.headers.get("content-length")))
    if declared > limit:
        raise _too_large(limit)
    expect(declared)
    total = 0
    is_whole = False

    async def receive() -> Message:
        nonlocal total, is_whole
        message = await request.receive()
        if message["type"] == "http.disconnect" and not is_whole:
            raise HTTPException(400, "the client left before its request was there")
        total += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if total > limit:
            raise _too_large(limit)
        expect(total)
        return message

    return receive


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"a body may have {limit} bytes here")


def _digits(text: str | None) -> str:
    """Return a number as text; "0" if the text is missing or is not a number."""
    if text and text.isascii() and text.isdigit() and len(text) < 20:
        return text
    return "0"
