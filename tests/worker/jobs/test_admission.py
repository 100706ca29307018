"""Which jobs a worker opens, and what it asks its engine for."""

from typing import Any, cast

from tests.app.hand_worker import GREY
from worker.contract.cards import ModelCard, WorkerInfo
from worker.contract.jobs import JobSpec
from worker.jobs.admission import UNSUPPORTED_S, Admission
from worker.jobs.announcement import Announcement

NOBODY = cast(Any, None)
"""Stands where nothing is asked of it."""


def test_worker_asks_for_the_model_that_a_job_waits_for() -> None:
    """While it is compiled the job is left in the queue; once it is ready the job is opened."""
    waiting, asked = GREY.model_copy(update={"compiling": True}), []
    info = WorkerInfo(
        name="w", device="cpu", slots=1, models=(waiting,), started_at=0.0
    )
    announcement = Announcement(info)
    admission = Admission(
        NOBODY,
        announcement,
        lambda: [info],
        NOBODY,
        NOBODY,
        lambda *weights: asked.append(weights),
    )
    spec = JobSpec(
        id="j",
        kind="sample",
        model="grey",
        digest=GREY.digest,
        seed=1,
        n=1,
        temperature=1,
        height=3,
        width=4,
        channels=1,
    )
    assert not admission.is_ours(spec.model_dump_json().encode())
    assert asked == [("grey", GREY.digest)]
    announcement.info = info.with_compiled("grey")
    admission.compiled()
    assert admission.is_ours(spec.model_dump_json().encode())
    assert len(asked) == 1


def worker_info(name: str, card: ModelCard) -> WorkerInfo:
    return WorkerInfo(name=name, device="cpu", slots=1, models=(card,), started_at=0.0)


def test_job_waits_for_a_worker_whose_device_supports_its_kind() -> None:
    """Workers on GPUs decode no files. Such a job waits for one that does, also while
    that is starting again; if none comes it is opened, and fails with the reason."""
    decodes = GREY.model_copy(update={"can": ("sample", "encode", "decode")})
    ours = worker_info("gpu", GREY)
    there = [ours, worker_info("cpu", decodes)]
    now = [0.0]
    admission = Admission(
        NOBODY,
        Announcement(ours),
        lambda: there,
        NOBODY,
        NOBODY,
        clock=lambda: now[0],
    )
    spec = JobSpec(
        id="j",
        kind="decode",
        model="grey",
        digest=GREY.digest,
        seed=0,
        n=1,
        temperature=1,
        height=GREY.height,
        width=GREY.width,
        channels=1,
    )
    text = spec.model_dump_json().encode()
    assert not admission.is_ours(text)
    now[0] = 10 * UNSUPPORTED_S
    assert not admission.is_ours(text)
    there.pop()
    assert not admission.is_ours(text)
    now[0] += UNSUPPORTED_S
    assert admission.is_ours(text)


def test_kind_that_no_device_supports_is_refused_at_once() -> None:
    """A Multi-Scale model has no codec anywhere."""
    card = GREY.model_copy(update={"small_height": 2, "small_width": 2})
    ours = worker_info("w", card)
    admission = Admission(NOBODY, Announcement(ours), lambda: [ours], NOBODY, NOBODY)
    spec = JobSpec(
        id="j",
        kind="decode",
        model="grey",
        digest=GREY.digest,
        seed=0,
        n=1,
        temperature=1,
        height=GREY.height,
        width=GREY.width,
        channels=1,
        small_height=2,
        small_width=2,
    )
    assert admission.is_ours(spec.model_dump_json().encode())
