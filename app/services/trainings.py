"""Trainings on somebody's own pictures, and models that are handed in: files in the directory of added models, and a
job of the kind `train` or `add`.

The pictures never pass through Redis. They lie, with the checkpoints, in a place of the job's name, which goes with the
job's end: a trainer deletes it, or this where no trainer has begun.
"""

import secrets
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import file_digest
from shutil import rmtree
from typing import Any, BinaryIO

from anyio.to_thread import run_sync

from app.errors import BadParameterError, NothingToKeepError, RefusedError
from app.imaging.training_set import LEAST_PICTURES, write_training_set
from app.schema.answers import Job
from app.schema.job_options import JobOptions
from app.services.added import AddedModels, sweep, whole_or_not
from app.services.exchanges import Exchanges
from app.services.exchanges import begin as begin_exchange
from app.services.jobs import Jobs
from app.services.models import Models
from app.services.submission import (
    ID_BYTES,
    RequestIdentity,
    Submission,
    Submitted,
    with_key,
)
from app.settings import Settings
from worker.contract import keys
from worker.contract.added import ANYONE, JobFiles, Owner
from worker.contract.jobs import JobSpec, JobStatus
from worker.contract.kind import Kind
from worker.contract.kinds.add import KIND as ADD
from worker.contract.kinds.train import KIND

OPEN_TRAININGS = 2
"""Trainings that one owner may have open."""


class Trainings:
    """Begins, finishes and forgets them, and adds models."""

    def __init__(
        self,
        settings: Settings,
        added: AddedModels,
        models: Models,
        submission: Submission,
        jobs: Jobs,
        exchanges: Exchanges,
    ) -> None:
        self._settings = settings
        self._added = added
        self._exchanges = exchanges
        self._models = models
        self._submission = submission
        self._jobs = jobs

    async def begin(
        self,
        identity: RequestIdentity,
        name: str,
        options: JobOptions,
        files: Sequence[BinaryIO],
        key: str | None,
    ) -> Submitted:
        """The job, once its pictures lie where a trainer finds them; key: the request's `Idempotency-Key`. Raises
        RefusedError for what cannot be taken; nothing is left of it then.

        Trainings are counted apart from an owner's other jobs: on an account of their own."""
        caller, own = identity.caller, options.own.model_dump()
        account = f"{keys.TRAINS}{caller.account}"
        identity = replace(
            identity, caller=replace(caller, account=account, jobs=OPEN_TRAININGS)
        )
        identity = await _with_key(identity, key, KIND, name, options, files)
        if known := await self._submission.known(identity):
            return known
        if own["minutes"] > (most := self._settings.training_minutes):
            raise BadParameterError(
                f"minutes: expected {most:g} at most", field="minutes"
            )
        if own["start"]:
            if own["channels"] or own["values"]:
                raise BadParameterError(
                    "start: expected no channels and no values, which the model has",
                    field="start",
                )
            own["start_identity"] = await self._models.start_identity(
                own["start"], caller
            )
        reserved = await self._models.reserved()
        served, _ = await self._models.held(name, caller)
        self._added.expect_name(name, caller, reserved, served, None, None)
        await self._submission.expect_allowance(identity)
        training = self._files(secrets.token_urlsafe(ID_BYTES), name)
        try:
            found = await run_sync(self._write, training, files, own["crops"])
        except RefusedError:
            await self._submission.count_refused(identity)
            raise
        spec = _spec(
            identity,
            KIND,
            training.job_id,
            name,
            {**own, **found, "owner": caller.owner},
        )
        try:
            submitted = await self._submission.accept(
                identity, spec, options, None, keys.TRAIN_QUEUE
            )
        except RefusedError:
            await run_sync(training.forget)
            raise
        if submitted.again:
            await run_sync(training.forget)
        return submitted

    async def add(
        self,
        identity: RequestIdentity,
        name: str,
        options: JobOptions,
        files: Sequence[BinaryIO],
        key: str | None,
        if_match: str | None,
    ) -> Submitted:
        """The job that tells what workers make of a model, once it lies where they find it; files: its card and its
        weights; if_match: the identity of one's own that it replaces. Raises as `begin`."""
        caller, job_id = identity.caller, secrets.token_urlsafe(ID_BYTES)
        identity = await _with_key(identity, key, ADD, name, options, files)
        if known := await self._submission.known(identity):
            return known
        is_exchange = if_match is not None
        former_job = self._added.job_of(name) if is_exchange else ""
        reserved = await self._models.reserved()
        served, identity_now = await self._models.held(name, caller)
        self._added.expect_name(name, caller, reserved, served, identity_now, if_match)
        if not is_exchange:
            self._added.expect_place()
        await self._submission.expect_allowance(identity)
        own = {**options.own.model_dump(), "draft": is_exchange}
        spec = _spec(identity, ADD, job_id, name, own)
        owner = Owner(
            owner=caller.owner,
            job=job_id,
            shared=own["shared"] or caller.owner == ANYONE,
        )
        model = self._files(job_id, name)
        with whole_or_not(model.part, "the model"):
            try:
                await run_sync(self._added.write, model.part, name, owner, *files)
            except RefusedError:
                await self._submission.count_refused(identity)
                raise
            if is_exchange:
                await run_sync(begin_exchange, model, former_job)
            try:
                submitted = await self._submission.accept(
                    identity, spec, options, None, await self._submission.any_queue()
                )
            except BaseException:
                rmtree(model.draft, ignore_errors=True)
                raise
            if submitted.again:
                rmtree(model.draft, ignore_errors=True)
            elif not is_exchange:
                model.part.rename(model.model)
        return submitted

    async def finish(self, job_id: str, owner: str) -> Job:
        """Ask for the end of a training, which publishes the best so far. Raises NothingToKeepError,
        BadParameterError for other jobs, and as `Jobs.view`."""
        job = await self._jobs.view(job_id, owner)
        if job.kind != KIND.word:
            raise BadParameterError(
                "only a training can be finished: cancel other jobs"
            )
        training = self._files(job.id, job.model)
        if job.status.is_terminal or not training.best.exists():
            raise NothingToKeepError(
                "no round is better yet than what it began with, or it has ended"
            )
        with suppress(FileNotFoundError):  # it has just ended
            training.finish.touch()
        return job

    async def canceled(self, job: Job) -> None:
        """Forget the files of a training that was canceled before a trainer took it, else its trainer does; and a model
        that was not examined yet."""
        brings = (
            job.kind in (KIND.word, ADD.word) and self._settings.added_dir is not None
        )
        if brings and job.status is JobStatus.CANCELED:
            await self._exchanges.settle(job.id)
            await run_sync(self._files(job.id, job.model).forget)

    def _files(self, job_id: str, name: str) -> JobFiles:
        assert self._settings.added_dir is not None
        return JobFiles(self._settings.added_dir, job_id, name)

    def _write(
        self, training: JobFiles, files: Sequence[BinaryIO], crops: bool
    ) -> dict[str, Any]:
        """Write the pictures, all or nothing, and within what added models may have together."""
        self._added.expect_place()
        draft = training.place.with_name(f".{uuid.uuid4().hex}")
        with whole_or_not(draft, "the pictures"):
            (draft / "run" / training.name).mkdir(parents=True)
            sweep(draft.parent)
            written = write_training_set(
                files, draft, self._added.expect_room, 1 if crops else LEAST_PICTURES
            )
            self._added.expect_room()
            draft.rename(training.place)
        return {
            "found": written.pictures,
            "unreadable": written.unreadable,
            "unsupported": written.unsupported,
            "unsupported_names": written.unsupported_names,
        }


async def _with_key(
    identity: RequestIdentity,
    key: str | None,
    kind: Kind,
    name: str,
    options: JobOptions,
    files: Sequence[BinaryIO],
) -> RequestIdentity:
    """The identity with a request's `Idempotency-Key`; what it says is read from the files too."""
    said = {
        # What the API finds later is not part of the request.
        **options.own.model_dump(exclude={"draft", "start_identity"}),
        "name": name,
        "webhook": options.webhook,
        "retention": options.retention,
    }
    digests = (
        await run_sync(lambda: [_digest_of(each) for each in files]) if key else []
    )
    return with_key(identity, key, kind.word, said, digests)


def _digest_of(file: BinaryIO) -> bytes:
    digest = file_digest(file, "sha256").digest()  # type: ignore[arg-type]
    file.seek(0)
    return digest


def _spec(
    identity: RequestIdentity, kind: Kind, job_id: str, name: str, own: dict[str, Any]
) -> JobSpec:
    """Nothing is known yet of the model but its name."""
    unknown = dict.fromkeys(("seed", "n", "height", "width", "channels"), 0)
    ours = {
        "id": job_id,
        "kind": kind.word,
        "model": name,
        "digest": "",
        "temperature": 1.0,
    }
    request = {"request_id": identity.request_id, "traceparent": identity.traceparent}
    options = kind.options.model_validate(own)
    return JobSpec.model_validate(
        {**unknown, **ours, **request, "version": options.version, "options": options}
    )
