"""Every reason for which a request is refused, and what each is called in a problem document (RFC 9457).

No message repeats what the client sent: it may be a secret, or text that no encoder takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.quotas import Quota


@dataclass(frozen=True)
class ProblemKind:
    """`slug` ends the problem's type and names it in metrics; retry_after_s: when to come back, usually."""

    status: int
    slug: str
    title: str
    retry_after_s: int | None = None


class RefusedError(Exception):
    """Abstract: `detail` is one sentence that says what was expected."""

    problem: ClassVar[ProblemKind]
    field: str | None = None
    """The field of the body that is not as expected, where it is one; `image/17` is one of several pictures."""

    def __init_subclass__(
        cls, problem: tuple[int, str, str] | tuple[int, str, str, int]
    ) -> None:
        """`problem`: the fields of a ProblemKind, in their order."""
        status, slug, title, *retry_after_s = problem
        cls.problem = ProblemKind(status, slug, title, *retry_after_s)

    def __init__(
        self,
        detail: str,
        *,
        retry_after_s: int | None = None,
        quotas: Sequence[Quota] = (),
    ) -> None:
        """`retry_after_s`: when to come back, where it is known better than by the kind of error; `quotas`: what the
        caller may still do, where that is why it is refused."""
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.quotas = quotas


class BadUploadError(
    RefusedError, problem=(400, "unreadable-image", "The image cannot be read")
):
    """A file is not a picture, or is broken."""


class WrongKeyError(RefusedError, problem=(401, "unauthorized", "No valid key")):
    """There is no API key, or it is not one of ours."""


class ForeignOriginError(
    RefusedError, problem=(403, "foreign-origin", "Not from this page")
):
    """A web page of another site tries to change something."""


class ForeignHostError(
    RefusedError, problem=(403, "foreign-host", "Not under this name")
):
    """The server is called by a name that may be another site's."""


class BadLinkError(RefusedError, problem=(403, "bad-link", "Not a valid address")):
    """A signed address was changed, has expired, or was signed by another service."""


class NoLinksError(RefusedError, problem=(501, "no-links", "No signed addresses here")):
    """The operator has given no secret to sign addresses with."""


class NoPortableError(
    RefusedError, problem=(404, "no-portable", "No models for browsers here")
):
    """The operator does not offer models for browsers."""


class NotPortableError(RefusedError, problem=(404, "not-portable", "Not for browsers")):
    """This model is not laid out for browsers."""


class NoAddingError(
    RefusedError, problem=(404, "no-adding", "No models are taken here")
):
    """The operator takes no models from others."""


class NotAllowedError(
    RefusedError, problem=(403, "not-allowed", "Not with this right")
):
    """This caller may not do it, and others may."""


class NameTakenError(RefusedError, problem=(409, "name-taken", "The name is taken")):
    """Another model has this name."""


class OtherIdentityError(
    RefusedError, problem=(412, "other-identity", "Another model by now")
):
    """The model that is to be exchanged is another by now."""


class AddedFullError(
    RefusedError, problem=(503, "added-full", "No room for models", 30)
):
    """There is no room for another model."""


class UnusableModelError(RefusedError, problem=(422, "unusable-model", "Not a model")):
    """A card and weights that do not make a model."""


class UnknownModelError(RefusedError, problem=(404, "unknown-model", "No such model")):
    """No worker holds a model of this name."""


class UnknownJobError(RefusedError, problem=(404, "unknown-job", "No such job")):
    """No job has this id, or it is another caller's."""


class NoRowsYetError(
    RefusedError, problem=(409, "no-rows-yet", "Nothing is drawn yet", 1)
):
    """Nothing is drawn that could be shown."""


class ActiveJobError(
    RefusedError, problem=(409, "active-job", "The job has not ended")
):
    """The job must have ended, and has not."""


class NoScoreError(RefusedError, problem=(404, "no-score", "The job has no score")):
    """The job has no score, and will never have one."""


class NoScoreYetError(
    RefusedError, problem=(409, "no-score-yet", "Nothing is scored yet", 1)
):
    """The picture is not scored yet."""


class NoGivenError(
    RefusedError, problem=(404, "no-given", "The job began with no such picture")
):
    """Nothing of this kind was handed in with the job's request."""


class NoMarginalsError(
    RefusedError, problem=(404, "no-marginals", "The job has no marginals")
):
    """The job is no completion by `posterior`, or ended without one."""


class NoMarginalsYetError(
    RefusedError,
    problem=(409, "no-marginals-yet", "The completion is not drawn yet", 1),
):
    """The completion is not drawn yet."""


class ExpiredJobError(
    RefusedError, problem=(410, "expired-job", "The job is no longer kept")
):
    """The job was there once."""


class TooLargeError(RefusedError, problem=(413, "too-large", "Too large")):
    """Too many bytes or pixels."""


class WrongMediaTypeError(
    RefusedError, problem=(415, "wrong-media-type", "Wrong content type")
):
    """The body has another type or encoding than the call takes."""


class NothingToFillError(
    RefusedError, problem=(422, "nothing-to-fill", "Nothing to fill")
):
    """A completion without a hole."""


class WrongSizeError(
    RefusedError, problem=(422, "wrong-size", "The image has the wrong size")
):
    """A picture has another size than the model."""


class UnusableImageError(
    RefusedError, problem=(422, "unusable-image", "The image cannot be used")
):
    """A picture that can be read, but of a kind that is not taken."""


class NotVerifiableError(
    RefusedError, problem=(422, "not-verifiable", "The picture cannot be verified")
):
    """A picture of which nobody can tell whether the model drew it."""


class NotExactError(
    RefusedError, problem=(422, "not-exact", "The picture would not come back as it is")
):
    """A picture that would not come back from a file as it is."""


class NotDecodableError(
    RefusedError, problem=(422, "not-decodable", "The file cannot be decoded")
):
    """No file of coded images, or none that can be decoded here."""


class NothingToKeepError(
    RefusedError, problem=(409, "nothing-to-keep", "There is nothing to keep", 5)
):
    """A training has nothing yet that could be published, or has ended."""


class UnfinishedJobError(
    RefusedError, problem=(424, "unfinished-job", "The images are not there")
):
    """A job that was waited for ended without images, or has not ended."""


class NotInTimeError(
    RefusedError, problem=(504, "not-in-time", "The picture is not drawn yet", 1)
):
    """A picture was waited for, and its job has not ended."""


class NoBlobError(RefusedError, problem=(404, "no-blob", "The job has no file")):
    """The job is none whose result is a file, or ended without one."""


class NoBlobYetError(
    RefusedError, problem=(409, "no-blob-yet", "The file is not there yet", 1)
):
    """The pictures are not encoded yet."""


class BadParameterError(
    RefusedError, problem=(422, "invalid-request", "The request is not as expected")
):
    """Something in the request is not as expected; `field`: which field of its body, where it is one."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class ReusedKeyError(
    RefusedError,
    problem=(
        422,
        "reused-idempotency-key",
        "The Idempotency-Key was used for another request",
    ),
):
    """An `Idempotency-Key` comes with another request than before."""


class TooManyRequestsError(
    RefusedError, problem=(429, "too-many-requests", "Too fast", 1)
):
    """The caller is too fast."""


class TooManyOpenJobsError(
    RefusedError, problem=(429, "too-many-open-jobs", "Too many open jobs", 1)
):
    """The caller has as many unfinished jobs as it may have."""


class QueueFullError(RefusedError, problem=(503, "queue-full", "The queue is full", 5)):
    """The queue holds as many jobs as it may."""


class StoreFullError(
    RefusedError, problem=(503, "store-full", "The job store is nearly full", 30)
):
    """Redis has nearly no memory left."""


class NoWorkerError(RefusedError, problem=(503, "no-worker", "No worker is ready", 5)):
    """Nobody is there to draw."""


class TooManyStreamsError(
    RefusedError, problem=(503, "too-many-streams", "Too many open streams", 5)
):
    """This process holds as many open connections as it may."""


class TooManyBytesError(
    RefusedError, problem=(503, "too-many-bytes", "Too many bytes in flight", 1)
):
    """This process, or this client in it, has as many bytes of requests' bodies in flight as it may."""


class OtherVersionJobError(
    RefusedError,
    problem=(503, "other-version", "The job is of another version of this service", 5),
):
    """The job was taken by a later version of this service, which this one cannot read."""


class StoreDownError(
    RefusedError, problem=(503, "store-down", "The job store does not answer", 2)
):
    """Redis does not answer."""


class TooSlowError(
    RefusedError, problem=(408, "too-slow", "The request did not arrive in time")
):
    """The request did not arrive in time."""


class HeadTooLargeError(
    RefusedError, problem=(431, "head-too-large", "The request's headers are too large")
):
    """A request's line and fields, or what frames its body, are too large or too many."""


class MalformedRequestError(
    RefusedError, problem=(400, "malformed-request", "Not a request of HTTP/1.1")
):
    """The bytes are no HTTP/1.1, or can be read in two ways."""


class UnknownCodingError(
    RefusedError,
    problem=(501, "unknown-coding", "Not a transfer coding of this server"),
):
    """The body is packed in a way that this server does not speak."""


class StoppingError(
    RefusedError, problem=(503, "stopping", "This server is stopping", 2)
):
    """This process stops before the answer is there."""
