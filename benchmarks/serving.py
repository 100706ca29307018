"""The whole service beside the bare engine: writes its section of docs/internals/performance.md.

    python benchmarks/serving.py [--model NAME ...] [--seconds 30]
    python benchmarks/serving.py --quick       a few seconds, nothing written

Starts what `pixelrnn up` starts (embedded server, one worker, the API). The load is open: jobs are sent when a Poisson
process with a fixed seed says so, whatever became of those before. This process sends and watches, on the processors
that the engine does not have to itself.
"""

import argparse
import http.client
import itertools
import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context

import httpx
from mix import MEAN_IMAGES, Job, Mix, jobs
from sections import machine, number, table, write_section
from stack import Stack

from model_core import load_model
from model_core.image_request import ImageRequest
from model_core.measures.speed import percentile
from model_core.models import Model
from model_core.sampling.engine import Engine
from worker.engine.slot_plan import KEPT_STATES
from worker.process import processors

MODELS = "mnist-diagonal-bilstm", "cifar10-small-pixelcnn"
"""The quickest rows that ship, where all beside the drawing weighs most; and steps that are ten times as long."""

SEED = 1
SLOTS = 16
SATURATING, MODERATE = 1.5, 0.6
"""Offered load, as a fraction of what the bare engine draws with all slots full."""

WATCH_MS = 5
WATCHED = 32
"""Jobs whose first rows are waited for at once, the oldest: a look at all that wait would take the server's time."""

SENDERS = 8

LOADING_S = 8.0
"""A process that draws is there within this time."""


@dataclass
class Served:
    """The result of one load."""

    offered: float
    seconds: float
    """Seconds until the rows were counted, which is a little after the last job was sent."""
    images: float = 0
    """Rows that were drawn in the time, divided by the rows of an image."""
    refused: int = 0
    occupancy: float = 0
    first_rows: list[float] = field(default_factory=list)
    """Seconds from sending the request to the first row in the job's stream."""

    @property
    def images_per_s(self) -> float:
        return self.images / self.seconds


@dataclass(frozen=True)
class Load:
    """A load, served several times, and the bare engine's images/s with as many images at once, after each time."""

    model: str
    served: list[Served]
    bare: list[float]
    beside: list[float]
    """The same while the other processor is busy with a service; empty where an engine has none to itself."""

    @property
    def images_per_s(self) -> float:
        return statistics.median(served.images_per_s for served in self.served)

    @property
    def of_bare(self) -> float:
        """The median of what each time gave, beside the bare engine before and after: no machine that is shared is
        equally fast all the time."""
        shares = []
        for i, served in enumerate(self.served):
            shares.append(
                served.images_per_s / statistics.mean(self.bare[max(0, i - 1) : i + 1])
            )
        return statistics.median(shares)

    @property
    def of_beside(self) -> float | None:
        """The same, beside the bare engine with a busy neighbour."""
        shares = [
            served.images_per_s / beside
            for served, beside in zip(self.served, self.beside, strict=False)
        ]
        return statistics.median(shares) if shares else None


def main() -> None:
    arguments = _arguments()
    seconds, rounds, times = (
        (8.0, 3, 1)
        if arguments.quick
        else (arguments.seconds, arguments.rounds, arguments.times)
    )
    loads, sentences = [], []
    for name in arguments.model or MODELS:
        model = load_model(name)
        mix = Mix(name, model.config)
        loads += under_load(model, mix, seconds, times)
        with Stack(name) as stack:
            sentences += _sentences(
                name,
                lone(model, stack, name, rounds),
                under_large_job(stack, mix, rounds),
            )
    lines = [
        "",
        f"Measured on {machine()}.",
        "",
        *_load_table(loads),
        "",
        *sentences,
        "",
    ]
    print("\n".join(lines))
    if not arguments.quick:
        write_section("serving", lines)


def under_load(model: Model, mix: Mix, seconds: float, times: int) -> list[Load]:
    """Both loads, and what the bare engine does with as many images at once."""
    capacity = bare_images_per_s(model, mix, SLOTS, seconds / 2)
    loads = []
    for share in (SATURATING, MODERATE):
        load = Load(model.card.name, [], [], [])
        for _ in range(times):
            served = serve(model, mix, share, share * capacity / MEAN_IMAGES, seconds)
            load.served.append(served)
            together = max(1, round(served.occupancy))
            load.bare.append(bare_images_per_s(model, mix, together, seconds / 2))
            usable = processors.usable()
            if processors.engine_processors(usable, engines=1, threads=1)[0]:
                load.beside.append(
                    bare_beside_load(
                        mix, share * capacity / MEAN_IMAGES, together, seconds / 2
                    )
                )
        shares = {"of_bare": load.of_bare, "of_bare_beside_load": load.of_beside}
        print(json.dumps({"model": load.model, "offered": share, **shares}), flush=True)
        loads.append(load)
    return loads


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        action="append",
        help=f"may be repeated; {' and '.join(MODELS)} by default",
    )
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="how long each load lasts"
    )
    parser.add_argument(
        "--times",
        type=int,
        default=5,
        help="how often each load is sent, to a fresh service",
    )
    parser.add_argument(
        "--rounds", type=int, default=20, help="how often the single jobs are measured"
    )
    parser.add_argument("--quick", action="store_true", help="see that it works")
    return parser.parse_args()


def serve(
    model: Model, mix: Mix, share: float, jobs_per_s: float, seconds: float
) -> Served:
    """Send the load to a fresh service."""
    served = Served(share, seconds)
    with (
        Stack(model.card.name) as stack,
        off_the_engine(),
        ThreadPoolExecutor(SENDERS) as senders,
    ):
        sender, began = Sender(), time.perf_counter()
        sent = _send(
            stack,
            mix,
            jobs_per_s,
            served,
            lambda job: senders.submit(_post, sender, stack.url, mix, job),
        )
        accepted = [
            (job, found[0])
            for job, future in sent
            if (found := future.result()) is not None
        ]
        rows = stack.rows_done([job_id for _, job_id in accepted])
        served.seconds = time.perf_counter() - began
        served.refused = len(sent) - len(accepted)
        stack.stop()
        served.occupancy = stack.occupancy()
    rows_an_image = sum(mix.rows(job) for job, _ in accepted) / sum(
        job.n for job, _ in accepted
    )
    served.images = rows / rows_an_image
    return served


@contextmanager
def off_the_engine() -> Iterator[None]:
    """Meanwhile this thread, and those that it starts, leave the engine the processor that `pixelrnn up` gave it, as
    clients on machines of their own would."""
    ours = processors.usable()
    processors.keep_off(processors.engine_processors(ours, engines=1, threads=1)[0])
    try:
        yield
    finally:
        processors.keep_to(ours)


Sent = list[tuple[Job, "Future[tuple[str, float] | None]"]]


def _send(
    stack: Stack,
    mix: Mix,
    jobs_per_s: float,
    served: Served,
    post: Callable[[Job], "Future[tuple[str, float] | None]"],
) -> Sent:
    """Send jobs on time until the load is over, and meanwhile see first rows come."""
    chance, source, sent = random.Random(SEED), jobs(SEED, mix.can_upsample), Sent()
    waiting: dict[str, float] = {}
    unread = 0
    began = time.perf_counter()
    due = chance.expovariate(jobs_per_s)
    while (now := time.perf_counter() - began) < served.seconds:
        while due <= now:
            job = next(source)
            sent.append((job, post(job)))
            due += chance.expovariate(jobs_per_s)
        while unread < len(sent) and sent[unread][1].done():
            if (accepted := sent[unread][1].result()) is not None:
                waiting[accepted[0]] = accepted[1]
            unread += 1
        for job_id in stack.first_rows(
            list(itertools.islice(waiting, WATCHED)), WATCH_MS
        ):
            served.first_rows.append(time.perf_counter() - waiting.pop(job_id))
        time.sleep(WATCH_MS / 1000)
    return sent


class Sender:
    """Sends requests over one connection for each thread. A client library's own work would be taken from the service,
    with which this process shares the machine, and added to what an image takes."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def send(self, request: httpx.Request) -> tuple[int, bytes]:
        """Status and body of the answer."""
        response = self.begin(request)
        return response.status, response.read()

    def begin(self, request: httpx.Request) -> http.client.HTTPResponse:
        """The answer, to be read to its end before the next request is sent."""
        connection = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(
                request.url.host, request.url.port, timeout=60
            )
            self._of_thread.connection = connection
        connection.request(
            request.method, request.url.path, request.read(), dict(request.headers)
        )
        return connection.getresponse()


def _post(sender: Sender, url: str, mix: Mix, job: Job) -> tuple[str, float] | None:
    """The job's id and when it was sent; None when the service had no room for it."""
    request = mix.post(url, job)
    sent_at = time.perf_counter()
    status, body = sender.send(request)
    if status in (429, 503):
        return None
    if status != 202:
        raise RuntimeError(f"{request.url.path} answered {status}: {body.decode()}")
    return json.loads(body)["id"], sent_at


def bare_images_per_s(model: Model, mix: Mix, together: int, seconds: float) -> float:
    """Images a second that the engine alone draws of the same mix, always so many images side by side."""
    engine = Engine(model, together, KEPT_STATES)
    images = (
        (request, mix.rows(job) / job.n)
        for job in jobs(SEED, mix.can_upsample)
        for request in mix.requests(job)
    )
    rows_an_image: dict[int, float] = {}
    _warm_up(engine)
    began, drawn = time.perf_counter(), 0.0
    while (elapsed := time.perf_counter() - began) < seconds:
        for request, rows in itertools.islice(images, engine.free):
            rows_an_image[engine.admit(request)] = rows
        drawn += sum(1 / rows_an_image[row.ticket] for row in engine.step())
    return drawn / elapsed


def bare_beside_load(
    mix: Mix, jobs_per_s: float, together: int, seconds: float
) -> float:
    """Images a second that the bare engine draws on the engine's processor while the other one is as busy as a served
    load makes it, with a service whose engine is there too. Processors share caches, memory, and on a rented machine
    more than that: this is the part of the difference that no program can do away with."""
    ours = processors.usable()
    own = processors.engine_processors(ours, engines=1, threads=1)[0]
    others = ",".join(str(processor) for processor in ours if processor not in own)
    with (
        off_the_engine(),
        Stack(mix.model, PIXELRNN_ENGINE_CPUS=others) as stack,
        ThreadPoolExecutor(SENDERS) as senders,
        ProcessPoolExecutor(
            1, get_context("spawn"), processors.keep_to, (own,)
        ) as apart,
    ):
        bare = apart.submit(_bare_of, mix.model, together, seconds)
        sender, load = Sender(), Served(SATURATING, seconds + LOADING_S)
        _send(
            stack,
            mix,
            jobs_per_s,
            load,
            lambda job: senders.submit(_post, sender, stack.url, mix, job),
        )
        return bare.result()


def _bare_of(name: str, together: int, seconds: float) -> float:
    model = load_model(name)
    return bare_images_per_s(model, Mix(name, model.config), together, seconds)


def _warm_up(engine: Engine) -> None:
    """Load the compiled code: one image."""
    engine.admit(ImageRequest(0, 0))
    while engine.busy:
        engine.step()


def lone(model: Model, stack: Stack, name: str, rounds: int) -> tuple[float, float]:
    """Seconds of one image over HTTP, from the request to the last row of the events that answer it, and in the bare
    engine: medians of runs that take turns."""
    engine, sender = Engine(model, 1), Sender()
    last = f'"y":{model.config.height - 1},'.encode()
    served, bare = [], []
    for seed in range(rounds + 1):  # the first of each warms up
        with off_the_engine():
            served.append(
                _until_row(last, sender, _asking_for_events(stack.url, name, seed))
            )
        began = time.perf_counter()
        engine.admit(ImageRequest(seed, 0))
        while engine.busy:
            engine.step()
        bare.append(time.perf_counter() - began)
    return statistics.median(served[1:]), statistics.median(bare[1:])


def _asking_for_events(url: str, model: str, seed: int) -> httpx.Request:
    return httpx.Request(
        "POST",
        f"{url}/sample",
        json={"model": model, "seed": seed},
        headers={"Accept": "text/event-stream"},
    )


def _until_row(word: bytes, sender: Sender, request: httpx.Request) -> float:
    """Seconds until a row with this word is read."""
    began = time.perf_counter()
    response = sender.begin(request)
    while word not in response.readline():
        if response.isclosed():
            raise RuntimeError(
                f"{request.url.path} answered {response.status} without the row"
            )
    seconds = time.perf_counter() - began
    response.read()
    return seconds


def under_large_job(stack: Stack, mix: Mix, rounds: int) -> tuple[float, float]:
    """Seconds that a job of 64 images takes when it is alone, and until the first row of a job of one image that is
    sent at some moment of such a job: medians."""
    chance, whole, first, sender = random.Random(SEED), [], [], Sender()
    for seed in range(rounds):
        whole.append(
            _timed_to(stack.wait_end, sender, stack, mix, Job("sample", 64, seed))
        )
        large = _post(sender, stack.url, mix, Job("sample", 64, seed))
        time.sleep(chance.random() * 0.7 * whole[-1])
        first.append(
            _timed_to(stack.wait_first_row, sender, stack, mix, Job("sample", 1, seed))
        )
        assert large is not None
        stack.wait_end(large[0])
    return statistics.median(whole), statistics.median(first)


def _timed_to(
    wait: Callable[[str], None], sender: Sender, stack: Stack, mix: Mix, job: Job
) -> float:
    accepted = _post(sender, stack.url, mix, job)
    assert accepted is not None
    wait(accepted[0])
    return time.perf_counter() - accepted[1]


def _load_table(loads: list[Load]) -> list[str]:
    header = (
        "model",
        "offered load",
        "images/s",
        "bare engine",
        "of it",
        "bare, neighbour busy",
        "of that",
        "images at once",
        "first row p50 ms",
        "p95 ms",
        "refused",
    )
    return table(header, [_load_row(load) for load in loads])


def _load_row(load: Load) -> list[str]:
    first = [seconds for served in load.served for seconds in served.first_rows]
    return [
        f"`{load.model}`",
        f"{load.served[0].offered:.0%}",
        number(load.images_per_s, 3),
        number(statistics.median(load.bare), 3),
        f"{load.of_bare:.0%}",
        number(statistics.median(load.beside), 3) if load.beside else "–",
        f"{load.of_beside:.0%}" if load.of_beside else "–",
        f"{statistics.mean(served.occupancy for served in load.served):.1f}",
        *(number(1000 * percentile(first, percent), 3) for percent in (50, 95)),
        str(sum(served.refused for served in load.served)),
    ]


def _sentences(
    model: str, alone: tuple[float, float], late: tuple[float, float]
) -> list[str]:
    (served, bare), (whole, first) = alone, late
    return [
        f"- `{model}`. One image over HTTP, to the last row of the events that answer it: {1000 * served:.1f} ms.",
        f"  In the bare engine: {1000 * bare:.1f} ms.",
        f"  A job of 64 images, alone: {1000 * whole:.0f} ms.",
        f"  First row of one image that is sent while one runs: {1000 * first:.1f} ms, {first / whole:.1%} of that.",
    ]


if __name__ == "__main__":
    main()
