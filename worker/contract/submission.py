"""The checks before the queue: what `scripts.SUBMIT` is told, and what it answers. It accepts, queues and books a job.

All of it happens or none: a client that never saw the answer may ask again with the same id or `Idempotency-Key`.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from worker.contract import keys
from worker.contract.jobs import JobSpec
from worker.contract.priorities import WEIGHTS, priority_of
from worker.contract.room import input_room, room_of, rows_room


class Allowance(BaseModel):
    """The jobs that one client may hand in."""

    model_config = ConfigDict(frozen=True)
    client: str = Field(min_length=1)
    """The account whose allowance it is."""
    rate: float = Field(gt=0)
    """Jobs a second, on average."""
    burst: int = Field(ge=1)
    """How many at once."""
    client_jobs: int = Field(ge=1)
    """How many may be open."""


class SubmissionTerms(Allowance):
    """The limits that a request is checked against. Jobs are counted; work is counted in values, as in
    `JobSpec.work`."""

    owner: str = Field(min_length=1)
    """Who may list and see the job."""
    queue: str
    """The Redis list in which it will wait."""
    queue_jobs: int = Field(ge=1)
    queue_work: int = Field(ge=1)
    memory: int | None = None
    """Bytes that were free when somebody last looked, for what open jobs will write; None = there is no limit."""
    written: int = 0
    """`written` of `keys.LOAD` at that look: what came later is not free any more."""
    idempotency: str = ""
    """Digest of the client's `Idempotency-Key`; empty without one."""
    body: str = ""
    """Digest of what it asks for."""
    retention: int = Field(default=keys.RESULT_TTL_S, ge=1)
    """Seconds that its results are kept once it has ended."""
    longest: int = Field(default=keys.RESULT_TTL_S, ge=1)
    """The most that any job of this service may ask for."""
    webhook: str = ""
    """The address to which the job's end is told; empty = to none."""


class SubmissionAnswer(StrEnum):
    """The first word of the answer, and what follows it."""

    ACCEPTED = "accepted"
    """created_at, how many wait before it, its `ahead` (`keys.job`); and, unless this id was accepted before, how many
    jobs the client may still hand in at once, and how many of its jobs are open."""
    AGAIN = "again"
    """Id of the job that this `Idempotency-Key` and body stand for."""
    CONFLICT = "conflict"
    """The `Idempotency-Key` stands for another body."""
    TOO_FAST = "too-fast"
    """Seconds until the client may hand in one more, how many it may now (less than one), and how many of its jobs are
    open."""
    TOO_MANY = "too-many"
    """How many jobs of the client are open, and how many it may still hand in at once."""
    NO_MEMORY = "no-memory"
    """Accepted jobs would not all find room in the server's memory."""
    OVER_SHARE = "over-share"
    """The memory that the jobs of the client's account take, in bytes: it would be more than is free."""
    FULL = "full"
    """The queue has its number of jobs, or of values."""


def arguments(
    terms: SubmissionTerms,
    spec: JobSpec,
    pixels: bytes | None,
    keep: bytes,
    commands: str,
    upload: bytes = b"",
) -> list[str | bytes]:
    """ARGV of `scripts.SUBMIT`. `commands`: a JSON list of the Redis commands that put the job at the queue's end;
    `upload`: the file of a picture whose holes are filled."""
    priority = priority_of(spec)
    facts = _JobFacts(
        id=spec.id,
        kind=spec.kind,
        model=spec.model,
        work=spec.work,
        rows_total=spec.rows_total,
        room=room_of(spec),
        input=input_room(
            len(pixels or b"") + len(keep) + len(upload) + len(terms.webhook)
        ),
        rows_room=rows_room(spec),
        line=f"{priority}:{terms.client}",
        turn=max(WEIGHTS.values()) // WEIGHTS[priority],
        listed_key=keys.listed(terms.owner),
        allowance_key=keys.allowance(terms.client),
        idempotency_key=keys.idempotency(terms.client, terms.idempotency),
        listed_ttl=keys.ACTIVE_TTL_S + terms.longest,
    )
    terms_json = terms.model_dump_json(exclude_none=True)  # null is no nil in Lua
    return [
        terms_json,
        facts.model_dump_json(),
        spec.entry(),
        pixels or b"",
        keep,
        commands,
        upload,
    ]


def client_of(ticket: bytes | None) -> str:
    """The client that a ticket (`keys.OPEN`) names; empty for a job without one."""
    return b"".join((ticket or b"").split(b":", 2)[2:]).decode(errors="replace")


class _JobFacts(BaseModel):
    """Facts of the job that the script needs beside its text."""

    id: str
    kind: str
    model: str
    work: int
    rows_total: int
    room: int
    input: int
    """Bytes that are written with it."""
    rows_room: int
    line: str
    """The line whose turn it takes: see `keys.turns`."""
    turn: int
    """How far a job of it brings its line on."""
    listed_key: str
    allowance_key: str
    idempotency_key: str
    listed_ttl: int
