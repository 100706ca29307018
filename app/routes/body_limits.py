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
from app.schema.job_options import FILES
from app.services.bodies import unpacked_limit
from worker.contract.coded_file import MEDIA_TYPE

_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_FILE = MEDIA_TYPE, "application/octet-stream"
_OVERHEAD_BYTES = 64 * 1024
"""Limit of a JSON body, and of a multipart body without its files."""
_log = structlog.get_logger("pixelrnn.api")


class BodyRoute(KnownQueryRoute):
    """Refuses with 413 and 415. FastAPI's own `max_body_size` does too, but answers in plain text."""

    def takes_other_parameters(self, request: Request) -> bool:
        """An array comes with the form's fields in the query, and the form's model judges them."""
        return _form_of(self) is not None and _declared_type(request) == NPY

    def get_checked_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_checked_handler()
        form = _form_of(self)
        is_file = self.body_field is None
        expected = (
            _FILE if is_file else (_JSON,) if form is None else (_MULTIPART, _JSON, NPY)
        )

        async def checked(request: Request) -> Response:
            sent = checked_type(request, expected)
            services: Services = request.app.state.services
            file_bytes = services.settings.max_upload_bytes
            with services.bodies.place(request.state.caller.account) as place:
                request.state.place = place
                receive = limited(
                    request,
                    _limit(sent, is_file, form is not None, file_bytes),
                    place.expect,
                )
                if form is not None and sent != _MULTIPART:
                    return await self.endpoint(
                        await _form_sent_otherwise(request, receive, sent, form),
                        request,
                    )
                body = Request(request.scope, receive)
                if (
                    form is not None
                ):  # what is read here FastAPI finds read; it would call each refusal a 400
                    await expect_lone_files(
                        await read_parts(body.form(**self.form_limits)), form
                    )
                elif not is_file:
                    await body.body()
                return await handle(body)

        return checked


async def _form_sent_otherwise(
    request: Request, receive: Receive, sent: str, form: type[Form]
) -> Form:
    """The form of a body of JSON, or of an array. Only what this returns holds bytes of it."""
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
    """Read a multipart body. Raises TooManyBytesError where it cannot be kept."""
    try:
        return await sent
    except FormParserError:
        raise HTTPException(400, "expected a body of multipart/form-data") from None
    except (
        OSError
    ) as error:  # long files lie in the directory for temporary ones meanwhile
        _log.error("upload_not_written", reason=str(error))
        raise TooManyBytesError(
            "this server has no room for a long body; send it again in a moment"
        ) from None


async def expect_lone_files(parts: FormData, form: type[BaseModel]) -> None:
    """BadParameterError for several files where one is taken: of those FastAPI would take the last."""
    for role, field in form.model_fields.items():
        if (
            field.annotation in (UploadFile, UploadFile | None)
            and len(parts.getlist(role)) > 1
        ):
            await parts.close()
            raise BadParameterError(
                f"{role}: expected one file, not several", field=role
            )


def largest_request(file_bytes: int) -> int:
    """Return the bytes of the largest body of a call, and of what is unpacked of it."""
    body = _limit(_JSON, is_file=False, is_form=True, file_bytes=file_bytes)
    return body + unpacked_limit(file_bytes)


def _limit(sent: str, is_file: bool, is_form: bool, file_bytes: int) -> int:
    """How many bytes a body of this type may have."""
    if is_file or sent == NPY:
        return file_bytes
    if not is_form:
        return _OVERHEAD_BYTES
    return _OVERHEAD_BYTES + (
        json_limit(file_bytes) if sent == _JSON else len(FILES) * file_bytes
    )


def _form_of(route: APIRoute) -> type[BaseModel] | None:
    """The model of a route that takes a form. Such a route's endpoint takes the form and the request, in this order."""
    found = route.body_field and route.body_field.field_info
    return (
        cast(type[BaseModel], found.annotation)
        if isinstance(found, params.Form)
        else None
    )


def _declared_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def checked_type(request: Request, expected: Sequence[str]) -> str:
    """The one of the expected types that is sent; the first if nothing is sent."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongMediaTypeError(
            "compressed bodies are not taken; send it without Content-Encoding"
        )
    if "content-type" not in request.headers and not _has_body(request):
        return expected[0]  # the missing fields are the better answer
    kind = _declared_type(request)
    if kind not in expected:
        raise WrongMediaTypeError(
            f"expected a body of the type {' or '.join(expected)}"
        )
    return kind


def _has_body(request: Request) -> bool:
    return (
        request.headers.get("content-length", "0") != "0"
        or "transfer-encoding" in request.headers
    )


def limited(
    request: Request, limit: int, expect: Callable[[int], None] = lambda _: None
) -> Receive:
    """A `receive` that raises TooLargeError at the first byte too many, TooManyBytesError where there is no place for
    more, and HTTPException when the client leaves in the middle. What is declared is judged at once. expect: has room
    for so many bytes in all."""
    declared = int(_digits(request.headers.get("content-length")))
    if declared > limit:
        raise _too_large(limit)
    expect(declared)
    total, is_whole = 0, False

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
    return (
        text if text and text.isascii() and text.isdigit() and len(text) < 20 else "0"
    )
