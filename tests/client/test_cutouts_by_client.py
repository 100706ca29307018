"""Holes of a larger picture, by the command and the client."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelrnn.client import Client, ServiceError
from tests.client.by_command import ended, pixelrnn

SIZE = 24, 16
HOLES = [(8, 3, 9, 5), (13, 4, 14, 5), (20, 15, 21, 16)]
"""In the second one's cut-out, of tiny-cnn's 5 x 6 pixels, nothing of the first is left to fill."""
PLACES = [(6, 1), (11, 1), (18, 10)]


def pictures() -> tuple[Image.Image, Image.Image]:
    """The picture, black and white, and the mask."""
    noise = 255 * np.random.default_rng(2).integers(0, 2, SIZE[::-1])
    mask = Image.new("L", SIZE)
    for hole in HOLES:
        mask.paste(255, hole)
    return Image.fromarray(noise.astype(np.uint8)).convert("RGB"), mask


def test_the_command_writes_the_whole_picture(service: str, tmp_path: Path) -> None:
    """With a sentence on each cut-out; without a service it says what it expects. In the
    client, rows are of cut-outs, which are no images."""
    picture, mask = pictures()
    picture.save(tmp_path / "picture.png")
    mask.save(tmp_path / "mask.png")
    words = [
        "complete",
        "tiny-cnn",
        tmp_path / "picture.png",
        tmp_path / "mask.png",
        "--fit",
        "crop",
        "--json",
    ]
    done = pixelrnn(*words, "--url", service, "--out", tmp_path / "filled.png")
    told = json.loads(done.stdout)
    places = [(each["x"], each["y"]) for each in told["result"]["cutouts"]]
    assert places == PLACES
    assert "cut-outs: (6, 1) " in done.stderr
    with Image.open(tmp_path / "filled.png") as filled:
        assert (filled.size, filled.mode) == (SIZE, "RGB")
        assert Image.composite(picture, filled, mask).tobytes() == picture.tobytes()
    with Client(service) as client:
        job = client.job(told["id"])
        assert {row.cutout for row in job.rows()} == {0, 1, 2}
        with pytest.raises(ServiceError, match="have it whole"):
            job.images()
    refused = ended(*words, "--models-dir", tmp_path)
    assert refused.returncode == 2
    assert "add --url" in refused.stderr
