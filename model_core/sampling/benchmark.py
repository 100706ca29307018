"""How long drawing takes beside one teacher-forced pass of the same weights and batch: interleaved, in one process."""

import statistics
import time
from typing import Any

import torch

from model_core.layers.conditioning import subsample
from model_core.models import Model, untrained
from model_core.networks import MultiScaleNetwork, Network, PixelNetwork
from model_core.sampling.offline import sample


def measure(preset: str, batch: int, threads: int = 1, rounds: int = 3) -> dict[str, Any]:
    """Time random weights of a preset: medians of `rounds` of each, in seconds.

    sample_s draws `batch` images; forward_s is one dense pass over them in plain torch, fused_s the same pass as the
    network really runs it. ratio = sample_s / forward_s.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _measure(untrained(preset), preset, batch, threads, rounds)
    finally:
        torch.set_num_threads(before)


def _measure(model: Model, preset: str, batch: int, threads: int, rounds: int) -> dict[str, Any]:
    values = sample(model, batch, seed=0)
    drawing, plain, fused = [], [], []
    with torch.inference_mode():
        for seed in range(rounds + 1):  # the first of each warms up
            drawing.append(_seconds(lambda seed=seed: sample(model, batch, seed)))
            plain.append(_seconds(lambda: plain_forward(model.network, values)))
            fused.append(_seconds(lambda: model.network(values)))
    sample_s, forward_s = statistics.median(drawing[1:]), statistics.median(plain[1:])
    return {
        "preset": preset,
        "batch": batch,
        "threads": threads,
        "sample_s": sample_s,
        "forward_s": forward_s,
        "fused_s": statistics.median(fused[1:]),
        "ratio": sample_s / forward_s,
        "images_per_s": batch / sample_s,
    }


def plain_forward(network: Network, values: torch.Tensor) -> list[torch.Tensor]:
    """The teacher-forced pass in plain torch operations, whatever faster way the network has; logits of every stage."""
    if isinstance(network, MultiScaleNetwork):
        small = subsample(values, network.config.factor)
        return [_plain(network.small, small, None), _plain(network.large, values, network.condition(small))]
    return [_plain(network, values, None)]


def _plain(network: PixelNetwork, values: torch.Tensor, condition: torch.Tensor | None) -> torch.Tensor:
    return network.head(network.trunk(network.input(network.scale(values)), condition))


def _seconds(run: Any) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
