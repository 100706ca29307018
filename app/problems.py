"""Refusals as problem documents (RFC 9457), with their headers."""

from collections.abc import Sequence

from app.errors import RefusedError
from app.quotas import rate_limit_headers
from app.schema.answers import FieldError, Problem


def problem_of(error: RefusedError) -> Problem:
    """Return the document of a refusal."""
    kind = error.problem
    fields = []
    if error.field:
        fields = [FieldError(pointer=f"#/{error.field}", detail=error.detail)]
    return problem(kind.status, kind.slug, kind.title, error.detail, fields)


def headers_of(error: RefusedError) -> dict[str, str]:
    """Return the headers of a refusal: its rate limits, Retry-After, and
    WWW-Authenticate for 401."""
    kind = error.problem
    headers = rate_limit_headers(error.quotas)
    if kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    retry_s = error.retry_after_s
    if retry_s is None:
        retry_s = kind.retry_after_s
    if retry_s is not None:
        headers["Retry-After"] = str(retry_s)
    return headers


def problem(
    status: int, slug: str, title: str, detail: str, fields: Sequence[FieldError] = ()
) -> Problem:
    """Return a document.

    slug: the end of its `type`.
    fields: errors of single fields.
    """
    return Problem(
        type=f"urn:pixelrnn:problem:{slug}",
        title=title,
        status=status,
        detail=detail,
        errors=list(fields) or None,
    )
