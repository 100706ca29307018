"""The reasons for refusing a request, and the problem document (RFC 9457) of each.

    RefusedError
      400 Bad Request
          BadUploadError
          MalformedRequestError
      401 Unauthorized
          WrongKeyError
      403 Forbidden
          ForeignOriginError
          ForeignHostError
          BadLinkError
          NotAllowedError
      404 Not Found
          NoPortableError
          NotPortableError
          NoAddingError
          UnknownModelError
          UnknownWorkerError
          UnknownJobError
          NoPictureError
          NoScoreError
          NoGivenError
          NoMarginalsError
          NoBlobError
      408 Request Timeout
          TooSlowError
      409 Conflict
          NameTakenError
          NoRowsYetError
          ActiveJobError
          NoScoreYetError
          NoMarginalsYetError
          NothingToKeepError
          NoBlobYetError
      410 Gone
          ExpiredJobError
          OldIdentityError
      412 Precondition Failed
          OtherIdentityError
      413 Content Too Large
          TooLargeError
      415 Unsupported Media Type
          WrongMediaTypeError
      422 Unprocessable Content
          UnusableModelError
          NothingToFillError
          WrongSizeError
          UnusableImageError
          NotVerifiableError
          NotExactError
          NotDecodableError
          BadParameterError
          ReusedKeyError
      424 Failed Dependency
          UnfinishedJobError
      429 Too Many Requests
          TooManyRequestsError
          TooManyOpenJobsError
      431 Request Header Fields Too Large
          HeadTooLargeError
      501 Not Implemented
          NoLinksError
          UnknownCodingError
      503 Service Unavailable
          AddedFullError
          QueueFullError
          ClosedError
          StoreFullError
          NoWorkerError
          TooManyStreamsError
          TooManyBytesError
          NotDrawnYetError
          OtherVersionJobError
          StoreDownError
          StoppingError
      504 Gateway Timeout
          NotInTimeError

No message repeats what the client sent, because that may be a secret, or text that
cannot be encoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.quotas import Quota


@dataclass(frozen=True)
class ProblemKind:
    """The part of a problem document that all refusals for one reason share."""

    status: int
    """HTTP status."""
    slug: str
    """The end of the problem's `type`, and its name in metrics."""
    title: str
    retry_after_s: int | None = None
    """Seconds until a client may try again; None if a repetition does not help."""


class RefusedError(Exception):
    """The base of all refusals. It is never raised itself."""

    problem: ClassVar[ProblemKind]
    field: str | None = None
    """The field of the body that is not as expected, if it is one. `image/17` is one of
    several pictures."""

    def __init__(
        self,
        detail: str,
        *,
        retry_after_s: int | None = None,
        quotas: Sequence[Quota] = (),
    ) -> None:
        """detail: one sentence that says what was expected.
        retry_after_s: seconds until a client may try again, if they are known better
            than from `problem`.
        quotas: the caller's remaining quotas, if they are the reason."""
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.quotas = quotas


class BadUploadError(RefusedError):
    """A file is not a picture, or is damaged."""

    problem = ProblemKind(400, "unreadable-image", "The image cannot be read")


class MalformedRequestError(RefusedError):
    """The bytes are not HTTP/1.1, or can be read in two ways."""

    problem = ProblemKind(400, "malformed-request", "Not a request of HTTP/1.1")


class WrongKeyError(RefusedError):
    """The request has no API key, or one that the service does not know."""

    problem = ProblemKind(401, "unauthorized", "No valid key")


class ForeignOriginError(RefusedError):
    """A page of another web site tries to change something."""

    problem = ProblemKind(403, "foreign-origin", "Not from this page")


class ForeignHostError(RefusedError):
    """The request names a host that is not known to be this service."""

    problem = ProblemKind(403, "foreign-host", "Not under this name")


class BadLinkError(RefusedError):
    """A signed address was changed, has expired, or was signed by another service."""

    problem = ProblemKind(403, "bad-link", "Not a valid address")


class NotAllowedError(RefusedError):
    """This caller does not have the right, but others have."""

    problem = ProblemKind(403, "not-allowed", "Not with this right")


class NoPortableError(RefusedError):
    """The operator does not offer models for browsers."""

    problem = ProblemKind(404, "no-portable", "No models for browsers here")


class NotPortableError(RefusedError):
    """This model was not exported for browsers."""

    problem = ProblemKind(404, "not-portable", "Not for browsers")


class NoAddingError(RefusedError):
    """The operator does not let clients add models."""

    problem = ProblemKind(404, "no-adding", "No models are taken here")


class UnknownModelError(RefusedError):
    """No worker holds a model of this name."""

    problem = ProblemKind(404, "unknown-model", "No such model")


class UnknownWorkerError(RefusedError):
    """No live worker has this name."""

    problem = ProblemKind(404, "unknown-worker", "No such worker")


class UnknownJobError(RefusedError):
    """No job has this id, or the job is another caller's."""

    problem = ProblemKind(404, "unknown-job", "No such job")


class NoPictureError(RefusedError):
    """The job has no picture and will never have one."""

    problem = ProblemKind(404, "no-picture", "The job has no picture")


class NoScoreError(RefusedError):
    """The job has no score and will never have one."""

    problem = ProblemKind(404, "no-score", "The job has no score")


class NoGivenError(RefusedError):
    """The request of the job had no such file."""

    problem = ProblemKind(404, "no-given", "The job began with no such picture")


class NoMarginalsError(RefusedError):
    """The job is not a completion by `posterior`, or it failed."""

    problem = ProblemKind(404, "no-marginals", "The job has no marginals")


class NoBlobError(RefusedError):
    """The result of the job is not a file, or the job failed."""

    problem = ProblemKind(404, "no-blob", "The job has no file")


class TooSlowError(RefusedError):
    """The request did not arrive in time."""

    problem = ProblemKind(408, "too-slow", "The request did not arrive in time")


class NameTakenError(RefusedError):
    """Another model has this name."""

    problem = ProblemKind(409, "name-taken", "The name is taken")


class NoRowsYetError(RefusedError):
    """No row is drawn yet, so there is no picture."""

    problem = ProblemKind(409, "no-rows-yet", "Nothing is drawn yet", retry_after_s=1)


class ActiveJobError(RefusedError):
    """The job has not ended, and must have."""

    problem = ProblemKind(409, "active-job", "The job has not ended")


class NoScoreYetError(RefusedError):
    """The picture is not scored yet."""

    problem = ProblemKind(409, "no-score-yet", "Nothing is scored yet", retry_after_s=1)


class NoMarginalsYetError(RefusedError):
    """The completion is not drawn yet."""

    problem = ProblemKind(
        409, "no-marginals-yet", "The completion is not drawn yet", retry_after_s=1
    )


class NothingToKeepError(RefusedError):
    """The training has no better weights to publish yet, or has ended."""

    problem = ProblemKind(
        409, "nothing-to-keep", "There is nothing to keep", retry_after_s=5
    )


class NoBlobYetError(RefusedError):
    """The pictures are not encoded yet."""

    problem = ProblemKind(
        409, "no-blob-yet", "The file is not there yet", retry_after_s=1
    )


class ExpiredJobError(RefusedError):
    """The job existed, but its results are no longer kept."""

    problem = ProblemKind(410, "expired-job", "The job is no longer kept")


class OldIdentityError(RefusedError):
    """The address of a picture names weights that no worker serves, and the picture is
    not kept."""

    problem = ProblemKind(410, "old-identity", "These weights are no longer served")


class OtherIdentityError(RefusedError):
    """The model to be replaced has another identity by now."""

    problem = ProblemKind(412, "other-identity", "Another model by now")


class TooLargeError(RefusedError):
    """The request has too many bytes or pixels."""

    problem = ProblemKind(413, "too-large", "Too large")


class WrongMediaTypeError(RefusedError):
    """The body has a type or an encoding that the call does not take."""

    problem = ProblemKind(415, "wrong-media-type", "Wrong content type")


class UnusableModelError(RefusedError):
    """The card and the weights do not make a model."""

    problem = ProblemKind(422, "unusable-model", "Not a model")


class NothingToFillError(RefusedError):
    """The mask of a completion has no hole."""

    problem = ProblemKind(422, "nothing-to-fill", "Nothing to fill")


class WrongSizeError(RefusedError):
    """A picture has another size than the model expects."""

    problem = ProblemKind(422, "wrong-size", "The image has the wrong size")


class UnusableImageError(RefusedError):
    """A picture can be read, but the call does not take such pictures."""

    problem = ProblemKind(422, "unusable-image", "The image cannot be used")


class NotVerifiableError(RefusedError):
    """It cannot be decided whether the model drew the picture."""

    problem = ProblemKind(422, "not-verifiable", "The picture cannot be verified")


class NotExactError(RefusedError):
    """A picture cannot be encoded without loss: decoding its file would give other
    pixels, such as for a transparent picture or one of 16 bits."""

    problem = ProblemKind(422, "not-exact", "The picture would not come back as it is")


class NotDecodableError(RefusedError):
    """The file is not a coded file, or cannot be decoded here."""

    problem = ProblemKind(422, "not-decodable", "The file cannot be decoded")


class BadParameterError(RefusedError):
    """An option or a field of the request is not as expected."""

    problem = ProblemKind(422, "invalid-request", "The request is not as expected")

    def __init__(self, detail: str, field: str | None = None) -> None:
        """field: the field of the body that is not as expected, if it is one."""
        super().__init__(detail)
        self.field = field


class ReusedKeyError(RefusedError):
    """The `Idempotency-Key` belongs to an earlier, different request."""

    problem = ProblemKind(
        422,
        "reused-idempotency-key",
        "The Idempotency-Key was used for another request",
    )


class UnfinishedJobError(RefusedError):
    """A job that the request waited for has no images."""

    problem = ProblemKind(424, "unfinished-job", "The images are not there")


class TooManyRequestsError(RefusedError):
    """The caller sends jobs faster than it may."""

    problem = ProblemKind(429, "too-many-requests", "Too fast", retry_after_s=1)


class TooManyOpenJobsError(RefusedError):
    """The caller has as many unfinished jobs as it may have."""

    problem = ProblemKind(
        429, "too-many-open-jobs", "Too many open jobs", retry_after_s=1
    )


class HeadTooLargeError(RefusedError):
    """The request line, the headers or the chunk sizes are too long or too many."""

    problem = ProblemKind(431, "head-too-large", "The request's headers are too large")


class NoLinksError(RefusedError):
    """The operator has set no secret that signs addresses."""

    problem = ProblemKind(501, "no-links", "No signed addresses here")


class UnknownCodingError(RefusedError):
    """The body has a transfer coding that the server does not support."""

    problem = ProblemKind(501, "unknown-coding", "Not a transfer coding of this server")


class AddedFullError(RefusedError):
    """There is no room for another model."""

    problem = ProblemKind(503, "added-full", "No room for models", retry_after_s=30)


class QueueFullError(RefusedError):
    """The queue holds as many jobs as it may."""

    problem = ProblemKind(503, "queue-full", "The queue is full", retry_after_s=5)


class ClosedError(RefusedError):
    """An operator has stopped new jobs."""

    problem = ProblemKind(503, "closed", "No new jobs now", retry_after_s=30)


class StoreFullError(RefusedError):
    """Redis has hardly any memory left."""

    problem = ProblemKind(
        503, "store-full", "The job store is nearly full", retry_after_s=30
    )


class NoWorkerError(RefusedError):
    """No worker that could do the job is running."""

    problem = ProblemKind(503, "no-worker", "No worker is ready", retry_after_s=5)


class TooManyStreamsError(RefusedError):
    """This process holds as many open connections as it may."""

    problem = ProblemKind(
        503, "too-many-streams", "Too many open streams", retry_after_s=5
    )


class TooManyBytesError(RefusedError):
    """This process, or this client, has no room for more bytes of requests, or of
    large responses."""

    problem = ProblemKind(
        503, "too-many-bytes", "Too many bytes in flight", retry_after_s=1
    )


class NotDrawnYetError(RefusedError):
    """The picture of an address takes longer to draw than a request waits."""

    problem = ProblemKind(
        503, "not-drawn-yet", "The picture is not drawn yet", retry_after_s=5
    )


class OtherVersionJobError(RefusedError):
    """A later version of the service wrote the job, and this version cannot read it."""

    problem = ProblemKind(
        503,
        "other-version",
        "The job is of another version of this service",
        retry_after_s=5,
    )


class StoreDownError(RefusedError):
    """Redis does not respond."""

    problem = ProblemKind(
        503, "store-down", "The job store does not answer", retry_after_s=2
    )


class StoppingError(RefusedError):
    """This process stops before the response is complete."""

    problem = ProblemKind(503, "stopping", "This server is stopping", retry_after_s=2)


class NotInTimeError(RefusedError):
    """A request waited for a picture, but the job has not ended in time."""

    problem = ProblemKind(
        504, "not-in-time", "The picture is not drawn yet", retry_after_s=1
    )
