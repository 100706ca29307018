"""How much each earlier pixel matters for what is expected of one."""

import math

import numpy as np
import pytest
import torch

from model_core import Model, untrained
from model_core.layers.conditioning import subsample
from model_core.measures.pixel_belief import pixel_belief
from model_core.measures.pixel_influence import pixel_influence
from model_core.models import Member
from model_core.networks import MultiScaleNetwork, PixelNetwork
from tests.model_core.causality import predicted_field

H, W, V = 6, 8, 4
SIZE = {"layers": 2, "hidden": 9, "head": 12, "height": H, "width": W}
SCALES = {"small_layers": 1, "small_hidden": 9, "conditioning": 4, "factor": 2}
KINDS = ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"]
PLACES = [(0, 0), (2, 3), (3, 2), (4, 6), (5, 7)]


def colour(kind: str) -> Model:
    more = SCALES if "multi" in kind else {}
    return untrained(kind, seed=5, channels=3, values=V, **SIZE, **more)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, V, (3, H, W))


def brightness(model: Model, image: torch.Tensor, y: int, x: int) -> torch.Tensor:
    """What is expected at a pixel, by the teacher-forced pass, of real values (B, C, H, W): (B,)."""
    network = model.network
    if isinstance(network, MultiScaleNetwork) and y % 2 == 0 and x % 2 == 0:
        network, image, y, x = network.small, subsample(image, 2), y // 2, x // 2
    shares = torch.softmax(network(image)[..., y, x], 1)  # (B, V, C)
    return (
        (shares * torch.linspace(0, 1, V, dtype=torch.float64)[None, :, None])
        .sum(1)
        .mean(1)
    )


@pytest.mark.parametrize("kind", [*KINDS, "cifar10-multi-scale"])
@pytest.mark.parametrize(("y", "x"), PLACES)
def test_influence_is_how_the_expected_brightness_moves_with_each_pixel(
    picture: np.ndarray, kind: str, y: int, x: int
) -> None:
    """By finite differences, in double precision: one pixel of each image of a batch is made a little brighter."""
    model = colour(kind)
    model.network.double()
    step = 1e-6
    nudges = torch.eye(H * W, dtype=torch.float64).view(H * W, 1, H, W) * step * (V - 1)
    image = torch.from_numpy(picture.astype(np.float64))[None]
    with torch.inference_mode():
        above, below = (
            brightness(model, image + sign * nudges, y, x) for sign in (1, -1)
        )
    moved = ((above - below) / (2 * step)).view(H, W).numpy()
    moved[y, x] = 0  # its own earlier colours are no earlier pixel
    influence = pixel_influence(model, picture, y, x)
    np.testing.assert_allclose(influence, moved, atol=1e-8, rtol=1e-5)
    assert (influence != 0).any() == ((y, x) != (0, 0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("y", "x"), PLACES)
def test_influence_is_exactly_none_outside_of_the_receptive_field(
    picture: np.ndarray, kind: str, y: int, x: int
) -> None:
    """And nowhere else: a window with a corner cut off, a triangle, all that is drawn before."""
    model = colour(kind)
    sees = (
        predicted_field(model.config)[..., y, x].any(-1).any(0).numpy()
    )  # (H, W), of any colour
    sees[y, x] = False
    np.testing.assert_array_equal(pixel_influence(model, picture, y, x) != 0, sees)


@pytest.mark.parametrize("kind", KINDS)
def test_influence_among_categories_is_how_their_chances_move(kind: str) -> None:
    """By finite differences: each pixel in turn is a little more of what it is, and less of an even mixture. Other
    numbers for the same categories change nothing."""
    model = untrained(kind, seed=5, categories=True, channels=1, values=V, **SIZE)
    model.network.double()
    picture, step = np.random.default_rng(1).integers(0, V, (1, H, W)), 1e-6
    (y, x), network = (3, 4), model.network
    assert isinstance(network, PixelNetwork)
    seen = network.encode(torch.from_numpy(picture)[None])
    moves = (torch.eye(H * W).view(H * W, 1, H, W) * (seen - 1 / V)).double() * step

    @torch.inference_mode()
    def chance(seen: torch.Tensor) -> torch.Tensor:
        return network.head(network.trunk(network.input(seen)))[..., y, x].softmax(1)[
            :, int(picture[0, y, x]), 0
        ]

    moved = (
        ((chance(seen + moves) - chance(seen - moves)) / (2 * step)).view(H, W).numpy()
    )
    moved[y, x] = 0
    influence = pixel_influence(model, picture, y, x)
    np.testing.assert_allclose(influence, moved, atol=1e-8, rtol=1e-5)
    sees = predicted_field(model.config)[..., y, x].any(-1).any(0).numpy()
    sees[y, x] = False
    np.testing.assert_array_equal(influence != 0, sees)
    order = np.array([2, 0, 3, 1])
    weight, outputs = network.input.weight.data, network.head.state_dict()
    weight[:, order] = weight.clone()
    for name in ("output.weight", "output.bias"):
        outputs[name][order] = outputs[name].clone()
    np.testing.assert_allclose(
        pixel_influence(model, order[picture], y, x), influence, rtol=1e-9, atol=1e-15
    )


def test_influence_on_a_large_image_comes_from_all_of_its_small_one() -> None:
    """Which is drawn first, so that also pixels below count; the small image itself is drawn like any other."""
    model = colour("cifar10-multi-scale")
    picture = np.random.default_rng(2).integers(0, V, (3, H, W))
    large, small = (
        pixel_influence(model, picture, 1, 1) != 0,
        pixel_influence(model, picture, 2, 2) != 0,
    )
    places = np.add.outer(np.arange(H) * W, np.arange(W))
    on_grid = (places // W % 2 == 0) & (places % W % 2 == 0)
    assert large[on_grid & (places > W + 1)].any()
    assert not large[~on_grid & (places >= W + 1)].any()
    assert not small[~on_grid | (places >= 2 * W + 2)].any()
    assert small.any()


def test_influence_of_a_member_goes_by_its_own_order() -> None:
    """Upside down it sees what lies behind the pixel; the numbers are those of its network on the turned image."""
    alone = untrained("mnist-row-lstm", seed=7, channels=1, values=2, **SIZE)
    turned = Model(
        (Member(alone.network), Member(alone.network, "rotate_180")), alone.card
    )
    picture = np.random.default_rng(3).integers(0, 2, (1, H, W))
    found = pixel_influence(turned, picture, 2, 3, "rotate_180")
    other = pixel_influence(alone, picture[:, ::-1, ::-1], H - 3, W - 4)
    np.testing.assert_array_equal(found, other[::-1, ::-1])
    assert not found.ravel()[: 2 * W + 4].any()
    np.testing.assert_array_equal(
        pixel_influence(turned, picture, 2, 3), pixel_influence(alone, picture, 2, 3)
    )


def test_influence_survives_where_the_network_is_all_but_sure() -> None:
    """The field is as wide there as anywhere: nothing is lost to single precision."""
    model = untrained("mnist-diagonal-bilstm", seed=7, channels=1, values=2, **SIZE)
    picture = np.random.default_rng(3).integers(0, 2, (1, H, W))
    before = pixel_influence(model, picture, 3, 3)
    model.network.head.state_dict()["output.bias"][0] += 100
    (belief,) = pixel_belief(model, picture, 3, 3)
    assert min(belief.probabilities) < 1e-40
    after = pixel_influence(model, picture, 3, 3)
    np.testing.assert_array_equal(after != 0, before != 0)


def test_not_finite_when_the_network_is_broken(picture: np.ndarray) -> None:
    """No influence is made of numbers that are none."""
    model = colour("mnist-pixelcnn")
    for parameter in model.network.parameters():
        parameter.data.fill_(math.nan)
    with pytest.raises(FloatingPointError):
        pixel_influence(model, picture, 2, 3)
