"""Which jobs a worker opens, and what it asks its engine for."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.app.hand_worker import GREY
from tests.fakes import job_spec
from worker.contract.cards import ModelCard, RefusedModel, WorkerInfo
from worker.contract.jobs import JobSpec, JobStatus
from worker.jobs.admission import UNSUPPORTED_S, Admission
from worker.jobs.announcement import Announcement
from worker.jobs.ledger import Ledger, OpenedJob
from worker.orders.claims import Claim, Outcome
from worker.orders.faults import JobRefusedError

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
    spec = job_spec(GREY)
    assert not admission.is_ours(spec.model_dump_json().encode())
    assert asked == [("grey", GREY.digest)]
    announcement.info = info.with_compiled("grey")
    admission.on_compiled()
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
    spec = job_spec(GREY, kind="decode")
    text = spec.model_dump_json().encode()
    assert not admission.is_ours(text)
    now[0] = 10 * UNSUPPORTED_S
    assert not admission.is_ours(text)
    there.pop()
    assert not admission.is_ours(text)
    now[0] += UNSUPPORTED_S
    assert admission.is_ours(text)


def test_announcements_are_read_once_for_all_parked_jobs() -> None:
    ours = worker_info("w", GREY)
    looks: list[str] = []
    texts = [
        job_spec(GREY, id=f"j{number}", model="other", digest="0" * 64)
        .model_dump_json()
        .encode()
        for number in range(3)
    ]
    ledger = SimpleNamespace(open_specs=lambda job_ids: [*texts, None][: len(job_ids)])

    def live_workers() -> list[WorkerInfo]:
        looks.append("")
        return [ours]

    admission = Admission(
        cast(Ledger, ledger), Announcement(ours), live_workers, NOBODY, NOBODY
    )
    assert admission.are_ours(["j0", "j1", "j2", "ended"]) == [False] * 3 + [True]
    assert len(looks) == 1


def test_kind_that_no_device_supports_is_refused_at_once() -> None:
    """A Multi-Scale model has no codec anywhere."""
    card = GREY.model_copy(update={"small_height": 2, "small_width": 2})
    ours = worker_info("w", card)
    admission = Admission(NOBODY, Announcement(ours), lambda: [ours], NOBODY, NOBODY)
    spec = job_spec(card, kind="decode")
    assert admission.is_ours(spec.model_dump_json().encode())


def test_job_of_a_model_that_was_refused_fails_with_the_reason() -> None:
    """It was accepted while the model was still to be examined; else it would wait for a
    week. While the examination is going to be repeated it waits."""
    bad = GREY.model_copy(update={"name": "bad", "identity": "e" * 64})
    spec = job_spec(bad, identity=bad.identity)
    text = spec.model_dump_json().encode()
    claim = Claim("j", "t", last_seq=0)
    opened = OpenedJob(claim, text, b"", b"")
    for identity, is_opened in (("", False), (bad.identity, True)):
        refused = RefusedModel(name="bad", reason="not finite", identity=identity)
        info = worker_info("w", GREY).with_refused(refused)
        admission = Admission(NOBODY, Announcement(info), list, NOBODY, NOBODY)
        assert admission.is_ours(text) is is_opened
    with pytest.raises(JobRefusedError, match="not finite") as caught:
        admission._order(opened, spec)
    assert caught.value.error.type == "not-served"


def score_against(second: ModelCard, **options: str) -> JobSpec:
    """Return a score by `grey` that was accepted with this second model."""
    given = {"against": second.name, **options}
    return job_spec(GREY, kind="score", options=given)


def test_second_model_is_the_one_that_the_job_was_accepted_for() -> None:
    """The name may belong to other weights by then, or to another key's model. The job
    goes to a worker that has the right ones, served or exchanged, and fails if there is
    none."""
    can = {"can": ("score",)}
    first = GREY.model_copy(update=can)
    second = GREY.model_copy(update={**can, "name": "second", "identity": "1" * 64})
    other = second.model_copy(update={"identity": "2" * 64, "digest": "d" * 64})
    spec = score_against(second, against_identity=second.identity)
    text = spec.entry().encode()
    opened = OpenedJob(Claim("j", "t", last_seq=0), text, bytes(12), b"")
    served = worker_info("w", first).with_served(second)
    exchanged = served.with_served(other)
    never = worker_info("w", first).with_served(other)

    for info in (served, exchanged):
        admission = Admission(NOBODY, Announcement(info), list, NOBODY, NOBODY)
        assert info.second_card_of(spec) == second
        assert admission.is_ours(text)

    there = [served]
    admission = Admission(NOBODY, Announcement(never), lambda: there, NOBODY, NOBODY)
    assert not admission.is_ours(text)
    there.clear()
    assert admission.is_ours(text)
    with pytest.raises(JobRefusedError, match="'second'") as caught:
        admission._order(opened, spec)
    assert caught.value.error.type == "model-changed"


def test_second_model_of_an_earlier_versions_job_is_found_by_name() -> None:
    """Its description has no identity."""
    can = {"can": ("score",)}
    first = GREY.model_copy(update=can)
    second = GREY.model_copy(update={**can, "name": "second", "identity": "1" * 64})
    spec = score_against(second)
    assert spec.options.version == 8
    served = worker_info("w", first).with_served(second)
    assert served.takes(spec)
    assert served.second_card_of(spec) == second
    assert not worker_info("w", first).takes(spec)


def test_worker_without_added_models_ends_a_job_that_adds_one() -> None:
    """It may be in this worker's queue, and the model is examined by workers of another
    one: what they announce ends it."""
    ours = worker_info("gpu", GREY).model_copy(update={"queue": "gpu"})
    there = [ours]
    ended: list[tuple[str, Outcome]] = []
    publisher = SimpleNamespace(
        open=lambda claim: None, end=lambda *words: ended.append(words)
    )
    admission = Admission(
        Ledger(NOBODY), Announcement(ours), lambda: there, cast(Any, publisher), NOBODY
    )
    unknown = dict.fromkeys(("seed", "n", "height", "width", "channels"), 0)
    spec = JobSpec.model_validate(
        {"id": "j", "kind": "add", "model": "mine", "digest": "", "temperature": 1}
        | unknown
        | {"options": {}}
    )
    text = spec.entry().encode()
    assert not admission.is_ours(text)

    added = GREY.model_copy(update={"name": "mine", "job": "j", "compiling": False})
    there.append(worker_info("cpu", added))
    assert admission.is_ours(text)
    answers = [[b"claimed", 0, 1], [text, None], [None, None]]
    assert admission.open("j", "token", answers)
    ((token, outcome),) = ended
    assert (token, outcome.status) == ("token", JobStatus.SUCCEEDED)


def test_weights_are_let_go_between_two_jobs() -> None:
    """A served model is announced as unloaded, and asked for by its next job, at once and
    again; exchanged weights are forgotten."""
    served = GREY.model_copy(update={"identity": "1" * 64})
    former = GREY.model_copy(update={"identity": "2" * 64})
    info = worker_info("w", served).with_kept(former)
    announcement = Announcement(info)
    asked: list[tuple[str, str]] = []
    unloaded: list[tuple[str, int]] = []
    admission = Admission(
        NOBODY,
        announcement,
        list,
        NOBODY,
        NOBODY,
        lambda *weights: asked.append(weights),
        unload=lambda *proposal: unloaded.append(proposal),
    )
    admission.on_fetched(former, "grey@2")
    admission.on_unload_proposed("grey", 0)
    admission.on_unload_proposed("grey@2", 1)
    assert unloaded == []
    admission.unload_proposed_models()
    assert unloaded == [("grey", 0), ("grey@2", 1)]
    assert announcement.info.kept == ()
    assert [card.unloaded for card in announcement.info.models] == [True]
    spec = job_spec(GREY, identity=served.identity)
    text = spec.model_dump_json().encode()
    for proposal in (2, 3):
        assert not admission.is_ours(text)
        assert admission.is_compiling
        admission.on_fetched(served, "grey@1")
        assert admission.is_ours(text)
        admission.on_unload_proposed("grey@1", proposal)
        admission.unload_proposed_models()
    assert asked == 2 * [("grey", served.identity)]
