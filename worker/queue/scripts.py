"""The queue's own scripts, in `lua/` beside this file; the first lines of each say what it takes and returns.

Leases by Redis's clock: RQ scores a lease with the worker's own, and a worker whose clock is ahead would take healthy
jobs from others, while one whose clock is behind would never lose its own.
    GRANT, RENEW, LAPSE; and FORGIVE, which tells the jobs that got on from those on which workers die
Ids that were taken and never begun, and open jobs that nobody has (strays.py finds them):
    SWEEP_INTERMEDIATE, RETURN_STRAY, and UNLOCK when it is done
Jobs that a worker took and cannot do, set aside for one that can. A later API may accept what only later workers can
do, and for a while both share a queue; every worker looks at what is parked once a second and takes what it can do:
    PARK, UNPARK
Moves ids from the queue to the worker that takes them, and reads what it wants to see of them:
    TAKE, TAKE_NEWCOMER; and DROP_DUPLICATE, of a job that is under way
RQ's record of a job that has ended:
    FORGET_ENTRY
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
