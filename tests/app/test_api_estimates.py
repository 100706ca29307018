"""The event `estimate`: what is expected so far of a completion by particles, for whoever follows it just then."""

import base64
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from app.schema.event_data import EstimateEvent
from tests.app.completions import POSTERIOR, post
from tests.app.hand_worker import GREY, HandWorker
from tests.app.live import Event, events_of
from worker.contract import keys
from worker.contract.events import estimate_entry
from worker.contract.jobs import JobSpec

LARGE = POSTERIOR.model_copy(
    update={"name": "large", "height": 64, "width": 64, "channels": 3, "values": 256}
)


@pytest.fixture
def posterior(worker: HandWorker) -> HandWorker:
    worker.announce(GREY, POSTERIOR, LARGE)
    return worker


def tell(
    worker: HandWorker, spec: JobSpec, share: float, mean: bytes, sample: int = 0
) -> None:
    entry = estimate_entry(sample, share, mean)
    assert worker.progress(spec, share, entry) == b"ok"


def begun(
    client: httpx.Client, worker: HandWorker, **fields: object
) -> tuple[JobSpec, str]:
    link = post(client, **fields).json()["links"]["events"]
    return worker.take(), link


def named(events: Iterator[Event], name: str) -> Event:
    return next(event for event in events if event.name == name)


def test_estimates_come_between_rows_and_change_no_place(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """They have no id, so that one who comes back goes on behind its last row, and gets the newest; rows and the end
    have the numbers that they would have without. After the end there is none, nor in Redis."""
    spec, link = begun(client, posterior, n=2)
    with client.stream("GET", link) as response:
        events = events_of(response)
        assert next(events).name == "snapshot"
        tell(posterior, spec, 0.2, bytes(range(12)))
        estimate = next(events)
        assert (estimate.name, estimate.id) == ("estimate", None)
        mean = base64.b64encode(bytes(range(12))).decode()
        assert estimate.data == {
            "type": "estimate",
            "sample": 0,
            "share": 0.2,
            "mean": mean,
        }
        EstimateEvent.model_validate(estimate.data, extra="forbid")
        posterior.rows(spec, *((0, y) for y in range(4)))
        assert [next(events).id for _ in range(4)] == ["1-0", "2-0", "3-0", "4-0"]
    tell(posterior, spec, 0.6, bytes(12), sample=1)
    tell(posterior, spec, 0.7, bytes(12), sample=1)
    with client.stream("GET", link, headers={"Last-Event-ID": "2-0"}) as response:
        events = events_of(response)
        back = [next(events) for _ in range(5)]
        assert {event.id for event in back if event.name == "row"} == {"3-0", "4-0"}
        assert [event.data["share"] for event in back if event.name == "estimate"] == [
            0.7
        ]
        posterior.rows(spec, *((1, y) for y in range(4)))
        posterior.settle(spec)
        assert named(events, "done").id == "9-0"
        assert next(events, None) is None
    assert not posterior.redis.exists(keys.estimate(spec.id))
    replayed = list(events_of(client.get(link)))
    assert [event.name for event in replayed] == [
        "snapshot",
        *["row"] * 8,
        "progress",
        "done",
    ]


def test_newest_alone_is_kept_for_all_who_follow(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """Of a thousand that nobody took, in a picture of 64 x 64 x 3, the last; a reader beside the first gets it too, and
    memory holds one."""
    keep = np.zeros((64, 64), np.uint8)
    spec, link = begun(client, posterior, keep=keep, model="large")
    rng = np.random.default_rng(0)
    for share in range(1000):
        tell(posterior, spec, share / 1000, rng.bytes(64 * 64 * 3))
    assert posterior.redis.xlen(keys.estimate(spec.id)) == 1
    assert posterior.redis.memory_usage(keys.estimate(spec.id)) < 40_000
    assert 0 < posterior.redis.ttl(keys.estimate(spec.id)) <= keys.ESTIMATE_TTL_S
    with client.stream("GET", link) as first:
        events = events_of(first)
        told = named(events, "estimate").data
        assert told["share"] == 0.999
        assert len(base64.b64decode(told["mean"])) == 64 * 64 * 3
        with client.stream("GET", link) as second:
            assert named(events_of(second), "estimate").data == told
        tell(posterior, spec, 0.9999, bytes(64 * 64 * 3))
        assert named(events, "estimate").data["share"] == 0.9999


def test_whoever_waits_or_looks_at_the_picture_is_not_told(
    client: httpx.Client, posterior: HandWorker
) -> None:
    """A lost estimate is no loss: the job ends as if there had been none."""
    spec, link = begun(client, posterior)
    tell(posterior, spec, 0.5, bytes(12))
    posterior.redis.delete(keys.estimate(spec.id))
    with client.stream(
        "GET", link.replace("/events", "/image"), params={"follow": 1}
    ) as picture:
        assert picture.status_code == 200
        tell(posterior, spec, 0.6, bytes(12))
        posterior.rows(spec, *((0, y) for y in range(4)))
        posterior.settle(spec)
        assert picture.read()
    assert (
        client.get(link.replace("/events", ""), params={"wait": 5}).json()["status"]
        == "succeeded"
    )


def test_owner_alone_estimates(client: httpx.Client, posterior: HandWorker) -> None:
    """A worker that has lost the job to another, or whose job has ended, writes nothing."""
    spec, _ = begun(client, posterior)
    words = 0.5, estimate_entry(0, 0.5, bytes(12))
    assert posterior.progress(spec, *words, token="somebody else") == b"lost"
    posterior.rows(spec, *((0, y) for y in range(4)))
    posterior.settle(spec)
    assert posterior.progress(spec, *words) == b"lost"
    assert not posterior.redis.exists(keys.estimate(spec.id))
