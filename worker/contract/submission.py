"""Arguments and answers of `scripts.SUBMIT`, which checks, accepts, queues and counts a
job.

All of it happens or none: a client that did not receive the answer may repeat the
request with the same id or `Idempotency-Key`.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from worker.contract import keys
from worker.contract.jobs import PRIORITY_WEIGHTS, JobSpec

LEAST_ROOM = 16 * 1024
"""Bytes of a job without rows: its record, its queue entry, RQ's own records of it, and
a stream, which takes at least 4 KiB."""
_ROW = 64
"""Bytes of a row beside its pixels: the JSON around them, and the stream's overhead."""


class Allowance(BaseModel):
    """How many jobs one client may submit and have open."""

    model_config = ConfigDict(frozen=True)
    client: str = Field(min_length=1)
    """The account that is charged: an API key's name, or the address of a client
    without one."""
    rate: float = Field(gt=0)
    """Jobs per second, on average."""
    burst: int = Field(ge=1)
    """Most jobs at once: the capacity of the token bucket."""
    client_jobs: int = Field(ge=1)
    """Most jobs that may be open."""


class SubmissionTerms(Allowance):
    """The limits against which a request is checked. Work is counted in values, as in
    `JobSpec.work`."""

    owner: str = Field(min_length=1)
    """Owner of the job, who may list and see it."""
    queue: str
    """Key of the Redis list in which the job will wait."""
    queue_jobs: int = Field(ge=1)
    """Most jobs that may wait in the queue."""
    queue_work: int = Field(ge=1)
    """Most work of all open jobs; a single job may exceed it if there is no other work.
    """
    memory: int | None = None
    """Bytes of the server's memory that open jobs may still use, when it was last
    measured; None if there is no limit."""
    written: int = 0
    """`written` of `keys.LOAD` at that moment: input that came later is subtracted."""
    idempotency: str = ""
    """Digest of the client's `Idempotency-Key`; empty without one."""
    body: str = ""
    """Digest of the request, which must be the same if the `Idempotency-Key` is used
    again."""
    retention: int = Field(default=keys.RESULT_TTL_S, ge=1)
    """Seconds for which the results are kept after the job's end."""
    webhook: str = ""
    """Address to call when the job ends; empty for none."""
    asleep_s: float = 0
    """Seconds within which a worker must come, else the job fails; 0 for no limit."""


class SubmissionAnswer(StrEnum):
    """The first word of the script's answer. The docstrings say which values follow
    it."""

    ACCEPTED = "accepted"
    """created_at, number of jobs that wait before it, its `ahead` (`keys.job`); and,
    unless a job of this id had been accepted before, the number of jobs that the client
    may still submit at once, and the number of its open jobs."""
    AGAIN = "again"
    """Id of the earlier job with this `Idempotency-Key` and body."""
    CONFLICT = "conflict"
    """Nothing: an earlier job with this `Idempotency-Key` had another body."""
    TOO_FAST = "too-fast"
    """Seconds until the client may submit another job, its tokens now (less than one),
    and the number of its open jobs."""
    TOO_MANY = "too-many"
    """Number of the client's open jobs, and its tokens."""
    NO_MEMORY = "no-memory"
    """Nothing: the server's memory would not suffice for all accepted jobs."""
    OVER_SHARE = "over-share"
    """Bytes that the open jobs of the client's account take. With this job they would
    exceed the memory that no client holds yet (`fairness.may_hold`)."""
    FULL = "full"
    """Nothing: the queue has reached its limit of jobs or of work."""


def arguments(
    terms: SubmissionTerms,
    spec: JobSpec,
    pixels: bytes | None,
    keep: bytes,
    commands: str,
    upload: bytes = b"",
) -> list[str | bytes]:
    """Return ARGV of `scripts.SUBMIT` for a job.

    pixels, keep: the job's input as `keys.image` stores it; None and empty if it has
        none.
    commands: a JSON list of the Redis commands that append the job to its queue.
    upload: the file of a larger picture whose holes are filled.
    """
    priority = spec.effective_priority
    input_bytes = len(pixels or b"") + len(keep) + len(upload) + len(terms.webhook)
    facts = _JobFacts(
        id=spec.id,
        kind=spec.kind,
        model=spec.model,
        work=spec.work,
        rows_total=spec.rows_total,
        room=room_of(spec),
        input=input_room(input_bytes),
        rows_room=rows_room(spec),
        images=spec.images if spec.work else 0,
        line=f"{priority}:{terms.client}",
        turn=max(PRIORITY_WEIGHTS.values()) // PRIORITY_WEIGHTS[priority],
        listed_key=keys.listed_ids(terms.owner),
        allowance_key=keys.allowance(terms.client),
        idempotency_key=keys.idempotency(terms.client, terms.idempotency),
    )
    # Lua's cjson decodes null as a value that is not nil, so absent fields are left out.
    terms_json = terms.model_dump_json(exclude_none=True)
    return [
        terms_json,
        facts.model_dump_json(),
        spec.entry(),
        pixels or b"",
        keep,
        commands,
        upload,
    ]


def rows_room(spec: JobSpec) -> int:
    """Return an upper bound for the bytes that all rows of a job take."""
    if not spec.rows_total:
        return 0
    image = spec.height * (_ROW + _encoded(spec.width * spec.channels))
    if spec.draws_small:
        small_row = _ROW + _encoded(spec.small_width * spec.channels)
        image += spec.small_height * small_row
    return _rounded_up(spec.n * image)


def room_of(spec: JobSpec) -> int:
    """Return an upper bound for the bytes that a job will still write once it has been
    accepted: records, rows and result.

    They are reserved when it is accepted, so that it can end even if the server is full.
    `tests/worker/test_full_store.py` compares them with what is really written.
    """
    return LEAST_ROOM + rows_room(spec) + _rounded_up(spec.options.room(spec))


def input_room(input_bytes: int) -> int:
    """Return the bytes that a job's input takes, which is written when the job is
    accepted."""
    return _rounded_up(input_bytes)


def _rounded_up(size: int) -> int:
    # The server allocates in size classes.
    return size * 5 // 4


def _encoded(size: int) -> int:
    """Return the length of so many bytes in base64."""
    return (size + 2) // 3 * 4


def client_of(ticket: bytes | None) -> str:
    """Return the client in a ticket (`keys.OPEN`, `work:job:client`); empty for
    None."""
    return b"".join((ticket or b"").split(b":", 2)[2:]).decode(errors="replace")


class _JobFacts(BaseModel):
    """Facts of the job that the script needs beside the job's description."""

    id: str
    kind: str
    model: str
    work: int
    rows_total: int
    room: int
    """Bytes that the job will still write."""
    input: int
    """Bytes that are written with it."""
    rows_room: int
    images: int
    """Images that count as its owner's usage once it has succeeded."""
    line: str
    """The line in which it takes its turn (`keys.turns`)."""
    turn: int
    """How far one job moves its line on: bulk jobs move it further."""
    listed_key: str
    allowance_key: str
    idempotency_key: str
