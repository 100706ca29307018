"""A job as its client asked for it (`JobSpec`), and its record in Redis
(`JobRecord`)."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import (
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from worker.contract.cutouts import CutoutsSummary
from worker.contract.kind import Summary
from worker.contract.kinds import ALL_KINDS
from worker.contract.options import Options, options_version
from worker.contract.record import OtherVersionError, Record, UnreadableError
from worker.contract.several import SeveralSummary

ID_BYTES = 16
"""128 random bits: an id cannot be guessed, and never occurs twice."""

MAX_SEED = 2**53 - 1
"""The largest integer that every JSON reader represents exactly."""

VERSION = max(options_version(kind.options) for kind in ALL_KINDS.values())
"""The highest `JobSpec.version` that this code can do.

A new field that an earlier worker may ignore needs no new version. One that changes
what is drawn needs one, and so does a new value of an existing field.

Version 2 added completions by `posterior`, 3 scores with `influence`, 4 put options of
a single kind into `options`. Options added later are marked `Since`.
"""

MAX_TEMPERATURE = 100.0
MIN_TEMPERATURE = 0.01


class Priority(StrEnum):
    """Which images get free slots first: interactive ones, which somebody is looking
    at, before bulk ones."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


INTERACTIVE_IMAGES = 4
"""A job of at most this many images is interactive unless it says otherwise."""

PRIORITY_WEIGHTS = {Priority.INTERACTIVE: 4, Priority.BULK: 1}
"""If both kinds wait, this many interactive jobs are taken, or images given slots, for
each bulk one: bulk jobs are slower, but never stop."""


class JobStatus(StrEnum):
    """Status of a job; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        """True for a final status."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED)


class JobError(Record):
    """Why a job failed, with the fields of problem+json."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    type: str
    """The kind of failure, for programs."""
    title: str
    """The kind of failure, for people."""
    detail: str
    """A sentence that says what happened to this job."""


class _Envelope(Record):
    """The fields of a stored description that decide whether this version can read the
    rest."""

    version: int = 1
    kind: Any = None


class JobSpec(Record):
    """A request as the API accepted it: `n` images of one model, with all options
    checked.

    The API writes it and workers read it. Image i of n is drawn with the noise of
    (seed, first + i), whatever n is.
    """

    version: int = Field(default=1, ge=1)
    """The lowest VERSION that a worker needs for this job."""
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Id of the job, chosen by the API."""
    kind: str
    """The kind's word, a key of ALL_KINDS."""
    model: str
    """Name of the model."""
    digest: str
    """SHA-256 of the model's weights when the job was accepted. A worker with other
    weights does not take the job."""
    identity: str = ""
    """Identity of the model when the job was accepted; empty in jobs of an earlier
    version."""
    seed: int = Field(ge=0, le=MAX_SEED)
    """Seed of the noise."""
    n: int = Field(ge=0)
    """Number of images; 0 only for kinds that allow it (`Kind.zero_images`)."""
    temperature: float = Field(
        ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE, allow_inf_nan=False
    )
    """Temperature of the draws."""
    height: int = Field(ge=0)
    """Height of the job's pictures in pixels; 0 for a training."""
    width: int = Field(ge=0)
    """Width of the job's pictures in pixels; 0 for a training."""
    channels: int = Field(ge=0)
    """Colours of a pixel; 0 for a training, whose pictures may have any."""
    small_height: int = Field(default=0, ge=0)
    """Height of the small image of a Multi-Scale model; 0 for other models."""
    small_width: int = Field(default=0, ge=0)
    """Width of the small image of a Multi-Scale model; 0 for other models."""
    values: int = Field(default=0, ge=0)
    """Number of values of a colour; 0 in descriptions of versions that did not store
    it."""
    palette: tuple[str, ...] = ()
    """The colour of each value if the model's values are categories: bytes of rows and
    pictures are then values."""
    request_id: str = ""
    """Id of the HTTP request, for logs."""
    traceparent: str = ""
    """The request as part of a trace (tracing.py); empty without a trace."""
    priority: Priority | None = None
    """None: few images are interactive, many are bulk (`effective_priority`)."""
    options: SerializeAsAny[Options]
    """The options of the job's kind."""

    @model_validator(mode="before")
    @classmethod
    def _with_options(cls, fields: Any) -> Any:
        """Convert descriptions of versions 1 to 3, which had no `options`."""
        is_older = isinstance(fields, dict) and "options" not in fields
        return {**fields, "options": _options_before_4(fields)} if is_older else fields

    @field_validator("options", mode="before")
    @classmethod
    def _of_its_kind(cls, options: Any, found: ValidationInfo) -> Options:
        if "kind" not in found.data:  # an unknown kind has its own error already
            return Options()
        try:
            return ALL_KINDS[found.data["kind"]].options.model_validate(options)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ValueError(
                f"{'/'.join(map(str, first['loc']))}: {first['msg']}"
            ) from None

    @field_validator("kind")
    @classmethod
    def _known(cls, word: str) -> str:
        if word not in ALL_KINDS:
            raise ValueError(f"expected one of {', '.join(ALL_KINDS)}")
        return word

    @model_validator(mode="after")
    def _draws_some(self) -> Self:
        if self.n == 0 and not ALL_KINDS[self.kind].zero_images:
            raise ValueError(f"n must be at least 1 for {self.kind}, not 0")
        return self

    @property
    def identity_or_digest(self) -> str:
        """Identity of the model that the job was accepted for, or the SHA-256 of its
        weights if the identity is unknown."""
        return self.identity or self.digest

    @property
    def draws_small(self) -> bool:
        """True if the job draws the small image of a Multi-Scale model too and
        publishes its rows. Otherwise the small image is given, or there is none."""
        return ALL_KINDS[self.kind].draws_small and self.small_height > 0

    @property
    def effective_priority(self) -> Priority:
        """The requested priority, or else the one that follows from the number of
        images."""
        if self.priority is not None:
            return self.priority
        is_small = self.n <= INTERACTIVE_IMAGES
        return Priority.INTERACTIVE if is_small else Priority.BULK

    @property
    def rows_total(self) -> int:
        """Number of rows of all images and stages; 0 for a kind that draws none."""
        return self.options.rows(self)

    @property
    def first(self) -> int:
        """Number of the job's image 0 among the images of its seed."""
        return self.options.begins_at

    @property
    def images(self) -> int:
        """Number of returned images; all cut-outs of one picture count as one."""
        return self.n // max(1, len(self.options.places))

    @property
    def work(self) -> int:
        """Number of values that are computed one after the other, which is what a job
        costs."""
        return self.options.work(self)

    def entry(self) -> str:
        """Return the stored form as JSON. Fields with their default are left out, so
        that workers of an earlier version can read it."""
        stored = self.model_dump(
            mode="json", exclude={"options"}, exclude_defaults=True
        )
        options = self.options.stored_fields()
        if options:
            stored["options"] = options
        return json.dumps(stored, separators=(",", ":"))

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """Read the stored JSON.

        Raises OtherVersionError if a later version may be able to do the job,
        ValidationError if no version could.
        """
        envelope = _Envelope.model_validate_json(text)
        if envelope.version > VERSION:
            raise OtherVersionError(
                f"the job has version {envelope.version}: "
                f"this code knows versions up to {VERSION}"
            )
        if isinstance(envelope.kind, str) and envelope.kind not in ALL_KINDS:
            raise OtherVersionError(
                f"{envelope.kind[:64]!r} is a kind of job unknown to this version"
            )
        return cls.model_validate_json(text)


_OF_COMPLETIONS = (
    "filled_pixels",
    "rank",
    "method",
    "particles",
    "sweeps",
    "given_behind",
)
_TOP_LEVEL_OPTIONS = *_OF_COMPLETIONS, "influence", "sample", "drawn_with", "members"
"""Options that stood beside the common fields before version 4."""


def _options_before_4(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a description of version 1 to 3, in which they stood beside
    the common fields."""
    # A completion without a method is from the time when `clamp` was the only one and
    # there were no sweeps.
    is_completion = fields.get("kind") == "complete"
    defaults = {"method": "clamp", "sweeps": 0} if is_completion else {}
    stored = {
        name: value for name, value in fields.items() if name in _TOP_LEVEL_OPTIONS
    }
    return {**defaults, **stored, **(fields.get("pixel") or {})}


class JobRecord(Record):
    """A job's hash in Redis, parsed. Times are seconds since 1970 by Redis's clock.

    Scripts of the contract write the hash; API and workers read it.
    """

    spec: JobSpec
    """The job as its client asked for it."""
    status: JobStatus
    """Its status now."""
    created_at: float
    """When it was accepted."""
    started_at: float | None = None
    """When a worker first took it; None while it has not been taken."""
    finished_at: float | None = None
    """When it ended; None while it is open."""
    expires_at: float | None = None
    """When its results are deleted; None while it is open."""
    rows_done: int = 0
    """Number of published rows."""
    error: JobError | None = None
    """Why it failed; None if it did not."""
    share: float = Field(default=0.0, ge=0, le=1)
    """The part of the work that is done, 0 to 1, for jobs drawn by particles, whose
    rows are published only at the end."""
    result: SerializeAsAny[Summary] | None = None
    """The summary of a job that has succeeded; None if its kind has none."""
    numerics: str | None = None
    """The arithmetic that drew it; several, separated by commas, if another worker
    continued the job with another arithmetic."""
    client: str = ""
    """Owner of the job: the API key or address of the client that submitted it."""
    ahead: int | None = None
    """`accepted` of `keys.LOAD` at which the job's turn comes, as estimated when it was
    accepted; None in records of earlier versions."""
    webhook_tries: int | None = None
    """How often the webhook was called so far; None if the job has no webhook."""
    webhook_over: str | None = None
    """Outcome of the webhook: `delivered`, or `given-up` if the receiver wanted no more
    calls; None while it is open."""
    parked: bool = False
    """True while the queued job waits for a worker that can do it (`keys.parked_ids`).
    """

    @property
    def progress(self) -> float:
        """The part of the work that is done, 0 to 1. It is 0 or 1 for jobs that take a
        single pass."""
        if self.spec.rows_total == 0:
            return 1.0 if self.status is JobStatus.SUCCEEDED else self.share
        return max(self.rows_done / self.spec.rows_total, self.share)

    @classmethod
    def from_hash(cls, fields: Mapping[bytes, bytes]) -> Self:
        """Parse what HGETALL of `keys.job(id)` returned; it must not be empty.

        Raises UnreadableError if it is damaged, and its subclass OtherVersionError if
        only a later version can read it.
        """
        try:
            return cls._read(fields)
        except UnreadableError:
            raise
        # ValueError covers the errors of pydantic, json and bytes.decode.
        except (KeyError, ValueError) as error:
            raise UnreadableError(
                f"the job's record cannot be read: {type(error).__name__}"
            ) from error

    @classmethod
    def _read(cls, fields: Mapping[bytes, bytes]) -> Self:
        text = {key.decode(): value.decode() for key, value in fields.items()}
        spec = JobSpec.read(text["spec"])
        error = json.loads(text["error"]) if text.get("error") else None
        result = _summary(spec, text["result"]) if text.get("result") else None
        # The field `webhook_tries` appears with the first call.
        tries = text.get("webhook_tries", 0) if "webhook" in text else None
        parsed = {
            "spec": spec,
            "error": error,
            "result": result,
            "webhook_tries": tries,
        }
        return cls.model_validate({**text, **parsed})


def _summary(spec: JobSpec, text: str) -> Summary | None:
    summary = ALL_KINDS[spec.kind].summary
    if summary is None:
        return None
    if not spec.options.is_of_several:
        return summary.model_validate_json(text)

    several = SeveralSummary.read(text, summary)
    places = tuple(spec.options.places)
    if not places:
        return several
    return CutoutsSummary(pictures=several.pictures, places=places)
