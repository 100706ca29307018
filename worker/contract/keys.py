"""Every Redis name and lifetime. A job has a hash and a stream, and a hash of pictures
if it takes or makes any."""

QUEUE = "pixelrnn"
"""The default RQ queue. A worker listens on exactly one queue: with several, RQ does
not pop atomically, and a crash would lose the job. All workers of a queue hold the same
models."""

TRAIN_QUEUE = "pixelrnn-train"
"""The RQ queue of trainers."""

TRAINS = "train:"
"""Prefix of an owner's name in LOAD for trainings, which are counted apart from other
jobs."""

RQ_QUEUE = "rq:queue:"
"""RQ's prefix of the list of waiting job ids; the queue's name follows."""

RQ_STARTED = "rq:wip:"
"""RQ's prefix of the sorted set of leases (`job:owner`) by their end, in seconds since
1970; the queue's name follows."""

RQ_JOB = "rq:job:"
"""RQ's prefix of its own record of a job; the job's id follows."""

JOB_FUNCTION = "worker.tasks.draw"
"""The only function that a worker runs, whatever function a queue entry names."""

RQ_KEPT_S = 60
"""Seconds for which RQ keeps its own record of a job that our workers did not end
themselves."""

CANCEL_CHANNEL = "px:cancel"
"""Pub/sub channel: the id of each running job whose cancellation was requested."""

WORK_CHANNEL = "px:work"
"""Pub/sub channel: the id of each accepted job with something to draw, at which
trainings pause."""

WORKERS = "px:workers"
"""Set of the names of announced workers; each has a `worker(name)` key while it lives.
"""

PROBE = "px:probe"
"""Written to find out whether the server accepts writes."""

ACTIVE_TTL_S = 7 * 24 * 3600
"""Lifetime of an open job's keys, in seconds: every key has a lifetime, and a job that
does not end within a week is forgotten."""

RESULT_TTL_S = 24 * 3600
"""Seconds for which an ended job, its rows and its images are kept, unless its hash has
`retention`."""

MIN_RETENTION_S = 60
MAX_RETENTION_S = 30 * 24 * 3600
"""Bounds, in seconds, of the retention that a request or an operator may choose."""

TOMBSTONE_TTL_S = 7 * 24 * 3600
"""Seconds after a job's expiry in which its id is answered with 410 (expired) and not
with 404 (unknown)."""

TOMBSTONE_BYTES = 256
"""Bytes charged to a job's client from its end until its tombstone expires. Measured:
105 for the tombstone, 95 for its entry in `listed_ids`; the rest is for `held_bytes`.
"""

IDEMPOTENCY_TTL_S = 24 * 3600
"""Seconds for which an `Idempotency-Key` stands for its job."""

IDEMPOTENCY_BYTES = 320
"""Bytes charged to a job's client for its `Idempotency-Key` meanwhile. Measured: 280.
"""

OPEN = "px:open"
"""Sorted set of the tickets (`work:job:client`) of all open jobs, by time of
acceptance."""

CLOSED = "px:closed"
"""Exists while an operator has stopped new jobs."""

LOAD = "px:load"
"""Hash: `work` = values that open jobs still have to draw, `accepted` = values ever
accepted, `of:CLIENT` = open jobs of a client, `room` = bytes that open jobs will still
write, `written` = bytes that were ever sent with jobs, `busy_since` = time up to which
BUSY is counted."""

QUEUE_WORK = "px:queue_work"
"""Hash: key of a queue -> values that its open jobs still have to draw. All values
together may differ from `work` of LOAD: jobs that an API of 0.4.0 accepted are missing
here, and values that workers of 0.4.0 drew, or of jobs that were lost, are still here.
It is deleted when no job is open."""

ROOM = "px:room"
"""Hash: job id -> bytes that the open job will still write. `room` in LOAD is their
sum; it is subtracted from the server's free memory before a job is accepted."""

HELD = "px:held:"
"""Prefix of `held_bytes`; the account follows."""
HELD_SPAN_S = 300
"""Seconds of a span: held bytes are counted by the span in which they expire."""

DRAWN = "px:drawn"
"""Hash: number of a span of DRAWN_SPAN_S seconds -> values finished in it; the last
DRAWN_SPANS spans are kept."""

DRAWN_SPAN_S = 5
DRAWN_SPANS = 12

BUSY = "px:busy"
"""Hash: number of a span -> seconds of it in which there was something to draw. DRAWN
divided by these seconds is the speed of the service, which idle hours do not lower."""

TOOK = "px:took"
"""Hash: model -> seconds that one of its jobs takes from start to end, as a moving
average."""

TOTALS = "px:totals"
"""Hash: `kind:status` -> number of jobs that have ended so."""

USAGE = "px:usage:"
"""Prefix of a hash; the number of a day (UTC) since 1970 follows. `images:OWNER`,
`values:OWNER`, `seconds:OWNER`: what the owner's jobs that ended on this day have drawn,
and the time from their starts to their ends."""

USAGE_DAYS = 35
USAGE_TTL_S = (USAGE_DAYS + 1) * 24 * 3600
"""Seconds for which the usage of a day is kept after its last job."""

TRAINED = "px:trained"
TRAINED_FIELDS = ("updates", "images")
"""Hash: updates of all trainings, and images that they learned from."""

FIRST_ROWS = "px:first_rows"
"""Histogram of the time from a job's acceptance to its first row. Hash: k -> jobs whose
first row took more than 2 ** (k - 1) and at most 2 ** k seconds, with k from
FIRST_ROW_LEAST; `sum` -> these seconds of all jobs."""

FIRST_ROW_LEAST = -5
FIRST_ROW_MOST = 12
"""The largest k that is reported separately."""

UNPACKED = "px:unpacked"
"""Sorted set of the ids of ended jobs whose stream is not packed yet, by the time of
their end."""

WEBHOOKS = "px:webhooks"
"""Sorted set of the ids of jobs with an open webhook, by the time when it is due next.
A job is in it from its acceptance on; the script that ends the job makes it due."""

WEBHOOK_LOOK_S = 60
"""Seconds between checks of a job in WEBHOOKS that has not ended: a worker of an
earlier version does not make it due when it ends the job."""

CRASHES_FORGIVEN = 5
"""How often a job is tried again after its worker died, if no row was drawn since the
previous death. A dying worker charges a crash to each of its jobs, also to innocent
ones, so a few deaths in a row must not end a healthy job."""

LEASE_S = 3
"""Seconds after which a worker that has not renewed its leases loses its jobs."""

ESTIMATE_TTL_S = 60
"""Seconds for which an estimate outlives its worker; it is deleted when the job ends.
"""

ANNOUNCE_TTL_S = 15
"""Seconds after which a worker that has not renewed its announcement counts as gone."""

RESERVED = "px:reserved"
"""Set of the digests of lists of reserved names; each list is in a
`reserved_names(digest)` key while it is valid."""

RESERVED_TTL_S = 24 * 3600
"""Seconds for which the names of shipped models stay reserved after the last
announcement: all workers and trainers may be gone that long before a user can take such
a name."""


REMEMBERED = "px:remembered"
"""Hash: queue -> JSON `[time, announcement, ...]` of its workers when they were last
seen. Written by APIs that accept jobs while no worker runs, and kept for
REMEMBERED_TTL_S."""

REMEMBERED_TTL_S = 24 * 3600

ASLEEP = "px:asleep"
"""Sorted set of the ids of jobs for which no worker has come since they were accepted,
by the time at which they fail for that. Jobs that were accepted while workers of their
queue were alive are not in it."""

ADDRESSES = "px:addresses"
"""Hash: `MODEL@IDENTITY/DIGEST` of an address -> the file of its picture."""

ADDRESSES_USED = "px:addresses:used"
"""Sorted set of the same names, by the time of their last use."""

ADDRESSES_BYTES = "px:addresses:bytes"
"""Bytes of memory that the pictures take, with names and order of use."""

ADDRESS_BYTES = 320
"""Bytes counted for a picture beside its file: its name, twice, and its place in the
order. Measured: 222 for a name of 67 characters; there may be 110."""

ADDRESS_USE_S = 3600
"""Seconds within which further uses of a picture are not noted: each write is flushed
to disk."""

ADDRESS_TTL_S = 30 * 24 * 3600
"""Seconds after the last noted use of any picture until all are deleted."""

WAS_OF = "of:"
"""Prefix of a tombstone that names its job's owner; earlier versions write the job's
last status."""

JOB = "px:job:"
PARKED = "px:parked:"
TURNS = "px:turns:"
ESTIMATE = "px:est:"
LISTED = "px:jobs:"
"""Prefixes of the keys below, for scripts that compute the name from a job, queue or
client."""


def job(job_id: str) -> str:
    """Return the key of a job's hash.

    Its fields describe the request and its state: spec, status, created_at, started_at,
    finished_at, expires_at, rows_done, rows_total, share (work done, of a job drawn by
    particles), error, result, owner (token of the worker that holds it), attempts,
    last_seq, entries (length of its stream), drawn_at_death (last_seq and share when a
    worker last died with it), cancel_requested (identifier of the last cancel call) and
    parked (while it is in `parked_ids`).

    Statistics and memory accounts need: client, ticket, kind, model, work (values to
    draw), rows_room (bytes that its rows will take), ahead (estimate of LOAD's
    `accepted` less `work` when its turn comes), queue (key of the list in which it
    waits), retention (seconds, if not RESULT_TTL_S), held (its part of `held_bytes`, as
    `BYTES:SPAN`) and turn (of `turns`, until a worker first takes it).

    A job with a webhook has webhook (address), webhook_tries and at last webhook_over
    (delivered or given-up).
    """
    return f"{JOB}{job_id}"


def events(job_id: str) -> str:
    """Return the key of a job's stream: its rows, then exactly one terminal entry
    (events.py).

    The id of an entry is the number of its last row; the terminal entry has the next
    number.
    """
    return f"px:ev:{job_id}"


def estimate(job_id: str) -> str:
    """Return the key of a stream of one entry, the newest estimate, in the field
    `data`.

    For a job drawn by particles it is `events.estimate_entry`, for a training its
    progress. The stream is no part of the job's record and is deleted when the job
    ends.
    """
    return f"{ESTIMATE}{job_id}"


def packed_entries(job_id: str) -> str:
    """Return the key of a value that replaces the stream of a job which ended a while
    ago (app/packed.py)."""
    return f"px:pk:{job_id}"


def image(job_id: str) -> str:
    """Return the key of a hash with the pictures of a job that are not drawn row by
    row.

        pixels   its input: H*W*C bytes 0..255, row by row, pixel by pixel; for an
                 upsampling s*s*C; for an encoding n times as many; for a decoding the
                 file; several pictures, or cut-outs, follow each other
        keep     of a completion: H*W bytes, 1 = given; else empty
        upload   the file of a larger picture whose holes are filled in cut-outs
        bits     of a finished score: the bits of each variable, H*W*C float32,
                 little-endian, in the order of `pixels`
        heat     of a finished score: the bits of each pixel as colours, H*W*3 bytes
        mean     of a finished completion by `posterior`: the expected value 0..V-1 of
                 each variable, stored like `bits`
        entropy  of the same: the entropy of each variable, in bits
        blob     of a finished encoding: the file
        grid     of a training: its newest samples, a PNG
        packed   all of these, of a job that ended a while ago (app/packed_pictures.py)
    """
    return f"px:in:{job_id}"


def parked_ids(queue: str) -> str:
    """Return the key of a sorted set of job ids, by time: a worker of this queue took
    them, could not do them, and left them for another worker."""
    return f"{PARKED}{queue}"


def turns(queue: str) -> str:
    """Return the key of a sorted set of numbers: for each line of this queue
    (`PRIORITY:CLIENT`) the turn of its newest job, and as `now` the last turn taken.

    Waiting jobs are ordered by their turns. Jobs that were taken and returned stand in
    front.
    """
    return f"{TURNS}{queue}"


def recovery_lock(queue: str) -> str:
    """Return the key of a lock, held for seconds by the worker that recovers the jobs
    of dead workers of this queue."""
    return f"px:recovery:{queue}"


def taken_ids(queue: str) -> str:
    """Return the key of a hash: id of a job that a worker took and has not begun ->
    time when it was first seen so."""
    return f"px:taken:{queue}"


def strays(queue: str) -> str:
    """Return the key of a hash: id of an open job without an owner -> time when it was
    first seen so."""
    return f"px:strays:{queue}"


def sweep_lock(queue: str) -> str:
    """Return the key of a lock, the token of the worker that looks for strays of this
    queue."""
    return f"px:swept:{queue}"


def tombstone(job_id: str) -> str:
    """Return the key of a value that outlives the job and names its owner."""
    return f"px:was:{job_id}"


def reserved_names(digest: str) -> str:
    """Return the key of a JSON object: name of a shipped model -> identity.

    Workers and trainers with the same models directory write the same key; `digest` is
    the SHA-256 of the value.
    """
    return f"{RESERVED}:{digest}"


def worker(name: str) -> str:
    """Return the key of a worker's announcement, a JSON `WorkerInfo` that expires after
    ANNOUNCE_TTL_S."""
    return f"px:worker:{name}"


def drain(name: str) -> str:
    """Return the key of a value that tells a worker to take no more jobs: its
    `started_at`, so that a later worker of this name takes some. The worker renews its
    lifetime, and deletes it when it stops."""
    return f"px:drain:{name}"


def listed_ids(client: str) -> str:
    """Return the key of a sorted set: ids of the jobs that this client may list, by
    time of acceptance."""
    return f"{LISTED}{client}"


def held_bytes(account: str) -> str:
    """Return the key of a hash: the bytes of memory that the jobs of an account take,
    by the number of the span of HELD_SPAN_S seconds in which they expire.

    `bytes` is the sum, and `looked` the span in which expired fields were last deleted.
    An open job counts with the most that it may take, and expires after ACTIVE_TTL_S.
    What a job leaves behind is charged too (TOMBSTONE_BYTES, IDEMPOTENCY_BYTES).
    """
    return f"{HELD}{account}"


def idempotency(client: str, digest: str) -> str:
    """Return the key of a hash: `job` and `body` for which a client's `Idempotency-Key`
    stands. `digest` is of that key."""
    return f"px:idem:{client}:{digest}"


def allowance(client: str) -> str:
    """Return the key of a hash: `tokens`, the number of jobs that the client may submit
    at once, and `at`, the time of that number; tokens are refilled with time."""
    return f"px:rate:{client}"
