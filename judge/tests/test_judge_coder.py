"""The coder: what is encoded is decoded, and costs what its frequencies say."""

import math

import numpy as np
import pytest
from judge.coder import TOTAL, Decoder, Encoder, cumulative_frequencies


@pytest.mark.parametrize("values", [2, 3, 256, 50_257])
@pytest.mark.parametrize("length", [0, 1, 40])
def test_values_are_decoded(values: int, length: int) -> None:
    """The file is at most two bytes longer than the ideal code."""
    rng = np.random.default_rng(values + length)
    coded = rng.integers(values, size=length)
    rows = rng.exponential(3, size=(length, values))
    limits = [cumulative_frequencies(row) for row in rows]
    encoder = Encoder()
    ideal = 0.0
    for row, value in zip(limits, coded, strict=True):
        encoder.encode(row, int(value))
        ideal += math.log2(TOTAL / (row[value + 1] - row[value]))
    data = encoder.finish()
    decoder = Decoder(data)
    assert [decoder.decode(row) for row in limits] == coded.tolist()
    assert ideal <= 8 * len(data) <= ideal + 17


@pytest.mark.parametrize(
    "nats",
    [
        [0.0, 800.0, np.inf],
        [np.nan, 1.0, 1.0],
        [np.inf, np.inf, np.inf],
        [-np.inf, 0.0, 1.0],
        [-800.0, 0.0, 1.0],
    ],
)
def test_every_value_can_be_coded(nats: list[float]) -> None:
    """Frequencies are positive and sum to 2^32, whatever the model answers."""
    limits = cumulative_frequencies(np.array(nats))
    assert limits[0] == 0
    assert limits[-1] == TOTAL
    assert min(np.diff(limits)) >= 1
