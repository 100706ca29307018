"""The fast sampler against the slow truth, and the promise that bytes depend on nothing but the request."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_core import log_likelihood, sample, untrained
from model_core.distribution import Categorical
from model_core.errors import DataError
from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.sampling import offline
from model_core.sampling.engine import Engine
from model_core.sampling.noise import WORDS, image_noise
from tests.model_core.lively import roughen
from tests.model_core.reference import reference_sample

PRESETS = ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"]
COLOURS = [(1, 2), (3, 4)]


def small(preset: str, channels: int, values: int, **switches: bool) -> Model:
    """Double precision, so that no draw hangs on a rounding; biases random, so that images have structure."""
    size = {"layers": 2, "hidden": 7, "head": 9, "height": 6, "width": 5}
    model = untrained(
        preset, seed=3, channels=channels, values=values, **size, **switches
    )
    model.network.double()
    roughen(model)
    return model


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("channels", "values"), COLOURS)
@pytest.mark.parametrize(
    "switches", [{}, {"residual": False}, {"skip": False}], ids=str
)
def test_cached_sampling_equals_the_reference(
    preset: str, channels: int, values: int, switches: dict[str, bool]
) -> None:
    """One network evaluation an image gives the bytes that one evaluation a variable gives."""
    model = small(preset, channels, values, **switches)
    truth = reference_sample(model, 3, seed=11)
    assert torch.equal(sample(model, 3, seed=11), truth)
    assert len(truth.unique()) == values


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("channels", "values"), COLOURS)
def test_completion_equals_the_reference_and_keeps_what_is_given(
    preset: str, channels: int, values: int
) -> None:
    """Given pixels anywhere in the image, at a temperature: the rest is drawn as the reference draws it."""
    model = small(preset, channels, values)
    generator = torch.Generator().manual_seed(4)
    known = torch.randint(0, values, (channels, 6, 5), generator=generator)
    keep = torch.rand(6, 5, generator=generator) < 0.5
    drawn = sample(model, 2, 4, temperature=0.7, known=known, keep=keep)
    assert torch.equal(drawn, reference_sample(model, 2, 4, 0.7, known, keep))
    assert torch.equal(drawn[:, :, keep], known[:, keep].expand(2, -1, -1))


@pytest.mark.parametrize("preset", PRESETS)
def test_bytes_are_the_same_alone_and_in_any_company(preset: str) -> None:
    """In float32 as served: alone, among many, joined late beside images that leave, in whatever slot."""
    model = untrained(preset, seed=6, layers=3, hidden=16, height=9, width=8)
    alone = {i: sample_one(model, seed=21, i=i) for i in range(5)}
    together = sample(model, 5, seed=21)
    for i, image in alone.items():
        assert torch.equal(together[i], image)
    engine = Engine(model, slots=3)
    other = engine.admit(ImageRequest(seed=99, sample=0))
    for _ in range(2):
        engine.step()
    late = engine.admit(ImageRequest(seed=21, sample=3))
    engine.withdraw(other)
    engine.admit(ImageRequest(seed=98, sample=0, temperature=2.0))
    rows = []
    while len(rows) < 9:
        rows += [row for row in engine.step() if row.ticket == late]
    assert torch.equal(
        torch.from_numpy(np.stack([row.values for row in rows], 1).astype(np.int64)),
        alone[3],
    )


def sample_one(model: Model, seed: int, i: int) -> torch.Tensor:
    engine = Engine(model, slots=1)
    engine.admit(ImageRequest(seed, i))
    rows = []
    while engine.busy:
        rows += engine.step()
    return torch.from_numpy(np.stack([row.values for row in rows], 1).astype(np.int64))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_resumed_image_goes_on_with_the_same_bytes(preset: str) -> None:
    """Rows already drawn, taken as given pixels, leave the rest as it would have been (float32, as served)."""
    model = untrained(preset, seed=6, layers=3, hidden=16, height=9, width=8)
    whole = sample(model, 2, seed=5)
    for done in (1, 4, 8):
        keep = torch.zeros(2, 9, 8, dtype=torch.bool)
        keep[:, :done] = True
        assert torch.equal(sample(model, 2, seed=5, known=whole, keep=keep), whole)


def test_rows_are_announced_once_and_in_order() -> None:
    """on_row sees every row of every image, top to bottom, with the values of the result."""
    model = small("mnist-pixelcnn", 3, 4)
    rows: dict[int, list[torch.Tensor]] = {0: [], 1: []}

    def take(i: int, y: int, values: torch.Tensor) -> None:
        assert y == len(rows[i])
        rows[i].append(values)

    images = sample(model, 2, seed=1, on_row=take)
    for i, drawn in rows.items():
        assert torch.equal(torch.stack(drawn, 1), images[i])


def test_more_images_than_slots_are_all_drawn() -> None:
    """Seats are filled again as they become free, and each image is still its own."""
    model = untrained("mnist-pixelcnn", layers=1, hidden=2, head=2, height=3, width=3)
    many = sample(model, 70, seed=2)
    assert torch.equal(many[:3], sample(model, 3, seed=2))
    assert len(many) == 70


def test_known_without_keep_or_of_another_shape_is_refused() -> None:
    """Bad input is a DataError that says what was expected."""
    model = small("mnist-pixelcnn", 1, 2)
    with pytest.raises(DataError, match="go together"):
        sample(model, 1, 0, known=torch.zeros(1, 6, 5))
    with pytest.raises(DataError, match=r"must be \(1, 6, 5\)"):
        sample(
            model,
            1,
            0,
            known=torch.zeros(1, 4, 4),
            keep=torch.zeros(4, 4, dtype=torch.bool),
        )


def row_noise(
    seed: int, sample: int, y: int, width: int, of_small: bool = False
) -> NDArray[np.float64]:
    """The noise of one row by NumPy, which defines it: (W, 4), a column for each colour, the fourth spare."""
    counter = np.array([0, y, int(of_small), 0], np.uint64)
    generator = np.random.Philox(
        key=np.array([seed, sample], np.uint64), counter=counter
    )
    words = np.asarray(generator.random_raw(width * WORDS)).reshape(width, WORDS)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def test_noise_is_a_function_of_seed_sample_row_column_and_colour() -> None:
    """Pinned numbers: a change here would change every picture ever drawn. The width of the image plays no part."""
    assert row_noise(7, 0, 0, 2)[0, :3].tolist() == [
        0.8720734548204873,
        0.29536538151378355,
        0.4200976785072422,
    ]
    for seed, i, of_small in ((7, 3, False), (2**53 - 1, 63, True), (0, 0, True)):
        rows = [row_noise(seed, i, y, 9, of_small)[:, :3] for y in range(4)]
        assert np.array_equal(image_noise(seed, i, 4, 9, 3, of_small), rows)
    assert np.array_equal(image_noise(7, 3, 4, 9, 3)[:, :5], image_noise(7, 3, 4, 5, 3))
    assert np.array_equal(
        image_noise(7, 3, 4, 9, 3)[..., :1], image_noise(7, 3, 4, 9, 1)
    )
    different = {
        row_noise(s, i, y, 1)[0, 0]
        for s in (0, 1, 2**53 - 1)
        for i in (0, 1)
        for y in (0, 1)
    }
    assert len(different) == 12
    noise = image_noise(1, 0, 200, 200, 3)
    assert noise.min() >= 0
    assert noise.max() < 1
    assert abs(noise.mean() - 0.5) < 0.005


def test_draw_follows_the_distribution() -> None:
    """Counts of 40,000 draws match the softmax (chi-square with 3 degrees of freedom, p > 0.001)."""
    logits = torch.tensor([[0.0, 1.0, -1.0, 0.5]]).expand(40_000, -1)
    noise = torch.from_numpy(image_noise(3, 0, 200, 200, 1)).flatten()
    counts = torch.bincount(
        Categorical(4).draw(logits, noise, torch.full((40_000,), 2.0).double()),
        minlength=4,
    ).double()
    expected = 40_000 * (logits[0].double() / 2).softmax(0)
    assert float(((counts - expected) ** 2 / expected).sum()) < 16.27


def test_draw_takes_the_ends_of_the_noise() -> None:
    """Noise 0 gives the first value that has weight, noise just under 1 the last."""
    logits = torch.tensor([[-1e9, 0.0, 0.0], [0.0, 0.0, -1e9]])
    warmth = torch.ones(2, dtype=torch.float64)
    draw = Categorical(3).draw
    assert draw(logits, torch.zeros(2).double(), warmth).tolist() == [1, 0]
    assert draw(
        logits, torch.full((2,), 1 - 2.0**-53, dtype=torch.float64), warmth
    ).tolist() == [2, 1]


def test_logits_that_are_not_finite_end_in_an_error() -> None:
    """A broken network never draws garbage."""
    model = small("mnist-pixelcnn", 1, 2)
    model.network.head.output.bias[0] = float("nan")
    with pytest.raises(FloatingPointError, match="not finite"):
        sample(model, 1, 0)


def test_uniform_logits_cost_log2_v_bits() -> None:
    """A network that knows nothing spends exactly log2 V bits on every variable."""
    model = untrained(
        "mnist-pixelcnn",
        layers=1,
        hidden=3,
        head=3,
        height=4,
        width=5,
        channels=3,
        values=256,
    )
    model.network.head.output.weight.zero_()
    images = torch.randint(0, 256, (2, 3, 4, 5))
    bits = -log_likelihood(model, images) / torch.log(torch.tensor(2.0)) / 60
    torch.testing.assert_close(bits, torch.full((2,), 8.0))


def test_a_lone_image_is_drawn_by_an_engine_that_is_kept_as_long_as_the_weights_are() -> (
    None
):
    """The bytes are those of any engine, also after a callback gave up half-way and after the weights were changed."""
    model = untrained(
        "mnist-pixelcnn", seed=3, layers=2, hidden=16, head=16, height=6, width=5
    )

    def apart() -> torch.Tensor:
        return sample(replace(model), 2, seed=9)[:1]

    def give_up(_i: int, y: int, _row: torch.Tensor) -> None:
        if y == 2:
            raise KeyboardInterrupt

    first = sample(model, 1, seed=9)
    kept = offline._kept[model][1]
    assert torch.equal(sample(model, 1, seed=9), first)
    assert torch.equal(first, apart())
    assert offline._kept[model][1] is kept
    with pytest.raises(KeyboardInterrupt):
        sample(model, 1, seed=9, on_row=give_up)
    assert torch.equal(sample(model, 1, seed=9), first)
    for parameter in model.network.parameters():
        parameter.add_(0.5)
    assert torch.equal(sample(model, 1, seed=9), apart())
    assert not torch.equal(sample(model, 1, seed=9), first)
