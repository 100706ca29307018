"""What a verdict says: places, numbers, checks that were not made, errors."""

import json
import math

import numpy as np
import pytest

from judge import CannotJudgeError, judge, pixel_order

SHAPE = (1, 4, 5)
VALUES = 3


def uniform(x: np.ndarray) -> np.ndarray:
    """A sound model."""
    return np.full(x.shape, math.log(VALUES))


def sees_right_neighbour(x: np.ndarray) -> np.ndarray:
    """A mixture of two values whose weight depends on pixel (2, 4), read at (2, 3)."""
    nats = uniform(x).copy()
    chance = np.where(x[:, 0, 2, 4] == 0, 0.5, 0.25)
    other = np.where(x[:, 0, 2, 3] == 0, chance, (1 - chance) / 2)
    nats[:, 0, 2, 3] = -np.log(other)
    return nats


def images(count: int = 20) -> np.ndarray:
    """Return random images."""
    return np.random.default_rng(5).integers(VALUES, size=(count, *SHAPE))


def test_a_leak_is_located() -> None:
    """The finding names the reader and the later variable that it reads."""
    verdict = judge(sees_right_neighbour, SHAPE, VALUES)
    finding = verdict.found_by("causality")[0]
    assert finding.place == (0, 2, 3)
    assert finding.cause == (0, 2, 4)
    assert "pixel (2, 3) changes with pixel (2, 4)" in finding.text


def test_a_leak_is_none_in_another_order() -> None:
    """Column by column from the right, the neighbour comes first."""
    places = np.arange(20).reshape(4, 5)
    order = places[:, ::-1].T.reshape(-1)
    assert judge(sees_right_neighbour, SHAPE, VALUES, order=order).sound


def test_colours_are_named_in_findings() -> None:
    """Red that depends on green of the same pixel is found with its colours."""

    def red_sees_green(x: np.ndarray) -> np.ndarray:
        nats = np.full(x.shape, math.log(2))
        nats[:, 0] = np.where(x[:, 0] == x[:, 1], math.log(4), math.log(4 / 3))
        return nats

    shape = (3, 2, 3)
    verdict = judge(red_sees_green, shape, 2, order=pixel_order(shape))
    text = verdict.found_by("causality")[0].text
    assert "colour 0 of pixel (0, 0) changes with colour 1 of pixel (0, 0)" in text


def test_one_wrong_place_of_many_is_found_by_its_sum() -> None:
    """The sum at the wrong place is reported with the place."""

    def too_likely(x: np.ndarray) -> np.ndarray:
        nats = uniform(x).copy()
        nats[:, 0, 1, 1] = math.log(2)
        return nats

    verdict = judge(too_likely, SHAPE, VALUES)
    assert [each.place for each in verdict.findings] == [(0, 1, 1)]
    assert verdict.worst_sum == pytest.approx(1.5)


def test_measurement_and_standard_error() -> None:
    """Bits per dimension are those of the data, with the error of their mean."""
    data = images()
    weights = np.array([0.5, 0.25, 0.25])
    bits = -np.log2(weights)[data].reshape(len(data), -1).mean(axis=1)
    verdict = judge(lambda x: -np.log(weights[x]), SHAPE, VALUES, data, bits.mean())
    assert verdict.sound
    assert verdict.bits_per_dim == pytest.approx(bits.mean())
    assert verdict.bits_error == pytest.approx(bits.std(ddof=1) / math.sqrt(len(data)))


def test_file_is_as_large_as_promised() -> None:
    """A sound model's file is whole, and at most some bytes larger than its nats."""
    verdict = judge(uniform, SHAPE, VALUES, images())
    assert verdict.file_variables == 40
    promised = 40 * math.log2(VALUES) / 8
    assert promised <= verdict.file_bytes <= promised + 3


def test_file_alone_finds_a_likelihood_that_is_too_good_on_the_data() -> None:
    """A model that knows one test image by heart needs more bits to write it."""
    data = images(1)

    def remembers(x: np.ndarray) -> np.ndarray:
        nats = uniform(x).copy()
        nats[(x == data).all(axis=(1, 2, 3))] = 0.01
        return nats

    verdict = judge(remembers, SHAPE, VALUES, data)
    assert "the file is larger" in verdict.found_by("file")[0].text


def test_json_holds_the_findings_and_is_valid() -> None:
    """NaN and infinities do not appear as such."""
    verdict = judge(lambda x: np.full(x.shape, np.inf), SHAPE, VALUES, images())
    text = json.dumps(verdict.as_json(), allow_nan=False)
    found = json.loads(text)
    assert found["sound"] is False
    assert found["findings"][0]["check"] == "sums"
    assert found["bits_per_dim"] == "inf"


def test_many_values_are_sampled_and_the_verdict_says_so() -> None:
    """Without a table, sums over 5,000 values are bounded and no file is written."""
    verdict = judge(lambda x: np.full(x.shape, math.log(5000)), (6,), 5000)
    assert verdict.sound
    assert any("too many to ask" in reason for reason in verdict.not_made)
    assert any("a file" in reason for reason in verdict.not_made)


def test_a_sampled_sum_above_1_is_found() -> None:
    """Half a percent added to each of 5,000 values is far above 1."""

    def plus_epsilon(x: np.ndarray) -> np.ndarray:
        return np.full(x.shape, -math.log(1 / 5000 + 0.005))

    verdict = judge(plus_epsilon, (6,), 5000)
    assert "at least" in verdict.found_by("sums")[0].text


class Table:
    """A model of 2,000 values that gives its table of -ln p.

    Args:
        own: weight by which a row depends on its own value.
    """

    def __init__(self, own: float) -> None:
        rng = np.random.default_rng(3)
        self._matrix = rng.normal(size=(2000, 2000)).astype(np.float32)
        self._own = own

    def table(self, x: np.ndarray) -> np.ndarray:
        """Return -ln p of every value, `(N, T, V)`."""
        before = np.concatenate([np.zeros_like(x[:, :1]), x[:, :-1]], axis=1)
        logits = self._matrix[before] + self._own * self._matrix[x]
        return np.log(np.exp(logits).sum(axis=2, keepdims=True)) - logits

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return -ln p of the values x."""
        return np.take_along_axis(self.table(x), x[..., None], axis=2)[..., 0]


@pytest.mark.parametrize(("own", "is_sound"), [(0.0, True), (0.1, False)])
def test_a_table_of_many_values_is_read(own: float, is_sound: bool) -> None:
    """A row that depends on its own value is found, though each row sums to 1."""
    verdict = judge(Table(own), (8,), 2000)
    assert verdict.sound is is_sound
    assert verdict.worst_sum == pytest.approx(1, abs=1e-4)
    assert verdict.file_variables == 16


@pytest.mark.parametrize(
    ("nats", "message"),
    [
        (lambda x: [0.5] * len(x), "returned list"),
        (lambda x: np.zeros(len(x)), "shape"),
        (lambda x: np.zeros(x.shape, np.float16), "float16"),
        (lambda x: np.zeros(x.shape, int), "int64"),
        (lambda x: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_cannot_be_judged_is_an_error(nats: object, message: str) -> None:
    """The error names what came and what was expected."""
    with pytest.raises(CannotJudgeError, match=message):
        judge(nats, SHAPE, VALUES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": 1}, "values"),
        ({"shape": ()}, "shape"),
        ({"claim": 1.0}, "needs the data"),
        ({"claim": -1.0, "data": images()}, "claim"),
        ({"order": np.zeros(20, int)}, "order"),
        ({"order": np.arange(20.0)}, "order holds float64"),
        ({"data": images()[:, 0]}, "shape"),
        ({"data": images() + 1}, "0 to 2"),
        ({"data": images() * 1.0}, "integers"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict, message: str) -> None:
    """Each message names the argument."""
    given = {"shape": SHAPE, "values": VALUES} | arguments
    with pytest.raises(ValueError, match=message):
        judge(uniform, **given)


def test_the_model_cannot_change_our_images() -> None:
    """A function that overwrites its input is judged as if it did not."""

    def overwriting(x: np.ndarray) -> np.ndarray:
        nats = uniform(x)
        x[:] = 0
        return nats

    assert judge(overwriting, SHAPE, VALUES, images()).sound


def test_one_variable_is_enough() -> None:
    """An image of one variable has sums and a file, and no cut."""
    verdict = judge(uniform, (1,), VALUES)
    assert verdict.sound
    assert "causality" not in verdict.checks
