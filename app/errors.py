"""Every way a request can fail, and the one body that says so: problem+json (RFC 9457).

    ApiError
    ├── BadUploadError       400    ├── NothingToFillError        422
    ├── WrongKeyError        401    ├── WrongSizeError            422
    ├── ForeignOriginError   403    ├── UnusableImageError        422
    ├── UnknownModelError    404    ├── BadParameterError         422
    ├── UnknownJobError      404    ├── ReusedKeyError            422
    ├── NoScoreError         404    ├── TooManyRequestsError      429
    ├── NoRowsYetError       409    ├── TooManyOpenJobsError      429
    ├── NoScoreYetError      409    ├── NoWorkerError             503
    ├── ExpiredJobError      410    ├── QueueFullError            503
    ├── TooLargeError        413    ├── StoreFullError            503
    ├── WrongMediaTypeError  415    ├── TooManyStreamsError       503
    │                               └── StoreDownError            503

No body repeats what the client sent: it may be a secret, or text that no encoder takes.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis import exceptions as redis_errors
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.schemas import FieldError, Problem

MEDIA_TYPE = "application/problem+json"
STORE_TROUBLE = (redis_errors.ConnectionError, redis_errors.TimeoutError, redis_errors.OutOfMemoryError)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_log = structlog.get_logger("pixelrnn.api")


class ApiError(HTTPException):
    """Abstract: `detail` is one sentence that says what was expected.

    An HTTPException, because FastAPI's body parser turns everything else into 400.
    """

    status: ClassVar[int]
    slug: ClassVar[str]
    title: ClassVar[str]
    retry_after_s: ClassVar[int | None] = None

    def __init__(self, detail: str, errors: Sequence[FieldError] = (), retry_after_s: int | None = None) -> None:
        """`retry_after_s`: when to come back, where it is known better than by the kind of error."""
        retry_s = self.retry_after_s if retry_after_s is None else retry_after_s
        super().__init__(self.status, detail, {} if retry_s is None else {"Retry-After": str(retry_s)})
        self.errors = tuple(errors)

    def problem(self) -> Problem:
        return _problem(self.status, self.slug, self.title, self.detail, self.errors)


class BadUploadError(ApiError):
    status, slug, title = 400, "unreadable-image", "The image cannot be read"


class WrongKeyError(ApiError):
    status, slug, title = 401, "unauthorized", "No valid key"


class ForeignOriginError(ApiError):
    status, slug, title = 403, "foreign-origin", "Not from this page"


class UnknownModelError(ApiError):
    status, slug, title = 404, "unknown-model", "No such model"


class UnknownJobError(ApiError):
    status, slug, title = 404, "unknown-job", "No such job"


class NoRowsYetError(ApiError):
    status, slug, title, retry_after_s = 409, "no-rows-yet", "Nothing is drawn yet", 1


class NoScoreError(ApiError):
    status, slug, title = 404, "no-score", "The job has no score"


class NoScoreYetError(ApiError):
    status, slug, title, retry_after_s = 409, "no-score-yet", "Nothing is scored yet", 1


class ExpiredJobError(ApiError):
    status, slug, title = 410, "expired-job", "The job is no longer kept"


class TooLargeError(ApiError):
    status, slug, title = 413, "too-large", "Too large"


class WrongMediaTypeError(ApiError):
    status, slug, title = 415, "wrong-media-type", "Wrong content type"


class NothingToFillError(ApiError):
    status, slug, title = 422, "nothing-to-fill", "Nothing to fill"


class WrongSizeError(ApiError):
    status, slug, title = 422, "wrong-size", "The image has the wrong size"


class UnusableImageError(ApiError):
    status, slug, title = 422, "unusable-image", "The image cannot be used"


class BadParameterError(ApiError):
    status, slug, title = 422, "invalid-request", "The request is not as expected"


class ReusedKeyError(ApiError):
    status, slug, title = 422, "reused-idempotency-key", "The Idempotency-Key was used for another request"


class TooManyRequestsError(ApiError):
    status, slug, title, retry_after_s = 429, "too-many-requests", "Too fast", 1


class TooManyOpenJobsError(ApiError):
    status, slug, title, retry_after_s = 429, "too-many-open-jobs", "Too many open jobs", 1


class QueueFullError(ApiError):
    status, slug, title, retry_after_s = 503, "queue-full", "The queue is full", 5


class StoreFullError(ApiError):
    status, slug, title, retry_after_s = 503, "store-full", "The job store is nearly full", 30


class NoWorkerError(ApiError):
    status, slug, title, retry_after_s = 503, "no-worker", "No worker is ready", 5


class TooManyStreamsError(ApiError):
    status, slug, title, retry_after_s = 503, "too-many-streams", "Too many open streams", 5


class StoreDownError(ApiError):
    status, slug, title, retry_after_s = 503, "store-down", "The job store does not answer", 2


def install(app: FastAPI) -> None:
    """Give every failure of this application its problem body."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for trouble in STORE_TROUBLE:
        app.add_exception_handler(trouble, _on_store_trouble)
    app.add_exception_handler(Exception, _on_bug)


def _problem(status: int, slug: str, title: str, detail: str, errors: Sequence[FieldError] = ()) -> Problem:
    return Problem(
        type=f"urn:pixelrnn:problem:{slug}", title=title, status=status, detail=detail, errors=list(errors) or None
    )


def response_to(error: ApiError) -> JSONResponse:
    """For whoever stands outside FastAPI's own handling."""
    return _response(error.problem(), dict(error.headers or {}))


def _response(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    body = problem.model_dump(exclude_none=True)
    return JSONResponse(body, problem.status, headers=headers, media_type=MEDIA_TYPE)


async def _on_api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return response_to(error)


async def _on_store_trouble(request: Request, error: Exception) -> JSONResponse:
    _log.warning("store trouble", error=type(error).__name__, path=request.url.path)
    return await _on_api_error(request, StoreDownError("Redis did not answer in time or is full; try again soon"))


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return _response(_problem(400, "invalid-json", "The body is not JSON", "expected a body of valid JSON"))
    errors = [FieldError(pointer=_pointer(item["loc"]), detail=item["msg"]) for item in found[:20]]
    first = f"{errors[0].pointer}: {errors[0].detail}"
    return await _on_api_error(request, BadParameterError(first, errors))


def _pointer(loc: Sequence[Any]) -> str:
    """Where it is wrong, as a JSON pointer; a field name is the client's own text, so make it safe and short."""
    parts = [str(part).encode("utf-8", "replace").decode()[:64] for part in loc]
    return "#/" + "/".join(parts[1:] if parts and parts[0] == "body" else parts)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """What FastAPI itself refuses: no such path, wrong method, a body that cannot be taken apart."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == 404:
        detail = "there is nothing at this path; /docs lists what there is"
    if error.status_code == 405:
        headers["Allow"] = _allowed(request)
        detail = f"this path takes {headers['Allow']}"
    slug = phrase.lower().replace(" ", "-")
    return _response(_problem(error.status_code, slug, phrase, detail), headers)


def _allowed(request: Request) -> str:
    """All methods of this path: the router itself names only those of the first route that matches."""
    routes = request.app.routes
    takes = [m for m in _METHODS if any(r.matches({**request.scope, "method": m})[0] is Match.FULL for r in routes)]
    return ", ".join(takes)


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    _log.error("request failed", path=request.url.path, exc_info=error)
    problem = _problem(500, "internal-error", "Internal error", "this is a fault of the server, and was logged")
    return _response(problem, {"X-Request-Id": request.scope.get("state", {}).get("request_id", "")})
