"""Every reason for which a request is refused. What each is called over HTTP stands in app.problems.

    RefusedError
    ├── BadUploadError        ├── NothingToFillError
    ├── WrongKeyError         ├── WrongSizeError
    ├── ForeignOriginError    ├── UnusableImageError
    ├── UnknownModelError     ├── BadParameterError
    ├── UnknownJobError       ├── ReusedKeyError
    ├── NoScoreError          ├── TooManyRequestsError
    ├── NoRowsYetError        ├── TooManyOpenJobsError
    ├── NoScoreYetError       ├── NoWorkerError
    ├── ExpiredJobError       ├── QueueFullError
    ├── TooLargeError         ├── StoreFullError
    ├── WrongMediaTypeError   ├── TooManyStreamsError
    ├── ActiveJobError        ├── OtherVersionJobError
    ├── NoMarginalsError      ├── StoreDownError
    ├── NoMarginalsYetError   ├── StoppingError
    ├── TooSlowError          ├── NotVerifiableError
    ├── NoGivenError          ├── ForeignHostError
    ├── NoLinksError          ├── BadLinkError
    ├── HeadTooLargeError     ├── MalformedRequestError
    ├── UnknownCodingError    ├── UnfinishedJobError
    ├── NoPortableError       ├── NotPortableError
    ├── NoAddingError         ├── NotAllowedError
    ├── NameTakenError        ├── OtherIdentityError
    ├── AddedFullError        ├── UnusableModelError
    ├── NotInTimeError        └── TooManyBytesError

No message repeats what the client sent: it may be a secret, or text that no encoder takes.
"""

from collections.abc import Sequence

from app.quotas import Quota


class RefusedError(Exception):
    """Abstract: `detail` is one sentence that says what was expected."""

    field: str | None = None
    """The field of the body that is not as expected, where it is one; `image/17` is one of several pictures."""

    def __init__(self, detail: str, *, retry_after_s: int | None = None, quotas: Sequence[Quota] = ()) -> None:
        """`retry_after_s`: when to come back, where it is known better than by the kind of error; `quotas`: what the
        caller may still do, where that is why it is refused."""
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.quotas = quotas


class BadUploadError(RefusedError):
    """A file is not a picture, or is broken."""


class WrongKeyError(RefusedError):
    """There is no API key, or it is not one of ours."""


class ForeignOriginError(RefusedError):
    """A web page of another site tries to change something."""


class ForeignHostError(RefusedError):
    """The server is called by a name that may be another site's."""


class BadLinkError(RefusedError):
    """A signed address was changed, has expired, or was signed by another service."""


class NoLinksError(RefusedError):
    """The operator has given no secret to sign addresses with."""


class NoPortableError(RefusedError):
    """The operator does not offer models for browsers."""


class NotPortableError(RefusedError):
    """This model is not laid out for browsers."""


class NoAddingError(RefusedError):
    """The operator takes no models from others."""


class NotAllowedError(RefusedError):
    """This caller may not do it, and others may."""


class NameTakenError(RefusedError):
    """Another model has this name."""


class OtherIdentityError(RefusedError):
    """The model that is to be exchanged is another by now."""


class AddedFullError(RefusedError):
    """There is no room for another model."""


class UnusableModelError(RefusedError):
    """A card and weights that do not make a model."""


class UnknownModelError(RefusedError):
    """No worker holds a model of this name."""


class UnknownJobError(RefusedError):
    """No job has this id, or it is another caller's."""


class NoRowsYetError(RefusedError):
    """Nothing is drawn that could be shown."""


class ActiveJobError(RefusedError):
    """The job must have ended, and has not."""


class NoScoreError(RefusedError):
    """The job has no score, and will never have one."""


class NoScoreYetError(RefusedError):
    """The picture is not scored yet."""


class NoGivenError(RefusedError):
    """Nothing of this kind was handed in with the job's request."""


class NoMarginalsError(RefusedError):
    """The job is no completion by `posterior`, or ended without one."""


class NoMarginalsYetError(RefusedError):
    """The completion is not drawn yet."""


class ExpiredJobError(RefusedError):
    """The job was there once."""


class TooLargeError(RefusedError):
    """Too many bytes or pixels."""


class WrongMediaTypeError(RefusedError):
    """The body has another type or encoding than the call takes."""


class NothingToFillError(RefusedError):
    """A completion without a hole."""


class WrongSizeError(RefusedError):
    """A picture has another size than the model."""


class UnusableImageError(RefusedError):
    """A picture that can be read, but of a kind that is not taken."""


class NotVerifiableError(RefusedError):
    """A picture of which nobody can tell whether the model drew it."""


class NotExactError(RefusedError):
    """A picture that would not come back from a file as it is."""


class NotDecodableError(RefusedError):
    """No file of coded images, or none that can be decoded here."""


class UnfinishedJobError(RefusedError):
    """A job that was waited for ended without images, or has not ended."""


class NotInTimeError(RefusedError):
    """A picture was waited for, and its job has not ended."""


class NoBlobError(RefusedError):
    """The job is none whose result is a file, or ended without one."""


class NoBlobYetError(RefusedError):
    """The pictures are not encoded yet."""


class BadParameterError(RefusedError):
    """Something in the request is not as expected; `field`: which field of its body, where it is one."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class ReusedKeyError(RefusedError):
    """An `Idempotency-Key` comes with another request than before."""


class TooManyRequestsError(RefusedError):
    """The caller is too fast."""


class TooManyOpenJobsError(RefusedError):
    """The caller has as many unfinished jobs as it may have."""


class QueueFullError(RefusedError):
    """The queue holds as many jobs as it may."""


class StoreFullError(RefusedError):
    """Redis has nearly no memory left."""


class NoWorkerError(RefusedError):
    """Nobody is there to draw."""


class TooManyStreamsError(RefusedError):
    """This process holds as many open connections as it may."""


class TooManyBytesError(RefusedError):
    """This process, or this client in it, has as many bytes of requests' bodies in flight as it may."""


class OtherVersionJobError(RefusedError):
    """The job was taken by a later version of this service, which this one cannot read."""


class StoreDownError(RefusedError):
    """Redis does not answer."""


class TooSlowError(RefusedError):
    """The request did not arrive in time."""


class HeadTooLargeError(RefusedError):
    """A request's line and fields, or what frames its body, are too large or too many."""


class MalformedRequestError(RefusedError):
    """The bytes are no HTTP/1.1, or can be read in two ways."""


class UnknownCodingError(RefusedError):
    """The body is packed in a way that this server does not speak."""


class StoppingError(RefusedError):
    """This process stops before the answer is there."""
