"""Refusals as problem documents (RFC 9457), with their headers."""

from collections.abc import Sequence

from app.errors import RefusedError
from app.schema.answers import FieldError, Problem
from app.schema.rate_limit_headers import rate_limit_headers


def problem_of(error: RefusedError) -> Problem:
    kind = error.problem
    fields = (
        [FieldError(pointer=f"#/{error.field}", detail=error.detail)]
        if error.field
        else []
    )
    return problem(kind.status, kind.slug, kind.title, error.detail, fields)


def headers_of(error: RefusedError) -> dict[str, str]:
    """Headers of the response that carries the document."""
    kind = error.problem
    said = rate_limit_headers(error.quotas) | (
        {"WWW-Authenticate": "Bearer"} if kind.status == 401 else {}
    )
    retry_s = kind.retry_after_s if error.retry_after_s is None else error.retry_after_s
    return said if retry_s is None else {**said, "Retry-After": str(retry_s)}


def problem(
    status: int, slug: str, title: str, detail: str, fields: Sequence[FieldError] = ()
) -> Problem:
    return Problem(
        type=f"urn:pixelrnn:problem:{slug}",
        title=title,
        status=status,
        detail=detail,
        errors=list(fields) or None,
    )
