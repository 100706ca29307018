"""Everything is killed and stopped while jobs come in and their rows are read; nobody who waits notices but by time.

STORM_ROUNDS=8 STORM_PAUSE_S=30 pytest tests/house/test_storm.py -s    a long one, and its summary as one JSON line
"""

import asyncio
import io
import itertools
import json
import os
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from pixelrnn.client import AsyncClient, calls
from pixelrnn.client.asynchronous import AsyncJob
from pixelrnn.up import is_ready
from tests.house.processes import is_alive
from tests.house.running import Up

ROUNDS = int(os.environ.get("STORM_ROUNDS", "1"))
"""In each a worker, the API and the server are killed, and the server is stopped for a while."""

PAUSE_S = float(os.environ.get("STORM_PAUSE_S", "6"))
"""How long it is stopped; a lease is 4 s."""

CHILDREN = {"server": 1, "worker": 2, "api": 1}
PATIENCE_S = 90 + 2 * PAUSE_S
"""A job that has not ended after this long is lost."""

AT_ONCE = 12
ENOUGH_TRIES = 60
DIFFERENT = 24
"""Wishes that differ; each is first drawn undisturbed."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300 + ROUNDS * int(60 + PAUSE_S)),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

Rows = tuple[tuple[int, int, bytes], ...]


@dataclass
class Toll:
    """What the storm did."""

    handed_in: int = 0
    accepted: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    repeated_rows: int = 0
    other_bytes: int = 0
    other_streams: int = 0
    """Streams whose entries, read again at the end, are not 1-0, 2-0, ... up to one last event."""
    faults: Counter[str] = field(default_factory=Counter)
    unexpected_exits: int = 0


@pytest.fixture
def running(tmp_path: Path, models_dir: Path) -> Iterator[Up]:
    """Two workers, slow enough for a job to be caught in its middle."""
    patient = {"PIXELRNN_CLIENT_RATE": "1000", "PIXELRNN_STEP_DELAY_S": "0.02", "PIXELRNN_SLOTS": "4"}
    running = Up(tmp_path / "data", models_dir, "--device", "cpu", "--device", "cpu", **patient)
    running.wait_until_ready()
    yield running
    if running.process.poll() is None:
        running.output()


def test_nothing_is_lost_or_drawn_otherwise_in_a_storm(running: Up) -> None:
    """Redis killed and stopped, workers and API killed and restarted, under load: every accepted job ends once, with
    the bytes of an undisturbed run; each reader gets each row once; and nothing exits but what was killed."""
    toll = asyncio.run(_storm(running))
    print(json.dumps({**vars(toll), "pause_s": PAUSE_S}))
    assert toll.ended == {"succeeded": toll.handed_in}
    assert toll.accepted == toll.handed_in, "a wish was taken twice, or forgotten"
    assert (toll.repeated_rows, toll.other_bytes, toll.other_streams, toll.unexpected_exits) == (0, 0, 0, 0)


async def _storm(running: Up) -> Toll:
    toll = Toll()
    async with AsyncClient(running.url, tries=ENOUGH_TRIES) as client:
        calm = [await _rows(await _wish(client, number, toll), toll) for number in range(DIFFERENT)]
        blowing = asyncio.create_task(Storm(running, toll).blow())
        numbers = itertools.takewhile(lambda _: not blowing.done(), itertools.count())
        await asyncio.gather(*(_reading(client, numbers, calm, toll) for _ in range(AT_ONCE)))
        await blowing
        jobs = [job async for job in client.jobs()]
        toll.accepted = len(jobs)
        for job in jobs:
            await _look_again(client, job, toll)
    return toll


async def _wish(client: AsyncClient, number: int, toll: Toll) -> AsyncJob:
    """Samples in one and three colours, and completions."""
    toll.handed_in += 1
    seed = number % DIFFERENT
    if seed % 3 == 0:
        return await client.sample("tiny-rgb", n=3, seed=seed)
    if seed % 3 == 1:
        return await client.sample("tiny-diagonal", n=6, seed=seed)
    image, mask = (_png(grey) for grey in (0, 255))
    return await client.complete("tiny-cnn", image, mask, n=6, seed=seed)


def _png(grey: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (5, 6), grey).save(out, "PNG")
    return out.getvalue()


async def _reading(client: AsyncClient, numbers: Iterator[int], calm: list[Rows], toll: Toll) -> None:
    """Hand in one job after the other, and follow each to its end."""
    for number in numbers:
        rows = await _rows(await _wish(client, number, toll), toll)
        toll.other_bytes += rows != calm[number % DIFFERENT]


async def _rows(job: AsyncJob, toll: Toll) -> Rows:
    try:
        async with asyncio.timeout(PATIENCE_S):
            rows = [(row.sample, row.y, row.pixels) async for row in job.rows()]
    except TimeoutError:
        toll.ended[f"lost: {job.id}"] += 1
        return ()
    toll.ended[job.state["status"]] += 1
    toll.repeated_rows += len(rows) - len({(sample, y) for sample, y, _ in rows})
    return tuple(sorted(rows))


async def _look_again(client: AsyncClient, job: AsyncJob, toll: Toll) -> None:
    """The job's stream once more, from its first entry."""
    text = (await client.send(calls.get(f"/jobs/{job.id}/events"))).text
    ids = re.findall(r"^id: (.*)$", text, re.MULTILINE)
    ends = re.findall(r"^event: (done|error|canceled)$", text, re.MULTILINE)
    complete = [f"{number}-0" for number in range(1, job.state["rows_total"] + 2)]
    toll.other_streams += (ids, ends) != (complete, ["done"])


class Storm:
    """One fault after the other, each once the last one is over."""

    def __init__(self, running: Up, toll: Toll) -> None:
        self._running = running
        self._toll = toll
        self._rng = random.Random(1)
        self._standing = running.processes()

    async def blow(self) -> None:
        for turn in range(ROUNDS):
            await self._kill("worker", signal.SIGKILL)
            await self._stop_the_server()
            await self._kill("api", signal.SIGTERM if turn % 2 else signal.SIGKILL)
            await self._kill("server", signal.SIGKILL)

    async def _kill(self, name: str, number: signal.Signals) -> None:
        await self._calm()
        victim = self._rng.choice([pid for pid, of in self._standing.items() if of == name])
        del self._standing[victim]
        os.kill(victim, number)
        self._toll.faults[f"{name} {number.name}"] += 1
        while victim in (now := self._running.processes()) or Counter(now.values()) != CHILDREN:
            await asyncio.sleep(0.02)
        self._standing |= {pid: of for pid, of in now.items() if of == name}

    async def _stop_the_server(self) -> None:
        await self._calm()
        (pid,) = (pid for pid, of in self._standing.items() if of == "server")
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(PAUSE_S)
        os.kill(pid, signal.SIGCONT)
        self._toll.faults["server SIGSTOP"] += 1

    async def _calm(self) -> None:
        """Some seconds in which everything works: five deaths of one child in a minute are the supervisor's limit."""
        while not await asyncio.to_thread(is_ready, self._running.url):
            await asyncio.sleep(0.1)
        await asyncio.sleep(self._rng.uniform(2.0, 4.0))
        gone = [pid for pid in self._standing if not is_alive(pid)]
        self._toll.unexpected_exits += len(gone)
        self._standing = self._running.processes()
