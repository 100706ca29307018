"""Exchanges of added models, which replace a model by a new version: the former version
stays until a worker serves the new one.

The files of an exchange by the job JOB, in the directory of added models:

    .JOB  NAME             the draft waits: a worker examines it, NAME is served
    .JOB  .JOB.former      half done, for the moment between two renames
    NAME  .JOB.former      the new version has the name and waits to be served
    NAME                   done, or undone

A new model waits as a draft too if Redis did not say whether its job was accepted. A
new model whose job has failed is deleted, so that its name is free again.

Workers may see the directory read-only. They announce the result of examining a draft,
and any API makes the next step, under a lock that all APIs share. The next step depends
only on the files, the job's record and the announcements, so it does not matter which
API makes it, or when one dies.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

import structlog
from anyio.to_thread import run_sync

from app.errors import NameTakenError, OtherIdentityError
from app.redis_connections import STORE_TROUBLE
from app.services.fleet import FleetWatch
from app.settings import Settings
from app.store import Store
from worker.contract.added import (
    ANYONE,
    JobFiles,
    drafts_in,
    formers_in,
    is_trained,
    models_in,
    name_of,
    names_in,
    owner_of,
    remove,
)
from worker.contract.cards import WorkerInfo
from worker.contract.jobs import JobStatus

_LOOK_S = 2.0
"""Seconds between two searches for exchanges that need a step."""
_AFTER_A_BUG_S = 10.0
"""Seconds to wait after an unexpected error."""
_YOUNG_S = 60.0
"""Seconds: the job of a younger draft may not have been accepted yet."""
_LOCK = "exchanges.lock"
"""A file in the directory of added models, locked while its models are renamed."""
_log = structlog.get_logger("pixelrnn.api")


class _Step(Enum):
    """What an exchange needs next."""

    WAIT = auto()
    """Nothing, or the second rename if an API died before it."""
    EXCHANGE = auto()
    """The draft is good: it gets the model's name."""
    FINISH = auto()
    """The new version is served: the former one is deleted."""
    UNDO = auto()
    """The new version is refused or not wanted: the former one gets its name back."""
    DROP = auto()
    """Its job is unknown: the draft is deleted, unless it is young."""


class Exchanges:
    """Makes the next step of every exchange. Each API process has one such object."""

    def __init__(self, settings: Settings, store: Store, fleet: FleetWatch) -> None:
        """settings: of this API.
        store, fleet: where the jobs' records and the workers' announcements come
            from."""
        self._added = settings.added_dir
        self._store = store
        self._fleet = fleet
        self._stuck: set[str] = set()
        """Jobs whose exchange has met an error of the disk, which is logged once."""

    async def run(self) -> None:
        """Every two seconds, make the next step of each exchange that needs one, and
        delete new models that failed. Errors are logged. This never returns, unless
        there is no directory of added models; cancel it to end it."""
        while self._added is not None:
            try:
                open_ones = await run_sync(_open_ones, models_in(self._added))
                open_ones += await self._refused_ones()
            except STORE_TROUBLE:  # requests report it
                open_ones = []
            except Exception as error:  # the disk may work again at the next search
                _log.error("exchanges not looked at", exc_info=error)
                open_ones = []
            for job_id in open_ones:
                await self._settle_or_log(job_id)
            await asyncio.sleep(_LOOK_S)

    async def _refused_ones(self) -> list[str]:
        workers = (await self._fleet.now()).workers
        return [one.job for worker in workers for one in worker.refused if one.job]

    async def _settle_or_log(self, job_id: str) -> None:
        try:
            await self.settle(job_id)
        except STORE_TROUBLE:  # requests report it
            pass
        except Exception as error:  # other exchanges go on
            _log.error("exchange failed", job_id=job_id, exc_info=error)
            await asyncio.sleep(_AFTER_A_BUG_S)

    async def settle(self, job_id: str) -> None:
        """Make the next step of this job's exchange, if there is one. Raises an error
        of STORE_TROUBLE if Redis does not respond; an error of the disk is logged, and
        `run` tries again."""
        if self._added is None:
            return
        status = await self._store.status(job_id)
        workers = (await self._fleet.now()).workers
        step = _next_step(job_id, status, workers)
        try:
            await run_sync(_do, self._added, job_id, step)
            self._stuck.discard(job_id)
        except OSError as error:
            # Another model may have been put in the place by hand: nothing is lost.
            if job_id not in self._stuck:
                _log.error("exchange_stuck", job_id=job_id, reason=error.strerror)
            self._stuck.add(job_id)


def begin(files: JobFiles, former_job: str) -> None:
    """Make a complete draft, for workers to examine, from files that are written
    completely.

    files: those of one job.
    former_job: the job that made the version which the client wants to replace.

    Raises NameTakenError if another exchange of this model is open, and
    OtherIdentityError if the model has changed meanwhile.
    """
    with _locked(files.added):
        if is_exchanged(files.added, files.name):
            raise NameTakenError(
                "this model is being exchanged: wait for that job, or cancel it"
            )
        if not files.model.is_dir() or owner_of(files.model).job != former_job:
            raise OtherIdentityError("the model was exchanged or deleted meanwhile")
        wait_as_draft(files)


def take_name(files: JobFiles, written: Path, place: Path) -> None:
    """Rename a directory to a place with which the job has the model's name.

    written: a complete new model, or the uploads of a training.
    place: `files.model` or `files.place`.

    Raises NameTakenError if another job has taken the name since it was found free.
    """
    with _locked(files.added):
        if files.model.exists() or is_trained(files.added, files.name):
            raise NameTakenError("another model has just taken this name")
        written.rename(place)


def wait_as_draft(files: JobFiles) -> None:
    """Make a complete draft of the written files, by renaming their directory, and
    return at once. A worker examines it later. It gets the model's name if it is good
    and its job is open, and is deleted otherwise.

    files: those of one job, of which `part` must be written completely.
    """
    os.utime(files.part)  # its age is measured from now on
    files.part.rename(files.draft)


def is_exchanged(added: Path, name: str) -> bool:
    """Return True if a new version of this model was uploaded and is not served yet.

    added: the directory of added models.
    """
    return bool(_jobs_of(models_in(added), name))


def delete(added: Path, name: str, owner: str) -> bool:
    """Delete a model, with all versions in open exchanges. Return False if it is not
    there or belongs to another owner than `owner`."""
    models = models_in(added)
    with _locked(added):
        # Not before the lock: the name may be free meanwhile, or somebody else's.
        if owner not in (owner_of(models / name).owner, ANYONE):
            return False
        try:
            remove(models / name)
        except FileNotFoundError:
            return False
        for job_id in _jobs_of(models, name):
            files = JobFiles(added, job_id, name)
            _remove_if_there(files.draft)
            _remove_if_there(files.former)
    return True


def _next_step(job_id: str, status: str | None, workers: list[WorkerInfo]) -> _Step:
    """Return the next step, from the job's status (None without a record) and the
    announcements."""
    if status == JobStatus.SUCCEEDED:
        return _Step.FINISH
    if status in (JobStatus.FAILED, JobStatus.CANCELED):
        return _Step.UNDO
    if status is None:
        # A record goes if its job is deleted, or if Redis has lost it. What workers
        # announce is all that is known then: no version is deleted on a guess.
        cards = (card for one in workers for card in one.models if not card.compiling)
        if any(card.job == job_id for card in cards):
            return _Step.FINISH
        if any(bad.job == job_id for one in workers for bad in one.refused):
            return _Step.UNDO
        return _Step.DROP
    drafts = (draft for one in workers for draft in one.drafts)
    is_good = any(draft.job == job_id and not draft.reason for draft in drafts)
    return _Step.EXCHANGE if is_good else _Step.WAIT


def _do(added: Path, job_id: str, step: _Step) -> None:
    """Make a step; parts of it may have been done before."""
    models = models_in(added)
    with _locked(added):
        draft = drafts_in(models).get(job_id)
        former = formers_in(models).get(job_id)
        place = draft or former
        if place is None:
            if step is _Step.UNDO:
                _remove_new(models, job_id)
            return
        name = name_of(place)
        if name is None:  # damaged by hand, so an operator has to decide
            return
        files = JobFiles(added, job_id, name)
        match step:
            case _Step.UNDO:
                _undo(files)
            case _Step.FINISH:
                _put_draft(files)
                _remove_if_there(files.former)
            case _Step.EXCHANGE:
                _put_draft(files)
            case _Step.DROP if former is None:
                if files.draft.stat().st_mtime < time.time() - _YOUNG_S:
                    remove(files.draft)
            case _ if draft and former:  # an API died between the two renames
                _put_draft(files)
            case _ if former and not files.model.exists():  # deleted by hand
                _undo(files)


def _put_draft(files: JobFiles) -> None:
    """Give the draft the model's name; the version that has it is kept under another
    name."""
    if not files.draft.exists():
        return
    if files.model.exists() and not files.former.exists():
        if not _may_replace(files):
            remove(files.draft)
            return
        # APIs of an earlier version delete hidden directories that are an hour old.
        os.utime(files.model)
        files.model.rename(files.former)
    files.draft.rename(files.model)
    _log.info("model_exchanged", model=files.name, job_id=files.job_id)


def _may_replace(files: JobFiles) -> bool:
    """Return True if the model belongs to the draft's owner. Otherwise the draft is a
    new model that has waited for its job, and another owner has taken the name."""
    owner = owner_of(files.draft).owner
    return owner in (ANYONE, owner_of(files.model).owner)


def _undo(files: JobFiles) -> None:
    """Give the name back to the former version, and delete the new one."""
    if files.former.exists():
        if files.is_published:
            files.model.rename(files.draft)
        files.former.rename(files.model)
        _log.info("exchange_undone", model=files.name, job_id=files.job_id)
    _remove_if_there(files.draft)


def _remove_new(models: Path, job_id: str) -> None:
    """Delete the model that this failed job has put in place, if there is one."""
    for name in names_in(models):
        if owner_of(models / name).job == job_id:
            remove(models / name)
            _log.info("model_not_added", model=name, job_id=job_id)


def _jobs_of(models: Path, name: str) -> list[str]:
    """Return the ids of the jobs of open exchanges of a model."""
    places = {**formers_in(models), **drafts_in(models)}
    return [job_id for job_id, place in places.items() if name_of(place) == name]


def _open_ones(models: Path) -> list[str]:
    return sorted({*drafts_in(models), *formers_in(models)})


def _remove_if_there(directory: Path) -> None:
    if directory.exists():
        remove(directory)


@contextmanager
def _locked(added: Path) -> Iterator[None]:
    """Hold the lock of all APIs, on this machine and others, inside the `with`
    block."""
    with (added / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
