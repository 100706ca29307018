"""How long drawing takes beside one teacher-forced pass of the same weights and batch: interleaved, in one process."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from model_core.layers.conditioning import subsample
from model_core.models import Model, untrained
from model_core.networks import MultiScaleNetwork, Network, PixelNetwork
from model_core.sampling.engine import Engine, ImageRequest

PEAK_SIDE = 1536
"""Square matrices large enough that a product runs at the machine's peak, small enough to measure in a moment."""


def measure(preset: str, batch: int, threads: int = 1, rounds: int = 3) -> dict[str, Any]:
    """Time random weights of a preset: medians of `rounds` of each, in seconds.

    sample_s draws `batch` images; forward_s is one dense pass over them in plain torch, fused_s the same pass as the
    network really runs it. ratio = sample_s / forward_s. efficiency = useful operations / sample_s / peak: two for each
    weight that no mask hides, at each pixel, over the measured rate of a large matrix product with as many threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            return _measure(untrained(preset), preset, batch, threads, rounds)
    finally:
        torch.set_num_threads(before)


def _measure(model: Model, preset: str, batch: int, threads: int, rounds: int) -> dict[str, Any]:
    config = model.config
    engine = Engine(model, slots=batch)
    values = torch.randint(0, config.values, (batch, config.channels, config.height, config.width))
    runs: dict[str, Callable[[], object]] = {
        "sample": lambda: _draw(engine, batch),
        "forward": lambda: plain_forward(model.network, values),
        "fused": lambda: model.network(values),
        "peak": _product(),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):  # the first of each warms up
        for name, run in runs.items():
            seconds[name].append(_seconds(run))
    median = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    operations = batch * useful_operations(model.network)
    peak = 2 * PEAK_SIDE**3 / median["peak"]
    return {
        "preset": preset,
        "batch": batch,
        "threads": threads,
        "sample_s": median["sample"],
        "forward_s": median["forward"],
        "fused_s": median["fused"],
        "ratio": median["sample"] / median["forward"],
        "images_per_s": batch / median["sample"],
        "gflop_per_image": operations / batch / 1e9,
        "peak_gflops": peak / 1e9,
        "efficiency": operations / median["sample"] / peak,
    }


def plain_forward(network: Network, values: Tensor) -> list[Tensor]:
    """The teacher-forced pass in plain torch operations, whatever faster way there is: logits of each stage."""
    if isinstance(network, MultiScaleNetwork):
        small = subsample(values, network.config.factor)
        return [_plain(network.small, small, None), _plain(network.large, values, network.condition(small))]
    return [_plain(network, values, None)]


def useful_operations(network: Network) -> int:
    """Additions and multiplications to draw one image: two for each weight no mask hides, at each of its pixels."""
    if isinstance(network, MultiScaleNetwork):
        small = network.small.config
        upsampling = sum(p.numel() for p in network.upsampler.parameters() if p.dim() > 1)
        parts = useful_operations(network.small) + useful_operations(network.large)
        return parts + 2 * upsampling * small.height * small.width
    weights = sum(p.numel() for p in network.parameters() if p.dim() > 1)
    hidden = sum(int((mask == 0).sum()) for name, mask in network.named_buffers() if name.endswith("mask"))
    return 2 * (weights - hidden) * network.config.height * network.config.width


def _plain(network: PixelNetwork, values: Tensor, condition: Tensor | None) -> Tensor:
    return network.head(network.trunk(network.input(network.scale(values)), condition))


def _draw(engine: Engine, batch: int) -> None:
    for i in range(batch):
        engine.admit(ImageRequest(seed=0, sample=i))
    while engine.busy:
        engine.step()


def _product() -> Callable[[], object]:
    left, right = torch.rand(PEAK_SIDE, PEAK_SIDE), torch.rand(PEAK_SIDE, PEAK_SIDE)
    out = torch.empty(PEAK_SIDE, PEAK_SIDE)
    return lambda: torch.mm(left, right, out=out)


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
