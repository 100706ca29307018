"""Turn every failure of the application into a response: problem+json, or OpenAI's
error format for its clients."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import InvalidResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app import problems
from app.access.origins import is_preflight
from app.errors import BadParameterError, RefusedError, StoreDownError
from app.redis_connections import STORE_TROUBLE, StoreRefusesError
from app.schema import openai
from app.schema.answers import PROBLEM_TYPE, FieldError, Problem
from worker.contract.added import NAME
from worker.contract.durability import CLUSTER
from worker.contract.kinds.train import SIZE_PATTERN
from worker.contract.size import MAX_SIDE, PATTERN
from worker.contract.trouble import locked_out

_EXPECTED_OBJECT = "Input should be a valid dictionary or object to extract fields from"
# Pydantic's messages, and what this service says instead.
_OWN_WORDS = {
    "Field required": "expected this field, which is not there",
    "Extra inputs are not permitted": "this call has no such field",
    _EXPECTED_OBJECT: "expected an object with fields",
}
_NUMBER = re.compile("^Input should be (?=greater|less)")
_BEGINNING = re.compile("^(Input should be|(String|List) should have)")
_NOISE = re.compile(", unable to .*| after validation")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_log = structlog.get_logger("pixelrnn.api")


def install(app: FastAPI) -> None:
    """Register the handlers that answer refusals, invalid requests, HTTP exceptions and
    failures of the store with a problem body. Any other error reaches
    RequestMiddleware, which answers it with response_to_bug."""
    app.add_exception_handler(RefusedError, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for trouble in STORE_TROUBLE:
        app.add_exception_handler(trouble, _on_store_trouble)


def response_to(error: RefusedError, path: str) -> JSONResponse:
    """Return the response to a refusal, for code that runs outside FastAPI's error
    handling, such as a middleware.

    path: that of the request, which decides whether OpenAI's format is used.
    """
    return _response(problems.problem_of(error), path, problems.headers_of(error))


def response_to_bug(error: Exception, path: str) -> JSONResponse:
    """Log an unexpected error, and return the response to it (500).

    path: of the request.
    """
    _log.error("request failed", path=path, exc_info=error)
    detail = "this is a fault of the server, and was logged"
    problem = problems.problem(500, "internal-error", "Internal error", detail)
    return _response(problem, path)


def _response(
    problem: Problem, path: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return a problem as a response. It is not cached, since its reason may pass.

    path: as for `response_to`.
    """
    headers = {"Cache-Control": "no-store", **(headers or {})}
    if path.startswith(openai.PREFIX):
        status, body = openai.error_of(problem)
        return JSONResponse(body, status, headers=headers)
    body = problem.model_dump(exclude_none=True)
    return JSONResponse(body, problem.status, headers=headers, media_type=PROBLEM_TYPE)


async def _on_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusedError)
    return response_to(error, request.url.path)


async def _on_store_trouble(request: Request, error: Exception) -> JSONResponse:
    _log.warning(
        "store trouble",
        error=type(error).__name__,
        reason=str(error)[:200],
        path=request.url.path,
    )
    return response_to(StoreDownError(_sentence_of_trouble(error)), request.url.path)


def _sentence_of_trouble(error: Exception) -> str:
    """Return a sentence for the client about an error of Redis."""
    # Only what an operator can repair is named: Redis's own message may contain more
    # than a client should know.
    reason = locked_out(error)
    if reason:
        return f"Redis does not let this service in: {reason} (see REDIS_URL)"
    if str(error) == CLUSTER:
        return f"{CLUSTER} (see REDIS_URL)"
    if isinstance(error, StoreRefusesError):
        return (
            "Redis refuses: it is full, read-only or cannot write its file, or a right "
            "is missing; try again soon"
        )
    if isinstance(error, InvalidResponse):
        return "the server at REDIS_URL does not answer as Redis does"
    return "Redis did not answer in time; try again soon"


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """Return the response to a request that FastAPI's validation rejected, with the
    first twenty faults."""
    assert isinstance(error, RequestValidationError)
    path = request.url.path
    faults = error.errors()
    no_json = [fault for fault in faults if fault["type"] == "json_invalid"]
    if no_json:
        detail = _sentence_of_json(no_json[0])
        problem = problems.problem(400, "invalid-json", "The body is not JSON", detail)
        return _response(problem, path)
    fields = [
        FieldError(pointer=_pointer(fault["loc"]), detail=_sentence(fault))
        for fault in faults[:20]
    ]
    kind = BadParameterError.problem
    first = f"{fields[0].pointer}: {fields[0].detail}"
    problem = problems.problem(kind.status, kind.slug, kind.title, first, fields)
    return _response(problem, path)


def _sentence_of_json(fault: Mapping[str, Any]) -> str:
    """Return where a body stops being JSON, and what the parser expected there."""
    offset = fault["loc"][-1]
    where = f" at character {offset + 1}" if isinstance(offset, int) else ""
    reason = fault.get("ctx", {}).get("error", "")
    suffix = f": {reason}" if reason else ""
    return f"the body is not valid JSON{where}{suffix}"


def _sentence(fault: Mapping[str, Any]) -> str:
    """Return Pydantic's message, in this service's own words if it is a common one."""
    message: str = fault["msg"].removeprefix("Value error, ")
    if message.startswith("Expected UploadFile"):
        return f"expected a file; curl sends one by -F {fault['loc'][1]}=@FILE"
    if fault["type"] == "missing" and len(fault["loc"]) == 1:
        return "expected a body with the fields of this call"
    if fault["type"] == "string_pattern_mismatch":
        pattern = fault["ctx"]["pattern"]
        if NAME.pattern in pattern:
            return (
                "expected a model's name: at most 64 of a-z 0-9 . _ -, "
                "with a letter or digit first"
            )
        if pattern == PATTERN:
            return (
                "expected WIDTHxHEIGHT, such as 160x96, "
                f"from the model's own size to {MAX_SIDE}x{MAX_SIDE}"
            )
        if pattern == SIZE_PATTERN:
            return "expected WIDTHxHEIGHT, such as 24x16, each from 8 to 64"
        # A part of a shared link (app.routes.share) that was damaged on its way.
        return f"expected a text that matches {pattern}"
    message = _NUMBER.sub("expected a number ", _OWN_WORDS.get(message, message))
    return _BEGINNING.sub("expected", _NOISE.sub("", message))


def _pointer(loc: Sequence[Any]) -> str:
    """Return the location of a fault as a JSON pointer.

    A field's name is text of the client, so it is made valid Unicode and at most 64
    characters. After the field's name, Pydantic lists the types that it tried; only
    list indices are kept of these.
    """
    loc = [*loc[:2], *(part for part in loc[2:] if isinstance(part, int))]
    parts = [str(part).encode("utf-8", "replace").decode()[:64] for part in loc]
    return "#/" + "/".join(parts[1:] if parts and parts[0] == "body" else parts)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Return the response to FastAPI's own refusals: an unknown path, a wrong method, a
    malformed body."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == 404:
        detail = "there is nothing at this path; /docs lists what there is"
    if error.status_code == 405:
        headers["Allow"] = _methods_of_path(request)
        detail = f"this path takes {headers['Allow']}"
        if is_preflight(request.method, request.headers):
            detail = (
                "no other page may call this server; PIXELRNN_ORIGINS names those that "
                "may"
            )
    slug = phrase.lower().replace(" ", "-")
    return _response(
        problems.problem(error.status_code, slug, phrase, detail),
        request.url.path,
        headers,
    )


def _methods_of_path(request: Request) -> str:
    """Return all methods of this path. The router names only those of the first
    matching route, and app.wire.middleware adds HEAD to each GET."""

    def is_known(method: str) -> bool:
        scope = {**request.scope, "method": method}
        routes = request.app.routes
        return any(route.matches(scope)[0] is Match.FULL for route in routes)

    methods = [method for method in _METHODS if is_known(method)]
    return ", ".join(methods).replace("GET", "GET, HEAD")
