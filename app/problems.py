"""The name of each refusal over HTTP: one table from exceptions to problem documents (RFC 9457)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from app import errors
from app.errors import RefusedError
from app.schema.answers import FieldError, Problem
from app.schema.rate_limit_headers import rate_limit_headers

_KEY_WANTED = MappingProxyType({"WWW-Authenticate": "Bearer"})


@dataclass(frozen=True)
class ProblemKind:
    """One row of the table. `slug` ends the problem's type and names it in metrics."""

    status: int
    slug: str
    title: str
    retry_after_s: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


KINDS: Mapping[type[RefusedError], ProblemKind] = {
    errors.BadUploadError: ProblemKind(400, "unreadable-image", "The image cannot be read"),
    errors.MalformedRequestError: ProblemKind(400, "malformed-request", "Not a request of HTTP/1.1"),
    errors.WrongKeyError: ProblemKind(401, "unauthorized", "No valid key", headers=_KEY_WANTED),
    errors.ForeignOriginError: ProblemKind(403, "foreign-origin", "Not from this page"),
    errors.ForeignHostError: ProblemKind(403, "foreign-host", "Not under this name"),
    errors.BadLinkError: ProblemKind(403, "bad-link", "Not a valid address"),
    errors.NotAllowedError: ProblemKind(403, "not-allowed", "Not with this right"),
    errors.UnknownModelError: ProblemKind(404, "unknown-model", "No such model"),
    errors.UnknownJobError: ProblemKind(404, "unknown-job", "No such job"),
    errors.NoScoreError: ProblemKind(404, "no-score", "The job has no score"),
    errors.NoGivenError: ProblemKind(404, "no-given", "The job began with no such picture"),
    errors.NoMarginalsError: ProblemKind(404, "no-marginals", "The job has no marginals"),
    errors.NoBlobError: ProblemKind(404, "no-blob", "The job has no file"),
    errors.NotPortableError: ProblemKind(404, "not-portable", "Not for browsers"),
    errors.NoRowsYetError: ProblemKind(409, "no-rows-yet", "Nothing is drawn yet", 1),
    errors.NoScoreYetError: ProblemKind(409, "no-score-yet", "Nothing is scored yet", 1),
    errors.NoMarginalsYetError: ProblemKind(409, "no-marginals-yet", "The completion is not drawn yet", 1),
    errors.NoBlobYetError: ProblemKind(409, "no-blob-yet", "The file is not there yet", 1),
    errors.TooSlowError: ProblemKind(408, "too-slow", "The request did not arrive in time"),
    errors.ActiveJobError: ProblemKind(409, "active-job", "The job has not ended"),
    errors.NameTakenError: ProblemKind(409, "name-taken", "The name is taken"),
    errors.ExpiredJobError: ProblemKind(410, "expired-job", "The job is no longer kept"),
    errors.OtherIdentityError: ProblemKind(412, "other-identity", "Another model by now"),
    errors.TooLargeError: ProblemKind(413, "too-large", "Too large"),
    errors.WrongMediaTypeError: ProblemKind(415, "wrong-media-type", "Wrong content type"),
    errors.NothingToFillError: ProblemKind(422, "nothing-to-fill", "Nothing to fill"),
    errors.WrongSizeError: ProblemKind(422, "wrong-size", "The image has the wrong size"),
    errors.UnusableImageError: ProblemKind(422, "unusable-image", "The image cannot be used"),
    errors.NotVerifiableError: ProblemKind(422, "not-verifiable", "The picture cannot be verified"),
    errors.NotExactError: ProblemKind(422, "not-exact", "The picture would not come back as it is"),
    errors.NotDecodableError: ProblemKind(422, "not-decodable", "The file cannot be decoded"),
    errors.BadParameterError: ProblemKind(422, "invalid-request", "The request is not as expected"),
    errors.UnusableModelError: ProblemKind(422, "unusable-model", "Not a model"),
    errors.ReusedKeyError: ProblemKind(
        422, "reused-idempotency-key", "The Idempotency-Key was used for another request"
    ),
    errors.UnfinishedJobError: ProblemKind(424, "unfinished-job", "The images are not there"),
    errors.TooManyRequestsError: ProblemKind(429, "too-many-requests", "Too fast", 1),
    errors.TooManyOpenJobsError: ProblemKind(429, "too-many-open-jobs", "Too many open jobs", 1),
    errors.HeadTooLargeError: ProblemKind(431, "head-too-large", "The request's headers are too large"),
    errors.UnknownCodingError: ProblemKind(501, "unknown-coding", "Not a transfer coding of this server"),
    errors.NoLinksError: ProblemKind(501, "no-links", "No signed addresses here"),
    errors.NoAddingError: ProblemKind(404, "no-adding", "No models are taken here"),
    errors.NoPortableError: ProblemKind(404, "no-portable", "No models for browsers here"),
    errors.NoWorkerError: ProblemKind(503, "no-worker", "No worker is ready", 5),
    errors.QueueFullError: ProblemKind(503, "queue-full", "The queue is full", 5),
    errors.AddedFullError: ProblemKind(503, "added-full", "No room for models", 30),
    errors.StoreFullError: ProblemKind(503, "store-full", "The job store is nearly full", 30),
    errors.TooManyStreamsError: ProblemKind(503, "too-many-streams", "Too many open streams", 5),
    errors.TooManyBytesError: ProblemKind(503, "too-many-bytes", "Too many bytes in flight", 1),
    errors.OtherVersionJobError: ProblemKind(503, "other-version", "The job is of another version of this service", 5),
    errors.StoppingError: ProblemKind(503, "stopping", "This server is stopping", 2),
    errors.StoreDownError: ProblemKind(503, "store-down", "The job store does not answer", 2),
    errors.NotInTimeError: ProblemKind(504, "not-in-time", "The picture is not drawn yet", 1),
}


def kind_of(error: RefusedError) -> ProblemKind:
    return KINDS[type(error)]


def problem_of(error: RefusedError) -> Problem:
    kind = kind_of(error)
    fields = [FieldError(pointer=f"#/{error.field}", detail=error.detail)] if error.field else []
    return problem(kind.status, kind.slug, kind.title, error.detail, fields)


def headers_of(error: RefusedError) -> dict[str, str]:
    """Headers of the response that carries the document."""
    kind = kind_of(error)
    retry_s = kind.retry_after_s if error.retry_after_s is None else error.retry_after_s
    said = {**kind.headers, **rate_limit_headers(error.quotas)}
    return said if retry_s is None else {**said, "Retry-After": str(retry_s)}


def problem(status: int, slug: str, title: str, detail: str, fields: Sequence[FieldError] = ()) -> Problem:
    return Problem(
        type=f"urn:pixelrnn:problem:{slug}", title=title, status=status, detail=detail, errors=list(fields) or None
    )
