"""Entries and pictures of jobs that have ended are packed, each into one value: every answer is as before."""

import contextlib
import os
import random
import struct
from collections.abc import Callable, Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.entries import Entry
from app.packed import UnpackableError, packed, unpacked
from app.packed_pictures import packed_pictures, unpacked_picture
from app.settings import Settings
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import SCALES, SCORER, HandWorker, eventually
from tests.app.live import events_of, speaking
from tests.app.pictures import png
from worker.contract import keys
from worker.contract.events import EventType, row_entry
from worker.contract.kinds.encode import EncodeSummary
from worker.contract.kinds.score import ScoreSummary
from worker.contract.loader import load

SCORE = ScoreSummary(
    nats=8.5,
    bits_per_dim=1.02,
    per_colour_bits=(1.02,),
    height=4,
    width=3,
    quantised_pixels=0,
    uniform_bits=1.0,
)
ENCODED = EncodeSummary(
    pictures=1, bytes=50, bits_per_dim=15.5, member="none", digest=SCALES.digest
)


def entries_of(
    rows: list[tuple[int, int, bytes, bool]], end: EventType = EventType.DONE
) -> list[Entry]:
    drawn = [
        Entry(seq, EventType.ROW, row_entry(*row))
        for seq, row in enumerate(rows, start=1)
    ]
    return [*drawn, Entry(len(rows) + 1, end, "{}")]


def rows(
    n: int, height: int, width: int, values: bytes, small: int = 0
) -> list[tuple[int, int, bytes, bool]]:
    """In an order as a busy engine hands them out: each image from the top down, images in turns of any length."""
    choose = random.Random(n * height)
    left = [
        [(s, y, bytes(choose.choices(values, k=width)), False) for y in range(height)]
        for s in range(n)
    ]
    first = [
        [(s, y, bytes(choose.choices(values, k=small)), True) for y in range(2)]
        for s in range(n if small else 0)
    ]
    left = [a + b for a, b in zip(first, left, strict=True)] if small else left
    found = []
    while any(left):
        image = choose.choice([image for image in left if image])
        found.append(image.pop(0))
    return found


@pytest.mark.parametrize(
    "given",
    [
        rows(4, 28, 28, b"\0\xff"),
        rows(3, 5, 7, b"\0\xff"),
        rows(2, 8, 24, bytes(range(256)), small=12),
        rows(64, 2, 3, b"\x07"),
        [],
        rows(2, 4, 9, b"\0\xff")[:5],
    ],
    ids=["digits", "odd", "colour", "many", "none", "part"],
)
@pytest.mark.parametrize("end", [EventType.DONE, EventType.ERROR, EventType.CANCELED])
def test_entries_come_back_as_they_were(
    given: list[tuple[int, int, bytes, bool]], end: EventType
) -> None:
    """Also of a job that was canceled before its last row."""
    entries = entries_of(given, end)
    assert unpacked(packed(entries)) == entries


def test_packed_digits_are_small_and_colour_is_no_larger_than_its_pixels() -> None:
    """Bits for two values; the order of the rows costs little."""
    assert len(packed(entries_of(rows(4, 28, 28, b"\0\xff")))) < 4 * 28 * 28 / 8 + 130
    assert (
        len(packed(entries_of(rows(4, 32, 96, bytes(range(256)))))) < 4 * 32 * 96 + 200
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda entries: entries[:-1],
        lambda entries: entries[1:],
        lambda entries: [
            *entries[:2],
            Entry(3, EventType.ROW, entries[1].data),
            *entries[3:],
        ],
        lambda entries: [
            Entry(1, EventType.ROW, '{"sample":0,"y":1,"pixels":"AAA="}'),
            *entries[1:],
        ],
        lambda entries: [
            Entry(1, EventType.ROW, '{"sample":200,"y":0,"pixels":"AAA="}'),
            *entries[1:],
        ],
        lambda entries: [
            Entry(1, EventType.ROW, entries[0].data.replace("{", "{ ")),
            *entries[1:],
        ],
    ],
)
def test_entries_that_would_not_come_back_are_left(
    spoil: Callable[[list[Entry]], list[Entry]],
) -> None:
    """With what is missing, twice there, out of order, or written in another way."""
    with pytest.raises((UnpackableError, ValueError)):
        packed(spoil(entries_of([(0, y, bytes(2), False) for y in range(4)])))


def test_later_format_is_refused() -> None:
    """It is not taken for an empty job."""
    value = packed(entries_of([]))
    with pytest.raises(UnpackableError, match="format 9"):
        unpacked(b"\x09" + value[1:])


@contextlib.contextmanager
def api(redis_url: str, pack_after_s: float) -> Iterator[httpx.Client]:
    settings = Settings(
        redis_url=redis_url, port=0, fleet_age_s=0, pack_after_s=pack_after_s
    )
    with speaking(settings) as client:
        yield client


def answers(client: httpx.Client, link: str) -> list[object]:
    """All that is said of a job's rows, in every way."""
    pictures = [
        f"{link}/image{query}"
        for query in ("", "?sample=1", "?format=zip", "?follow=1&sample=1")
    ]
    said: list[object] = [client.get(path).content for path in pictures]
    for after in (None, "0-0", "3-0", "8-0", "9-0", "77-0"):
        with client.stream(
            "GET", f"{link}/events", headers={"Last-Event-ID": after} if after else {}
        ) as response:
            said.append(list(events_of(response)))
    return [*said, client.get(link).json(), client.get("/jobs").json()]


def test_answers_are_the_same_when_entries_are_packed(
    redis_url: str, worker: HandWorker
) -> None:
    """Of a job that succeeded and one that was canceled with some rows; and their streams are gone."""
    with api(redis_url, 0) as client:
        done = submit_sample(client, n=2, seed=3)
        worker.draw()
        part = submit_sample(client, n=2, seed=4)
        spec = worker.take()
        worker.rows(spec, (0, 0), (1, 0), (1, 1))
        client.post(f"{part['links']['self']}/cancel")
        worker.settle(spec, "canceled")
        before = [answers(client, job["links"]["self"]) for job in (done, part)]
    with api(redis_url, 0.01) as client:
        streams = [keys.events(job["id"]) for job in (done, part)]
        eventually(lambda: not worker.redis.exists(*streams))
        assert not worker.redis.exists(keys.UNPACKED)
        assert (
            0 < worker.redis.ttl(keys.packed_entries(done["id"])) <= keys.RESULT_TTL_S
        )
        assert [answers(client, job["links"]["self"]) for job in (done, part)] == before
        assert client.delete(done["links"]["self"]).status_code == 204
        assert not worker.redis.exists(keys.packed_entries(done["id"]))


def test_only_ended_jobs_are_packed_and_damage_is_told(
    redis_url: str, worker: HandWorker, client: httpx.Client
) -> None:
    """A running job keeps its stream, whatever the set says; rows that make no sense stay as they are."""
    running = submit_sample(client, seed=3)
    spec = worker.take()
    worker.rows(spec, (0, 0))
    odd = submit_sample(client, seed=4)
    worker.draw()
    worker.redis.xtrim(keys.events(odd["id"]), maxlen=1, approximate=False)
    worker.redis.zadd(keys.UNPACKED, {running["id"]: 1, odd["id"]: 1, "nobody": 1})
    with api(redis_url, 0.01):
        eventually(lambda: not worker.redis.exists(keys.UNPACKED))
    assert worker.redis.xlen(keys.events(running["id"])) == 1
    assert worker.redis.xlen(keys.events(odd["id"])) == 1


def test_jobs_are_packed_when_redis_is_full(
    redis_url: str, worker: HandWorker, client: httpx.Client
) -> None:
    """It is then that room is needed; what is written takes less than what goes."""
    picture = png(Image.frombytes("L", (3, 4), bytes([0, 255] * 6)))
    worker.announce(SCORER)
    score = client.post(
        "/score", data={"model": "scorer"}, files={"image": picture}
    ).json()
    worker.settle_told(worker.take(), SCORE, bits=bytes(48), heat=bytes(36))
    drawn = submit_sample(client, model="scorer", n=2, seed=3)
    worker.draw()
    worker.redis.config_set("maxmemory", 1)
    try:
        with api(redis_url, 0.01):
            eventually(lambda: not worker.redis.exists(keys.UNPACKED), seconds=60)
    finally:
        worker.redis.config_set("maxmemory", 0)
    assert not worker.redis.exists(keys.events(drawn["id"]))
    assert worker.redis.exists(keys.packed_entries(drawn["id"]))
    assert worker.redis.hkeys(keys.image(score["id"])) == [b"packed"]


def test_entries_are_replaced_by_what_was_read_of_them_only(
    worker: HandWorker, client: httpx.Client
) -> None:
    """One that came since stays, and so does a stream of which the server has dropped a part."""
    job = submit_sample(client, seed=3)["id"]
    worker.draw()
    names = [keys.job(job), keys.events(job), keys.packed_entries(job), keys.image(job)]
    newest = int(worker.redis.hget(keys.job(job), "last_seq") or 0)

    def is_packed(seq: int) -> bool:
        worker.redis.eval(
            load("app", "pack"), 4, *names, job, seq, "entries", "", "packed"
        )
        return bool(
            worker.redis.exists(keys.packed_entries(job))
        ) and not worker.redis.exists(keys.events(job))

    assert not is_packed(newest - 1)
    worker.redis.hincrby(keys.job(job), "entries", 1)
    assert not is_packed(newest)
    worker.redis.hincrby(keys.job(job), "entries", -1)
    assert is_packed(newest)


def test_job_is_due_again_in_a_minute_when_it_was_taken_to_be_packed(
    worker: HandWorker,
) -> None:
    """Whoever took it may have died."""
    now = worker.redis.time()[0]
    worker.redis.zadd(keys.UNPACKED, {"job": now - 100})
    take = load("app", "packing_due")
    assert [worker.redis.eval(take, 0, 16, after) for after in (100, 100, 40)] == [
        [b"job"],
        [],
        [b"job"],
    ]


def test_rows_that_a_later_version_packed_are_not_shown_as_none(
    redis_url: str, worker: HandWorker
) -> None:
    """Another API may show them: ask again."""
    with api(redis_url, 0) as client:
        job = submit_sample(client, seed=3)
        worker.draw()
        worker.redis.delete(keys.events(job["id"]))
        worker.redis.set(keys.packed_entries(job["id"]), b"\x09" + bytes(50))
        assert is_problem(client.get(job["links"]["image"]), 503)["type"].endswith(
            "other-version"
        )


def test_reader_goes_on_when_entries_are_packed_under_it(
    redis_url: str, worker: HandWorker
) -> None:
    """One that came back just before, with an id in the middle."""
    with api(redis_url, 0.01) as client:
        link = submit_sample(client, n=2, seed=3)["links"]["self"]
        with client.stream("GET", f"{link}/events") as response:
            events = events_of(response)
            assert next(events).name == "snapshot"
            worker.draw()
            eventually(
                lambda: not worker.redis.exists(keys.events(link.rpartition("/")[2]))
            )
            found = list(events)
    assert [event.id for event in found if event.name == "row"] == [
        f"{i}-0" for i in range(1, 9)
    ]
    assert found[-1].name == "done"


def test_maps_and_given_pictures_are_the_same_when_they_are_packed(
    redis_url: str, worker: HandWorker
) -> None:
    """Of a score and of an encoding, whose file cannot be made smaller; and nothing else is kept of them."""
    paths = ("/score-map", "/image", "/given", "/blob")
    worker.announce(SCORER, SCALES)
    picture = png(Image.frombytes("L", (3, 4), bytes([0, 255] * 6)))
    bits, heat = struct.pack("<12f", 0.7, *[0.1] * 11), bytes(35) + b"x"
    with api(redis_url, 0) as client:
        score = client.post(
            "/score", data={"model": "scorer"}, files={"image": picture}
        ).json()
        worker.settle_told(worker.take(), SCORE, bits=bits, heat=heat)
        fields = {"image": png(Image.frombytes("RGB", (6, 4), bytes(72)))}
        coded = client.post("/encode", data={"model": "scales"}, files=fields).json()
        worker.settle_told(worker.take(), ENCODED, blob=os.urandom(50))
        links = [
            job["links"]["self"] + path for job in (score, coded) for path in paths
        ]
        before = [
            (answer.status_code, answer.content) for answer in map(client.get, links)
        ]
    with api(redis_url, 0.01) as client:
        eventually(lambda: not worker.redis.exists(keys.UNPACKED))
        for job in (score, coded):
            assert worker.redis.hkeys(keys.image(job["id"])) == [b"packed"]
            assert 0 < worker.redis.ttl(keys.image(job["id"])) <= keys.RESULT_TTL_S
        assert [
            (answer.status_code, answer.content) for answer in map(client.get, links)
        ] == before
        worker.redis.hset(keys.image(score["id"]), "packed", b"\x09")
        assert is_problem(client.get(links[0]), 503)["type"].endswith("other-version")


@given(
    st.dictionaries(
        st.sampled_from(["pixels", "keep", "bits", "mean", "blob"]),
        st.binary(max_size=40),
    )
)
def test_pictures_come_back_byte_for_byte(fields: dict[str, bytes]) -> None:
    """Maps are of whole numbers; what would grow is left as it is."""
    whole = {
        name: data[: len(data) // 4 * 4] if name in ("bits", "mean") else data
        for name, data in fields.items()
    }
    long = {**whole, "heat": bytes(999)}
    value = packed_pictures(long)
    assert {name: unpacked_picture(value, name) for name in long} == long
    assert unpacked_picture(value, "entropy") is None
    assert packed_pictures({"blob": os.urandom(30)}) == b""
    assert packed_pictures({"packed": value}) == b""
