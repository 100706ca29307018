"""Trainings on users' own pictures, and uploaded models: files in the directory of
added models, and a job of the kind `train` or `add`.

The pictures never pass through Redis. They are stored, with the checkpoints, in a
directory with the job's id, which is deleted when the job ends: by a trainer, or here
if no trainer has taken the job.
"""

import os
import secrets
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import file_digest
from shutil import rmtree
from typing import Any, BinaryIO

from anyio.to_thread import run_sync

from app.errors import (
    BadParameterError,
    NameTakenError,
    NothingToKeepError,
    RefusedError,
)
from app.imaging.training_set import LEAST_PICTURES, write_training_set
from app.redis_connections import STORE_TROUBLE
from app.schema.answers import Job
from app.services.added import AddedModels, sweep, whole_or_not
from app.services.exchanges import Exchanges, take_name, wait_as_draft
from app.services.exchanges import begin as begin_exchange
from app.services.jobs import Jobs
from app.services.models import Models
from app.services.submission import JobRequest, Submission, Submitted, repetition_of
from app.settings import Settings
from worker.contract import keys
from worker.contract.added import ANYONE, JobFiles, Owner
from worker.contract.jobs import ID_BYTES, JobSpec, JobStatus
from worker.contract.kind import Kind
from worker.contract.kinds.add import KIND as ADD
from worker.contract.kinds.train import KIND
from worker.contract.options import Options

OPEN_TRAININGS = 2
"""Most open trainings of one owner."""


class Trainings:
    """Begins, finishes and forgets trainings, and adds models."""

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
        request: JobRequest,
        name: str,
        options: Options,
        files: Sequence[BinaryIO],
        key: str | None,
    ) -> Submitted:
        """Write the pictures of a training to the directory of added models, and queue
        its job. It is charged to an account of its own, apart from the owner's other
        jobs.

        name: of the model that is trained.
        options: of the job's kind.
        files: the pictures, as they were uploaded.
        key: the request's `Idempotency-Key`.

        Raises RefusedError if it is not accepted; then nothing is left of it.
        """
        caller = request.caller
        own = options.model_dump()
        account = f"{keys.TRAINS}{caller.account}"
        request = replace(
            request, caller=replace(caller, account=account, jobs=OPEN_TRAININGS)
        )
        request = await _with_key(request, key, KIND, name, options, files)
        if known := await self._submission.earlier_job(request):
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
        await self._free_failed(name)
        reserved = await self._models.reserved_names()
        served, _ = await self._models.served_identity(name, caller)
        self._added.expect_name(name, caller, reserved, served, None, None)
        await self._submission.expect_allowance(request)
        training = self._files(secrets.token_urlsafe(ID_BYTES), name)
        try:
            found = await run_sync(self._write, training, files, own["crops"])
        except RefusedError:
            await self._submission.count_refused(request)
            raise
        spec = _spec(
            request,
            KIND,
            training.job_id,
            name,
            {**own, **found, "owner": caller.owner, "judged": True},
        )
        try:
            submitted = await self._submission.submit(
                request, spec, queue=keys.TRAIN_QUEUE
            )
        except RefusedError:
            await run_sync(training.forget)
            raise
        if submitted.again:
            await run_sync(training.forget)
        return submitted

    async def add(
        self,
        request: JobRequest,
        name: str,
        options: Options,
        files: Sequence[BinaryIO],
        key: str | None,
        if_match: str | None,
    ) -> Submitted:
        """Write an uploaded model to the directory of added models, and queue the job
        that ends with a worker's result.

        name: of the model.
        files: its card and its weights.
        key: the request's `Idempotency-Key`.
        if_match: identity of the caller's own model that it replaces; None for a new
            one.

        Raises RefusedError if it is not accepted; then nothing is left of it. Raises an
        error of STORE_TROUBLE if it is not known whether it was accepted.
        """
        caller = request.caller
        job_id = secrets.token_urlsafe(ID_BYTES)
        request = await _with_key(request, key, ADD, name, options, files)
        if known := await self._submission.earlier_job(request):
            return known
        await self._free_failed(name)
        is_exchange = if_match is not None
        former_job = self._added.job_of(name) if is_exchange else ""
        reserved = await self._models.reserved_names()
        served, identity_now = await self._models.served_identity(name, caller)
        self._added.expect_name(name, caller, reserved, served, identity_now, if_match)
        if not is_exchange:
            self._added.expect_place()
        await self._submission.expect_allowance(request)
        own = {**options.model_dump(), "draft": is_exchange}
        spec = _spec(request, ADD, job_id, name, own)
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
                await self._submission.count_refused(request)
                raise
            if is_exchange:
                await run_sync(begin_exchange, model, former_job)
            try:
                queue = await self._submission.any_queue()
                submitted = await self._submission.submit(request, spec, queue=queue)
            except RefusedError:
                rmtree(model.draft, ignore_errors=True)
                raise
            except BaseException:
                # The job may have been accepted all the same, and is then what a
                # repeated request gets. As a draft, the model is served if a worker
                # finds it good, and deleted after a minute if there is no such job.
                if not is_exchange:
                    wait_as_draft(model)
                raise
            if submitted.again:
                rmtree(model.draft, ignore_errors=True)
            elif not is_exchange:
                try:
                    await run_sync(take_name, model, model.part, model.model)
                except (OSError, NameTakenError):
                    # The job was accepted, and can add nothing any more.
                    with suppress(*STORE_TROUBLE):  # a worker ends it then
                        await self._jobs.cancel(job_id, ANYONE)
                    raise
        return submitted

    async def _free_failed(self, name: str) -> None:
        """Free the name of a new model whose job has failed a moment ago."""
        if job_id := self._added.job_of(name):
            await self._exchanges.settle(job_id)

    async def finish(self, job_id: str, owner: str) -> Job:
        """Ask a training to end and to publish its best weights; return its job.

        Raises NothingToKeepError if it has none yet or has ended, BadParameterError for
        other kinds of jobs, and UnknownJobError if there is no such job.
        """
        job = await self._jobs.view(job_id, owner)
        if job.kind != KIND.word:
            raise BadParameterError(
                "only a training can be finished: cancel other jobs"
            )
        training = self._files(job.id, job.model)
        if job.status.is_terminal or not training.best.exists():
            raise NothingToKeepError(
                "nothing to keep yet: no evaluation is better than the "
                "starting weights (or the training has ended)"
            )
        with suppress(FileNotFoundError):  # it has just ended
            training.finish.touch()
        return job

    async def forget_canceled(self, job: Job) -> None:
        """Delete the files of a canceled training that no trainer had taken, or of a
        canceled upload of a model. Do nothing for other jobs."""
        makes_model = job.kind in (KIND.word, ADD.word)
        has_directory = self._settings.added_dir is not None
        # A running training is still open: its trainer deletes the files when it ends.
        if makes_model and has_directory and job.status is JobStatus.CANCELED:
            await self._exchanges.settle(job.id)
            await run_sync(self._files(job.id, job.model).forget)

    def _files(self, job_id: str, name: str) -> JobFiles:
        assert self._settings.added_dir is not None
        return JobFiles(self._settings.added_dir, job_id, name)

    def _write(
        self, training: JobFiles, files: Sequence[BinaryIO], crops: bool
    ) -> dict[str, Any]:
        """Write the pictures of a training, all or none, within the limit of all added
        models; return the options of the job that follow from them."""
        self._added.expect_place()
        draft = training.place.with_name(f".{uuid.uuid4().hex}")
        with whole_or_not(draft, "the pictures"):
            (draft / "run" / training.name).mkdir(parents=True)
            sweep(draft.parent)
            written = write_training_set(
                files, draft, self._added.expect_room, 1 if crops else LEAST_PICTURES
            )
            self._added.expect_room()
            # Its age counts from now on: a trainer deletes old files without a job.
            os.utime(draft)
            take_name(training, draft, training.place)
        return {
            "found": written.pictures,
            "unreadable": written.unreadable,
            "unreadable_names": written.unreadable_names,
            "unsupported": written.unsupported,
            "unsupported_names": written.unsupported_names,
        }


async def _with_key(
    request: JobRequest,
    key: str | None,
    kind: Kind,
    name: str,
    options: Options,
    files: Sequence[BinaryIO],
) -> JobRequest:
    fields = {
        # Options that the API determines later are not part of the request.
        **options.model_dump(exclude={"draft", "start_identity", "judged"}),
        "name": name,
        "webhook": request.webhook,
        "retention": request.retention,
    }
    digests: list[bytes] = []
    if key:
        digests = await run_sync(lambda: [_digest_of(each) for each in files])
    key, body = repetition_of(key, kind.word, fields, digests)
    return replace(request, key=key, body=body)


def _digest_of(file: BinaryIO) -> bytes:
    digest = file_digest(file, "sha256").digest()  # type: ignore[arg-type]
    file.seek(0)
    return digest


def _spec(
    request: JobRequest, kind: Kind, job_id: str, name: str, own: dict[str, Any]
) -> JobSpec:
    """Return the description of a job that makes a model, of which only the name is
    known."""
    unknown = dict.fromkeys(("seed", "n", "height", "width", "channels"), 0)
    ours = {
        "id": job_id,
        "kind": kind.word,
        "model": name,
        "digest": "",
        "temperature": 1.0,
    }
    sent = {"request_id": request.request_id, "traceparent": request.traceparent}
    options = kind.options.model_validate(own)
    return JobSpec.model_validate(
        {**unknown, **ours, **sent, "version": options.version, "options": options}
    )
