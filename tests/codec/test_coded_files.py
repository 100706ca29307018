"""`pixelrnn encode` and `pixelrnn decode`: pictures into a file and back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_core.card import Card, CardMember
from model_core.codec.container import pack, unpack
from model_core.config import preset
from model_core.data.images import read_exact_values
from model_core.errors import DataError, ModelError
from tests.app.pictures import deep_png
from tests.client.by_command import run


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Eleven black and white pictures, 5 x 6, in several of Pillow's modes."""
    directory, rng = tmp_path / "pictures", np.random.default_rng(1)
    directory.mkdir()
    for i, mode in enumerate(("L", "1", "RGB", "P", "RGBA", *["L"] * 6)):
        pixels = 255 * rng.integers(0, 2, (6, 5)).astype(np.uint8)
        Image.fromarray(pixels).convert(mode).save(directory / f"p{i:02}.png")
    return directory


def test_pictures_come_back(models_dir: Path, pictures: Path, tmp_path: Path) -> None:
    """A directory and a file, in their order; the model is found by the digest that the file names."""
    file, out = tmp_path / "new" / "some.pxrn", tmp_path / "out"
    file.parent.mkdir()
    one = pictures / "p03.png"
    result = run(
        "encode",
        "tiny-cnn",
        pictures,
        one,
        "--out",
        file,
        "--models-dir",
        models_dir,
        "--json",
    )
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout.splitlines()[-1])
    assert (facts["model"], facts["images"], facts["bytes"]) == (
        "tiny-cnn",
        12,
        file.stat().st_size,
    )
    assert [path.name for path in file.parent.iterdir()] == ["some.pxrn"]
    result = run("decode", file, "--out", out, "--models-dir", models_dir)
    assert result.exit_code == 0, result.output
    assert "wrote 12 images of tiny-cnn" in result.stderr
    expected = [*sorted(pictures.iterdir()), one]
    assert [path.name for path in sorted(out.iterdir())] == [
        f"{i:02}.png" for i in range(12)
    ]
    for path, picture in zip(sorted(out.iterdir()), expected, strict=True):
        with Image.open(picture) as image:
            np.testing.assert_array_equal(
                pixels_of(path), np.asarray(image.convert("L"))
            )


def test_pictures_that_would_not_come_back_are_refused(
    models_dir: Path, pictures: Path, tmp_path: Path
) -> None:
    """Other colours than the model's, transparency, 16 bits, frames, another size, no picture: nothing is written."""
    black, file = np.zeros((6, 5), np.uint8), tmp_path / "x.pxrn"
    red = np.zeros((6, 5, 3), np.uint8)
    red[..., 0] = 255
    transparent = Image.fromarray(black).convert("LA")
    transparent.putalpha(7)
    frames = {"save_all": True, "append_images": [Image.fromarray(black + 255)]}
    colours = preset("cifar10-pixelcnn").with_overrides(height=6, width=5)
    (tmp_path / "deep colours.png").write_bytes(deep_png(5, 6, 3))
    with pytest.raises(DataError, match="expected one RGB picture of 8 bits a colour"):
        read_exact_values(tmp_path / "deep colours.png", colours)
    for name, image, options, words in (
        (
            "grey",
            Image.fromarray(black + 100),
            {},
            "30 pixels of other colours than the model's 2 values",
        ),
        ("red", Image.fromarray(red), {}, "30 pixels of other colours"),
        (
            "transparent",
            transparent,
            {},
            "would not come back as it is: expected one grey picture",
        ),
        (
            "deep",
            Image.fromarray(black.astype(np.uint16)),
            {},
            "would not come back as it is",
        ),
        ("frames", Image.fromarray(black), frames, "frames: expected a single picture"),
        (
            "large",
            Image.fromarray(np.zeros((28, 28), np.uint8)),
            {},
            "is 28x28, but the model takes 5x6",
        ),
    ):
        path = tmp_path / f"{name}.png"
        image.save(path, **options)
        error = run(
            "encode",
            "tiny-cnn",
            pictures,
            path,
            "--out",
            file,
            "--models-dir",
            models_dir,
        ).exception
        assert isinstance(error, DataError), name
        assert words in str(error)
    (tmp_path / "empty").mkdir()
    error = run(
        "encode",
        "tiny-cnn",
        tmp_path / "empty",
        "--out",
        file,
        "--models-dir",
        models_dir,
    ).exception
    assert "there is no picture in" in str(error)
    error = run(
        "encode",
        "tiny-cnn",
        tmp_path / "none.png",
        "--out",
        file,
        "--models-dir",
        models_dir,
    ).exception
    assert isinstance(error, DataError)
    assert not file.exists()


def test_file_is_of_the_card_that_it_names_or_of_one_with_its_weights(
    models_dir: Path, pictures: Path, tmp_path: Path
) -> None:
    """Of two models of the same weights its own; where nobody has that any more, the answer says so."""
    models, file = tmp_path / "models", tmp_path / "some.pxrn"
    for name in ("one", "two"):
        shutil.copytree(models_dir / "tiny-cnn", models / name)
        card = Card.read(models / name / "card.json")
        members = (
            (CardMember("rotate_180", "weights.safetensors", card.sha256),)
            if name == "one"
            else ()
        )
        replace(card, name=name, members=members).write(models / name / "card.json")
    assert (
        run("encode", "two", pictures, "--out", file, "--models-dir", models).exit_code
        == 0
    )
    result = run(
        "decode", file, "--out", tmp_path / "out", "--models-dir", models, "--json"
    )
    facts = json.loads(result.stdout.splitlines()[-1])
    assert (facts["model"], facts["card_changed"], "has changed" in result.stderr) == (
        "two",
        False,
        False,
    )
    header, stripes = unpack(file.read_bytes())
    file.write_bytes(pack(replace(header, identity="ab" * 32), stripes))
    result = run(
        "decode", file, "--out", tmp_path / "out", "--models-dir", models_dir, "--json"
    )
    facts = json.loads(result.stdout.splitlines()[-1])
    assert (facts["model"], facts["card_changed"]) == ("tiny-cnn", True)
    assert "the model's card has changed since" in result.stderr


def test_file_that_cannot_be_decoded_leaves_no_picture(
    models_dir: Path, pictures: Path, tmp_path: Path
) -> None:
    """Damaged, of a model that is not there or that was not meant, or not there itself."""
    file, out = tmp_path / "some.pxrn", tmp_path / "out"
    run("encode", "tiny-cnn", pictures, "--out", file, "--models-dir", models_dir)
    (tmp_path / "damaged.pxrn").write_bytes(file.read_bytes()[:-1])
    for arguments, kind, words in (
        (
            (tmp_path / "damaged.pxrn", "--models-dir", models_dir),
            DataError,
            "bytes missing: 1",
        ),
        (
            (tmp_path / "none.pxrn", "--models-dir", models_dir),
            DataError,
            "cannot read",
        ),
        ((file,), ModelError, "no model in"),
        (
            (file, "--model", "tiny-diagonal", "--models-dir", models_dir),
            ModelError,
            "was encoded with the model of",
        ),
    ):
        error = run("decode", *arguments, "--out", out).exception
        assert isinstance(error, kind)
        assert words in str(error)
    assert not out.exists()
    out.write_text("a file")
    error = run("decode", file, "--out", out, "--models-dir", models_dir).exception
    assert "cannot write into" in str(error)
