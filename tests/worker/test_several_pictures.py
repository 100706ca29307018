"""Several pictures in one job, in a real worker process: each is what it would be alone."""

import numpy as np
import pytest

from tests.worker.harness import Client
from worker.contract.several import SeveralSummary

SIZE = 6, 5
PICTURES = [
    (255 * np.random.default_rng(i).integers(0, 2, SIZE)).astype(np.uint8).tobytes()
    for i in range(3)
]
LOWER = np.repeat(np.array([1, 1, 1, 0, 0, 0], np.uint8), 5).tobytes()
MIDDLE = np.repeat(np.array([1, 1, 0, 1, 1, 1], np.uint8), 5).tobytes()
KEEPS = [LOWER, MIDDLE, LOWER]


@pytest.mark.parametrize("method", ["clamp", "posterior"])
def test_completions_are_those_of_each_alone(served: Client, method: str) -> None:
    """Draw j of picture i is the sample first + i * n + j; exact ones and those by particles are in one job, with a
    receipt and maps of each."""
    options = (
        {"method": method, "sweeps": 1} if method == "posterior" else {"method": method}
    )
    common = {"kind": "complete", "seed": 5}
    job = served.submit(
        b"".join(PICTURES),
        b"".join(KEEPS),
        n=6,
        options={**options, "first": 7, "pictures": 3},
        **common,
    )
    record = served.succeeded(job)
    assert isinstance(record.result, SeveralSummary)
    images = served.images(job)
    for i, (picture, keep) in enumerate(zip(PICTURES, KEEPS, strict=True)):
        alone = served.submit(
            picture, keep, n=2, options={**options, "first": 7 + 2 * i}, **common
        )
        result = served.wait_end(alone.id).result
        np.testing.assert_array_equal(images[2 * i : 2 * i + 2], served.images(alone))
        assert record.result.pictures[i] == (
            result or type(record.result.pictures[i])()
        )
