"""Real worker processes on Multi-Scale models and on pictures that are given: both stages, upsampling, scores."""

import json

import numpy as np
import pytest
import torch

from model_core import load_model, log_likelihood, sample
from model_core.data.pixels import values_to_pixels
from model_core.measures.picture_score import score_picture
from model_core.measures.pixel_influence import pixel_influence
from model_core.models import Model
from tests.worker.harness import Client
from worker.contract import keys
from worker.contract.events import Stage
from worker.contract.jobs import JobSpec
from worker.contract.kinds.complete import CompletionSummary
from worker.contract.kinds.score import ScoreSummary
from worker.contract.maps import unpack_map


@pytest.fixture
def scales(models_dir) -> Model:
    return load_model("tiny-scales", models_dir=models_dir)


def pixels_of(values: torch.Tensor, levels: int) -> np.ndarray:
    """Values (n, C, H, W) as pixels (n, H, W, C)."""
    return values_to_pixels(values.numpy(), levels).transpose(0, 2, 3, 1)


def submit(
    client: Client, kind: str = "sample", *image: bytes, **changes: object
) -> JobSpec:
    return client.submit(*image, kind=kind, model="tiny-scales", **changes)


def test_completion_fills_both_stages_when_the_model_has_two_scales(
    served: Client, scales: Model
) -> None:
    """Given pixels stay, and those that fall on the small image bind it too. Ranked ones have the likelihood of the
    whole image."""
    values = torch.randint(0, 4, (3, 8, 4), generator=torch.Generator().manual_seed(2))
    keep = torch.rand(8, 4, generator=torch.Generator().manual_seed(3)) < 0.5
    image = pixels_of(values[None], 4)
    spec = submit(
        served,
        "complete",
        image.tobytes(),
        keep.numpy().astype(np.uint8).tobytes(),
        n=2,
        rank=True,
    )
    result = served.succeeded(spec).result
    drawn = sample(scales, 2, seed=7, known=values, keep=keep)
    np.testing.assert_array_equal(served.images(spec), pixels_of(drawn, 4))
    assert isinstance(result, CompletionSummary)
    nats = (-log_likelihood(scales, drawn)).tolist()
    assert result.sample_nats == pytest.approx(nats, rel=1e-5)
    kept = keep.numpy()[::2, ::2]
    np.testing.assert_array_equal(
        served.images(spec, Stage.SMALL)[:, kept],
        image[:, ::2, ::2][:, kept].repeat(2, 0),
    )


@pytest.mark.parametrize("name", ["tiny-cnn", "tiny-rgb", "tiny-scales"])
def test_scores_are_the_librarys(served: Client, models_dir, name: str) -> None:
    """Likelihood and map, what was expected of a pixel, and how much each other one mattered, to four digits; the same
    in the terminal event."""
    model = load_model(name, models_dir=models_dir)
    config = model.config
    shape = config.channels, config.height, config.width
    values = torch.randint(0, config.values, shape)
    pixels = pixels_of(values[None], config.values).copy()
    pixels[0, 1, 2, 0] ^= 1  # still nearest to the same value
    asked = {"version": 4, "options": {"x": 2, "y": 3, "influence": True}}
    spec = served.submit(pixels.tobytes(), b"", kind="score", model=name, **asked)
    record = served.succeeded(spec)
    result, expected = record.result, score_picture(model, values.numpy())
    assert record.rows_done == 0
    assert isinstance(result, ScoreSummary)
    assert result.nats == pytest.approx(expected.nats, rel=1e-5)
    assert result.bits_per_dim == pytest.approx(expected.bits_per_dim, rel=1e-5)
    assert result.per_colour_bits == pytest.approx(expected.colour_bits, rel=1e-5)
    assert result.quantised_pixels == 1
    assert result.uniform_bits == expected.uniform_bits
    stored = served.redis.hgetall(keys.image(spec.id))
    bits = unpack_map(stored[b"bits"], config.height, config.width, config.channels)
    np.testing.assert_allclose(bits, expected.bits.transpose(1, 2, 0), rtol=1e-4)
    assert len(stored[b"heat"]) == config.height * config.width * 3

    assert result.pixel is not None
    assert (result.pixel.x, result.pixel.y) == (2, 3)
    colours = result.pixel.colours
    assert [colour.value for colour in colours] == values[:, 3, 2].tolist()
    sums = [sum(colour.probabilities) for colour in colours]
    assert sums == pytest.approx([1.0] * config.channels)
    assert [colour.bits for colour in colours] == pytest.approx(bits[3][2], abs=1e-4)
    slopes = pixel_influence(model, values.numpy(), 3, 2)
    assert slopes.any()
    found = np.array(result.pixel.influence)
    np.testing.assert_allclose(found, slopes, rtol=2e-3, atol=1e-9)
    assert ((found != 0) == (slopes != 0)).all()

    ((_, event),) = served.redis.xrange(keys.events(spec.id))
    said = result.model_dump(mode="json", exclude_none=True)
    assert json.loads(event[b"data"]) == said
    assert 0 < served.redis.ttl(keys.image(spec.id)) <= keys.RESULT_TTL_S
    served.wait_idle()
