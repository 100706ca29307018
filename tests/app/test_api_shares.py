"""No client keeps the others from what is scarce: see worker.contract.fairness."""

import asyncio
import hashlib
import io
import json
import os
import select
import shutil
import socket
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from app.access.api_keys import KeyEntry, digest_of
from app.errors import TooManyBytesError, UnknownModelError
from app.imaging.archive import Archive
from app.imaging.render import Canvas
from app.imaging.turns import ImagingTurns
from app.services.added import PackedModel
from app.services.pictures import MOST_ARCHIVE_BYTES, Pictures
from app.settings import Settings
from app.store import Store
from tests.app.answers import is_problem, metric, submit_sample
from tests.app.connections import connected
from tests.app.hand_worker import GREY, HandWorker, eventually
from tests.app.holders import ALICE, BOB, SAMPLE, settings
from tests.app.live import serving, speaking
from tests.app.pictures import png
from worker.contract import keys
from worker.contract.traits import Method

WEIGHTS = b"weights"
SLOW_UPLOAD = (
    "PUT /models/slow HTTP/1.1\r\nHost: x\r\nX-API-Key: {}-key\r\n"
    "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9999\r\n\r\n--x\r\n"
)


def trainers(redis_url: str, added: Path, *names: str, **more: Any) -> Settings:
    """Settings with the keys of alice, bob, carol and others, who may add models."""
    entries = [
        KeyEntry(name=name, sha256=digest_of(f"{name}-key"), may=("train",))
        for name in ("alice", "bob", "carol", *names)
    ]
    return settings(redis_url, api_keys=tuple(entries), added_dir=added, **more)


def put(url: str, name: str, weights: bytes = WEIGHTS) -> httpx.Response:
    """Hand in a model that has its owner's name."""
    card = {"name": name, "sha256": hashlib.sha256(weights).hexdigest()}
    files = [("card", json.dumps(card).encode()), ("weights", weights)]
    key = {"X-API-Key": f"{name}-key"}
    return httpx.put(f"{url}/models/{name}", files=files, headers=key, timeout=60)


def slow_upload(url: str, name: str) -> socket.socket:
    """Begin an upload that sends no more."""
    connection = connected(url)
    connection.sendall(SLOW_UPLOAD.format(name).encode())
    return connection


def test_a_client_leaves_seats_for_the_others(
    redis_url: str, worker: HandWorker
) -> None:
    """Of four seats one client alone has two, the next one has one, and one is left for a
    newcomer; a reader that leaves makes room."""
    given = settings(redis_url, max_streams=4, metrics_open=True)
    with (
        speaking(given) as client,
        ExitStack() as readers,
    ):

        def submit(who: dict[str, str]) -> str:
            job = submit_sample(client, headers=who)
            return job["links"]["events"]

        def read(link: str, who: dict[str, str]) -> httpx.Response:
            stream = client.stream("GET", link, headers=who)
            return readers.enter_context(stream)

        def is_refused(link: str, who: dict[str, str]) -> None:
            answer = read(link, who)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            answer.read()
            assert "this client has its share" in is_problem(answer, 503)["detail"]

        of_alice = submit(ALICE)
        of_bob = submit(BOB)
        streams = [read(of_alice, ALICE) for _ in range(2)]
        is_refused(of_alice, ALICE)
        is_refused(f"{of_alice.removesuffix('/events')}?wait=1", ALICE)
        streams.append(read(of_bob, BOB))
        is_refused(of_bob, BOB)
        assert [stream.status_code for stream in streams] == [200] * 3
        streams[0].close()
        eventually(lambda: metric(client, "pixelrnn_streams") == 2, seconds=60)
        assert read(of_alice, ALICE).status_code == 200
        is_refused(of_bob, BOB)


def test_slow_uploads_take_nothing_from_others(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """Ten clients send next to nothing; others upload at once, as often as they like.
    A second upload of one of the ten is refused, which says for how long."""
    slow_ones = [f"slow{at}" for at in range(10)]
    with (
        serving(trainers(redis_url, tmp_path, *slow_ones)) as (url, running),
        ExitStack() as connections,
    ):
        app: Any = running.config.app
        added = app.state.services.added
        slow = [connections.enter_context(slow_upload(url, name)) for name in slow_ones]
        eventually(lambda: len(added._until) == 10)
        beyond = connections.enter_context(slow_upload(url, slow_ones[0]))
        answer = b""
        while b"}" not in answer:  # head and body may come in parts
            answer += beyond.recv(4096)
        assert b"503 Service Unavailable" in answer
        assert b"an upload of this client is being received" in answer
        left_s = int(answer.lower().split(b"retry-after: ")[1].split()[0])
        assert 30 < left_s <= 60
        for name in ("alice", "bob", "carol"):
            assert put(url, name).status_code == 202
        slow[0].close()
        eventually(lambda: len(added._until) == 9)
        assert put(url, slow_ones[0]).status_code == 202
        for connection in slow:
            connection.close()
        eventually(lambda: (added._until, added._received.held) == ({}, 0))


def test_uploads_of_many_clients_take_bounded_memory(
    redis_url: str, worker: HandWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that exceeds its share is refused while others hold theirs."""
    monkeypatch.setattr("app.services.added.RECEIVED_BYTES", 4000)
    with (
        serving(trainers(redis_url, tmp_path)) as (url, running),
        ExitStack() as connections,
    ):
        app: Any = running.config.app
        added = app.state.services.added
        slow = connections.enter_context(slow_upload(url, "alice"))
        part = b'Content-Disposition: form-data; name="card"; filename="c"\r\n\r\n'
        slow.sendall(part + bytes(1500))
        eventually(lambda: added._received.held > 1500)
        refused = put(url, "bob", bytes(3000))
        assert "others are being received" in is_problem(refused, 503)["detail"]
        assert int(refused.headers["retry-after"]) > 30
        assert put(url, "bob").status_code == 202


def test_slow_downloads_take_no_disk_and_a_clients_own_seats(
    redis_url: str, worker: HandWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes nothing of a model holds a seat until it is let go, and nobody needs
    room for temporary files meanwhile."""
    given = trainers(redis_url, tmp_path, max_streams=4, stall_s=2, metrics_open=True)
    download = (
        "GET /models/alice/download HTTP/1.1\r\nHost: x\r\nX-API-Key: alice-key\r\n\r\n"
    )
    with (
        serving(given) as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
        ExitStack() as readers,
    ):
        weights = os.urandom(2**23)  # more than the sockets take
        put(url, "alice", weights).raise_for_status()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
        for _ in range(2):
            readers.enter_context(connected(url)).sendall(download.encode())
        eventually(lambda: metric(client, "pixelrnn_streams") == 2, seconds=60)
        refused = client.get("/models/alice/download", headers=ALICE)
        assert "its share of this server's seats" in is_problem(refused, 503)["detail"]
        eventually(lambda: metric(client, "pixelrnn_streams") == 0, seconds=60)
        whole = client.get("/models/alice/download", headers=ALICE)
        with zipfile.ZipFile(io.BytesIO(whole.content)) as archive:
            assert archive.testzip() is None
            assert archive.read("alice/weights.safetensors") == weights


def test_zips_that_are_not_read_take_limited_memory(
    redis_url: str, worker: HandWorker
) -> None:
    """A zip counts for its client while it is sent: the pictures that it holds, and the
    file of one of them, which a slow reader keeps in memory."""
    with (
        serving(settings(redis_url)) as (url, running),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        app: Any = running.config.app
        held = app.state.services.pictures._archives
        job = submit_sample(client, headers=ALICE)["id"]
        worker.draw()
        ask = {"url": f"/jobs/{job}/image?format=zip", "headers": ALICE}
        held.add("alice", MOST_ARCHIVE_BYTES // 2)
        problem = is_problem(client.get(**ask), 503)
        assert problem["type"] == "urn:pixelrnn:problem:too-many-bytes"
        held.give_back("alice", 1024)
        assert client.get(**ask).status_code == 200
        eventually(lambda: held.held == MOST_ARCHIVE_BYTES // 2 - 1024)


@pytest.mark.parametrize("scale", [1, 3])
def test_zip_counts_what_it_holds_in_memory(scale: int) -> None:
    """Also of a picture whose holes are filled: each filled one is made when it is read.
    A zip that is larger than all room counts as all of it."""
    turns = ImagingTurns(1)
    canvas = Canvas(2, 4, 3, 1, {0: bytes(12), 1: bytes(12)}, {})
    sent = Archive(canvas, scale, turns)
    assert sent.bytes_held == 24 + 48 + 48 * scale**2
    pictures = Pictures(Store("redis://unused", 1), turns)
    with pictures.sending(sent, "alice"):
        assert pictures._archives.held == sent.bytes_held
    large = Archive(replace(canvas, height=4096, width=4096), 1, turns)
    with pictures.sending(large, "alice"):
        assert pictures._archives.held == MOST_ARCHIVE_BYTES
        with pytest.raises(TooManyBytesError):
            pictures.expect_room(sent, "bob")
    pictures.expect_room(large, "bob")


def test_download_of_a_model_that_is_exchanged_or_deleted_meanwhile(
    tmp_path: Path,
) -> None:
    """It has the files of one version; if they are deleted it breaks off."""
    place = tmp_path / "mine"
    for name in ("1", "2"):
        (place / "guides").mkdir(parents=True, exist_ok=True)
        (place / "guides" / f"{name}.safetensors").write_text(name)
    (place / "card.json").write_text("card")

    async def read(meanwhile: Callable[[], object]) -> bytes:
        chunks = PackedModel(place).chunks()
        first = await anext(chunks)
        meanwhile()
        return first + b"".join([chunk async for chunk in chunks])

    def exchange() -> None:
        shutil.copytree(place, tmp_path / "new")
        (tmp_path / "new" / "guides" / "2.safetensors").write_text("other")
        place.rename(tmp_path / "former")
        (tmp_path / "new").rename(place)

    data = asyncio.run(read(exchange))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert contents == {
        "mine/card.json": b"card",
        "mine/guides/1.safetensors": b"1",
        "mine/guides/2.safetensors": b"2",
    }
    with pytest.raises(UnknownModelError):
        asyncio.run(read(lambda: shutil.rmtree(place)))
    assert not [link for link in Path("/proc/self/fd").iterdir() if is_in(link, place)]


@pytest.mark.parametrize("read", ["events", "image?follow=true"])
def test_many_requests_at_once_take_no_more_seats_than_one_after_the_other(
    redis_url: str, worker: HandWorker, read: str
) -> None:
    """All of them arrive before the first one has its seat."""
    given = settings(redis_url, max_streams=4)
    with (
        serving(given) as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
        ExitStack() as readers,
    ):
        job = submit_sample(client, headers=ALICE)["id"]
        request = f"GET /jobs/{job}/{read} HTTP/1.1\r\nHost: x\r\nX-API-Key: alice-key"
        connections = [readers.enter_context(connected(url)) for _ in range(40)]
        for connection in connections:
            connection.sendall(f"{request}\r\n\r\n".encode())
        statuses = [connection.recv(4096).split()[1] for connection in connections]
        assert statuses.count(b"200") == 2
        assert statuses.count(b"503") == 38
        of_bob = submit_sample(client, headers=BOB)["links"]
        with client.stream("GET", of_bob["events"], headers=BOB) as stream:
            assert stream.status_code == 200


def test_many_submissions_at_once_take_no_more_seats(
    redis_url: str, worker: HandWorker
) -> None:
    body = json.dumps(SAMPLE).encode()
    head = (
        "POST /sample HTTP/1.1\r\nHost: x\r\nX-API-Key: alice-key\r\n"
        "Accept: text/event-stream\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with (
        serving(settings(redis_url, max_streams=4)) as (url, _),
        ExitStack() as readers,
    ):
        connections = [readers.enter_context(connected(url)) for _ in range(40)]
        for connection in connections:
            connection.sendall(head.encode() + body)
        statuses = [connection.recv(4096).split()[1] for connection in connections]
        assert statuses.count(b"200") == 2
        assert statuses.count(b"503") == 38


def reader(url: str, path: str, name: str) -> socket.socket:
    """Ask for something, and take next to nothing of it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    host, _, port = url.removeprefix("http://").partition(":")
    connection.connect((host, int(port)))
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {name}-key\r\n\r\n"
    connection.sendall(request.encode())
    return connection


def test_pictures_of_one_client_are_not_all_made_before_those_of_others(
    redis_url: str, worker: HandWorker
) -> None:
    """Its requests came first, and take a while; the next client's is one of the first to
    be answered."""
    size = {"height": 128, "width": 128}
    worker.announce(GREY.model_copy(update=size))
    large = "?format=webp&scale=16"
    with (
        serving(settings(redis_url)) as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
        ExitStack() as readers,
    ):
        links = []
        for who in (ALICE, BOB):
            job = submit_sample(client, headers=who)
            worker.draw()
            links.append(job["links"]["image"])
        of_alice = [
            readers.enter_context(reader(url, links[0] + large, "alice"))
            for _ in range(20)
        ]
        assert b"200 OK" in of_alice[0].recv(64)
        assert client.get(links[1], headers=BOB).status_code == 200
        answered, _, _ = select.select(of_alice[1:], [], [], 0)
        assert len(answered) < 12


def is_in(link: Path, place: Path) -> bool:
    """Return True if an open descriptor is of a file below this directory."""
    try:
        return str(place) in str(link.readlink())
    except OSError:
        return False


def test_pictures_of_one_client_leave_memory_for_the_others(
    redis_url: str, worker: HandWorker
) -> None:
    """It gets 503 once its jobs take as much of Redis as is still free, while others hand
    in as before; deleting jobs makes room for its next one."""
    able = {"methods": tuple(Method), "max_particles": 32}
    worker.announce(GREY.model_copy(update=able))
    noise = png(Image.frombytes("L", (1300, 1300), os.urandom(1300 * 1300)))
    mask = Image.new("L", (1300, 1300))
    mask.putpixel((650, 650), 255)
    files = {"image": noise, "mask": png(mask)}
    job = {"model": "grey", "fit": "crop"}
    used = worker.redis.info("memory")["used_memory"]
    worker.redis.config_set("maxmemory", int((used + 50e6) / 0.8))
    try:
        with speaking(settings(redis_url)) as client:

            def complete(who: dict[str, str]) -> httpx.Response:
                return client.post("/complete", data=job, files=files, headers=who)

            jobs = []
            while (refused := complete(ALICE)).status_code == 202:
                jobs.append(refused.json())
            assert 8 <= len(jobs) <= 16, refused.text
            problem = is_problem(refused, 503)
            assert problem["type"] == "urn:pixelrnn:problem:store-full"
            assert "the jobs of this client take" in problem["detail"]
            assert refused.headers["retry-after"] == "30"
            assert complete(BOB).status_code == 202
            assert client.post("/sample", json=SAMPLE, headers=BOB).status_code == 202
            for link in [job["links"]["self"] for job in jobs[:4]]:
                client.post(f"{link}/cancel", headers=ALICE).raise_for_status()
                client.delete(link, headers=ALICE).raise_for_status()
            assert complete(ALICE).status_code == 202
            held = int(worker.redis.hget(keys.held_bytes("alice"), "bytes"))
            assert held == pytest.approx((len(jobs) - 3) * 1.25 * len(noise), rel=0.05)
    finally:
        worker.redis.config_set("maxmemory", 0)
