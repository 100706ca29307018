"""Measure whether a network, with its weights, is causal, before its score is believed.

A small image is cut at each of its variables, in the order of drawing (row by row, left
to right, R, G, B). All values from the cut on are changed at random. Then no logit up
to the cut, including those of the variable at the cut, may change in any bit. Rounding
cannot change them, because no operation here mixes the sums of two pixels.
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
"""Large enough that each tap of the 7 x 7 kernel connects some pair of pixels; not
square, so that exchanged rows and columns are found."""
_COLOURS = ("red", "green", "blue")

_Forward = Callable[[Tensor], Tensor]
"""values (B, C, H, W) -> logits (B, V, C, H, W)."""


@torch.inference_mode()
def require_causal(*networks: Network) -> str:
    """Check that each network is causal: that no logit depends on its own or on a later
    value. Return a sentence that says what was measured. It takes about as long as
    scoring fifteen images of 32 x 32.

    The plain and the fused pass are measured, and both networks of a Multi-Scale
    network. The networks may be on any device and are not changed; copies on the CPU
    are used.

    Raises ModelError if a network is not causal, with the pair of variables that proves
    it, or if its logits are not finite.
    """
    count = 0
    for words, stage, forward in chain(*map(_passes, networks)):
        C = stage.config.channels
        V = stage.config.values
        for image in _images(C, V):
            leak = _find_leak(forward, image, V)
            if leak is not None:
                raise ModelError(f"the network is not causal: {leak} ({words})")
            count += image.numel() * V
    return (
        f"causal: none of {count:,} logits moved when their own or a later value "
        f"changed (images of {_HEIGHT} x {_WIDTH}, cut at every variable)"
    )


def _passes(network: Network) -> Iterator[tuple[str, PixelNetwork, _Forward]]:
    """Yield each pass to measure: its name, the network whose variables it predicts,
    and the pass itself.

    The plain pass runs in float64, for which there is no fused one.
    """
    for kind, copy in (
        ("plain", deepcopy(network).cpu().double()),
        ("fused", deepcopy(network).cpu().float()),
    ):
        for words, stage, forward in _stages(copy):
            if kind == "plain" or _is_fused(stage):
                yield f"{kind} pass{words}", stage, forward


def _stages(network: Network) -> Iterator[tuple[str, PixelNetwork, _Forward]]:
    """Yield the same for the passes of one copy: one network or both of a Multi-Scale
    network, with the first and the last label."""
    # The masks of all labels are the same, so two labels are enough.
    labels: list[int | None] = [None]
    if network.config.labels:
        labels = [*sorted({0, network.config.labels - 1})]
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
            partial(_conditioned_logits, network.small, component.condition(1)),
        )
        yield (
            f" of the second stage{words}",
            network.large,
            partial(_conditioned_logits, network.large, map_),
        )


def _conditioned_logits(
    stage: PixelNetwork, condition: Tensor | None, values: Tensor
) -> Tensor:
    """Return the logits of values (B, C, H, W), all with this condition
    (1, c, H, W)."""
    if condition is not None:
        condition = condition.expand(len(values), -1, -1, -1)
    return stage(values, condition)


def _is_fused(stage: PixelNetwork) -> bool:
    """Return True if the network has a fused pass for the batches of `_find_leak`."""
    variables = stage.config.channels * _HEIGHT * _WIDTH
    return stage.fuses(
        torch.zeros(
            variables, stage.config.channels, _HEIGHT, _WIDTH, dtype=torch.int64
        )
    )


def _images(channels: int, values: int) -> Iterator[Tensor]:
    """Yield three images (C, H, W): noise, and noise on a background of the lowest and
    of the highest value, which activates units that pure noise does not."""
    generator = torch.Generator().manual_seed(1)
    shape = (channels, _HEIGHT, _WIDTH)
    noise = torch.randint(0, values, shape, generator=generator)
    is_flat = torch.rand(shape, generator=generator) < 0.8
    yield noise
    yield noise.masked_fill(is_flat, 0)
    yield noise.masked_fill(is_flat, values - 1)


def _find_leak(forward: _Forward, image: Tensor, values: int) -> str | None:
    """Return in words which logits moved and which value moved them; None if none did.

    image: (C, H, W).
    """
    N = image.numel()
    base = _in_order(image[None])[0]  # (N,)
    step = torch.randint(1, values, (N,), generator=torch.Generator().manual_seed(2))
    changed = (base + step) % values  # differs from `base` in every variable
    index = torch.arange(N)

    # Image i of a batch is cut at variable i.
    is_changed = index[:, None] <= index  # (N, N): cut, variable
    is_predicted_before = index <= index[:, None]
    reference = _logits(forward, base.expand(N, N), image)
    cut = _logits(forward, torch.where(is_changed, changed, base), image)
    moved = (cut != reference).any(2) & is_predicted_before
    if not reference.isfinite().all():
        raise ModelError("the network's logits are not finite")
    if not moved.any():
        return None

    # Find the culprit by changing one variable at a time.
    _, victim = moved.nonzero()[0].tolist()
    one_changed = torch.where(torch.eye(N, dtype=torch.bool), changed, base)
    differs = _logits(forward, one_changed, image) != reference
    culprits = differs.any(2)[:, victim] & (index >= victim)
    beginning = f"the logits of {_name(victim, image)} moved when "
    if not culprits.any():
        return f"{beginning}it and all values after it changed"
    culprit = int(culprits.nonzero()[0])
    if culprit == victim:
        return f"{beginning}their own value changed"
    return f"{beginning}the later value {_name(culprit, image)} changed"


def _logits(forward: _Forward, ordered: Tensor, image: Tensor) -> Tensor:
    """Return the logits (B, N, V), in the order of drawing, of images in that order
    (B, N).

    Batches always have the same size, because rounding may depend on an image's place
    in the batch.
    """
    C, H, W = image.shape
    values = ordered.unflatten(1, (H, W, C)).permute(0, 3, 1, 2)  # (B, C, H, W)
    logits = forward(values)  # (B, V, C, H, W)
    return logits.permute(0, 3, 4, 2, 1).flatten(1, 3)


def _in_order(images: Tensor) -> Tensor:
    """Return images (B, C, H, W) with their variables in the order of drawing
    (B, N)."""
    return images.permute(0, 2, 3, 1).flatten(1)


def _name(variable: int, image: Tensor) -> str:
    C, _, W = image.shape
    pixel, colour = divmod(variable, C)
    y, x = divmod(pixel, W)
    suffix = f", {_COLOURS[colour]}" if C > 1 else ""
    return f"(y {y}, x {x}{suffix})"
