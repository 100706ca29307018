"""Pictures by address: GET /p/{model}/{name}.png."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.settings import Settings
from app.store import Store
from tests.app.hand_worker import GREY, HandWorker, eventually, image_bytes
from tests.app.holders import ALICE, KEYS, settings
from tests.app.live import serving, speaking
from worker.contract import keys
from worker.contract.addresses import picture_file, seed_of
from worker.contract.jobs import JobSpec
from worker.contract.traits import Label

IDENTITY = "0123456789ab"
FACES = GREY.model_copy(
    update={
        "name": "faces",
        "identity": IDENTITY + "c" * 52,
        "labels": (Label(name="cat", prior=0.5), Label(name="dog", prior=0.5)),
        "field_step": 2,
    }
)
PINNED = f"/p/faces@{IDENTITY}"
FOR_EVER = "public, max-age=31536000, immutable"


def offering(redis_url: str, **more: object) -> Settings:
    return settings(
        redis_url, **{"api_keys": (), "address_models": ("faces", "gone"), **more}
    )


@pytest.fixture
def faces(worker: HandWorker) -> HandWorker:
    """A worker whose model has addresses."""
    worker.numerics = "cpu-compiled"
    worker.announce(FACES, GREY)
    return worker


@pytest.fixture
def client(redis_url: str, faces: HandWorker) -> Iterator[httpx.Client]:
    with speaking(offering(redis_url)) as speaker:
        yield speaker


def drawing(faces: HandWorker, call: Callable[[], Any]) -> tuple[Any, JobSpec]:
    """What a call returns whose only job is drawn meanwhile, and that job."""
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(call)
        eventually(lambda: faces.redis.llen(keys.RQ_QUEUE + keys.QUEUE))
        spec = faces.draw()
        return answer.result(), spec


def drawn(faces: HandWorker, client: httpx.Client, path: str) -> httpx.Response:
    return drawing(faces, lambda: client.get(path))[0]


def refusal(client: httpx.Client, path: str, status: int, word: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    ), (path, answer.text)
    assert word in answer.json()["detail"], path
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_picture_has_one_address_that_never_changes(
    client: httpx.Client, faces: HandWorker
) -> None:
    """The plain address leads there; it is drawn once, by a job that nobody sees."""
    plain = client.get("/p/faces/alice.png")
    assert plain.status_code == 302
    assert plain.headers["cache-control"] == "public, max-age=300"
    assert plain.headers["location"] == f"{PINNED}/alice.png"

    picture, spec = drawing(faces, lambda: client.get(f"{PINNED}/alice.png"))
    assert (spec.seed, spec.n, spec.first) == (seed_of("alice"), 1, 0)
    assert spec.effective_priority == "interactive"
    pixels = image_bytes(spec, 0)
    assert picture.content == picture_file(spec, pixels, "cpu-compiled", "png")
    assert b"alice" not in picture.content
    assert client.get("/jobs").json()["jobs"] == []
    assert faces.redis.ttl(keys.job(spec.id)) <= 60
    faces.redis.delete(keys.job(spec.id), keys.events(spec.id))

    again = client.get(f"{PINNED}/alice.png")
    assert again.content == picture.content
    for answer in (picture, again, client.head(f"{PINNED}/alice.png")):
        found = answer.headers
        assert (answer.status_code, found["content-type"]) == (200, "image/png")
        assert found["cache-control"] == FOR_EVER
        assert found["etag"] == picture.headers["etag"]
        assert not found["etag"].startswith("W/")
        assert found["access-control-allow-origin"] == "*"
        assert found["cross-origin-resource-policy"] == "cross-origin"
    for tag in (picture.headers["etag"], "*"):
        seen = client.get(f"{PINNED}/alice.png", headers={"If-None-Match": tag})
        assert (seen.status_code, seen.content) == (304, b"")
    assert "access-control-allow-origin" not in client.get("/models").headers


def test_every_form_leads_to_the_canonical_one(client: httpx.Client) -> None:
    """NFC, parameters in one order, labels by name, without defaults."""
    composed = quote("Zoë")
    for sent, only in (
        (f"faces/{quote('Zoe' + chr(0x308))}.webp", f"{composed}.webp"),
        (f"faces@{IDENTITY}/{quote('Zoe' + chr(0x308))}.png", f"{composed}.png"),
        ("faces/a.png?scale=1&temperature=1&size=3x4&named=0", "a.png"),
        (f"faces@{IDENTITY}/a.png?scale=1", "a.png"),
        (f"faces@{IDENTITY}/a.png?scale=02", "a.png?scale=2"),
        (
            "faces/a.png?temperature=.5&size=6x8&scale=2&named=1&label=1",
            "a.png?label=dog&named=1&scale=2&size=6x8&temperature=0.5",
        ),
        ("faces/A.png.png", "A.png.png"),
        ("faces/..png", "..png"),
        ("faces/a%40b%3Fc%23.png", "a%40b%3Fc%23.png"),
        (f"faces/{'%F0%9F%A6%8A' * 200}.png", f"{'%F0%9F%A6%8A' * 200}.png"),
    ):
        answer = client.get(f"/p/{sent}")
        assert answer.status_code == 302, (sent, answer.text)
        assert answer.headers["location"] == f"{PINNED}/{only}", sent


def test_refusals_say_what_was_expected(
    client: httpx.Client, faces: HandWorker
) -> None:
    """Nothing of these is drawn."""
    for path, status, word in (
        ("faces/.png", 422, "1 to 200"),
        (f"faces/{'a' * 201}.png", 422, "1 to 200"),
        ("faces/a%2Fb.png", 422, "without /"),
        ("faces/a%5Cb.png", 422, "without /"),
        ("faces/a/b.png", 422, "/p/MODEL/NAME.png"),
        ("faces/a%07b.png", 422, "control"),
        ("faces/%FF.png", 422, "UTF-8"),
        ("faces/a.gif", 422, ".webp"),
        ("faces/a", 422, ".webp"),
        ("faces@0123/a.png", 422, "12 digits"),
        ("faces/a.png?scale=33", 422, "32"),
        ("faces/a.png?size=30x30&scale=32", 200, ""),
        ("faces/a.png?size=33x33&scale=32", 422, "at most 31 here"),
        ("faces/a.png?size=65x64", 422, "4096"),
        ("faces/a.png?size=2x4", 422, "3x4"),
        ("faces/a.png?size=big", 422, "WIDTHxHEIGHT"),
        ("faces/a.png?temperature=0", 422, "0.01"),
        ("faces/a.png?temperature=nan", 422, "finite"),
        ("faces/a.png?label=cow", 422, "label"),
        ("faces/a.png?colour=1", 422, "expected one of"),
        ("gone/a.png", 404, "no worker serves"),
        (f"gone@{IDENTITY}/a.png", 410, "no worker serves"),
        ("faces@ffffffffffff/a.png", 410, "no worker serves"),
    ):
        if status == 200:
            assert client.get(f"/p/{path}").status_code == 302
        else:
            refusal(client, f"/p/{path}", status, word)
    for path in ("grey/a.png", "faces/a%0D%0Ab.png"):
        assert client.get(f"/p/{path}").status_code == 404
    assert faces.redis.zcard(keys.OPEN) == 0


def test_hundred_who_ask_at_once_get_one_job(redis_url: str, faces: HandWorker) -> None:
    """Of several APIs, from several addresses, whoever of them leaves."""
    with (
        serving(offering(redis_url)) as (one, _),
        serving(offering(redis_url)) as (
            two,
            _,
        ),
    ):
        leaving = threading.Event()

        def ask(number: int) -> int:
            url = f"{(one, two)[number % 2]}{PINNED}/crowd.png"
            headers = {"X-Forwarded-For": f"10.0.0.{number}"}
            try:
                limit = 0.5 if number < 10 else 60
                return httpx.get(url, headers=headers, timeout=limit).status_code
            except httpx.ReadTimeout:
                leaving.set()
                return 0

        with ThreadPoolExecutor(100) as pool:
            answers = pool.map(ask, range(100))
            assert leaving.wait(30)
            assert faces.redis.zcard(keys.OPEN) == 1
            faces.draw()
            found = list(answers)
    assert (found.count(0) > 0, set(found)) == (True, {0, 200})
    assert int(faces.redis.hget(keys.TOTALS, "sample:succeeded")) == 1


def test_kept_pictures_outlive_their_weights_and_not_their_model(
    client: httpx.Client, faces: HandWorker
) -> None:
    """410 for what is not kept; 503 while nobody can tell, or a grey picture."""
    drawn(faces, client, f"{PINNED}/old.png")
    newer = FACES.model_copy(update={"identity": "f" * 64, "digest": "e" * 64})
    faces.announce(newer)
    assert client.get(f"{PINNED}/old.png").status_code == 200
    refusal(client, f"{PINNED}/new.png", 410, "no worker serves")
    location = client.get("/p/faces/old.png").headers["location"]
    assert location == "/p/faces@ffffffffffff/old.png"

    faces.announce(newer.model_copy(update={"compiling": True}))
    assert client.get("/p/faces/old.png").status_code == 302
    refusal(client, location, 503, "made ready")
    faces.leave()
    refusal(client, f"{PINNED}/new.png", 503, "no worker")
    grey = client.get(f"{PINNED}/new.png?placeholder=1")
    assert (grey.status_code, grey.headers["content-type"]) == (200, "image/svg+xml")
    assert grey.headers["cache-control"] == "no-store"
    assert client.get(f"{PINNED}/old.png").status_code == 200
    kept = client.get(f"{PINNED}/old.png?placeholder=1")
    assert kept.headers["location"] == f"{PINNED}/old.png"


def test_placeholder_is_no_second_address(
    client: httpx.Client, faces: HandWorker
) -> None:
    """It leads to the only one, once that is there."""
    for form in ("/p/faces", PINNED):
        path = f"{form}/bob.png?placeholder=1"
        answer = drawn(faces, client, path) if form == "/p/faces" else client.get(path)
        assert answer.headers["location"] == f"{PINNED}/bob.png"


def test_drawing_that_takes_long_goes_on(
    client: httpx.Client, faces: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.routes.addresses.WAIT_S", 0.2)
    refusal(client, f"{PINNED}/slow.png", 503, "ask again")
    assert client.get(f"{PINNED}/slow.png?placeholder=1").status_code == 200
    faces.draw()
    assert client.get(f"{PINNED}/slow.png").status_code == 200


def test_failed_drawing_says_why_and_is_not_kept(
    client: httpx.Client, faces: HandWorker
) -> None:
    """The next request after its job has expired draws it."""
    path = f"{PINNED}/a.png"
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.get, path)
        eventually(lambda: faces.redis.llen(keys.RQ_QUEUE + keys.QUEUE))
        spec = faces.take()
        faces.settle(spec, "failed", {"type": "t", "title": "t", "detail": "it broke"})
        assert answer.result().status_code == 424
    refusal(client, path, 424, "could not be drawn: it broke")
    faces.redis.delete(keys.job(spec.id), keys.events(spec.id))
    assert drawn(faces, client, path).status_code == 200


def test_deleted_model_has_no_pictures(
    redis_url: str, faces: HandWorker, tmp_path: Path
) -> None:
    """Nor do workers that have not noticed it yet draw them again."""
    added = tmp_path / "models" / "faces"
    added.mkdir(parents=True)
    (added / "card.json").write_text("{}")
    faces.announce(FACES.model_copy(update={"job": "job"}), GREY)
    with speaking(offering(redis_url, added_dir=tmp_path)) as client:
        assert drawn(faces, client, f"{PINNED}/a.png").status_code == 200
        assert client.delete("/models/faces").status_code == 204
        assert faces.redis.hlen(keys.ADDRESSES) == 0
        refusal(client, f"{PINNED}/a.png", 410, "no worker serves")


@pytest.mark.parametrize("mib", [0, 1])
def test_budget_is_kept(redis_url: str, faces: HandWorker, mib: int) -> None:
    """The least recently used go first; with 0 pictures are drawn and not kept."""
    path = f"{PINNED}/a.png"
    with speaking(offering(redis_url, address_mib=mib)) as client:
        assert drawn(faces, client, path).status_code == 200
        assert client.get(path).status_code == 200
    assert faces.redis.hlen(keys.ADDRESSES) == mib


def test_other_arithmetic_has_no_addresses(
    client: httpx.Client, faces: HandWorker
) -> None:
    faces.numerics = "cpu-pass"
    assert drawn(faces, client, f"{PINNED}/a.png").status_code == 404


def test_with_keys_only_shared_models_are_open(
    redis_url: str, faces: HandWorker
) -> None:
    """A private one has no addresses, for its owner neither, and `/p/` opens no more."""
    mine = FACES.model_copy(update={"name": "mine", "owner": "alice"})
    faces.announce(FACES, mine, GREY)
    given = offering(redis_url, api_keys=KEYS, address_models=("faces", "mine"))
    with speaking(given) as client:
        assert client.get("/p/faces/a.png").status_code == 302
        assert drawn(faces, client, f"{PINNED}/a.png").status_code == 200
        refusal(client, "/p/mine/a.png", 404, "no worker serves it to everybody")
        assert "grey" not in client.get("/p/mine/a.png").text
        refusal(client, f"/p/mine@{IDENTITY}/a.png", 410, "no worker serves")
        for path in ("/p/grey/a.png", "/p/faces", "/p/facesx/a.png", "/models"):
            closed = client.get(path)
            assert closed.status_code == 401, path
            assert "access-control-allow-origin" not in closed.headers
        assert client.get("/p/grey/a.png", headers=ALICE).status_code == 404
        assert client.get("/jobs", headers=ALICE).json()["jobs"] == []


def test_addresses_below_a_root_path(redis_url: str, faces: HandWorker) -> None:
    with speaking(offering(redis_url, root_path="/pixels")) as client:
        for path in ("/pixels/p/faces/a.png", "/p/faces/a.png"):
            answer = client.get(path)
            assert answer.headers["location"] == f"/pixels{PINNED}/a.png"
        assert drawn(faces, client, f"/pixels{PINNED}/a.png").status_code == 200


def test_foreign_hosts_stay_out_without_keys(client: httpx.Client) -> None:
    answer = client.get("/p/faces/a.png", headers={"Host": "evil.example"})
    assert answer.status_code == 403


async def _keep(store: Store, *names: str) -> None:
    for name in names:
        await store.keep_address(name, bytes(1000), 10 * BYTES)


BYTES = 1250 + keys.ADDRESS_BYTES
"""What is counted for a file of 1,000 bytes."""


def test_least_recently_used_pictures_make_room(
    redis_url: str, worker: HandWorker
) -> None:
    """A use is noted once an hour. Pictures of a deleted model go, and no others."""

    async def run() -> None:
        store = Store(redis_url, 3)
        redis = worker.redis
        names = [f"{'ab'[i % 2]}@{IDENTITY}/{i}" for i in range(10)]
        await _keep(store, *names)
        redis.zadd(keys.ADDRESSES_USED, {names[0]: 1})
        assert await store.kept_address(names[0]) == bytes(1000)
        noted = redis.zscore(keys.ADDRESSES_USED, names[0])
        assert noted > 1
        assert await store.kept_address(names[0])
        assert redis.zscore(keys.ADDRESSES_USED, names[0]) == noted

        await _keep(store, "c@/new", "c@/new", "c@/newer")
        assert not redis.hexists(keys.ADDRESSES, names[1])
        assert not redis.hexists(keys.ADDRESSES, names[2])
        assert redis.hlen(keys.ADDRESSES) == redis.zcard(keys.ADDRESSES_USED) == 10
        assert int(redis.get(keys.ADDRESSES_BYTES)) == 10 * BYTES

        await store.keep_address("c@/large", bytes(1000), BYTES - 1)
        await store.keep_address("c@/large", bytes(1000), 2 * BYTES)
        assert int(redis.get(keys.ADDRESSES_BYTES)) == 2 * BYTES
        await _keep(store, *names)
        await store.forget_addresses("a")
        left = {name[:2] for name in redis.hkeys(keys.ADDRESSES)}
        assert left == {b"b@"}
        assert redis.hlen(keys.ADDRESSES) == redis.zcard(keys.ADDRESSES_USED) == 5
        assert int(redis.get(keys.ADDRESSES_BYTES)) == 5 * BYTES
        for key in (keys.ADDRESSES, keys.ADDRESSES_USED, keys.ADDRESSES_BYTES):
            assert redis.ttl(key) > 0
        await store.close()

    asyncio.run(run())
