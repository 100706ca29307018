"""Versions that differ, side by side: as in a rolling upgrade, where workers, APIs and jobs are older and newer."""

import json
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from tests.fakes import fake_card, job_spec
from tests.worker.harness import Client, StartWorker, wait_for
from worker.contract import keys
from worker.contract.cards import (
    AnnouncementReader,
    ModelCard,
    WorkerInfo,
    readable_workers,
)
from worker.contract.events import RowDrawn, row_entry
from worker.contract.jobs import VERSION, JobRecord, JobSpec, JobStatus
from worker.contract.kinds.complete import CompletionSummary
from worker.contract.kinds.sample import SampleOptions
from worker.contract.record import OtherVersionError, UnreadableError
from worker.contract.traits import Method
from worker.queue.recovery import Recovery

CARD = fake_card()
SPEC = job_spec(CARD, options=SampleOptions())
INFO = WorkerInfo(name="w", device="cpu", slots=4, models=(CARD,), started_at=1.0)
NEWER_WORKER = [
    sys.executable,
    "-c",
    "import sys, worker.contract.jobs as jobs; jobs.VERSION += 1; import worker.start; sys.exit(worker.start.main())",
]


def as_later(text: str, **fields: object) -> str:
    """As a later version would write it: with fields that this one does not know."""
    return json.dumps(json.loads(text) | {"invented_later": {"deep": [1]}} | fields)


def later_job(client: Client, **fields: object) -> JobSpec:
    """A job that this version cannot do, accepted by a later API."""
    spec = client.spec()
    client.accept(spec, spec_json=as_later(spec.entry(), **fields))
    client.enqueue(spec.id)
    return spec


def parked(client: Client) -> list[str]:
    return [
        job_id.decode()
        for job_id in client.redis.zrange(keys.parked_ids(keys.QUEUE), 0, -1)
    ]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (CARD, CARD.model_dump_json()),
        (INFO, INFO.entry()),
        (SPEC, SPEC.entry()),
        (CompletionSummary(sample_nats=(1.0,)), '{"sample_nats": [1.0]}'),
        (RowDrawn(sample=0, y=1, pixels="AA=="), row_entry(0, 1, b"\0")),
    ],
    ids=["card", "announcement", "spec", "result", "row"],
)
def test_record_is_read_when_it_has_a_field_that_is_not_known(
    record: Any, text: str
) -> None:
    """It means what it meant without the field."""
    assert type(record).model_validate_json(as_later(text)) == record


def test_card_is_read_when_the_model_can_do_more_than_is_known() -> None:
    """The kinds of job that this version knows are left."""
    text = as_later(CARD.model_dump_json(), can=["sample", "dream", "score", []])
    assert ModelCard.model_validate_json(text).can == ("sample", "score")


def test_announcements_are_read_when_some_cannot_be() -> None:
    """Neither a worker nor a model that nobody here can read hides the others."""
    card = json.loads(CARD.model_dump_json())
    mixed = as_later(INFO.entry(), models=[{"name": "said otherwise"}, card, 7])
    strange = as_later(
        INFO.entry(), name="strange", models=[{"name": "said otherwise"}]
    )
    garbage = [
        "",
        "[]",
        "{",
        '{"name": "x"}',
        b"\xff",
        as_later(INFO.entry(), models=None),
    ]
    found = readable_workers([*garbage, mixed, strange])
    assert [(worker.name, worker.models) for worker in found] == [("w", (CARD,))]


def test_an_announcement_is_parsed_once_while_it_stays_the_same() -> None:
    """A look returns the objects of the look before; what changed or is gone is not kept."""
    reader = AnnouncementReader()
    first, second = INFO.entry(), as_later(INFO.entry(), name="second")
    (before, other) = reader.read([first, second])
    changed = as_later(INFO.entry(), slots=INFO.slots + 1)
    again = reader.read([changed, second, "{"])
    assert again[1] is other
    assert again[0].slots == before.slots + 1
    assert reader.read([first])[0] is not before


def test_job_is_of_another_version_when_it_says_so() -> None:
    """By its number, or by a kind that is not known; one that makes no sense is simply wrong."""
    assert JobSpec.read(as_later(SPEC.entry(), version=VERSION)) == SPEC.model_copy(
        update={"version": VERSION}
    )
    for fields in (
        {"version": VERSION + 1},
        {"kind": "dream"},
        {"version": VERSION + 1, "model": {"a": 1}},
    ):
        with pytest.raises(OtherVersionError):
            JobSpec.read(as_later(SPEC.entry(), **fields))
    for text in (
        "",
        "[]",
        '{"id": "x"}',
        as_later(SPEC.entry(), n=0),
        as_later(SPEC.entry(), version="x"),
    ):
        with pytest.raises(ValidationError):
            JobSpec.read(text)


@pytest.mark.parametrize(
    "changes",
    [
        {b"spec": b"{"},
        {b"status": b"paused"},
        {b"created_at": b"x"},
        {
            b"spec": SPEC.model_copy(update={"kind": "score"}).entry().encode(),
            b"result": b'{"new": 1}',
        },
        {b"error": b"\xff"},
    ],
)
def test_one_error_is_raised_when_a_job_cannot_be_read(
    changes: dict[bytes, bytes],
) -> None:
    """Whatever is wrong with its hash."""
    good = {b"spec": SPEC.entry().encode(), b"status": b"queued", b"created_at": b"1.5"}
    assert JobRecord.from_hash(good).spec == SPEC
    with pytest.raises(UnreadableError):
        JobRecord.from_hash(good | changes)


def test_worker_takes_what_it_can_when_asked() -> None:
    """Its version, the weights, the kind of work."""
    assert INFO.takes(SPEC)
    for changes in ({"version": 2}, {"model": "x"}, {"digest": "x"}, {"kind": "score"}):
        assert not INFO.takes(SPEC.model_copy(update=changes))
    assert INFO.model_copy(update={"version": 3}).takes(
        SPEC.model_copy(update={"version": 2})
    )


def test_job_is_for_the_identity_that_it_was_accepted_for() -> None:
    """Cards of the same weights are told apart, but by those who know no identities: earlier jobs and workers."""
    one, other = (
        CARD.model_copy(update={"identity": 32 * name}) for name in ("a1", "b2")
    )
    for card, identity, is_taken in (
        (one, one.identity, True),
        (other, one.identity, False),
        (one, "", True),
        (CARD, one.identity, True),
    ):
        worker, spec = (
            INFO.model_copy(update={"models": (card,)}),
            SPEC.model_copy(update={"identity": identity}),
        )
        assert (worker.takes(spec), worker.holds(spec)) == (is_taken, is_taken)
    exchanged = INFO.model_copy(update={"models": (one,)}).with_served(other)
    assert exchanged.card_of(SPEC.model_copy(update={"identity": one.identity})) == one
    assert exchanged.card_of(SPEC) == other
    calibrated = exchanged.with_served(other.model_copy(update={"data": "said anew"}))
    assert [
        card.data for card in calibrated.models if card.identity == other.identity
    ] == ["said anew"]
    assert calibrated.kept == (one,)


def completion(**options: Any) -> JobSpec:
    asked = {"kind": "complete", "version": 2, "options": options}
    return JobSpec.model_validate(SPEC.model_dump() | asked)


def test_posterior_is_for_workers_that_offer_it() -> None:
    """By the method, and with room for the particles where there are any; an earlier worker is of version 1."""
    exact = completion(method="posterior")
    by_particles = completion(method="posterior", given_behind=3, particles=8)
    offers = CARD.model_copy(update={"methods": tuple(Method), "max_particles": 8})
    newer = INFO.model_copy(update={"version": 2, "models": (offers,)})
    assert newer.takes(exact)
    assert newer.takes(by_particles)
    assert not newer.takes(completion(method="posterior", given_behind=3, particles=9))
    assert newer.takes(completion(method="posterior", particles=9))
    assert not INFO.takes(exact)
    assert not INFO.model_copy(update={"version": 2}).takes(exact)


def test_card_is_read_when_it_says_less_or_more_of_completion() -> None:
    """An earlier worker says nothing of members and methods; a later one may know methods that are not known here."""
    assert CARD.members == ("none",)
    assert CARD.methods == (Method.CLAMP,)
    later = as_later(CARD.model_dump_json(), methods=["by magic", "posterior"])
    assert ModelCard.model_validate_json(later).methods == (Method.POSTERIOR,)


def test_completion_is_clamped_when_its_description_says_no_method() -> None:
    """It was accepted when there was no other."""
    text = SPEC.model_copy(update={"kind": "complete"}).entry()
    assert "method" not in text
    assert (
        JobSpec.read(text).options.stored_fields()["method"],
        JobSpec.read(text).version,
    ) == (Method.CLAMP, 1)


def test_job_of_a_later_version_waits_for_a_worker_that_can_do_it(
    client: Client, start_worker: StartWorker
) -> None:
    """It stays queued and untried, is taken once and not again and again, and holds up no other job. If it is canceled
    it is cleared away. A worker of its version draws it while the earlier one goes on."""
    worker = start_worker(models="tiny-cnn")
    later, unheard_of, canceled = (
        later_job(client, version=VERSION + 1),
        later_job(client, kind="dream"),
        later_job(client, version=VERSION + 1),
    )
    for seed in range(3):
        client.succeeded(client.submit(seed=seed))
    wait_for(lambda: len(parked(client)) == 3, "all to be parked")
    assert client.cancel(canceled.id) == "canceled"
    wait_for(lambda: len(parked(client)) == 2, "it to be cleared away")
    recovery = Recovery(client.redis)
    client.redis.hset(keys.job(later.id), "queue", client.queue.key)
    client.redis.zadd(keys.OPEN, {f"1:{later.id}:me": 1})
    recovery.sweep_strays(older_than_s=0)
    recovery.run_once(stranded_after_s=0)
    client.succeeded(client.submit(seed=4))
    assert parked(client) == [later.id, unheard_of.id]
    for spec in (later, unheard_of, canceled):
        assert client.attempts(spec.id) == 0
    assert client.status(later.id) is JobStatus.QUEUED
    assert [line["event"] for line in worker.events()].count("job_parked") == 3

    start_worker(command=NEWER_WORKER, models="tiny-cnn")
    wait_for(
        lambda: client.status(later.id) is JobStatus.SUCCEEDED, "the job to be drawn"
    )
    assert client.attempts(later.id) == 1
    assert client.images(later).shape == (1, 6, 5, 1)
    assert parked(client) == [unheard_of.id]
    assert not client.redis.hexists(keys.job(later.id), "parked")
    client.wait_idle()


def test_job_is_left_for_a_worker_that_holds_its_model(
    client: Client, start_worker: StartWorker
) -> None:
    """As where only the new workers have a new model: none of its jobs is failed by an old one, also when the other
    has gone. It is drawn as soon as one comes that holds the model."""
    start_worker(models="tiny-cnn")
    spec = client.spec("tiny-rgb")
    card = CARD.model_copy(update={"name": "tiny-rgb", "digest": spec.digest})
    other = INFO.model_copy(update={"name": "other", "models": (card,)})
    client.redis.set(keys.worker("other"), other.entry())
    client.redis.sadd(keys.WORKERS, "other")
    client.accept(spec)
    client.enqueue(spec.id)
    wait_for(lambda: parked(client) == [spec.id], "the job to be parked")
    client.redis.delete(keys.worker("other"))
    client.wait_end(client.submit().id)
    assert parked(client) == [spec.id]
    start_worker(models="tiny-rgb")
    client.succeeded(spec)
    specs = [
        client.submit(model=model, seed=seed)
        for seed in range(4)
        for model in ("tiny-cnn", "tiny-rgb")
    ]
    for spec in specs:
        client.succeeded(spec)
    client.wait_idle()
