"""Shows if a network, with the weights it has, sees what it must not: measured before its score is believed.

A small image is cut at each of its variables, in the order of drawing (row by row, left to right, R, G, B). All values
from the cut on change at random; then no logit up to the cut, those of the cut's own variable included, may move by a
single bit. Rounding does not move them: no arithmetic of ours mixes the sums of two pixels.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from model_core.components import Component, Member
from model_core.errors import ModelError
from model_core.networks import MultiScaleNetwork, Network, PixelNetwork

_HEIGHT, _WIDTH = 4, 5
"""Each tap of the 7 x 7 kernel leads from some pixel to another, and a transposed image would be another image."""
_COLOURS = ("red", "green", "blue")

_Forward = Callable[[Tensor], Tensor]
"""values (B, C, H, W) -> logits (B, V, C, H, W)."""


@torch.inference_mode()
def require_causal(*networks: Network) -> str:
    """A sentence that says what was measured; ModelError when a network is not causal, with the pair that shows it.

    Plain and fused passes are measured, and both stages of a Multi-Scale network, the second under a fixed small image.
    It takes about as long as scoring fifteen images of 32 x 32. A network stays as it is; it may be on any device.
    """
    watched = 0
    for words, stage, forward in chain(*map(_passes, networks)):
        C, V = stage.config.channels, stage.config.values
        for image in _images(C, V):
            if (leak := _find_leak(forward, image, V)) is not None:
                raise ModelError(f"the network is not causal: {leak} ({words})")
            watched += image.numel() * V
    return (
        f"causal: none of {watched:,} logits moved when their own or a later value changed "
        f"(images of {_HEIGHT} x {_WIDTH}, cut at every variable)"
    )


def _passes(network: Network) -> Iterator[tuple[str, PixelNetwork, _Forward]]:
    """Every pass to measure, in words, the stage whose variables it predicts, and the pass itself."""
    for kind, copy in (
        ("plain", deepcopy(network).cpu().double()),
        ("fused", deepcopy(network).cpu().float()),
    ):
        for words, stage, forward in _stages(copy):
            if kind == "plain" or _is_fused(stage):
                yield f"{kind} pass{words}", stage, forward


def _stages(network: Network) -> Iterator[tuple[str, PixelNetwork, _Forward]]:
    labels = (
        sorted({0, network.config.labels - 1}) if network.config.labels else [None]
    )  # masks are all alike
    for component in (Component(Member(network), label) for label in labels):
        words = "" if component.label is None else f" with label {component.label}"
        if not isinstance(network, MultiScaleNetwork):
            yield words, network, component.logits
            continue
        small = next(_images(network.config.channels, network.config.values))[None]
        map_ = network.condition(small, component.condition(1))[:, :, :_HEIGHT, :_WIDTH]
        yield (
            f" of the first stage{words}",
            network.small,
            partial(_given, network.small, component.condition(1)),
        )
        yield (
            f" of the second stage{words}",
            network.large,
            partial(_given, network.large, map_),
        )


def _given(stage: PixelNetwork, condition: Tensor | None, values: Tensor) -> Tensor:
    """Logits of values (B, C, H, W), all of which have this condition (1, c, H, W)."""
    return stage(
        values, None if condition is None else condition.expand(len(values), -1, -1, -1)
    )


def _is_fused(stage: PixelNetwork) -> bool:
    variables = stage.config.channels * _HEIGHT * _WIDTH
    return stage.fuses(
        torch.zeros(
            variables, stage.config.channels, _HEIGHT, _WIDTH, dtype=torch.int64
        )
    )


def _images(channels: int, values: int) -> Iterator[Tensor]:
    """(C, H, W): noise, and noise on the lowest and the highest value, which wakes units that noise leaves silent."""
    generator = torch.Generator().manual_seed(1)
    shape = (channels, _HEIGHT, _WIDTH)
    noise = torch.randint(0, values, shape, generator=generator)
    is_flat = torch.rand(shape, generator=generator) < 0.8
    yield noise
    yield noise.masked_fill(is_flat, 0)
    yield noise.masked_fill(is_flat, values - 1)


def _find_leak(forward: _Forward, image: Tensor, values: int) -> str | None:
    """The logits that moved and the value that moved them, in words; None if none did. image is (C, H, W)."""
    N = image.numel()
    base = _in_order(image[None])[0]  # (N,)
    step = torch.randint(1, values, (N,), generator=torch.Generator().manual_seed(2))
    changed = (base + step) % values  # each is another value than it was
    index = torch.arange(N)
    is_after = index[:, None] <= index  # (N, N): cut, variable
    unmoved = _logits(forward, base.expand(N, N), image)
    moved = (
        _logits(forward, torch.where(is_after, changed, base), image) != unmoved
    ).any(2) & (index <= index[:, None])
    if not unmoved.isfinite().all():
        raise ModelError("the network's logits are not finite")
    if not moved.any():
        return None
    _, watched = moved.nonzero()[0].tolist()
    alone = torch.where(
        torch.eye(N, dtype=torch.bool), changed, base
    )  # (N, N): only one variable changes
    culprits = (_logits(forward, alone, image) != unmoved).any(2)[:, watched] & (
        index >= watched
    )
    found = f"the logits of {_name(watched, image)} moved when "
    if not culprits.any():
        return f"{found}it and all values after it changed"
    culprit = int(culprits.nonzero()[0])
    return f"{found}{'their own value' if culprit == watched else f'the later value {_name(culprit, image)}'} changed"


def _logits(forward: _Forward, ordered: Tensor, image: Tensor) -> Tensor:
    """Logits of images in the order of drawing (B, N): (B, N, V) in that order.

    Always as one batch of the same size, because rounding may depend on the place in a batch, and on nothing else.
    """
    C, H, W = image.shape
    logits = forward(
        ordered.unflatten(1, (H, W, C)).permute(0, 3, 1, 2)
    )  # (B, V, C, H, W)
    return logits.permute(0, 3, 4, 2, 1).flatten(1, 3)


def _in_order(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, N), in the order of drawing."""
    return images.permute(0, 2, 3, 1).flatten(1)


def _name(variable: int, image: Tensor) -> str:
    C, _, W = image.shape
    pixel, colour = divmod(variable, C)
    y, x = divmod(pixel, W)
    return f"(y {y}, x {x}{f', {_COLOURS[colour]}' if C > 1 else ''})"
