"""The description of a job (`JobSpec`), and its record (`JobRecord`)."""

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
from worker.contract.kind import Options, Summary, options_version
from worker.contract.kinds import ALL_KINDS
from worker.contract.record import OtherVersionError, Record, UnreadableError
from worker.contract.several import SeveralSummary

MAX_SEED = 2**53 - 1
"""The largest integer that every JSON reader keeps exact."""

VERSION = max(options_version(kind.options) for kind in ALL_KINDS.values())
"""The highest `JobSpec.version` that this code can do. A field that an earlier worker may pass over needs no new
version; one that changes what is drawn does, and so does a new value of a field that it knows.

2: completions by `posterior`
3: scores with `influence`
4: what only one kind of job says stands in `options`; what comes there later says itself since when (`Since`)
"""

MAX_TEMPERATURE = 100.0
MIN_TEMPERATURE = 0.01


class Priority(StrEnum):
    """Who goes first when images wait for slots: someone looks at interactive ones, bulk ones fill the rest."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED)


class JobError(Record):
    """Why a job failed, in the words of problem+json."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    type: str
    """Tells kinds of failures apart, for programs."""
    title: str
    """The kind, for people."""
    detail: str
    """One sentence on what happened here."""


class _Envelope(Record):
    """The part of a description that tells whether the rest is for this version."""

    version: int = 1
    kind: Any = None


class JobSpec(Record):
    """One request: `n` images of one model. Sample i of n draws with the noise of (seed, first + i), whatever n is."""

    version: int = Field(default=1, ge=1)
    """The version that a worker must know: see VERSION."""
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    kind: str
    """A word of ALL_KINDS."""
    model: str
    digest: str
    """sha256 of the weights the client was shown; a worker with others refuses the job."""
    identity: str = ""
    """Identity of the model that the client was shown; empty in jobs that an earlier version accepted."""
    seed: int = Field(ge=0, le=MAX_SEED)
    n: int = Field(ge=0)
    """0 where the kind may draw none: `Kind.none_told`."""
    temperature: float = Field(
        ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE, allow_inf_nan=False
    )
    height: int = Field(ge=0)
    width: int = Field(ge=0)
    channels: int = Field(ge=0)
    """Size of its pictures; 0 of a training, whose pictures have any."""
    small_height: int = Field(default=0, ge=0)
    small_width: int = Field(default=0, ge=0)
    """Size of the first image of a Multi-Scale model; 0 for other models."""
    values: int = Field(default=0, ge=0)
    """How many values a colour takes; 0 in descriptions of a time when that was not said."""
    palette: tuple[str, ...] = ()
    """The colours of its values, of a model of categories: bytes of its rows and pictures are then values."""
    request_id: str = ""
    traceparent: str = ""
    """The request, as part of a trace (tracing.py); empty outside of any."""
    priority: Priority | None = None
    """None: a job of few images is interactive, one of many is bulk."""
    options: SerializeAsAny[Options]
    """Everything that only jobs of this kind say."""

    @model_validator(mode="before")
    @classmethod
    def _with_options(cls, fields: Any) -> Any:
        """Reads descriptions of an earlier version too."""
        is_older = isinstance(fields, dict) and "options" not in fields
        return {**fields, "options": _options_before_4(fields)} if is_older else fields

    @field_validator("options", mode="before")
    @classmethod
    def _of_its_kind(cls, options: Any, found: ValidationInfo) -> Options:
        if "kind" not in found.data:  # which is wrong, and said to be
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
        if self.n == 0 and not ALL_KINDS[self.kind].none_told:
            raise ValueError(f"n must be at least 1 for {self.kind}, not 0")
        return self

    @property
    def identity_or_digest(self) -> str:
        """The model that it was accepted for, by what the job says of it."""
        return self.identity or self.digest

    @property
    def draws_small(self) -> bool:
        """The small image comes from the model, and its rows are published; otherwise it is given, or there is none."""
        return ALL_KINDS[self.kind].draws_small and self.small_height > 0

    @property
    def rows_total(self) -> int:
        """Rows of all samples and stages; 0 for a kind that draws none."""
        return self.options.rows(self)

    @property
    def first(self) -> int:
        """Number of its sample 0 among the images of its seed."""
        return self.options.begins_at

    @property
    def images(self) -> int:
        """How many pictures are drawn, cut-outs of one together."""
        return self.n // max(1, len(self.options.places))

    @property
    def work(self) -> int:
        """Values that are computed one after the other: what a job costs."""
        return self.options.work(self)

    def entry(self) -> str:
        """The stored form, without what is as usual, so that workers of an earlier version can read it."""
        said = self.model_dump(mode="json", exclude={"options"}, exclude_defaults=True)
        options = self.options.stored_fields()
        return json.dumps(
            said | {"options": options} if options else said, separators=(",", ":")
        )

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """Read the stored JSON. OtherVersionError for a job of a later version or of a kind that is not known here;
        ValidationError for one that nobody could do."""
        envelope = _Envelope.model_validate_json(text)
        if envelope.version > VERSION:
            raise OtherVersionError(
                f"it is of version {envelope.version}, and this is version {VERSION}"
            )
        if isinstance(envelope.kind, str) and envelope.kind not in ALL_KINDS:
            raise OtherVersionError(
                f"{envelope.kind[:64]!r} is a kind of job that this version does not know"
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
_BESIDE = *_OF_COMPLETIONS, "influence", "sample", "drawn_with", "members"


def _options_before_4(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The options in a description of version 1 to 3, in which those of all kinds stood beside the rest. What was not
    said of a completion is of a time when there was only `clamp`, and no sweeps; a pixel was one field."""
    said = {name: value for name, value in fields.items() if name in _BESIDE}
    usual = {"method": "clamp", "sweeps": 0} if fields.get("kind") == "complete" else {}
    return {**usual, **said, **(fields.get("pixel") or {})}


class JobRecord(Record):
    """The job's hash in Redis, read back. Times are seconds since 1970 by Redis's clock."""

    spec: JobSpec
    status: JobStatus
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    expires_at: float | None = None
    rows_done: int = 0
    error: JobError | None = None
    share: float = Field(default=0.0, ge=0, le=1)
    """How much of the work is done, where rows alone do not tell: of a job that is drawn by particles."""
    result: SerializeAsAny[Summary] | None = None
    """The summary of a job that has succeeded, if its kind has one."""
    numerics: str | None = None
    """The arithmetic that drew it; several, in their order, when a worker of another kind took it over."""
    client: str = ""
    """Who handed it in."""
    ahead: int | None = None
    """Values that had been accepted before it, ever: `keys.LOAD`."""
    webhook_tries: int | None = None
    """How often somebody was told of its end so far; None where nobody is to be."""
    webhook_over: str | None = None
    """How that ended: `delivered`, or `given-up` where the receiver wanted no more."""
    parked: bool = False
    """It waits for a worker that can do it: `keys.parked`. While it is queued."""

    @property
    def progress(self) -> float:
        """How much of the work is done, 0 to 1; of what takes one pass all or nothing."""
        if self.spec.rows_total == 0:
            return 1.0 if self.status is JobStatus.SUCCEEDED else self.share
        return max(self.rows_done / self.spec.rows_total, self.share)

    @classmethod
    def from_hash(cls, fields: Mapping[bytes, bytes]) -> Self:
        """Read what HGETALL of `keys.job(id)` returned (bytes; not empty). UnreadableError."""
        try:
            return cls._read(fields)
        except UnreadableError:
            raise
        except (KeyError, ValueError) as error:  # also of pydantic, json and decode
            raise UnreadableError(
                f"the job's record cannot be read: {type(error).__name__}"
            ) from error

    @classmethod
    def _read(cls, fields: Mapping[bytes, bytes]) -> Self:
        text = {key.decode(): value.decode() for key, value in fields.items()}
        spec = JobSpec.read(text["spec"])
        read = {
            "spec": spec,
            "error": json.loads(text["error"]) if text.get("error") else None,
            "result": _summary(spec, text["result"]) if text.get("result") else None,
            "webhook_tries": text.get("webhook_tries", 0)
            if "webhook" in text
            else None,
        }
        return cls.model_validate({**text, **read})


def _summary(spec: JobSpec, text: str) -> Summary | None:
    summary = ALL_KINDS[spec.kind].summary
    if summary is not None and spec.options.is_of_several:
        several, places = SeveralSummary.read(text, summary), spec.options.places
        return (
            CutoutsSummary(pictures=several.pictures, places=tuple(places))
            if places
            else several
        )
    return None if summary is None else summary.model_validate_json(text)
