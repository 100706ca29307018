"""The bytes of a seed are for good: other releases and other processors give the same, as long as the weights do."""

import hashlib
import json
from pathlib import Path

import pytest

from model_core import load_model, sample

PROMISED = json.loads(
    Path(__file__).with_name("promised_bytes.json").read_text(encoding="utf-8")
)
"""Of four images, seed 2016: their values as bytes, the start of the sha256. `make weights` writes the file. The 64 of
docs/img/samples-mnist-diagonal-bilstm.png, which begin with these four, came out the same on an AMD EPYC and on an
Intel Xeon."""


@pytest.mark.parametrize("name", PROMISED)
def test_bytes_are_as_ever_when_a_shipped_model_draws(name: str) -> None:
    """If this fails though the weights are the same, seeds that people kept give other images: tell CHANGELOG.md."""
    drawn = sample(load_model(name), 4, seed=2016).numpy().astype("uint8").tobytes()
    assert hashlib.sha256(drawn).hexdigest().startswith(PROMISED[name])
