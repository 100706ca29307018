"""How long drawing takes beside one teacher-forced pass of the same weights and batch: interleaved, round by round.

More than one thread means as many processes, each with its share of the batch and one thread: a step is too short to be
divided, images are not. Their rounds begin together, and the slowest one counts.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
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
from model_core.models import check_device, untrained
from model_core.networks import MultiScaleNetwork, Network, PixelNetwork
from model_core.sampling.model_engine import Engine

PEAK_SIDES = {"cpu": 1536, "cuda": 8192}
"""Square matrices large enough that a product runs at the device's peak, small enough to measure in a moment."""

MEETING_LIMIT_S = 3600.0


@dataclass(frozen=True)
class Setting:
    """A measurement: what is measured, and on what."""

    preset: str
    batch: int
    threads: int
    device: str


@dataclass
class Timings:
    """Times of one process: seconds of each run in every round, and until the first row of every image drawn."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    first_rows: list[float] = field(default_factory=list)


def measure(
    preset: str, batch: int, threads: int = 1, rounds: int = 3, device: str = "cpu"
) -> dict[str, Any]:
    """Time random weights of a preset on a device: medians of `rounds` of each, in seconds.

    sample_s draws `batch` images, of which the first rows are there after first_row_p50_s and first_row_p95_s.
    forward_s is one dense pass over them in plain torch, fused_s the same pass as the network really runs it. naive_s
    is what drawing with one such pass a variable would take: one step is measured, and multiplied. ratio = sample_s /
    forward_s. efficiency = useful operations / sample_s / peak: two for each weight that no mask hides, at each pixel,
    over the measured rate of a large matrix product on the device, in as many threads. Raises ConfigError for a batch
    that the threads cannot share evenly, several threads for a GPU, or a device that is not there.
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
        timings = _together(_in_processes(preset, batch // threads, threads, rounds))
    return _facts(
        untrained(preset).network, Setting(preset, batch, threads, device), timings
    )


def plain_forward(network: Network, values: Tensor) -> list[Tensor]:
    """The teacher-forced pass in plain torch operations, whatever faster way there is: logits of each network."""
    if isinstance(network, MultiScaleNetwork):
        small = subsample(values, network.config.factor)
        return [
            _plain(network.small, small, None),
            _plain(network.large, values, network.condition(small)),
        ]
    return [_plain(network, values, None)]


def useful_operations(network: Network) -> int:
    """Additions and multiplications to draw one image: two for each weight no mask hides, at each of its pixels."""
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
    """The naive sampler of each network: how many steps it takes, and one of them, a whole pass for one variable."""
    if isinstance(network, MultiScaleNetwork):
        small = subsample(values, network.config.factor)
        condition, large, given = (
            network.condition(small),
            network.large,
            network.small.config.dimensions,
        )
        steps = _naive_step(network.distribution, lambda: large(values, condition))
        return [
            *naive_steps(network.small, small),
            (network.config.dimensions - given, steps),
        ]
    return [
        (
            network.config.dimensions,
            _naive_step(network.distribution, lambda: network(values)),
        )
    ]


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


def _timed(
    preset: str,
    batch: int,
    rounds: int,
    device: torch.device,
    barrier: Barrier | None = None,
) -> Timings:
    """Interleave the runs on one thread; the first round warms up and is not counted."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    timings = Timings()
    try:
        with torch.inference_mode():
            runs = _runs(preset, batch, device, timings)
            for _ in range(rounds + 1):
                for name, run in runs.items():
                    if barrier is not None:
                        barrier.wait(MEETING_LIMIT_S)
                    timings.seconds.setdefault(name, []).append(_seconds(run, device))
    finally:
        torch.set_num_threads(before)
    counted = {name: seconds[1:] for name, seconds in timings.seconds.items()}
    return Timings(counted, timings.first_rows[batch:])


def _runs(
    preset: str, batch: int, device: torch.device, timings: Timings
) -> dict[str, Callable[[], object]]:
    model = replace(untrained(preset), device=str(device))
    network, config = model.network.to(device), model.config
    engine = Engine(model, slots=batch)
    values = torch.randint(
        0,
        config.values,
        (batch, config.channels, config.height, config.width),
        device=device,
    )
    return {
        "sample": lambda: timings.first_rows.extend(_draw(engine, batch)),
        "forward": lambda: plain_forward(network, values),
        "fused": lambda: network(values),
        "peak": _product(device),
        **{
            f"naive-{i}": step
            for i, (_, step) in enumerate(naive_steps(network, values))
        },
    }


def _in_processes(preset: str, share: int, count: int, rounds: int) -> list[Timings]:
    context = get_context("spawn")
    with (
        context.Manager() as manager,
        ProcessPoolExecutor(count, mp_context=context) as pool,
    ):
        barrier = manager.Barrier(count)
        return [
            future.result()
            for future in [
                pool.submit(_timed, preset, share, rounds, torch.device("cpu"), barrier)
                for _ in range(count)
            ]
        ]


def _together(parts: list[Timings]) -> Timings:
    """A round is over when the last process is done."""
    names = parts[0].seconds
    seconds = {
        name: [
            max(times) for times in zip(*(p.seconds[name] for p in parts), strict=True)
        ]
        for name in names
    }
    return Timings(seconds, [first for part in parts for first in part.first_rows])


def _facts(network: Network, setting: Setting, timings: Timings) -> dict[str, Any]:
    batch, threads = setting.batch, setting.threads
    median = {name: statistics.median(times) for name, times in timings.seconds.items()}
    tiny = torch.zeros(
        1,
        network.config.channels,
        network.config.height,
        network.config.width,
        dtype=torch.int64,
    )
    steps = [count for count, _ in naive_steps(network, tiny)]
    operations = batch * useful_operations(network)
    peak = (
        threads
        * 2
        * PEAK_SIDES[torch.device(setting.device).type] ** 3
        / median["peak"]
    )
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
    """The smallest of them that so many percent do not exceed."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _draw(engine: Engine, batch: int) -> list[float]:
    """Draw the images; seconds until the first row of each, the small image's where there is one."""
    start = time.perf_counter()
    for i in range(batch):
        engine.admit(ImageRequest(seed=0, sample=i))
    first: dict[int, float] = {}
    while engine.busy:
        for row in engine.step():
            first.setdefault(row.ticket, time.perf_counter() - start)
    return list(first.values())


def _product(device: torch.device) -> Callable[[], object]:
    side = PEAK_SIDES[device.type]
    left, right, out = torch.rand(3, side, side, device=device)
    return lambda: torch.mm(left, right, out=out)


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    """Seconds until the device is done; what was asked of it before does not count."""
    _wait_for(device)
    start = time.perf_counter()
    run()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
