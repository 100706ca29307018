"""What the engine in JavaScript completes, held against what Python does."""

from typing import Any

import numpy as np

from model_core.posterior.completion import Completion


def assert_same(found: dict[str, Any], expected: Completion) -> None:
    """Bit for bit: pixels, the receipt, and what is expected of each pixel."""
    values = [image["values"] for image in found["images"]]
    assert np.array_equal(np.array(values).ravel(), expected.values.numpy().ravel())
    receipt = expected.receipt.to_dict()
    assert found["receipt"] == receipt | {
        name: list(receipt[name]) for name in ("nats", "qualities")
    }
    for name, map_ in (("mean", expected.mean), ("entropyBits", expected.entropy_bits)):
        assert map_ is not None
        assert np.array_equal(np.array(found[name]), map_.numpy().ravel()), name
