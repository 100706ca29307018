"""The queue's own Lua scripts, in `lua/` beside this file. The first lines of each
describe its arguments and its reply.

Leases by Redis's clock. RQ would use the worker's own: a worker whose clock is ahead
would take jobs from healthy workers, and one whose clock is behind would never lose its
own. FORGIVE restores the retry of a job that made progress before its worker died:
    GRANT, RENEW, LAPSE, FORGIVE
Ids that were taken and never begun, and open jobs without an owner (strays.py); UNLOCK
releases the recovery's lock:
    SWEEP_INTERMEDIATE, RETURN_STRAY, UNLOCK
Jobs that a worker took and cannot do, set aside for another one. A newer API may accept
jobs that only newer workers can do while both share a queue; every worker looks at the
parked jobs once a second:
    PARK, UNPARK
Moving ids from the queue to the worker that takes them, and reading their jobs;
DROP_DUPLICATE removes a second entry of a running job:
    TAKE, TAKE_NEWCOMER, DROP_DUPLICATE
Deleting RQ's record of an ended job, and the names of dead workers:
    FORGET_ENTRY, FORGET_WORKERS
"""

from worker.contract.loader import load

GRANT = load("worker.queue", "grant")
RENEW = load("worker.queue", "renew")
LAPSE = load("worker.queue", "lapse")
FORGIVE = load("worker.queue", "forgive")
UNLOCK = load("worker.queue", "unlock")
SWEEP_INTERMEDIATE = load("worker.queue", "sweep_intermediate")
RETURN_STRAY = load("worker.queue", "return_stray")
PARK = load("worker.queue", "park")
UNPARK = load("worker.queue", "unpark")
TAKE = load("worker.queue", "take")
TAKE_NEWCOMER = load("worker.queue", "take_newcomer")
DROP_DUPLICATE = load("worker.queue", "drop_duplicate")
FORGET_ENTRY = load("worker.queue", "forget_entry")
FORGET_WORKERS = load("worker.queue", "forget_workers")
