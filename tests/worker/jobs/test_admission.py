"""Which jobs a worker opens, and what it asks its engine for."""

from typing import Any, cast

from tests.app.hand_worker import GREY
from worker.contract.cards import WorkerInfo
from worker.contract.jobs import JobSpec
from worker.jobs.admission import Admission
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
