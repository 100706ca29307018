"""Every failure of the application as a response: problem+json, whatever went wrong; to OpenAI's clients in their own
words."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
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
from worker.contract.size import MAX_SIDE, PATTERN
from worker.contract.trouble import locked_out

_OWN_WORDS = {
    "Field required": "expected this field, which is not there",
    "Extra inputs are not permitted": "this call has no such field",
    "Input should be a valid dictionary or object to extract fields from": "expected an object with fields",
}
_NUMBER = re.compile("^Input should be (?=greater|less)")
_BEGINNING = re.compile("^(Input should be|(String|List) should have)")
_NOISE = re.compile(", unable to .*| after validation")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_log = structlog.get_logger("pixelrnn.api")


def install(app: FastAPI) -> None:
    """Give every failure of this application its problem body."""
    app.add_exception_handler(RefusedError, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for trouble in STORE_TROUBLE:
        app.add_exception_handler(trouble, _on_store_trouble)


def response_to(error: RefusedError, path: str) -> JSONResponse:
    """The response to a refusal, for code outside FastAPI's own handling, such as a middleware."""
    return _response(problems.problem_of(error), path, problems.headers_of(error))


def response_to_bug(error: Exception, path: str) -> JSONResponse:
    """The response to an error that nobody foresaw, which is logged."""
    _log.error("request failed", path=path, exc_info=error)
    said = "this is a fault of the server, and was logged"
    return _response(
        problems.problem(500, "internal-error", "Internal error", said), path
    )


def _response(
    problem: Problem, path: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """path: that of the request, which says whose clients call."""
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
    """A sentence for the client. Troubles that an operator can mend are named; the server's own words may tell more
    than a client should know."""
    if why := locked_out(error):
        return f"Redis does not let this service in: {why} (see REDIS_URL)"
    if str(error) == CLUSTER:
        return f"{CLUSTER} (see REDIS_URL)"
    if isinstance(error, StoreRefusesError):
        return "Redis refuses: it is full, read-only or cannot write its file, or a right is missing; try again soon"
    return "Redis did not answer in time; try again soon"


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's validation found faults: the first twenty are named."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    invalid = next((item for item in found if item["type"] == "json_invalid"), None)
    if invalid is not None:
        said = _sentence_of_json(invalid)
        return _response(
            problems.problem(400, "invalid-json", "The body is not JSON", said),
            request.url.path,
        )
    fields = [
        FieldError(pointer=_pointer(item["loc"]), detail=_sentence(item))
        for item in found[:20]
    ]
    kind = BadParameterError.problem
    first = f"{fields[0].pointer}: {fields[0].detail}"
    return _response(
        problems.problem(kind.status, kind.slug, kind.title, first, fields),
        request.url.path,
    )


def _sentence_of_json(fault: Mapping[str, Any]) -> str:
    """Say where a body ceases to be JSON, and what the parser expected there."""
    at = fault["loc"][-1]
    where = f" at character {at + 1}" if isinstance(at, int) else ""
    reason = fault.get("ctx", {}).get("error", "")
    return f"the body is not valid JSON{where}{reason and f': {reason}'}"


def _sentence(fault: Mapping[str, Any]) -> str:
    """Pydantic's message in our own words, where it is a common one."""
    said: str = fault["msg"].removeprefix("Value error, ")
    if said.startswith("Expected UploadFile"):
        return f"expected a file; curl sends one by -F {fault['loc'][1]}=@FILE"
    if fault["type"] == "missing" and len(fault["loc"]) == 1:
        return "expected a body with the fields of this call"
    if fault["type"] == "string_pattern_mismatch":
        # Two fields of forms have a pattern: a size, and the name of a model to start.
        if NAME.pattern in fault["ctx"]["pattern"]:
            return (
                "expected a model's name: at most 64 of a-z 0-9 . _ -, "
                "with a letter or digit first"
            )
        if PATTERN in fault["ctx"]["pattern"]:
            return (
                "expected WIDTHxHEIGHT, such as 160x96, "
                f"from the model's own size to {MAX_SIDE}x{MAX_SIDE}"
            )
        return "expected WIDTHxHEIGHT, such as 24x16, each from 8 to 64"
    said = _NUMBER.sub("expected a number ", _OWN_WORDS.get(said, said))
    return _BEGINNING.sub("expected", _NOISE.sub("", said))


def _pointer(loc: Sequence[Any]) -> str:
    """The place of a fault as a JSON pointer. A field's name is the client's own text: it is made safe and short. What
    Pydantic names behind it, but for the places of a list, are the kinds of value that it tried."""
    loc = [*loc[:2], *(part for part in loc[2:] if isinstance(part, int))]
    parts = [str(part).encode("utf-8", "replace").decode()[:64] for part in loc]
    return "#/" + "/".join(parts[1:] if parts and parts[0] == "body" else parts)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Answer FastAPI's own refusals: no such path, wrong method, a body that cannot be taken apart."""
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
            detail = "no other page may call this server; PIXELRNN_ORIGINS names those that may"
    slug = phrase.lower().replace(" ", "-")
    return _response(
        problems.problem(error.status_code, slug, phrase, detail),
        request.url.path,
        headers,
    )


def _methods_of_path(request: Request) -> str:
    """All methods of this path: the router names only those of the first route that matches, and HEAD comes with GET
    (app.wire.head_requests)."""
    routes = request.app.routes
    takes = [
        m
        for m in _METHODS
        if any(
            r.matches({**request.scope, "method": m})[0] is Match.FULL for r in routes
        )
    ]
    return ", ".join(takes).replace("GET", "GET, HEAD")
