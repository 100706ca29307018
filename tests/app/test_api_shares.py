"""No client keeps the others from what is scarce: see worker.contract.fairness."""

import hashlib
import json
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from app.access.api_keys import KeyEntry, digest_of
from app.settings import Settings
from tests.app.answers import is_problem, metric
from tests.app.connections import connected
from tests.app.hand_worker import HandWorker, eventually
from tests.app.holders import ALICE, BOB, SAMPLE, settings
from tests.app.live import serving

WEIGHTS = b"weights"
SLOW_UPLOAD = (
    "PUT /models/slow HTTP/1.1\r\nHost: x\r\nX-API-Key: {}-key\r\n"
    "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9999\r\n\r\n--x\r\n"
)


def trainers(redis_url: str, added: Path, **more: Any) -> Settings:
    """Settings with the keys of alice, bob and carol, who may add models."""
    entries = [
        KeyEntry(name=name, sha256=digest_of(f"{name}-key"), may=("train",))
        for name in ("alice", "bob", "carol")
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
        serving(given) as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
        ExitStack() as readers,
    ):

        def submit(who: dict[str, str]) -> str:
            job = client.post("/sample", json=SAMPLE, headers=who).json()
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


def test_slow_uploads_of_one_client_leave_a_place_for_the_others(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """Two places are there, and its second upload is refused; others come in between, and
    it has its place again when the slow one has left."""
    with (
        serving(trainers(redis_url, tmp_path)) as (url, running),
        ExitStack() as connections,
    ):
        places = running.config.app.state.services.added._places
        slow = connections.enter_context(slow_upload(url, "alice"))
        eventually(lambda: places.held == 1)
        beyond = connections.enter_context(slow_upload(url, "alice"))
        answer = beyond.recv(4096)
        assert b"503 Service Unavailable" in answer
        assert b"retry-after: 1" in answer
        assert b"an upload of this client is being taken" in answer
        for name in ("bob", "carol"):
            assert put(url, name).status_code == 202
        connections.enter_context(slow_upload(url, "bob"))
        eventually(lambda: places.held == 2)
        refused = put(url, "carol")
        assert "others are being taken" in is_problem(refused, 503)["detail"]
        slow.close()
        eventually(lambda: places.held == 1)
        assert put(url, "alice").status_code == 202
