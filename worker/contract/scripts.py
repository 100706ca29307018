"""The life of a job as atomic scripts: Lua for Redis 7 and Valkey, in `lua/` beside this file.

    submit -> queued --claim--> running --append rows--> ... --settle--> succeeded | failed | canceled
                 \\---------------------- cancel -----------------------------------/
    finish: append and settle at once
    release: running -> queued, when a worker hands back what it did not finish

They hold the promises: a job ends in exactly one terminal event, whatever dies; only the owner of the newest claim can
write; a command repeated because its reply was lost changes nothing; times come from one clock, Redis's own.
Every script takes KEYS = job, events, image, tombstone of the same job, in this order (`of(job_id)`); its first lines
say what else it takes and what it returns. The books (`books.lua`) are kept by the same scripts.
"""

from worker.contract import keys
from worker.contract.loader import load


def of(job_id: str) -> list[str]:
    """The KEYS of every script below."""
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
