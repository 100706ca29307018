"""`pixelrnn sample --size`, `verify` of what it wrote, and `score --fit field`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from typer.testing import Result

from model_core import load_model, log_likelihood, sample
from model_core.data.pixels import values_to_pixels
from model_core.errors import DataError
from tests.client.by_command import run


def facts_of(result: Result) -> dict[str, object]:
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def drawn(models_dir: Path, tmp_path: Path) -> Path:
    """Two fields of 9 x 11."""
    out = tmp_path / "fields.png"
    facts_of(
        run(
            "sample",
            models_dir / "tiny-rgb",
            "--n",
            2,
            "--seed",
            3,
            "--size",
            "9x11",
            "--out",
            out,
            "--json",
        )
    )
    return out


def test_sample_writes_fields_that_verify(models_dir: Path, drawn: Path) -> None:
    """What sample() draws; a changed pixel is named."""
    fields = values_to_pixels(
        sample(load_model(models_dir / "tiny-rgb"), 2, 3, size=(9, 11)).numpy(), 4
    )
    with Image.open(drawn) as opened:
        picture, text = np.asarray(opened).copy(), opened.info
    np.testing.assert_array_equal(picture[:, 10:], fields[1].transpose(1, 2, 0))
    assert text["size"] == "9x11"
    assert (
        facts_of(run("verify", drawn, "--models-dir", models_dir, "--json"))["verified"]
        is True
    )
    with Image.open(drawn) as opened:
        opened.putpixel((12, 8), tuple(255 - picture[8, 12]))
        opened.save(drawn, pnginfo=_text(text))
    assert facts_of(run("verify", drawn, "--models-dir", models_dir, "--json"))[
        "changed"
    ] == [{"sample": 1, "x": 2, "y": 8}]


def _text(info: Mapping[Any, str]) -> PngInfo:
    chunks = PngInfo()
    for key, value in info.items():
        chunks.add_text(key, value)
    return chunks


def test_score_takes_a_larger_picture_when_asked(
    models_dir: Path, tmp_path: Path
) -> None:
    """Nats and a map of its size, no p-value; no pixel of it is asked about, and a smaller one is refused."""
    model = load_model(models_dir / "tiny-rgb")
    values = torch.randint(
        0, 4, (1, 3, 11, 9), generator=torch.Generator().manual_seed(1)
    )
    image, heat = tmp_path / "image.png", tmp_path / "heat.png"
    Image.fromarray(values_to_pixels(values[0].numpy(), 4).transpose(1, 2, 0)).save(
        image
    )
    assert run("score", models_dir / "tiny-rgb", image).exit_code != 0
    facts = facts_of(
        run(
            "score",
            models_dir / "tiny-rgb",
            image,
            "--fit",
            "field",
            "--map",
            heat,
            "--json",
        )
    )
    assert facts["nats"] == pytest.approx(
        -float(log_likelihood(model, values)), rel=1e-5
    )
    assert (facts["width"], facts["height"], facts["p_value"]) == (9, 11, None)
    with Image.open(heat) as opened:
        assert opened.size == (9, 11)
    asked = run(
        "score", models_dir / "tiny-rgb", image, "--fit", "field", "--x", 1, "--y", 1
    )
    assert "no pixel, and no second model" in str(asked.exception)
    Image.new("RGB", (3, 11)).save(image)
    assert isinstance(
        run("score", models_dir / "tiny-rgb", image, "--fit", "field").exception,
        DataError,
    )


@pytest.mark.parametrize("size", ["x", "0x9", "9", "-1x4"])
def test_a_size_that_is_none_is_told(models_dir: Path, size: str) -> None:
    """In one line."""
    result = run("sample", models_dir / "tiny-rgb", f"--size={size}")
    assert result.exit_code == 2
    assert "WIDTHxHEIGHT" in result.output
