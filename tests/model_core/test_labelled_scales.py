"""Labels of Multi-Scale networks: both stages know them; what is said of a label is true of all images."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from model_core import Model, classify, log_likelihood, sample, upsample
from model_core.errors import ConfigError
from model_core.image_request import ImageRequest
from model_core.measures.leaks import require_causal
from model_core.measures.picture_score import score_picture
from model_core.measures.pixel_belief import pixel_belief
from model_core.measures.pixel_influence import pixel_influence
from model_core.networks import MultiScaleNetwork, build_network
from model_core.sampling.engine import Engine
from tests.labelled_models import PRIORS, chi_square, labelled
from tests.model_core.reference import reference_sample

KINDS = ["row-lstm", "pixel-cnn", "diagonal-bilstm"]
BINARY = {"height": 2, "width": 4, "channels": 1, "values": 2, "hidden": 6, "head": 6}
COLOUR = {
    "height": 4,
    "width": 6,
    "channels": 3,
    "values": 4,
    "hidden": 16,
    "head": 6,
    "layers": 2,
}


def scales(kind: str = "row-lstm", seed: int = 3, **size: int) -> Model:
    """A small image of half the side, then the other pixels; three labels, far apart."""
    names = {
        "row-lstm": "cifar10-row-lstm",
        "pixel-cnn": "cifar10-pixelcnn",
        "diagonal-bilstm": "cifar10-diagonal-bilstm",
    }
    return labelled(
        names[kind], factor=2, seed=seed, conditioning=16, **{**BINARY, **size}
    )


def all_images() -> torch.Tensor:
    """Every binary image of the size: (256, 1, 2, 4)."""
    return torch.tensor(list(itertools.product((0, 1), repeat=8))).view(-1, 1, 2, 4)


def joint(model: Model, images: torch.Tensor) -> torch.Tensor:
    """p(image, label): (3, B)."""
    each = [
        log_likelihood(model, images, label).double().exp() * PRIORS[label]
        for label in range(3)
    ]
    return torch.stack(each)


@pytest.mark.parametrize("kind", KINDS)
def test_all_images_and_labels_add_up_to_one(kind: str) -> None:
    """And the labels differ, in both stages; an image tells its label by Bayes' rule, and only as a whole."""
    model, images = scales(kind), all_images()
    p = joint(model, images)
    assert p.sum(1).tolist() == pytest.approx(PRIORS, abs=1e-5)
    assert torch.allclose(
        log_likelihood(model, images).double().exp(), p.sum(0), rtol=1e-5
    )
    network = model.network
    assert isinstance(network, MultiScaleNetwork)
    maps = [
        network.nats_map(images[:1], network.of_labels(torch.tensor([label])))
        for label in range(3)
    ]
    is_small = torch.zeros(1, 1, 2, 4, dtype=torch.bool)
    is_small[..., ::2, ::2] = True
    for stage in (is_small, ~is_small):
        assert float((maps[0][stage] - maps[1][stage]).abs().max()) > 0.05
    np.testing.assert_allclose(classify(model, images).p, (p / p.sum(0)).t(), rtol=1e-4)
    keep = torch.ones(2, 4, dtype=torch.bool)
    keep[1, 3] = False
    with pytest.raises(ConfigError, match="expected a whole picture"):
        classify(model, images[:1], keep)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_of_a_label_are_those_of_the_slow_truth(
    kind: str, dtype: torch.dtype
) -> None:
    """Drawn, completed and enlarged, in compiled code and in plain torch, beside images of other labels."""
    model = scales(kind, **COLOUR)
    model.network.to(dtype)
    keep = torch.zeros(4, 6, dtype=torch.bool)
    keep[:2] = True
    each = ["b", "c", "a", "c"]
    known = reference_sample(model, 1, seed=9, label=0)[0]
    small = known[:, ::2, ::2]
    drawn, mixed = (
        sample(model, 4, seed=4, label=each),
        sample(model, 4, seed=4, known=known, keep=keep, label=each),
    )
    large = upsample(model, small, 4, seed=4, label=each)
    for label in range(3):
        true = reference_sample(model, 4, seed=4, label=label)
        kept = reference_sample(model, 4, seed=4, known=known, keep=keep, label=label)
        enlarged = reference_sample(model, 4, seed=4, small=small, label=label)
        for i in (i for i in range(4) if each[i] == "abc"[label]):
            assert torch.equal(drawn[i], true[i])
            assert torch.equal(mixed[i], kept[i])
            assert torch.equal(large[i], enlarged[i])


def test_an_image_without_a_label_has_one_that_suits() -> None:
    """By the prior, also once its small image is drawn; by p(label | small image) where that was given, or by what of
    it comes first."""
    model, images, n = scales(seed=6), all_images(), 2000
    p = joint(model, images)
    small = torch.tensor([[[0, 0]]])
    fits = (images[..., ::2, ::2] == small).all((1, 2, 3))
    first = (images[..., ::2, ::2] == small)[..., 0].all((1, 2))
    everything, first_column = np.ones((2, 4), bool), np.zeros((2, 4), bool)
    first_column[:, :2] = True
    known = np.zeros((1, 2, 4), np.int64)
    asked: dict[str, Any] = {"small": small.numpy(), "label_from": everything}
    shares = p[:, fits].sum(1) / p[:, fits].sum()
    by_pixel = p[:, first].sum(1) / p[:, first].sum()
    assert float((shares - torch.tensor(PRIORS)).abs().max()) > 0.05
    requests: list[tuple[dict[str, Any], torch.Tensor]] = [
        (asked, shares),
        ({"known": known, "keep": first_column, "label_from": first_column}, by_pixel),
        ({"small": small.numpy()}, torch.tensor(PRIORS)),
        ({}, torch.tensor(PRIORS)),
    ]
    for request, expected in requests:
        engine = Engine(model, slots=n)
        labels = torch.tensor(
            [
                engine.label(engine.admit(ImageRequest(5, i, **request)))
                for i in range(n)
            ]
        )
        found, most = chi_square(torch.bincount(labels, minlength=3), n * expected)
        assert found < most, request
    whole = upsample(model, small, 4000, seed=2)
    codes = (whole.view(4000, -1) * 2 ** torch.arange(7, -1, -1)).sum(1)
    found, most = chi_square(
        torch.bincount(codes, minlength=256), 4000 * p.sum(0) * fits / p[:, fits].sum()
    )
    assert found < most


@pytest.mark.parametrize("kind", KINDS)
def test_labels_have_the_right_gradients(kind: str) -> None:
    """The fused pass in single precision has those of the plain one in double; a label that no image has, has none."""
    config = scales(kind, **COLOUR).config
    torch.manual_seed(1)
    network = build_network(config)
    double = build_network(config).double()
    double.load_state_dict(network.state_dict())
    values, labels = torch.randint(0, 4, (5, 3, 4, 6)), torch.tensor([0, 2, 2, 0, 2])
    for each in (network, double):
        each.nats_map(values, each.of_labels(labels)).sum().backward()
    theirs = dict(double.named_parameters())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(
            parameter.grad, theirs[name].grad.float(), rtol=1e-3, atol=1e-3
        )  # type: ignore[union-attr]
    assert isinstance(network, MultiScaleNetwork)
    of_map = network.upsampler.label.weight.grad  # type: ignore[union-attr]
    assert of_map is not None
    assert (of_map[:, 1] == 0).all()
    assert (of_map[:, 0] != 0).any()


def test_what_is_measured_of_a_label() -> None:
    """The map of the likeliest, the belief of both stages, an influence that reaches back into the small image; and no
    label lets the future in."""
    model = scales("row-lstm", **COLOUR)
    image = sample(model, 1, seed=3, label=2)[0]
    score = score_picture(model, image.numpy())
    nats = [-float(log_likelihood(model, image[None], label)) for label in range(3)]
    assert score.label == int(np.argmin(nats))
    for y, x in ((2, 4), (3, 3)):
        for colour, belief in enumerate(
            pixel_belief(model, image.numpy(), y, x, label=score.label)
        ):
            assert belief.bits == pytest.approx(
                float(score.bits[colour, y, x]), abs=1e-4
            )
    assert np.abs(pixel_influence(model, image.numpy(), 1, 1, label=2)[2:]).max() > 0
    assert "causal" in require_causal(model.network)


def test_a_label_that_is_missing_is_asked_for() -> None:
    network = scales().network
    with pytest.raises(ConfigError, match="expected a label"):
        network.nats_map(all_images()[:1])
