"""Pictures that `pixelrnn.client` takes and gives: arrays, images of Pillow's, files by the endings of their names."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelrnn.client import Client
from pixelrnn.client.pictures import file_of


@pytest.mark.parametrize("model", ["tiny-cnn", "tiny-rgb"])
def test_what_the_client_gives_it_takes_back(service: str, model: str) -> None:
    """Arrays of pixels, images of Pillow's, values and files are one picture, for each call that takes one."""
    with Client(service) as client:
        job = client.sample(model, n=2, seed=5)
        values = job.values()
        given = [
            job.image(1),
            job.array()[1],
            job.images()[1],
            values[1],
            values[1].astype(int),
            io.BytesIO(job.image(1)),
        ]
        if model == "tiny-cnn":
            given.append(job.array()[1, :, :, 0])
        if model == "tiny-rgb":
            given += [job.images()[1].convert(mode) for mode in ("RGBA", "RGBX")]
        scores = [client.score(model, picture).result() for picture in given]
        assert [score["nats"] for score in scores] == [scores[0]["nats"]] * len(scores)
        for pictures in (job.images(), job.array(), values):
            file = client.encode(model, pictures).blob()
            assert np.array_equal(client.decode(file).values(), values)
        mask = Image.fromarray(
            np.array([[0]] * (values.shape[2] - 1) + [[255]], np.uint8).repeat(
                values.shape[3], 1
            )
        )
        for one in (mask, np.asarray(mask)):
            completed = client.complete(model, job.images()[0], one, seed=1).array()
            assert np.array_equal(completed[0, :-1], job.array()[0, :-1])


def test_an_array_is_pixels_or_values_by_one_rule() -> None:
    """Pixels are bytes whose last axis alone is one of colours; all else is values, as it is."""
    pixels, small, values = (
        np.zeros((5, 4, 3), np.uint8),
        np.zeros((3, 4, 3), np.uint8),
        np.zeros((1, 5, 4), np.uint8),
    )
    assert [file_of(array)[:4] for array in (pixels, pixels[..., :1])] == [
        b"\x89PNG"
    ] * 2
    others = (
        small,
        values,
        pixels.astype(int),
        np.zeros((5, 4), bool),
        np.zeros((2, 1, 5, 4), np.uint8),
    )
    assert [file_of(array)[1:6] for array in others] == [b"NUMPY"] * 5


def test_a_job_is_saved_in_the_format_that_the_name_ends_in(
    service: str, tmp_path: Path
) -> None:
    """Pictures, all values, or all pictures in an archive; another ending is refused, and
    no file is made."""
    with Client(service) as client:
        job = client.sample("tiny-rgb", n=2, seed=3)
        values = job.values()
        for name, kind in (("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.webp", "WEBP")):
            job.save(tmp_path / name, grid=True, scale=2)
            with Image.open(tmp_path / name) as picture:
                assert (picture.format, picture.size) == (
                    kind,
                    (2 * (2 * 4 + 1), 2 * 5),
                )
        job.save(tmp_path / "a.npy")
        assert np.array_equal(np.load(tmp_path / "a.npy"), values)
        job.save(tmp_path / "b.npy", sample=1)
        assert np.array_equal(np.load(tmp_path / "b.npy")[0], values[1])
        job.save(tmp_path / "a.zip")
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            assert len(archive.namelist()) == 2
        for name in ("a.gif", "a"):
            with pytest.raises(
                ValueError, match=r"expected a name that ends in \.png, \.jpg"
            ):
                job.save(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.JPG",
        "a.npy",
        "a.png",
        "a.webp",
        "a.zip",
        "b.npy",
    ]
