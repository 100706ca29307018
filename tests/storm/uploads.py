"""What clients do to the service with uploads: exchanges that are cancelled or refused,
hostile archives, trainings whose process is killed, and clients that send and read slowly.
Each raises RuntimeError if the service does not keep what it promises."""

import asyncio
import contextlib
import io
import json
import random
import shutil
import signal
import time
import uuid
import zipfile
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import psutil

from model_core import save_model, untrained
from model_core.card import Card
from tests.storm.hostile import LIMIT_MIB, UPLOADS, Request, peak_mib
from tests.storm.models import diverge
from tests.storm.wishes import training_pictures
from tests.storm.world import BACK_LIMIT_S, NothingToStrikeError, World, send

_LIGHT = {
    "1,000 names of 32,760 parts",
    "64 zips of 2 kB in one call",
    "a folder named 00001.png",
    "npz of objects",
    "npz that claims 2.5 TB",
    "overlapping entries",
    "card of 500,000 members",
    "card of nested brackets",
}
"""Uploads that are quickly made: others cost this process more than the service."""
_LATER = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
    HTTPStatus.UNAUTHORIZED,  # the file of keys is torn or gone for a moment
}
_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
_LOOK_S = 0.5
_TERMINAL = {"succeeded", "failed", "canceled"}
_TRAINING = "worker.engine.teaching"
_MOST_KILLS = 3
"""Deaths of one training; the fifth would fail it."""
_SLOW_WRITERS = 4
_SLOW_READERS = 20
_SLOW_LENGTH = 1_000_000
"""Bytes that a slow writer announces."""


class Client:
    """A client with a key that repeats each request until it is answered. Raises
    RuntimeError if that takes too long, and for an answer of 500."""

    def __init__(self, world: World, key: str) -> None:
        self._world = world
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.AsyncClient(headers=headers, timeout=90)
        self._until = time.monotonic() + BACK_LIMIT_S

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Send a request, again and again while the service is away or busy. With an
        `Idempotency-Key`, so that a lost answer makes no second job."""
        headers = {"Idempotency-Key": uuid.uuid4().hex, **how.pop("headers", {})}
        while True:
            self.expect_time(f"{method} {path}")
            with contextlib.suppress(httpx.TransportError):
                answer = await self._http.request(
                    method, self._world.url + path, headers=headers, **how
                )
                if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise RuntimeError(f"{method} {path}: 500: {answer.text[:300]}")
                if answer.status_code not in _LATER:
                    return answer
            await asyncio.sleep(_LOOK_S)

    async def send_hostile(self, request: Request) -> httpx.Response | None:
        """Send a hostile upload once; None if the service was away."""
        files = [(name, ("file", data)) for name, data in request.files]
        with contextlib.suppress(httpx.TransportError):
            return await self._http.request(
                request.method,
                self._world.url + request.path,
                data=request.fields,
                files=files,
            )
        return None

    async def put(self, model: Path, former: str = "") -> str:
        """Add a model, or exchange the one of this identity; return the job's id."""
        files = {
            "card": (model / "card.json").read_bytes(),
            "weights": (model / "weights.safetensors").read_bytes(),
        }
        headers = {"If-Match": f'"{former}"'} if former else {}
        key = {"Idempotency-Key": uuid.uuid4().hex}
        while True:
            answer = await self.ask(
                "PUT", f"/models/{model.name}", files=files, headers=headers | key
            )
            if answer.status_code == HTTPStatus.ACCEPTED:
                return answer.json()["id"]
            # 412: no worker serves the model at this moment.
            if answer.status_code != HTTPStatus.PRECONDITION_FAILED:
                raise RuntimeError(f"PUT: {answer.status_code}: {answer.text[:300]}")
            await asyncio.sleep(_LOOK_S)

    async def end_of(self, job: str) -> str | None:
        """Return the status with which a job has ended; None if Redis has forgotten it."""
        while True:
            self.expect_time(f"the end of {job}")
            answer = await self.ask("GET", f"/jobs/{job}")
            if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                return None
            if (status := answer.json()["status"]) in _TERMINAL:
                return status
            await asyncio.sleep(_LOOK_S)

    async def served(self, name: str) -> str | None:
        """Return the identity of the model that is served under a name."""
        answer = await self.ask("GET", f"/models/{name}")
        is_there = answer.status_code == HTTPStatus.OK
        if not is_there or answer.json()["compiling"]:
            return None
        return answer.json()["identity"]

    async def wait_served(self, name: str, *expected: Card) -> None:
        """Wait until one of these versions is served, and expect that it can be
        downloaded."""
        identities = {card.identity for card in expected}
        while (found := await self.served(name)) not in identities:
            self.expect_time(f"{name} to be served, not as {found}")
            await asyncio.sleep(_LOOK_S)
        answer = await self.ask("GET", f"/models/{name}/download")
        archive = zipfile.ZipFile(io.BytesIO(answer.raise_for_status().content))
        on_disk = json.loads(archive.read(f"{name}/card.json"))["sha256"]
        if on_disk not in {card.sha256 for card in expected}:
            raise RuntimeError(f"{name}: another version lies on the disk")

    def expect_time(self, what: str) -> None:
        """Raise RuntimeError if the service has had enough time for all of this."""
        if time.monotonic() > self._until:
            raise RuntimeError(f"{what}: not so after {BACK_LIMIT_S:.0f} s")


def _saved(world: World, name: str, seed: int) -> tuple[Path, Card]:
    """Return a model of random weights: its directory and its card."""
    place = world.models.shelf / f"{name}-{seed}" / name
    size: dict[str, Any] = {
        "height": 6,
        "width": 5,
        "layers": 2,
        "hidden": 5,
        "head": 8,
    }
    save_model(untrained("mnist-pixelcnn", seed=seed, **size), place)
    return place, Card.read(place / "card.json")


async def _exchange(world: World, rng: random.Random, is_bad: bool) -> None:
    """Exchange a client's model for another version, which is cancelled or is bad.

    The former version must be served if the job was cancelled or has failed, and the new
    one if it has succeeded; Redis may have forgotten the job, and then either.
    """
    name = f"exchanged-{uuid.uuid4().hex[:12]}"
    first, former = _saved(world, name, seed=0)
    second, new = _saved(world, name, seed=1)
    if is_bad:
        diverge(second / "weights.safetensors")
        new = Card.read(second / "card.json")
    async with Client(world, world.keys.uploader) as client:
        try:
            await client.put(first)
            await client.wait_served(name, former)
            job = await client.put(second, former.identity)
            if not is_bad:
                await asyncio.sleep(rng.uniform(0, 6))
                await client.ask("POST", f"/jobs/{job}/cancel")
            status = await client.end_of(job)
            if status == "succeeded":
                expected = [new]
            elif status is None and not is_bad:
                expected = [former, new]
            else:
                expected = [former]
            if (status == "succeeded" and is_bad) or (
                status == "failed" and not is_bad
            ):
                raise RuntimeError(f"the exchange of {name} has {status}")
            await client.wait_served(name, *expected)
        finally:
            shutil.rmtree(first.parent, ignore_errors=True)
            shutil.rmtree(second.parent, ignore_errors=True)
        await client.ask("DELETE", f"/models/{name}")


async def exchange_canceled(world: World, rng: random.Random) -> None:
    """At any moment of the exchange."""
    await _exchange(world, rng, is_bad=False)


async def exchange_refused(world: World, rng: random.Random) -> None:
    """By the workers, who examine the new version: its weights are not finite."""
    await _exchange(world, rng, is_bad=True)


async def hostile_archives(world: World, rng: random.Random) -> None:
    """Some of the uploads of hostile.py, while ordinary jobs are drawn. No answer may be
    500, and the API must stay small."""
    chosen = rng.sample([one for one in UPLOADS if one.name in _LIGHT], 3)
    async with Client(world, world.keys.uploader) as client:
        for upload in chosen:
            requests = await asyncio.to_thread(upload.make)
            answers = await asyncio.gather(*map(client.send_hostile, requests))
            for answer in filter(None, answers):
                if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise RuntimeError(f"{upload.name}: 500: {answer.text[:300]}")
                if answer.status_code == HTTPStatus.ACCEPTED:
                    await client.ask("POST", f"/jobs/{answer.json()['id']}/cancel")
            for api in world.pids("api"):
                with contextlib.suppress(OSError):  # another fault has ended it
                    if (peak := peak_mib(api)) > LIMIT_MIB:
                        raise RuntimeError(f"{upload.name}: the API has {peak:.0f} MiB")


def _processes(world: World, job: str) -> list[int]:
    """Return the processes of a training."""
    found = []
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(world.up.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                if job in words and any(_TRAINING in word for word in words):
                    found.append(process.pid)
    return found


async def training_killed(world: World, rng: random.Random) -> None:
    """A training's process is killed, as the kernel does if memory lacks, up to three
    times. The training succeeds, and its model is served; nothing is left of its files."""
    name = f"killed-{uuid.uuid4().hex[:12]}"
    pictures = [("images", ("p.png", data)) for data in training_pictures()]
    fields = {"name": name, "minutes": "0.1", "size": "8x8"}
    async with Client(world, world.keys.uploader) as client:
        answer = await client.ask("POST", "/train", files=pictures, data=fields)
        if answer.status_code != HTTPStatus.ACCEPTED:
            raise RuntimeError(
                f"POST /train: {answer.status_code}: {answer.text[:300]}"
            )
        job = answer.json()["id"]
        kills = 0
        wanted = rng.randint(1, _MOST_KILLS)
        ended = asyncio.create_task(client.end_of(job))
        while kills < wanted and not ended.done():
            for pid in _processes(world, job)[:1]:
                await asyncio.sleep(rng.uniform(0, 3))
                send(pid, signal.SIGKILL)
                kills += 1
            await asyncio.sleep(_LOOK_S)
        status = await ended
        if status is None:  # Redis has forgotten it
            raise NothingToStrikeError("the training")
        if status != "succeeded":
            job_told = (await client.ask("GET", f"/jobs/{job}")).text[:500]
            raise RuntimeError(f"a training that was killed {kills} times: {job_told}")
        while await client.served(name) is None:
            client.expect_time(f"{name} to be served")
            await asyncio.sleep(_LOOK_S)
        await client.ask("DELETE", f"/models/{name}")
        if kills == 0:
            raise NothingToStrikeError("the process of a training")


async def slow_clients(world: World, rng: random.Random) -> None:
    """One client sends several uploads byte by byte, and reads none of its streams. An
    upload and a long poll of another client are answered meanwhile."""
    async with (
        Client(world, world.keys.slow) as slow,
        Client(world, world.keys.uploader) as other,
    ):
        body = {"model": "tiny-diagonal", "n": 64}
        job = (await slow.ask("POST", "/sample", json=body)).json().get("id", "")
        tasks = [
            asyncio.create_task(_write_slowly(world)) for _ in range(_SLOW_WRITERS)
        ]
        tasks += [
            asyncio.create_task(_read_nothing(world, f"/jobs/{job}/events"))
            for _ in range(_SLOW_READERS)
        ]
        try:
            await asyncio.sleep(rng.uniform(0.5, 3))
            files = [("images", ("pictures.zip", b"no archive"))]
            name = f"slow-{uuid.uuid4().hex[:12]}"
            answer = await other.ask("POST", "/train", files=files, data={"name": name})
            if answer.status_code not in _REFUSED:
                raise RuntimeError(f"POST /train: {answer.status_code}: {answer.text}")
            await other.ask("GET", f"/jobs/{job}?wait=1")  # 404, but not 503
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if job:
            await slow.ask("POST", f"/jobs/{job}/cancel")


async def _write_slowly(world: World) -> None:
    """Begin an upload to POST /train, and send a byte of it twice a second."""
    head = (
        f"POST /train HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {world.keys.slow}\r\n"
        "Content-Type: multipart/form-data; boundary=slow\r\n"
        f"Content-Length: {_SLOW_LENGTH}\r\n\r\n--slow\r\n"
    )
    async with _connection(world) as writer:
        writer.write(head.encode())
        while True:
            await writer.drain()
            await asyncio.sleep(_LOOK_S)
            writer.write(b"-")


async def _read_nothing(world: World, path: str) -> None:
    """Ask for a stream and leave it unread."""
    head = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {world.keys.slow}\r\n\r\n"
    )
    async with _connection(world) as writer:
        writer.write(head.encode())
        await writer.drain()
        await asyncio.sleep(BACK_LIMIT_S)


@contextlib.asynccontextmanager
async def _connection(world: World) -> AsyncIterator[asyncio.StreamWriter]:
    """A connection to the API. Its loss is no fault: another fault may end the API."""
    url = httpx.URL(world.url)
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection(url.host, url.port)
        try:
            yield writer
        finally:
            writer.close()
