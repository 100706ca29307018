"""What the fast pass makes of weights is kept, until one of them is written to."""

import gc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from model_core.fused import kept
from model_core.networks import PixelNetwork
from tests.model_core.lively import PRESETS, lively, plain

IMAGES = 4
"""So many that the fast pass of each kind is used."""


@pytest.fixture
def network(request: pytest.FixtureRequest) -> PixelNetwork:
    return plain(lively(request.param, torch.float32, hidden=16))


def values(network: PixelNetwork) -> Tensor:
    config = network.config
    shape = IMAGES, config.channels, config.height, config.width
    return torch.randint(0, config.values, shape)


def nats(network: PixelNetwork) -> tuple[Tensor, Tensor]:
    """By the fast pass, and by the plain modules."""
    images = values(network)
    with torch.no_grad():
        assert network.fuses(images)
        top = network.trunk(network.input(network.encode(images)))
        by_modules = network.distribution.nats(network.head(top), images)
        return network.nats_map(images), by_modules


def operands_of(network: PixelNetwork) -> Iterator[object]:
    """Everything that is kept for the modules of a network."""
    for module in network.modules():
        for _, operands in kept._kept.get(module, {}).values():
            yield operands


@pytest.mark.parametrize("network", PRESETS, indirect=True)
def test_weights_are_laid_out_once_until_one_is_written_to(
    network: PixelNetwork,
) -> None:
    """Each of them, whichever module it belongs to: then the pass has the new one."""
    torch.testing.assert_close(*nats(network))
    before = [id(each) for each in operands_of(network)]
    assert before
    torch.testing.assert_close(*nats(network))
    assert [id(each) for each in operands_of(network)] == before
    for parameter in network.parameters():
        with torch.no_grad():
            parameter.mul_(1.5).add_(0.1 if parameter.dim() == 1 else 0)
        torch.testing.assert_close(*nats(network))


@pytest.mark.parametrize("network", PRESETS, indirect=True)
def test_nothing_is_kept_of_weights_that_are_trained(network: PixelNetwork) -> None:
    """They are written to after each pass."""
    network.requires_grad_(True)
    torch.testing.assert_close(*nats(network))
    assert not [*operands_of(network)]


@pytest.mark.parametrize("preset", PRESETS)
def test_operands_go_with_their_network(preset: str) -> None:
    """So that the memory of a model that is unloaded is free."""
    gc.collect()
    before = len(kept._kept)
    network = plain(lively(preset, torch.float32, hidden=16))
    nats(network)
    assert len(kept._kept) > before
    del network
    gc.collect()
    assert len(kept._kept) == before


def test_weights_of_inference_mode_are_laid_out_each_time() -> None:
    """torch counts no writes to them."""
    with torch.inference_mode():
        weight, module = torch.zeros(1), torch.nn.Linear(1, 1)
    made = [
        kept.kept_operands(module, "sum", [weight], lambda: [float(weight)])
        for _ in range(2)
    ]
    assert made[0] is not made[1]
