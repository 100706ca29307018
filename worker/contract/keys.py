"""Every Redis name and lifetime. One job is one hash, one stream and, unless it samples, one hash of pictures."""

QUEUE = "pixelrnn"
"""The RQ queue of workers that were not given another. A worker listens on exactly one: with several, RQ pops
non-atomically and a crash loses the job. All workers of one queue hold the same models."""

TRAIN_QUEUE = "pixelrnn-train"
"""The RQ queue of trainers."""

TRAINS = "train:"
"""The beginning of the client that an owner is in LOAD as to trainings, which are counted apart from other jobs."""

RQ_QUEUE = "rq:queue:"
"""RQ's prefix: with a queue's name behind it, the key of the list of waiting ids."""

RQ_JOB = "rq:job:"
"""RQ's prefix: with a job's id behind it, the key of RQ's own record."""

JOB_FUNCTION = "worker.tasks.draw"
"""The only function a worker runs, whatever a queue entry names."""

RQ_KEPT_S = 60
"""How long RQ keeps what it notes of a job that another worker than ours ended, or whose workers died."""

CANCEL_CHANNEL = "px:cancel"
"""Carries the id of each running job that someone asked to cancel."""

WORK_CHANNEL = "px:work"
"""Carries the id of each job that is accepted and has something to draw; trainings stop."""

WORKERS = "px:workers"
"""Set of worker names that announced themselves; each has a `worker(name)` key while it lives."""

PROBE = "px:probe"
"""Written to see whether the server takes writes."""

ACTIVE_TTL_S = 7 * 24 * 3600
"""A job that nobody finishes in a week is forgotten: every key has a lifetime."""

RESULT_TTL_S = 24 * 3600
"""How long a finished job, its rows and its images can be fetched, unless its hash says otherwise (`retention`)."""

MIN_RETENTION_S = 60
MAX_RETENTION_S = 30 * 24 * 3600
"""Bounds of what a request or an operator may put in its place."""

TOMBSTONE_TTL_S = 7 * 24 * 3600
"""How long after that an id is still answered with 410 (expired) and not 404 (unknown)."""

IDEMPOTENCY_TTL_S = 24 * 3600
"""How long the same `Idempotency-Key` means the same job."""

OPEN = "px:open"
"""Sorted set of the tickets (`work:job:client`) of all jobs that have not ended, by time of acceptance."""

LOAD = "px:load"
"""Hash: `work` = values that open jobs still lack, `accepted` = values ever accepted, `of:CLIENT` = its open jobs,
`room` = bytes that open jobs will still write, `written` = bytes that ever came with jobs, `busy_since` = the time up
to which BUSY is kept."""

ROOM = "px:room"
"""Hash: bytes that each open job will still write, by its id; their sum is `room` in LOAD. What Redis has free beyond
it is for new jobs."""

HELD = "px:held:"
HELD_SPAN_S = 300
"""Seconds: bytes are counted by the span of time in which they go (`held`)."""

DRAWN = "px:drawn"
"""Hash: values finished in each span of DRAWN_SPAN_S seconds, by the span's number; the last DRAWN_SPANS are kept."""

DRAWN_SPAN_S = 5
DRAWN_SPANS = 12

BUSY = "px:busy"
"""Hash: for each of these spans, the seconds in which something was to be drawn. DRAWN divided by them is the speed of
the service: hours without a job do not make it seem slow."""

TOOK = "px:took"
"""Hash: seconds that a job of each model takes from its start to its end, as a moving average."""

TOTALS = "px:totals"
"""Hash: how many jobs of each `kind:status` have ended."""

TRAINED = "px:trained"
TRAINED_FIELDS = ("updates", "images")
"""Hash: updates of all trainings, and the images that these learned from."""

FIRST_ROWS = "px:first_rows"
"""Hash: how many jobs had their first row within 2 ** k seconds of their acceptance, and not within half of that, by k,
which is FIRST_ROW_LEAST or more; `sum` = these seconds, of all jobs."""

FIRST_ROW_LEAST = -5
FIRST_ROW_MOST = 12
"""The last k that is told apart."""

UNPACKED = "px:unpacked"
"""Sorted set of the ids of jobs that have ended and whose entries are not packed yet, by the time of their end."""

WEBHOOKS = "px:webhooks"
"""Sorted set of the ids of jobs whose end is still to be told to an address, by the time when that is due next. A job
is in it from its acceptance on; the script that ends it makes it due."""

WEBHOOK_LOOK_S = 60
"""How often a job in there that has not ended is looked at: a worker of an earlier version ends it and says nothing."""

CRASHES_FORGIVEN = 5
"""How often a job is taken up again after a worker died with it, where nothing was drawn since the death before. A
dying worker charges a crash to each job it holds, also to those that are not to blame, so that a few deaths in a row
must not end a healthy job."""

LEASE_S = 3
"""A worker that has not renewed its jobs for this long has lost them."""

ESTIMATE_TTL_S = 60
"""An estimate of a job that is drawn by particles goes with its end, or this long after its worker died."""

ANNOUNCE_TTL_S = 15
"""A worker that has not renewed its announcement for this long is gone."""

RESERVED = "px:reserved"
"""Set of the digests of lists of reserved names; each has a `reserved(digest)` key while
it is valid."""

RESERVED_TTL_S = 24 * 3600
"""How long the names of shipped models are reserved after they were last announced: so
long may all workers and trainers be gone before a user can take one of them."""


WAS_OF = "of:"
"""The beginning of a tombstone that names the owner of its job; earlier versions write the job's last status."""

JOB = "px:job:"
PARKED = "px:parked:"
TURNS = "px:turns:"
ESTIMATE = "px:est:"
LISTED = "px:jobs:"
"""The beginnings of the keys below, for scripts that find the job, the queue or the client themselves."""


def job(job_id: str) -> str:
    """Hash: spec, status, created_at, started_at, finished_at, expires_at, rows_done, rows_total, share (of the work
    that is done, of a job that is drawn by particles), error, result, owner, attempts, last_seq, entries (how many
    its stream has), drawn_at_death (last_seq and share when a worker last died with it), cancel_requested (the word
    of the call that asked last); and for the books client, ticket, kind, model, work (values to draw), rows_room
    (bytes that its rows will take), ahead (how far LOAD's `accepted` less `work` is when it is its turn, as judged
    when it came), queue (the key of the list it waits in), retention (seconds that it is kept in the end, where that
    is not RESULT_TTL_S), held (what is counted for it in the hash of that name, `BYTES:SPAN`), parked while the set of
    that name holds it, and turn (`turns`) until a worker first takes it; and of one whose end is to be told webhook
    (where), webhook_tries and, at last, webhook_over (delivered or given-up)."""
    return f"{JOB}{job_id}"


def events(job_id: str) -> str:
    """Stream of the rows, in entries that have their last row's number as id, and then of exactly one terminal entry,
    with the next number: events.py."""
    return f"px:ev:{job_id}"


def estimate(job_id: str) -> str:
    """Stream of one entry, the newest: what is expected so far of a job that is being drawn by particles, as
    events.estimate_entry has it, or how far a training is, in the field `data`. It is no part of the job's record, and
    goes with its end."""
    return f"{ESTIMATE}{job_id}"


def packed(job_id: str) -> str:
    """The same entries as one value, in place of the stream, of a job that ended a while ago: see app.packed."""
    return f"px:pk:{job_id}"


def image(job_id: str) -> str:
    """Hash of a job's pictures that are not drawn row by row.

    pixels   its input: H*W*C bytes 0..255, row by row, pixel by pixel; of an upsampling s*s*C; of an encoding n times
             as many; of a decoding the file; of several pictures, or cut-outs, one after the other
    keep     of a completion: H*W bytes, 1 = given; else empty
    upload   the file of a larger picture whose holes are filled in cut-outs
    bits     of a finished score: the bits of each variable, H*W*C float32, little-endian, in the order of `pixels`
    heat     of a finished score: the bits of each pixel as colours, H*W*3 bytes
    mean     of a finished completion by `posterior`: the expected value 0..V-1 of each variable, as `bits` are stored
    entropy  of the same: how uncertain each variable is, in bits
    blob     of a finished encoding: the file
    grid     of a training: its newest samples, a PNG
    packed   all of these, of a job that ended a while ago: see app.packed_pictures
    """
    return f"px:in:{job_id}"


def parked(queue: str) -> str:
    """Sorted set of the ids that a worker of this queue took, could not do, and left for one that can; by time."""
    return f"{PARKED}{queue}"


def turns(queue: str) -> str:
    """Sorted set: the turn of the newest job of each line (`PRIORITY:CLIENT`) of this queue, and in `now` the latest
    turn that was taken. Waiting jobs stand in the order of their turns, behind those that were taken before."""
    return f"{TURNS}{queue}"


def recovery_lock(queue: str) -> str:
    """Held by the worker that looks after the jobs of dead ones, for seconds."""
    return f"px:recovery:{queue}"


def taken(queue: str) -> str:
    """Hash: when each id that a worker took and has not begun was first seen so."""
    return f"px:taken:{queue}"


def strays(queue: str) -> str:
    """Hash: when each open job that nobody seems to have was first seen so."""
    return f"px:strays:{queue}"


def swept(queue: str) -> str:
    """Token of the worker that looks for strays of this queue, while it does."""
    return f"px:swept:{queue}"


def tombstone(job_id: str) -> str:
    """Stays for a while after the job itself has expired, and says whose it was."""
    return f"px:was:{job_id}"


def reserved(digest: str) -> str:
    """JSON object: the identities of the models in a models directory, by their names.
    Workers and trainers with the same directory write the same key; `digest` is the
    SHA-256 of its value."""
    return f"{RESERVED}:{digest}"


def worker(name: str) -> str:
    """JSON `WorkerInfo`, expiring after ANNOUNCE_TTL_S."""
    return f"px:worker:{name}"


def listed(client: str) -> str:
    """Sorted set of the ids that this client may list, by time of acceptance."""
    return f"{LISTED}{client}"


def held(account: str) -> str:
    """Hash of the bytes of memory that the jobs of an account take, by the number of the
    span of HELD_SPAN_S seconds in which they go; `bytes` is the sum, and `looked` the
    span in which the fields of earlier ones were last deleted. The bytes of an open job
    are those that it may take at most; it goes with ACTIVE_TTL_S."""
    return f"{HELD}{account}"


def idempotency(client: str, digest: str) -> str:
    """Hash `job`, `body`: what the client's `Idempotency-Key` stands for; `digest` is of the key."""
    return f"px:idem:{client}:{digest}"


def allowance(client: str) -> str:
    """Hash `tokens`, `at`: how many jobs the client may hand in at once, refilled with time."""
    return f"px:rate:{client}"
