"""A block of threads draws what the compiled loops draw, bit for bit.

Threads of a block run one after the other here, in orders and numbers that show every
number which one thread reads and another writes between two barriers.
"""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from model_core.blocks import record as r
from model_core.blocks.program import KINDS, order_on_cpu
from model_core.kinds import KINDS as NETWORKS
from model_core.layers.conditioning import subsample
from model_core.models import at_width
from model_core.networks import MultiScaleNetwork, PixelNetwork
from model_core.sampling.blocks.layout import BlockLayout
from model_core.sampling.stage import Drawing
from tests.model_core.blocks import (
    ORDERS,
    assert_same,
    draw,
    network_of,
    noise_of,
    reference,
    take_step,
)
from tests.model_core.lively import PRESETS, lively

VALUES = 5


def scattered(network: PixelNetwork) -> Iterator[torch.Tensor]:
    """Yield values, half of the pixels as given, and half of those as weighed."""
    config = network.config
    generator = torch.Generator().manual_seed(4)
    shape = config.channels, config.height, config.width
    yield torch.randint(0, config.values, shape, generator=generator)
    keep = torch.rand(shape[1:], generator=generator) < 0.5
    yield keep
    yield keep & (torch.rand(shape[1:], generator=generator) < 0.5)


def test_every_kind_of_network_has_a_program() -> None:
    """By the names that recipes and cards give."""
    assert set(KINDS) == set(NETWORKS)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "size",
    [
        {},
        {"channels": 1, "values": 2},
        {"residual": False},
        {"skip": False},
        {"hidden": 16, "width": 3},
        {"height": 1},
        {"categories": True, "channels": 1},
        {"labels": 3},
    ],
    ids=str,
)
def test_block_draws_what_the_compiled_loops_draw(
    preset: str, size: dict[str, int | bool]
) -> None:
    """Three colours and one, without the residual or skip, categories and labels:
    values, logits and all that later pixels would read."""
    network = network_of(preset, **size)
    label = 2 if network.config.labels else None
    drawing = Drawing(noise_of(network), 1.0, label=label)
    expected = reference(network, drawing)
    assert len(np.unique(expected.values)) == network.config.values
    for order in ORDERS:
        found = draw(network, drawing, order)
        assert not np.isnan(found.logits).any()
        assert_same(found, expected)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
@pytest.mark.parametrize("preset", PRESETS)
def test_block_keeps_and_weighs_given_pixels(preset: str, temperature: float) -> None:
    """Scattered ones, of some of which ln p is asked for."""
    network = network_of(preset)
    known, keep, weighed = scattered(network)
    drawing = Drawing(noise_of(network), temperature, known, keep, weighed=weighed)
    expected = reference(network, drawing)
    assert np.count_nonzero(expected.log_p)
    for order in ORDERS:
        found = draw(network, drawing, order)
        kept = keep.numpy()
        np.testing.assert_array_equal(found.values[:, kept], known[:, keep].numpy())
        assert_same(found, expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_block_weighs_a_whole_image(preset: str) -> None:
    """As scores, labels and files of coded images ask for it."""
    network = network_of(preset)
    known, keep, _ = scattered(network)
    every = torch.ones_like(keep)
    drawing = Drawing(noise_of(network), 1.0, known, every, weighed=every)
    expected = reference(network, drawing)
    assert np.isfinite(expected.log_p).all()
    for order in ORDERS:
        assert_same(draw(network, drawing, order), expected)


@pytest.mark.parametrize("base", ["pixel-cnn", "row-lstm", "diagonal-bilstm"])
def test_block_draws_the_large_image_of_a_multi_scale_model(base: str) -> None:
    """The small image biases every layer at each pixel."""
    sizes = {"height": 8, "width": 4, "factor": 2, "conditioning": 5}
    network = lively(
        "cifar10-multi-scale", torch.float32, network=base, **sizes
    ).network
    assert isinstance(network, MultiScaleNetwork)
    known = torch.randint(
        0, 4, (1, 3, 8, 4), generator=torch.Generator().manual_seed(1)
    )
    with torch.no_grad():
        condition = network.condition(subsample(known, 2))[0].permute(1, 2, 0)
    large = network.large
    drawing = Drawing(noise_of(large), 1.0, condition=condition.contiguous())
    expected = reference(large, drawing)
    for order in ORDERS:
        assert_same(draw(large, drawing, order), expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_block_draws_a_window_of_a_field(preset: str) -> None:
    """Wider than the model's images, with given rows at the top, up to a row before the
    last."""
    network = at_width(network_of(preset), 13)
    assert isinstance(network, PixelNetwork)
    known, _, _ = scattered(network)
    keep = torch.zeros(6, 13, dtype=torch.bool)
    keep[:2] = True
    drawing = Drawing(noise_of(network), 1.0, known, keep, end=5)
    expected = reference(network, drawing)
    expected.values[:, 5] = known[:, 5].numpy()
    for order in ORDERS:
        assert_same(draw(network, drawing, order), expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_block_goes_on_where_it_was_stopped(preset: str) -> None:
    """Held within a row, and drawn with other numbers of threads in turn: nothing but
    the block's memory is carried from one launch to the next."""
    network = network_of(preset)
    drawing = Drawing(noise_of(network), 1.0)
    expected = reference(network, drawing)
    layout = BlockLayout(network)
    block = layout.new_block()
    layout.open(block, drawing)
    orders = [order_on_cpu(5, 3), order_on_cpu(64), order_on_cpu(1)]
    for stop in ((2, 4), (4, 1), (6, 0)):
        layout.view(block, r.STOP)[...] = stop
        taken = 0
        while take_step(layout, block, orders[taken % 3]):
            taken += 1
        assert taken
        assert layout.view(block, r.FIRST_ROW)[0] == stop[0]
    np.testing.assert_array_equal(layout.view(block, r.IMAGE), expected.values)


@pytest.mark.parametrize("preset", PRESETS)
def test_block_notes_logits_that_are_not_finite(preset: str) -> None:
    """One is enough, whichever pixel it is of."""
    network = network_of(preset)
    with torch.no_grad():
        network.head.output.bias[3] = float("inf")
    layout = BlockLayout(network)
    block = layout.new_block()
    layout.open(block, Drawing(noise_of(network), 1.0))
    assert take_step(layout, block, ORDERS[0])
    assert layout.view(block, r.FAILED)[0] == 1


def test_order_must_reach_every_thread() -> None:
    """A step that is not prime to the number of threads leaves some out."""
    with pytest.raises(ValueError, match="prime to 32"):
        order_on_cpu(32, 6)
