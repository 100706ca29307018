r"""The life of a job as atomic scripts: Lua for Redis 7 and Valkey, in `lua/` beside
this file.

    submit -> queued --claim--> running --append rows--> ... --settle--> succeeded
                 \                      |                         | failed | canceled
                  \------ cancel -------+---------------------------------/
    finish: append and settle in one call
    release: running -> queued, when a worker returns an unfinished job;
             running -> canceled, if that was requested

The scripts guarantee that a job ends with exactly one terminal event, whatever process
dies; that only the owner of the newest claim can write; that repeating a command whose
reply was lost changes nothing; and that all times come from one clock, Redis's own.
Every script takes KEYS = job, events, image, tombstone of the same job, in this order
(`of(job_id)`); its first lines describe its ARGV and its reply. The same scripts keep
the statistics (`books.lua`).
"""

from worker.contract import keys
from worker.contract.loader import load


def of(job_id: str) -> list[str]:
    """Return the KEYS that every script below takes for this job."""
    return [
        keys.job(job_id),
        keys.events(job_id),
        keys.image(job_id),
        keys.tombstone(job_id),
    ]


SUBMIT = load("worker.contract", "submit")
CLAIM = load("worker.contract", "claim")
APPEND = load("worker.contract", "append")
FINISH = load("worker.contract", "finish")
PROGRESS = load("worker.contract", "progress")
SETTLE = load("worker.contract", "settle")
CANCEL = load("worker.contract", "cancel")
RELEASE = load("worker.contract", "release")
