"""Holes of a larger picture, by the client and by the command: each is filled as `complete` of its cut-out does."""

import io
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


def opened(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def test_each_hole_is_that_of_complete_alone(service: str) -> None:
    """With the noise of the images of the seed, cut-out after cut-out, picture after picture."""
    picture, mask = pictures()
    with Client(service) as client:
        job = client.complete(
            "tiny-cnn", picture, mask, n=2, seed=3, first=5, fit="crop"
        )
        result = job.result()
        found = [opened(job.image(sample=j)) for j in range(2)]
        assert [
            (each["x"], each["y"]) for each in result.get("cutouts") or ()
        ] == PLACES
        assert [image.size for image in found] == [SIZE, SIZE]
        for j, image in enumerate(found):
            assert Image.composite(picture, image, mask).tobytes() == picture.tobytes()
            for k, (x, y) in enumerate(PLACES):
                window = (x, y, x + 5, y + 6)
                one = client.complete(
                    "tiny-cnn",
                    image.crop(window),
                    mask.crop(window),
                    seed=3,
                    first=5 + 3 * j + k,
                )
                receipt, cutout = (
                    one.result().get("posterior"),
                    (result.get("cutouts") or [])[k],
                )
                assert opened(one.image()).tobytes() == image.crop(window).tobytes()
                assert receipt is not None
                assert (receipt.get("nats") or [])[0] == cutout["nats"][j]
        rows = list(job.rows())
        assert {(row.sample, row.cutout) for row in rows} == {
            (j, k) for j in range(2) for k in range(3)
        }
        assert (job.state["n"], len(rows)) == (2, job.state["rows_total"])
        with pytest.raises(ServiceError, match="have it whole"):
            job.images()


def test_the_command_writes_the_whole_picture(service: str, tmp_path: Path) -> None:
    """With a sentence on each cut-out; without a service it says what it expects."""
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
    assert [
        (each["x"], each["y"]) for each in json.loads(done.stdout)["result"]["cutouts"]
    ] == PLACES
    assert "cut-outs: (6, 1) " in done.stderr
    with Image.open(tmp_path / "filled.png") as filled:
        assert (filled.size, filled.mode) == (SIZE, "RGB")
    refused = ended(*words, "--models-dir", tmp_path)
    assert refused.returncode == 2
    assert "add --url" in refused.stderr
