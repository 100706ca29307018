"""Bits an image holds: against an entropy that is enumerated, and as a command."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from model_core import sample, untrained
from model_core.errors import DataError
from model_core.measures.entropy import entropies
from model_core.measures.likelihood import log_likelihood
from model_core.models import Model, save_model
from pixelrnn.verbs import root


@pytest.fixture(scope="module")
def source() -> Model:
    """A 3 x 3 binary model with structure."""
    model = untrained(
        "mnist-diagonal-bilstm", seed=3, height=3, width=3, layers=2, hidden=8, head=8
    )
    generator = torch.Generator().manual_seed(5)
    for parameter in model.network.parameters():
        if parameter.dim() == 1:
            parameter.add_(0.6 * torch.randn(parameter.shape, generator=generator))
        else:
            parameter.mul_(2)
    return model


def enumerated_bits(model: Model) -> float:
    """Its entropy, from all 512 images."""
    every = torch.tensor(list(itertools.product((0, 1), repeat=9))).view(-1, 1, 3, 3)
    log_p = log_likelihood(model, every).double()
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)
    return float(-(log_p.exp() * log_p).sum() / math.log(2))


def test_entropy_of_a_models_own_images_is_the_enumerated_one(source: Model) -> None:
    """To 1% by 10,000 images; most of the growing stretches of them have it within their 95% interval."""
    truth = enumerated_bits(source)
    assert truth < 8  # of 9: it has structure
    found = entropies(
        log_likelihood(source, sample(source, 10_000, seed=1)).double().numpy()
    )
    assert [each.images for each in found] == [16 << k for k in range(10)] + [10_000]
    assert found[-1].bits == pytest.approx(truth, rel=0.01)
    assert sum(each.low < truth < each.high for each in found) >= 8


def test_another_models_figure_is_an_upper_bound(source: Model) -> None:
    """A model that knows nothing says the images hold a bit for each pixel, or more."""
    ignorant = untrained(
        "mnist-pixelcnn", height=3, width=3, layers=2, hidden=8, head=8
    )
    bits = entropies(
        log_likelihood(ignorant, sample(source, 2_000, seed=1)).double().numpy()
    )[-1]
    assert bits.low > enumerated_bits(source)


def test_the_command_tells_the_interval(source: Model, tmp_path: Path) -> None:
    """From an array of images."""
    save_model(source, tmp_path / "models" / "source")
    np.savez(
        tmp_path / "images.npz",
        test=sample(source, 300, seed=2)[:, 0].numpy().astype(np.uint8),
    )
    words = [
        "entropy",
        "source",
        "--models-dir",
        tmp_path / "models",
        "--data",
        tmp_path / "images.npz",
    ]
    result = CliRunner().invoke(root, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout.splitlines()[-1])
    assert facts["images"] == 300
    assert facts["low"] < facts["bits"] < facts["high"]
    assert facts["bits_per_dim"] == facts["bits"] / 9
    assert [each["images"] for each in facts["convergence"]] == [
        16,
        32,
        64,
        128,
        256,
        300,
    ]
    assert "an upper bound" in result.output


def test_one_image_has_no_interval() -> None:
    """Said instead of a division by zero."""
    with pytest.raises(DataError, match="at least 2 images"):
        entropies(np.array([-3.0]))
