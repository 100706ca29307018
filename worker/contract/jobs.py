"""What a client asked for (`JobSpec`), and what became of it (`JobRecord`)."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import ConfigDict, Field

from worker.contract.kinds import KINDS, JobKind, Method
from worker.contract.record import OtherVersionError, Record, UnreadableError
from worker.contract.scores import CompletionSummary, EncodeSummary, Pixel, ScoreSummary, VerifySummary

MAX_SEED = 2**53 - 1
"""The largest integer that every JSON reader keeps exact."""

VERSION = 3
"""The highest `JobSpec.version` that this code can do. A field that an earlier worker may pass over needs no new
version; one that changes what is drawn does, and so does a new value of a field that it knows.

2: completions by `posterior`
3: scores with `influence`
"""

MAX_TEMPERATURE = 100.0
MIN_TEMPERATURE = 0.01

PARTICLES = 32
MAX_PARTICLES = 256
"""Of one image; a model's card may say less."""
MAX_PARTICLES_OF_JOB = 2048
SWEEPS = 2
"""What a request that says nothing of them asks for; a stored description without them has none."""
MAX_SWEEPS = 16


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
    """What tells whether the rest of a job's description is for this version."""

    version: int = 1
    kind: Any = None


class JobSpec(Record):
    """One request: `n` images of one model. Sample i of n draws with the noise of (seed, i), whatever n is."""

    version: int = Field(default=1, ge=1)
    """What a worker must be able to do: see VERSION."""
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    kind: JobKind
    model: str
    digest: str
    """sha256 of the weights the client was shown; a worker with others refuses the job."""
    seed: int = Field(ge=0, le=MAX_SEED)
    n: int = Field(ge=1)
    temperature: float = Field(ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE, allow_inf_nan=False)
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    channels: int = Field(ge=1)
    small_height: int = Field(default=0, ge=0)
    small_width: int = Field(default=0, ge=0)
    """Size of the first image of a Multi-Scale model; 0 for other models."""
    request_id: str = ""
    traceparent: str = ""
    """The request, as part of a trace (tracing.py); empty outside of any."""
    priority: Priority | None = None
    """None: a job of few images is interactive, one of many is bulk."""
    filled_pixels: int | None = Field(default=None, ge=1)
    """Of a completion: how many pixels of each image are drawn; the others are given."""
    rank: bool = False
    """Of a completion: its images are scored once they are drawn, and the result says how likely each is."""
    method: Method = Method.CLAMP
    """Of a completion; a description that does not say it is of a time when there was no other."""
    particles: int = Field(default=PARTICLES, ge=1, le=MAX_PARTICLES)
    """Of a completion by `posterior`: of each image, where it cannot be drawn exactly."""
    sweeps: int = Field(default=0, ge=0, le=MAX_SWEEPS)
    """And how often each is drawn anew, given the last one, to come closer."""
    given_behind: int = Field(default=0, ge=0)
    """Of a completion by `posterior`: how many given pixels lie behind the hole's first one, in the order of the member
    that has the fewest. With none, images are drawn exactly, without particles."""
    pixel: Pixel | None = None
    """Of a score: the pixel whose expected values the result lists."""
    influence: bool = False
    """Of a score with a pixel: also how much each earlier pixel mattered there."""
    sample: int = Field(default=0, ge=0)
    """Of a verification: the number of the sample that is drawn again."""
    drawn_with: str = ""
    """Of a verification: with which arithmetic the picture says that it was drawn; empty when it does not say."""
    members: int = Field(default=1, ge=1)
    """Of an encoding: how many networks of a mixture try, each by itself."""

    @property
    def draws_small(self) -> bool:
        """The small image comes from the model, and its rows are published; otherwise it is given, or there is none."""
        return KINDS[self.kind].draws_small and self.small_height > 0

    @property
    def rows_total(self) -> int:
        """Rows of all samples and stages; 0 for a kind that draws none."""
        return KINDS[self.kind].rows(self)

    @property
    def work(self) -> int:
        """Values that are computed one after the other: what a job costs."""
        return KINDS[self.kind].work(self)

    @property
    def passes_over_hole(self) -> int:
        """How often each pixel of a hole is drawn for one image."""
        by_particles = self.method is Method.POSTERIOR and self.given_behind > 0
        return self.particles * (1 + self.sweeps) if by_particles else 1

    def entry(self) -> str:
        """As it is stored: without what is as usual, so that workers of an earlier version can read it."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """From its stored JSON. OtherVersionError for a job of a later version or of a kind that is not known here;
        ValidationError for one that nobody could do."""
        envelope = _Envelope.model_validate_json(text)
        if envelope.version > VERSION:
            raise OtherVersionError(f"it is of version {envelope.version}, and this is version {VERSION}")
        if isinstance(envelope.kind, str) and envelope.kind not in tuple(JobKind):
            raise OtherVersionError(f"{envelope.kind[:64]!r} is a kind of job that this version does not know")
        return cls.model_validate_json(text)


Result = ScoreSummary | CompletionSummary | VerifySummary | EncodeSummary


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
    result: Result | None = None
    """Of a job that has succeeded, where its kind has one."""
    numerics: str | None = None
    """With which arithmetic it was drawn; several, in their order, when a worker of another kind took it over."""
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
        """How much of the work is done, 0 to 1; of a score all or nothing."""
        if self.spec.rows_total == 0:
            return float(self.status is JobStatus.SUCCEEDED)
        return max(self.rows_done / self.spec.rows_total, self.share)

    @classmethod
    def from_hash(cls, fields: Mapping[bytes, bytes]) -> Self:
        """Read what HGETALL of `keys.job(id)` returned (bytes; not empty). UnreadableError."""
        try:
            return cls._read(fields)
        except UnreadableError:
            raise
        except (KeyError, ValueError) as error:  # also of pydantic, json and decode
            raise UnreadableError(f"the job's record cannot be read: {type(error).__name__}") from error

    @classmethod
    def _read(cls, fields: Mapping[bytes, bytes]) -> Self:
        text = {key.decode(): value.decode() for key, value in fields.items()}
        spec = JobSpec.read(text["spec"])
        return cls.model_validate(
            {
                "spec": spec,
                "status": text["status"],
                "created_at": text["created_at"],
                "started_at": text.get("started_at"),
                "finished_at": text.get("finished_at"),
                "expires_at": text.get("expires_at"),
                "rows_done": text.get("rows_done", 0),
                "share": text.get("share", 0),
                "error": json.loads(text["error"]) if text.get("error") else None,
                "result": _result(spec, text["result"]) if text.get("result") else None,
                "numerics": text.get("numerics"),
                "client": text.get("client", ""),
                "ahead": text.get("ahead"),
                "webhook_tries": text.get("webhook_tries", 0) if "webhook" in text else None,
                "webhook_over": text.get("webhook_over"),
                "parked": text.get("parked", False),
            }
        )


def _result(spec: JobSpec, text: str) -> Result | None:
    summary = KINDS[spec.kind].result
    return None if summary is None else summary.model_validate_json(text)
