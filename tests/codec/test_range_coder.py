"""The range coder by itself, and beside another one (constriction)."""

import constriction
import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from model_core.codec.lanes import DecodingLane, EncodingLane
from model_core.compiled import LEAN, range_coder
from model_core.compiled.categorical import exponentiate
from model_core.compiled.range_coder import BYTES_A_VALUE, Coder

FROM_PYTHON = LEAN | {"no_cpython_wrapper": False}


@njit(**FROM_PYTHON)
def encode_value(value, weights, total, values, registers, code):  # type: ignore[no-untyped-def]
    """Python cannot call range_coder.encode_value itself."""
    range_coder.encode_value(value, weights, total, values, registers, code)


@njit(**FROM_PYTHON)
def decode_value(weights, total, values, registers, code):  # type: ignore[no-untyped-def]
    """The same of decoding."""
    return range_coder.decode_value(weights, total, values, registers, code)


def weights_of(
    rng: np.random.Generator, count: int, values: int, spread: float
) -> NDArray[np.float32]:
    """(count, V) weights of random logits."""
    rows = []
    for _ in range(count):
        weights = np.zeros(-(-values // 16) * 16, np.float32)
        exponentiate(
            (spread * rng.standard_normal(values)).astype(np.float32),
            values,
            1.0,
            weights,
        )
        rows.append(weights[:values])
    return np.stack(rows)


def drawn(rng: np.random.Generator, weights: NDArray[np.float32]) -> NDArray[np.int64]:
    """A value of each row, as probable as its weight."""
    reached = weights.astype(np.float64).cumsum(1)
    return (reached <= rng.random(len(weights))[:, None] * reached[:, -1:]).sum(1)


def encoded(values: NDArray[np.int64], weights: NDArray[np.float32]) -> bytes:
    lane = EncodingLane()
    for value, row in zip(values, weights, strict=True):
        coder = Coder(lane.before_image().registers, np.zeros(BYTES_A_VALUE, np.uint8))
        encode_value(
            value,
            row,
            row.astype(np.float64).cumsum()[-1],
            len(row),
            coder.registers,
            coder.code,
        )
        lane.after_image(coder)
    return lane.finish()


def decoded(code: bytes, weights: NDArray[np.float32]) -> NDArray[np.int64]:
    lane, values = DecodingLane(code, 1), []
    for row in weights:
        coder = lane.before_image()
        values.append(
            decode_value(
                row,
                row.astype(np.float64).cumsum()[-1],
                len(row),
                coder.registers,
                coder.code,
            )
        )
        lane.after_image(coder)
    return np.array(values)


def constricted(values: NDArray[np.int64], weights: NDArray[np.float32]) -> int:
    """How many bytes constriction's range coder needs for the same."""
    coder = constriction.stream.queue.RangeEncoder()
    family = constriction.stream.model.Categorical(perfect=False)
    probabilities = weights.astype(np.float64) / weights.astype(np.float64).sum(
        1, keepdims=True
    )
    coder.encode(values.astype(np.int32), family, probabilities.astype(np.float32))
    return coder.get_compressed().nbytes


@pytest.mark.parametrize(
    ("values", "spread"), [(2, 1.0), (2, 12.0), (5, 3.0), (256, 2.0)]
)
def test_code_is_as_short_as_another_coders_and_comes_back(
    values: int, spread: float
) -> None:
    """Of values that are drawn from their distributions: no longer than constriction's, and within 4 bytes and a
    2,000th of their -log2 p."""
    rng = np.random.default_rng(values)
    weights = weights_of(rng, 4000, values, spread)
    coded = drawn(rng, weights)
    code = encoded(coded, weights)
    np.testing.assert_array_equal(decoded(code, weights), coded)
    p = weights[np.arange(len(coded)), coded] / weights.astype(np.float64).sum(1)
    ideal = -np.log2(p).sum() / 8
    assert ideal - 1 < len(code) < 4 + ideal * 1.0005
    assert len(code) <= 4 + constricted(coded, weights) * 1.0005


def test_the_unlikeliest_values_come_back() -> None:
    """Each has at least one part in 2^24, whatever its weight: 300 in a row get lost nowhere, and cost 24 bits each."""
    weights = np.zeros((300, 7), np.float32)
    weights[:, 3] = 1
    for values in (np.full(300, 6), np.full(300, 0), np.arange(300) % 7):
        code = encoded(values, weights)
        assert len(code) <= 3 * 300 + 2
        np.testing.assert_array_equal(decoded(code, weights), values)
    certain = np.full(300, 3)
    code = encoded(certain, weights)
    assert len(code) <= 1
    np.testing.assert_array_equal(decoded(code, weights), certain)


def test_narrow_intervals_are_cut_before_a_carry_could_come() -> None:
    """An interval across a boundary of its leading byte narrows down to it: both its neighbours come back."""
    weights = np.ones((64, 2), np.float32)
    for turn in (0, 1):
        values = np.array(
            [1 - turn] + [turn] * 63
        )  # 0.0111... and 0.1000...: as near to a half as can be
        code = encoded(values, weights)
        assert len(code) <= 64 // 8 + 6
        np.testing.assert_array_equal(decoded(code, weights), values)


def test_any_bytes_decode_to_some_values() -> None:
    """Also those that no encoder writes: nothing is raised, and every value is one of the V."""
    rng = np.random.default_rng(1)
    weights = weights_of(rng, 200, 5, 6.0)
    for code in (b"", b"\xff" * 200, rng.bytes(200), rng.bytes(3)):
        values = decoded(code, weights)
        assert ((values >= 0) & (values < 5)).all()
