"""Real worker processes on Multi-Scale models and on pictures that are given: both stages, upsampling, scores."""

import json

import numpy as np
import pytest
import torch

from model_core import load_model, log_likelihood, sample, upsample
from model_core.data.pixels import values_to_pixels
from model_core.measures.pixel_influence import pixel_influence
from model_core.models import Model
from tests.worker.harness import Client, StartWorker, wait_for
from worker.contract import keys
from worker.contract.events import Stage
from worker.contract.jobs import JobSpec, JobStatus
from worker.contract.kinds.score import ScoreSummary
from worker.contract.maps import unpack_map

SLOW = 0.6


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


def test_both_stages_are_published_when_the_model_has_two_scales(
    served: Client, scales: Model
) -> None:
    """All rows of the small image, then all of the final one; the bytes are those drawn without a worker."""
    spec = submit(served, n=3)
    record = served.wait_end(spec.id)
    assert (record.status, record.rows_done) == (JobStatus.SUCCEEDED, 3 * (4 + 8))
    first = [row.stage for row in served.rows(spec.id) if row.sample == 0]
    assert first == [Stage.SMALL] * 4 + [Stage.FINAL] * 8
    assert served.images(spec, Stage.SMALL).shape == (3, 4, 2, 3)
    np.testing.assert_array_equal(
        served.images(spec), pixels_of(sample(scales, 3, seed=7), 4)
    )
    served.wait_idle()


@pytest.mark.parametrize("rows", [3, 14])
def test_two_scales_go_on_when_the_worker_is_killed(
    client: Client, start_worker: StartWorker, scales: Model, rows: int
) -> None:
    """In the first stage and in the second: every row once, and the bytes of an undisturbed run."""
    doomed = start_worker(step_delay_s=SLOW)
    spec = submit(client, n=2, seed=9)
    client.wait_rows(spec.id, rows)
    doomed.kill()
    before = client.rows(spec.id)
    assert len(before) < spec.rows_total
    assert any(row.stage is Stage.FINAL for row in before) == (rows > 8)
    start_worker()
    client.succeeded(spec)
    assert client.attempts(spec.id) == 2
    assert client.rows(spec.id)[: len(before)] == before
    assert client.images(spec, Stage.SMALL).shape == (2, 4, 2, 3)
    np.testing.assert_array_equal(
        client.images(spec), pixels_of(sample(scales, 2, seed=9), 4)
    )


def test_upsampling_begins_from_the_given_image_when_asked(
    client: Client, start_worker: StartWorker, scales: Model
) -> None:
    """Rows of the final image only, also after the worker was killed in the middle."""
    small = torch.randint(0, 4, (3, 4, 2), generator=torch.Generator().manual_seed(1))
    doomed = start_worker(step_delay_s=SLOW)
    spec = submit(
        client, "upsample", pixels_of(small[None], 4).tobytes(), b"", n=2, seed=5
    )
    client.wait_rows(spec.id, 3)
    doomed.kill()
    start_worker()
    record = client.wait_end(spec.id)
    assert (record.status, record.rows_done) == (JobStatus.SUCCEEDED, 2 * 8)
    np.testing.assert_array_equal(
        client.images(spec), pixels_of(upsample(scales, small, 2, seed=5), 4)
    )


def test_completion_fills_both_stages_when_the_model_has_two_scales(
    served: Client, scales: Model
) -> None:
    """Given pixels stay, and those that fall on the small image bind it too."""
    values = torch.randint(0, 4, (3, 8, 4), generator=torch.Generator().manual_seed(2))
    keep = torch.rand(8, 4, generator=torch.Generator().manual_seed(3)) < 0.5
    image = pixels_of(values[None], 4)
    spec = submit(
        served,
        "complete",
        image.tobytes(),
        keep.numpy().astype(np.uint8).tobytes(),
        n=2,
    )
    served.succeeded(spec)
    drawn = sample(scales, 2, seed=7, known=values, keep=keep)
    np.testing.assert_array_equal(served.images(spec), pixels_of(drawn, 4))
    kept = keep.numpy()[::2, ::2]
    np.testing.assert_array_equal(
        served.images(spec, Stage.SMALL)[:, kept],
        image[:, ::2, ::2][:, kept].repeat(2, 0),
    )


@pytest.mark.parametrize("name", ["tiny-cnn", "tiny-rgb", "tiny-scales"])
def test_score_is_the_likelihood_when_a_picture_is_given(
    served: Client, models_dir, name: str
) -> None:
    """The numbers of the teacher-forced pass, a map that sums to them, and the same in the terminal event."""
    model = load_model(name, models_dir=models_dir)
    config = model.config
    values = torch.randint(
        0, config.values, (config.channels, config.height, config.width)
    )
    pixels = pixels_of(values[None], config.values).copy()
    pixels[0, 1, 2, 0] ^= 1  # still nearest to the same value
    spec = served.submit(pixels.tobytes(), b"", kind="score", model=name)
    record = served.wait_end(spec.id)
    assert (record.status, record.rows_done) == (JobStatus.SUCCEEDED, 0)
    result = record.result
    assert result is not None
    nats = -float(log_likelihood(model, values[None])[0])
    assert result.nats == pytest.approx(nats, rel=1e-5)
    assert result.bits_per_dim == pytest.approx(
        nats / np.log(2) / config.dimensions, rel=1e-5
    )
    assert np.mean(result.per_colour_bits) == pytest.approx(result.bits_per_dim)
    assert (result.quantised_pixels, result.uniform_bits) == (
        1,
        config.channels * np.log2(config.values),
    )
    stored = served.redis.hgetall(keys.image(spec.id))
    bits = np.array(
        unpack_map(stored[b"bits"], config.height, config.width, config.channels)
    )
    np.testing.assert_allclose(bits.sum(), result.nats / np.log(2), rtol=1e-5)
    np.testing.assert_allclose(bits.mean((0, 1)), result.per_colour_bits, rtol=1e-5)
    assert len(stored[b"heat"]) == config.height * config.width * 3
    ((_, event),) = served.redis.xrange(keys.events(spec.id))
    assert json.loads(event[b"data"]) == result.model_dump(
        mode="json", exclude_none=True
    )
    assert 0 < served.redis.ttl(keys.image(spec.id)) <= keys.RESULT_TTL_S
    served.wait_idle()


@pytest.mark.parametrize("name", ["tiny-rgb", "tiny-scales"])
def test_score_says_what_was_expected_when_a_pixel_is_asked_about(
    served: Client, models_dir, name: str
) -> None:
    """Each colour's distribution; its true value costs what the map says there."""
    config = load_model(name, models_dir=models_dir).config
    values = torch.randint(
        0, config.values, (config.channels, config.height, config.width)
    )
    pixels = pixels_of(values[None], config.values).tobytes()
    spec = served.submit(
        pixels, b"", kind="score", model=name, options={"x": 2, "y": 1}
    )
    result = served.wait_end(spec.id).result
    assert isinstance(result, ScoreSummary)
    assert result.pixel is not None
    assert (result.pixel.x, result.pixel.y) == (2, 1)
    colours = result.pixel.colours
    assert [colour.value for colour in colours] == values[:, 1, 2].tolist()
    assert [sum(colour.probabilities) for colour in colours] == pytest.approx(
        [1.0] * config.channels
    )
    stored = served.redis.hget(keys.image(spec.id), "bits")
    bits = unpack_map(stored, config.height, config.width, config.channels)
    assert [colour.bits for colour in colours] == pytest.approx(bits[1][2], abs=1e-4)
    served.wait_idle()


@pytest.mark.parametrize("name", ["tiny-cnn", "tiny-scales"])
def test_score_says_how_much_each_pixel_mattered_when_asked(
    served: Client, models_dir, name: str
) -> None:
    """The numbers of model_core, from the process that draws, to four digits."""
    model = load_model(name, models_dir=models_dir)
    config = model.config
    values = torch.randint(
        0, config.values, (config.channels, config.height, config.width)
    )
    pixels = pixels_of(values[None], config.values).tobytes()
    spec = served.submit(
        pixels,
        b"",
        kind="score",
        model=name,
        version=4,
        options={"x": 2, "y": 3, "influence": True},
    )
    result = served.wait_end(spec.id).result
    assert isinstance(result, ScoreSummary)
    assert result.pixel is not None
    assert result.pixel.influence is not None
    slopes = pixel_influence(model, values.numpy(), 3, 2)
    assert slopes.any()
    np.testing.assert_allclose(result.pixel.influence, slopes, rtol=2e-3, atol=1e-9)
    assert ((np.array(result.pixel.influence) != 0) == (slopes != 0)).all()
    served.wait_idle()


def test_score_is_made_by_the_next_worker_when_the_first_is_killed(
    client: Client, start_worker: StartWorker
) -> None:
    """It has no rows to go on from: it is made again."""
    doomed = start_worker(step_delay_s=3)
    spec = client.submit(bytes(30), b"", kind="score")
    wait_for(lambda: client.attempts(spec.id) == 1, "the claim")
    doomed.kill()
    start_worker()
    assert client.wait_end(spec.id).result is not None
    client.wait_idle()


def test_waiting_score_ends_as_canceled_when_asked(
    client: Client, start_worker: StartWorker
) -> None:
    """It leaves no result."""
    start_worker(step_delay_s=3)
    specs = [client.submit(bytes(30), b"", kind="score") for _ in range(2)]
    wait_for(lambda: client.attempts(specs[1].id) == 1, "the claim")
    assert client.cancel(specs[1].id) == "canceling"
    record = client.wait_end(specs[1].id)
    assert (record.status, record.result) == (JobStatus.CANCELED, None)
    client.succeeded(specs[0])
    client.wait_idle()


def test_job_fails_clearly_when_its_picture_or_model_does_not_fit(
    served: Client,
) -> None:
    """No picture, one of another size, upsampling with one scale, another first size."""
    specs = [
        served.submit(kind="score"),
        served.submit(bytes(7), b"", kind="score"),
        served.submit(bytes(30), b"", kind="upsample"),
        served.submit(bytes(30), b"", kind="score", options={"x": 5, "y": 0}),
        submit(served, "upsample", bytes(8 * 4 * 3), b""),
        submit(served, small_height=2),
    ]
    for spec in specs:
        error = served.failed(spec)
        assert error.type == "malformed-spec"
    served.wait_idle()
