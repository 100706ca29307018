"""Values without order: each is a vector of its own to the first convolution, and all else is as it was."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model_core import (
    Model,
    decode,
    encode,
    load_model,
    log_likelihood,
    sample,
    save_model,
    untrained,
)
from model_core.config import NetworkConfig, preset
from model_core.errors import ConfigError, ModelError
from model_core.measures.leaks import require_causal
from model_core.networks import PixelNetwork, build_network
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.plain import PlainStage
from tests.labelled_models import chi_square
from tests.model_core.causality import moved_pairs, predicted_field
from tests.model_core.reference import reference_sample
from tests.posterior.tiny import by_particles

PRESETS = ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"]
SIZES = [{"values": 3, "height": 2, "width": 3}, {"values": 5, "height": 2, "width": 2}]


def categorical(
    name: str, dtype: torch.dtype = torch.float32, seed: int = 3, **size: int | bool
) -> Model:
    """Random weights and biases that make images with structure; sizes that no vector width divides."""
    usual = {
        "layers": 2,
        "hidden": 19,
        "head": 21,
        "height": 6,
        "width": 9,
        "values": 5,
    }
    model = untrained(name, seed=seed, categories=True, **{**usual, **size})
    model.network.to(dtype)
    generator = torch.Generator().manual_seed(5)
    for parameter in model.network.parameters():
        if parameter.dim() == 1:
            parameter.add_(
                0.5 * torch.randn(parameter.shape, generator=generator).to(dtype)
            )
    return model


def plain(model: Model) -> PixelNetwork:
    assert isinstance(model.network, PixelNetwork)
    return model.network


def all_images(config: NetworkConfig) -> Tensor:
    """Every image of the size, the first pixel counting the most."""
    each = itertools.product(range(config.values), repeat=config.dimensions)
    return torch.tensor(list(each)).view(-1, 1, config.height, config.width)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_all_images_add_up_to_one(name: str, size: dict[str, int]) -> None:
    """By the plain pass, the fused one and the compiled rows; the three agree on each image."""
    double, single = (
        categorical(name, dtype, hidden=16, **size)
        for dtype in (torch.float64, torch.float32)
    )
    images = all_images(double.config)
    truth = log_likelihood(double, images)
    assert float(truth.exp().sum()) == pytest.approx(1, abs=1e-9)
    assert plain(single).fuses(images)
    torch.testing.assert_close(
        log_likelihood(single, images), truth.float(), rtol=1e-5, atol=1e-5
    )
    logits = torch.from_numpy(CompiledStage.logits(plain(single), images[::17].numpy()))
    torch.testing.assert_close(
        logits, plain(double)(images[::17]).float(), rtol=0, atol=2e-5
    )


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    "size",
    [
        {},
        {"values": 3, "residual": False},
        {"values": 17, "skip": False},
        {"width": 3, "labels": 2},
    ],
    ids=str,
)
def test_every_way_draws_the_slow_truth(name: str, size: dict[str, int | bool]) -> None:
    """Compiled in float32 and plain in float64: samples, and what given pixels leave, some of whole rows."""
    for dtype in (torch.float32, torch.float64):
        model = categorical(name, dtype, **size)
        stage = CompiledStage if dtype == torch.float32 else PlainStage
        assert CompiledStage.can(plain(model), torch.device("cpu")) == (
            stage is CompiledStage
        )
        label = 1 if model.config.labels else None
        drawn = sample(model, 3, seed=11, label=label)
        assert torch.equal(drawn, reference_sample(model, 3, seed=11, label=label))
        assert len(drawn.unique()) > model.config.values * 2 // 3
        keep = (
            torch.rand(
                model.config.height,
                model.config.width,
                generator=torch.Generator().manual_seed(4),
            )
            < 0.5
        )
        keep[:2] = True
        given = model if label is None else model.given(label)
        found = sample(given, 2, 4, 0.7, drawn[0], keep)
        assert torch.equal(
            found, reference_sample(model, 2, 4, 0.7, drawn[0], keep, label=label)
        )


def test_images_are_drawn_as_often_as_their_probability_says() -> None:
    """Chi-squared over all images of 2 x 2 in three categories."""
    model, n = categorical("mnist-row-lstm", values=3, height=2, width=2), 20_000
    images = all_images(model.config)
    drawn = sample(model, n, seed=5).view(n, -1)
    counts = torch.bincount(
        (drawn * 3 ** torch.arange(3, -1, -1)).sum(1), minlength=len(images)
    )
    found, most = chi_square(counts, n * log_likelihood(model, images).double().exp())
    assert found < most


@pytest.mark.parametrize("name", PRESETS)
def test_renumbering_values_changes_no_probability(name: str) -> None:
    """Weights of the input and of the logits in another order: the renumbered image is as likely as the image was."""
    one, other = categorical(name, torch.float64), categorical(name, torch.float64)
    order = torch.tensor([3, 0, 4, 1, 2])
    network = plain(other)
    network.input.weight[:, order] = plain(one).input.weight.clone()
    for part in (network.head.output.weight, network.head.output.bias):
        part[order] = part.clone()
    images = sample(one, 4, seed=2)
    torch.testing.assert_close(
        log_likelihood(other, order[images]), log_likelihood(one, images)
    )


@pytest.mark.parametrize("name", PRESETS)
def test_gradients_of_each_category_are_right(name: str) -> None:
    """By finite differences in double precision; the fused pass gives the same in single. A value that no pixel has
    gets none."""
    config = preset(name).with_overrides(
        height=4, width=5, layers=2, hidden=16, head=8, values=6, categories=True
    )
    torch.manual_seed(1)
    network = build_network(config)
    assert isinstance(network, PixelNetwork)
    values = torch.randint(0, 5, (5, 1, 4, 5))
    assert network.fuses(values)
    network.nats_map(values).sum().backward()
    fused = network.input.weight.grad
    double = build_network(config).double()
    double.load_state_dict(network.state_dict())
    assert isinstance(double, PixelNetwork)
    double.nats_map(values).sum().backward()
    weight, slope = double.input.weight, double.input.weight.grad
    assert fused is not None
    assert slope is not None
    torch.testing.assert_close(fused, slope.float(), rtol=1e-4, atol=1e-4)
    assert (slope[:, 5] == 0).all()
    assert (slope * (1 - double.input.mask) == 0).all()
    for unit, value, dy, dx in ((0, 0, 3, 2), (9, 3, 0, 3), (31, 4, 2, 5)):
        with torch.no_grad():
            found = []
            for step in (1e-5, -2e-5):
                weight[unit, value, dy, dx] += step
                found.append(double.nats_map(values).sum().item())
            weight[unit, value, dy, dx] += 1e-5
        assert (found[0] - found[1]) / 2e-5 == pytest.approx(
            slope[unit, value, dy, dx].item(), rel=1e-4, abs=1e-6
        )


@pytest.mark.parametrize("name", PRESETS)
def test_a_category_is_seen_where_a_grey_would_be(name: str) -> None:
    """The measured field is the predicted one; a network that sees its own value is refused."""
    model = categorical(name, height=4, width=5, hidden=16, values=3)
    assert torch.equal(moved_pairs(model.config), predicted_field(model.config))
    assert "causal" in require_causal(model.network)
    network = plain(model)
    network.input.mask.fill_(1)
    network.input.weight.add_(0.1 * torch.rand(network.input.weight.shape))
    with pytest.raises(ModelError, match="not causal"):
        require_causal(network)


@pytest.mark.parametrize("values", [3, 17, 256])
def test_files_of_categories_come_back(values: int) -> None:
    """Encoded and decoded without loss, for palettes of three sizes."""
    model = categorical("mnist-pixelcnn", values=values)
    images = torch.randint(
        0, values, (3, 1, 6, 9), generator=torch.Generator().manual_seed(1)
    )
    assert torch.equal(decode(model, encode(model, images)), images)


def test_completions_by_particles_are_of_categories() -> None:
    """What is given stays, and draws by particles agree with what enumeration says of the hole."""
    model = categorical("mnist-row-lstm", values=3, height=2, width=3)
    known, keep = (
        torch.tensor([[[[0, 1, 2], [2, 0, 1]]]])[0],
        torch.tensor([[True, False, True], [True, False, True]]),
    )
    found = by_particles(model, known, keep, 150, seed=5)
    assert torch.equal(found.values[:, :, keep], known[:, keep].expand(150, -1, -1))
    images = all_images(model.config)
    fitting = images[((images == known) | ~keep).all((1, 2, 3))]
    p = log_likelihood(model, fitting).double().exp()
    counts = torch.stack(
        [(found.values == each).all((1, 2, 3)).sum() for each in fitting]
    )
    statistic, most = chi_square(counts, 150 * p / p.sum())
    assert statistic < most
    assert found.mean is not None
    shares = torch.stack(
        [(p[:, None, None, None] * (fitting == v)).sum(0) for v in range(3)]
    )
    assert torch.equal(found.mean.long(), shares.argmax(0))


def test_what_cannot_be_categories_is_refused_in_a_sentence() -> None:
    """Colours, two values, and Multi-Scale networks; whatever is no truth value."""
    for changes, words in (
        (
            {"channels": 3},
            "expected channels = 1 and values from 3 to 256, not 3 and 5",
        ),
        ({"values": 2}, "not 1 and 2"),
        ({"factor": 2, "conditioning": 4}, "categories cannot be Multi-Scale"),
        ({"categories": 1}, "categories must be true or false"),
        ({"values": 257}, "values must be a whole number from 2 to 256"),
    ):
        with pytest.raises(ConfigError, match=words):
            untrained("mnist-row-lstm", **{"values": 5, "categories": True, **changes})


def test_a_card_says_categories_only_where_they_are(tmp_path: Path) -> None:
    """Saved and loaded again it draws the same; the identity of greys has no word of it."""
    model = categorical("mnist-pixelcnn")
    card = save_model(model, tmp_path / "tiles")
    assert card.to_dict()["config"]["categories"] is True
    assert torch.equal(
        sample(load_model(tmp_path / "tiles"), 3, seed=1), sample(model, 3, seed=1)
    )
    greys = untrained("mnist-pixelcnn", layers=1, hidden=4, head=4, height=3, width=3)
    assert "categories" not in str(save_model(greys, tmp_path / "greys").to_dict())
    assert "categories" not in greys.config.unusual()
    assert (
        replace(card, config=card.config.with_overrides(categories=False)).identity
        != card.identity
    )
    assert np.array_equal(plain(model).input.weight.shape[1], 5)
