"""Compare the time of drawing with that of one teacher-forced pass of the same weights
and batch, interleaved round by round.

Images are drawn by one process in several threads. The passes with which they are
compared are shared by as many processes, each with its part of the batch and one
thread; their rounds begin together, and the slowest process counts.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from threading import Barrier
from typing import Any

import torch
from torch import Tensor

from model_core.distribution import Categorical, check_finite
from model_core.errors import ConfigError
from model_core.image_request import ImageRequest
from model_core.layers.conditioning import subsample
from model_core.models import Model, check_device, untrained
from model_core.networks import MultiScaleNetwork, Network, PixelNetwork
from model_core.sampling.engine import Engine

PEAK_SIDES = {"cpu": 1536, "cuda": 8192}
"""Side of the square matrices whose product measures the device's peak rate: large
enough to reach it, small enough to measure quickly."""

MEETING_LIMIT_S = 3600.0
"""Maximum number of seconds that a process waits for the others before a round."""


@dataclass(frozen=True)
class Setting:
    """What `measure` measures.

    preset: name of the network's config.
    batch: images that are drawn side by side.
    threads: threads that draw.
    device: such as cpu or cuda.
    """

    preset: str
    batch: int
    threads: int
    device: str


@dataclass
class Timings:
    """Times of one process in seconds."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    """By name of a run: its time in each round."""
    first_rows: list[float] = field(default_factory=list)
    """Time until the first row of each image that was drawn, all rounds one after the
    other."""

    def note(self, run: str, seconds: float) -> None:
        """Append the time of a run."""
        self.seconds.setdefault(run, []).append(seconds)

    def without_first_round(self, batch: int) -> "Timings":
        """Return a new Timings without the first round, which warms up.

        batch: number of images that each round draws.
        """
        counted = {name: seconds[1:] for name, seconds in self.seconds.items()}
        return Timings(counted, self.first_rows[batch:])


def measure(
    preset: str, batch: int, threads: int = 1, rounds: int = 3, device: str = "cpu"
) -> dict[str, Any]:
    """Time a preset with random weights on a device; return the settings and the
    medians over `rounds` rounds as a dictionary:

    sample_s          seconds to draw `batch` images
    first_row_p50_s   seconds until an image's first row; also first_row_p95_s
    forward_s         seconds of one teacher-forced pass over them in plain torch
    fused_s           seconds of the same pass as the network really runs it
    naive_s           seconds to draw with one pass per variable: one step is measured
                      and multiplied
    ratio             sample_s / forward_s
    images_per_s      images drawn per second
    gflop_per_image   useful operations per image / 10^9 (`useful_operations`)
    gflops            10^9 useful operations per second of drawing
    peak_gflops       measured rate of a large matrix product, in as many threads
    efficiency        gflops / peak_gflops

    With several threads, as many processes share the passes. Torch's thread count is 1
    meanwhile.

    Raises ConfigError for an unknown device or preset, for a batch that the processes
    cannot share evenly, or for several threads on a GPU.
    """
    check_device(device)
    if device != "cpu" and threads > 1:
        raise ConfigError(
            f"one process measures {device}: expected threads = 1, got {threads}"
        )
    if batch % threads:
        raise ConfigError(
            f"{batch} images cannot be shared evenly by {threads} processes"
        )
    if threads == 1:
        timings = _timed(preset, batch, rounds, torch.device(device))
    else:
        timings = _beside_processes(preset, batch, threads, rounds)
    return _facts(
        untrained(preset).network, Setting(preset, batch, threads, device), timings
    )


def plain_forward(network: Network, values: Tensor) -> list[Tensor]:
    """Return logits (B, V, C, H, W) of images by the teacher-forced pass in plain
    torch, even if there is a faster one: one tensor, or for a Multi-Scale network those
    of the small and of the large network.

    network: without labels.
    values: (B, C, H, W), integers 0..V-1.
    """
    if isinstance(network, MultiScaleNetwork):
        small = subsample(values, network.config.factor)
        return [
            _plain(network.small, small, None),
            _plain(network.large, values, network.condition(small)),
        ]
    return [_plain(network, values, None)]


def useful_operations(network: Network) -> int:
    """Return the number of additions and multiplications of one pass over one image
    that no mask makes useless: two for each visible weight at each pixel.

    The upsampler of a Multi-Scale network counts as if it worked at the size of the
    small image only, which is too little.
    """
    if isinstance(network, MultiScaleNetwork):
        small = network.small.config
        upsampling = sum(
            p.numel() for p in network.upsampler.parameters() if p.dim() > 1
        )
        parts = useful_operations(network.small) + useful_operations(network.large)
        return parts + 2 * upsampling * small.height * small.width
    weights = sum(p.numel() for p in network.parameters() if p.dim() > 1)
    hidden = sum(
        int((mask == 0).sum())
        for name, mask in network.named_buffers()
        if name.endswith("mask")
    )
    return 2 * (weights - hidden) * network.config.height * network.config.width


def naive_steps(
    network: Network, values: Tensor
) -> list[tuple[int, Callable[[], object]]]:
    """Return for each network how many steps the naive sampler takes, and a function
    that runs one of them: a pass over the whole images for one variable. A Multi-Scale
    network has two entries, the small network first; every other has one.

    values: (B, C, H, W), the images on which a step works.
    """
    if isinstance(network, MultiScaleNetwork):
        small = subsample(values, network.config.factor)
        condition = network.condition(small)
        large = network.large
        # The pixels of the small image are not drawn again.
        count = network.config.dimensions - network.small.config.dimensions
        step = _naive_step(network.distribution, lambda: large(values, condition))
        return [*naive_steps(network.small, small), (count, step)]
    step = _naive_step(network.distribution, lambda: network(values))
    return [(network.config.dimensions, step)]


def _naive_step(
    distribution: Categorical, forward: Callable[[], Tensor]
) -> Callable[[], object]:
    def step() -> Tensor:
        logits = forward()[:, :, 0, 0, 0]
        check_finite(logits)
        return distribution.draw(
            logits, torch.full_like(logits[:, 0], 0.5), torch.ones_like(logits[:, 0])
        )

    return step


def _plain(network: PixelNetwork, values: Tensor, condition: Tensor | None) -> Tensor:
    return network.head(network.trunk(network.input(network.encode(values)), condition))


def _timed(preset: str, batch: int, rounds: int, device: torch.device) -> Timings:
    """Return the times of all runs, interleaved on one thread; the first round warms up
    and is not counted."""
    timings = Timings()
    with _on_one_thread():
        runs = {
            **_drawing(preset, batch, device, 1, timings),
            **_passes(preset, batch, device),
        }
        for _ in range(rounds + 1):
            for name, run in runs.items():
                timings.note(name, _seconds(run, device))
    return timings.without_first_round(batch)


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """Let torch use one thread within the block, in inference mode."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)


def _drawing(
    preset: str, batch: int, device: torch.device, threads: int, timings: Timings
) -> dict[str, Callable[[], object]]:
    """Return the run that draws a batch in one process, by name.

    It adds the time until each image's first row to timings.first_rows.
    """
    model = _model(preset, device)
    engine = Engine(model, slots=batch, threads=threads)
    return {"sample": lambda: timings.first_rows.extend(_draw(engine, batch))}


def _passes(
    preset: str, batch: int, device: torch.device
) -> dict[str, Callable[[], object]]:
    """Return the runs with which drawing is compared, by name."""
    model = _model(preset, device)
    network, config = model.network, model.config
    values = torch.randint(
        0,
        config.values,
        (batch, config.channels, config.height, config.width),
        device=device,
    )
    return {
        "forward": lambda: plain_forward(network, values),
        "fused": lambda: network(values),
        "peak": _product(device),
        **{
            f"naive-{i}": step
            for i, (_, step) in enumerate(naive_steps(network, values))
        },
    }


def _model(preset: str, device: torch.device) -> Model:
    model = replace(untrained(preset), device=str(device))
    model.network.to(device)
    return model


def _beside_processes(preset: str, batch: int, threads: int, rounds: int) -> Timings:
    """Draw the batch in several threads of this process, between rounds of the other
    runs in as many processes, which wait for each other before each run and after the
    last one."""
    context = get_context("spawn")
    cpu = torch.device("cpu")
    timings = Timings()
    with (
        context.Manager() as manager,
        ProcessPoolExecutor(threads, mp_context=context) as pool,
    ):
        meeting = manager.Barrier(threads + 1)
        share = preset, batch // threads, rounds, meeting
        parts = [pool.submit(_share_of_passes, *share) for _ in range(threads)]
        with _on_one_thread():
            draw = _drawing(preset, batch, cpu, threads, timings)["sample"]
            count = len(_passes(preset, 1, cpu))
            for _ in range(rounds + 1):
                timings.note("sample", _seconds(draw, cpu))
                for _ in range(count + 1):
                    meeting.wait(MEETING_LIMIT_S)
        passes = _together([part.result() for part in parts])
    drawn = timings.without_first_round(batch)
    return Timings({**drawn.seconds, **passes.seconds}, drawn.first_rows)


def _share_of_passes(preset: str, batch: int, rounds: int, meeting: Barrier) -> Timings:
    """Return the times of the other runs in one of several processes, which begin each
    run together."""
    cpu = torch.device("cpu")
    timings = Timings()
    with _on_one_thread():
        runs = _passes(preset, batch, cpu)
        for _ in range(rounds + 1):
            for name, run in runs.items():
                meeting.wait(MEETING_LIMIT_S)
                timings.note(name, _seconds(run, cpu))
            meeting.wait(MEETING_LIMIT_S)
    return timings.without_first_round(batch)


def _together(parts: list[Timings]) -> Timings:
    """Return the times of all processes together: a round ends when the last one is
    done."""
    names = parts[0].seconds
    seconds = {
        name: [
            max(times) for times in zip(*(p.seconds[name] for p in parts), strict=True)
        ]
        for name in names
    }
    return Timings(seconds)


def _facts(network: Network, setting: Setting, timings: Timings) -> dict[str, Any]:
    """Return what `measure` reports."""
    batch = setting.batch
    config = network.config
    median = {name: statistics.median(times) for name, times in timings.seconds.items()}
    shape = (1, config.channels, config.height, config.width)
    steps = [
        count
        for count, _ in naive_steps(network, torch.zeros(shape, dtype=torch.int64))
    ]
    operations = batch * useful_operations(network)
    # A product of two n x n matrices takes 2 n^3 operations; each process does one.
    side = PEAK_SIDES[torch.device(setting.device).type]
    peak = setting.threads * 2 * side**3 / median["peak"]
    return {
        **asdict(setting),
        "sample_s": median["sample"],
        "forward_s": median["forward"],
        "fused_s": median["fused"],
        "naive_s": sum(count * median[f"naive-{i}"] for i, count in enumerate(steps)),
        "first_row_p50_s": percentile(timings.first_rows, 50),
        "first_row_p95_s": percentile(timings.first_rows, 95),
        "ratio": median["sample"] / median["forward"],
        "images_per_s": batch / median["sample"],
        "gflop_per_image": operations / batch / 1e9,
        "gflops": operations / median["sample"] / 1e9,
        "peak_gflops": peak / 1e9,
        "efficiency": operations / median["sample"] / peak,
    }


def percentile(seconds: list[float], percent: int) -> float:
    """Return the smallest of these times that is at least as long as `percent` percent
    of them (nearest rank)."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _draw(engine: Engine, batch: int) -> list[float]:
    """Draw the images; return the seconds until the first row of each, which in a
    Multi-Scale model is a row of the small image."""
    start = time.perf_counter()
    for i in range(batch):
        engine.admit(ImageRequest(seed=0, sample=i))
    first: dict[int, float] = {}
    while engine.busy:
        for row in engine.step():
            first.setdefault(row.ticket, time.perf_counter() - start)
    return list(first.values())


def _product(device: torch.device) -> Callable[[], object]:
    """Return a function that multiplies two large matrices on the device."""
    side = PEAK_SIDES[device.type]
    left, right, out = torch.rand(3, side, side, device=device)
    return lambda: torch.mm(left, right, out=out)


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that a run takes until the device has finished it."""
    _wait_for(device)  # for work that was queued before
    start = time.perf_counter()
    run()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
