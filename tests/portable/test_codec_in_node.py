"""Coded files of the engine in JavaScript are Python's, byte for byte, and each opens the other's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_core import decode, encode, load_model, sample, save_model, shipped
from model_core.codec.codec import STRIPE_VALUES
from model_core.codec.container import pack, unpack
from model_core.errors import DataError
from tests.labelled_models import labelled
from tests.portable.exporting import Ask, changed_engine, export

ENCODE = """
const model = await parts.load(at(given.folder));
return model.encode(given.images, {label: given.label});
"""
DECODE = """
const model = await parts.load(at(given.folder));
const said = (error) => `${error.name}: ${error.message}`;
const tried = given.files.map((file) => model.decode(Uint8Array.from(file)));
return Promise.all(tried.map((each) => each.then((images) => images.map(({values}) => values), said)));
"""
LABELLED = (
    "tiny-labelled",
    "tiny-labelled-cnn-rgb",
    "tiny-labelled-mixture",
    "tiny-labelled-tiles",
)
MODELS = ("tiny-mixture", "tiny-rgb", "tiny-row-rgb", "tiny-tiles", *LABELLED)
IMAGES = 5
LANE_IMAGES = 2
"""So many images fill a lane here, and so five have three."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine, but that lanes are full sooner."""
    lanes = "LANE_VALUES = {}"
    return changed_engine(
        tmp_path_factory.mktemp("lanes"),
        "codec.js",
        lanes.format("2 ** 19"),
        lanes.format(f"{LANE_IMAGES} * 60"),
    )


@pytest.mark.parametrize("name", MODELS)
def test_coded_files_are_those_of_python(
    ask: Ask,
    engine: Path,
    exported: Path,
    portable_models_dir: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In one lane and in several, by the member that finds the images the likeliest, with the labels that do; the
    canary is the same, which is every bit of the state. Each side opens what the other made; also what names no
    identity, as version 1, or another, as where the card has changed since."""
    model = load_model(name, models_dir=portable_models_dir)
    images = sample(model, IMAGES, seed=2)
    folder, values = str(exported / "models" / name), images.flatten(1).tolist()
    for place, lane_values in ((shipped.ENGINE, 1 << 19), (engine, LANE_IMAGES * 60)):
        monkeypatch.setattr("model_core.codec.codec.LANE_VALUES", lane_values)
        file = encode(model, images)
        assert bytes(ask(ENCODE, place, folder=folder, images=values)) == file
        header, stripes = unpack(file)
        others = [
            pack(replace(header, identity=identity), stripes)
            for identity in ("", "ab" * 32)
        ]
        for found in ask(
            DECODE, place, folder=folder, files=[list(each) for each in (file, *others)]
        ):
            assert np.array_equal(np.array(found).reshape(images.shape), images.numpy())


def test_label_is_given_to_coded_files(
    ask: Ask, exported: Path, portable_models_dir: Path
) -> None:
    """By name, that of all images."""
    model = load_model("tiny-labelled", models_dir=portable_models_dir)
    images = sample(model, 2, seed=3)
    found = ask(
        ENCODE,
        folder=str(exported / "models" / "tiny-labelled"),
        images=images.flatten(1).tolist(),
        label="c",
    )
    assert bytes(found) == encode(model, images, label="c")


def test_labels_that_differ_in_the_last_digits_are_told_apart_alike(
    ask: Ask, tmp_path: Path
) -> None:
    """Either side adds what the loop says, row after row: elsewhere the last digits come out otherwise."""
    kinds = ("mnist-diagonal-bilstm", "mnist-pixelcnn", "mnist-row-lstm")
    for kind in kinds:
        model = labelled(kind, height=9, width=7, layers=2, hidden=5, head=8)
        for name, parameter in model.network.named_parameters():
            if "condition" in name:
                parameter.copy_(
                    parameter[:, :1] * (1 + 1e-7 * torch.arange(3).view(1, 3, 1, 1))
                )
        save_model(model, tmp_path / "models" / kind)
    done = export(tmp_path / "site", "--models-dir", tmp_path / "models")
    assert done.returncode == 0, done.stderr
    for kind in kinds:
        model = load_model(kind, models_dir=tmp_path / "models")
        images = sample(model, 40, seed=4)
        found = ask(
            ENCODE,
            folder=str(tmp_path / "site" / "models" / kind),
            images=images.flatten(1).tolist(),
        )
        assert bytes(found) == encode(model, images), kind


def test_damage_to_coded_files_is_told_in_a_sentence(
    ask: Ask, exported: Path, portable_models_dir: Path
) -> None:
    """A bit that was turned, a byte that lacks, another's file, another model's."""
    one, other = (
        load_model(name, models_dir=portable_models_dir)
        for name in ("tiny-labelled", "tiny-cnn")
    )
    file, foreign = (
        encode(one, sample(one, 5, seed=2)),
        encode(other, sample(other, 1, seed=2)),
    )
    flipped = bytes([*file[:-6], file[-6] ^ 1, *file[-5:]])
    files = [list(each) for each in (flipped, file[:-1], b"PNG" + file, foreign)]
    said = ask(DECODE, folder=str(exported / "models" / "tiny-labelled"), files=files)
    expected = (
        "checksum of a stripe",
        "ends within a stripe",
        "does not begin with PXRN",
        "the model of sha256",
    )
    for sentence, part in zip(said, expected, strict=True):
        assert sentence.startswith("EngineError: ")
        assert part in sentence


def test_stripe_of_too_many_images_is_not_decoded_in_javascript(
    ask: Ask, exported: Path, portable_models_dir: Path
) -> None:
    """As in Python: a few bytes can claim images for minutes of work."""
    model = load_model("tiny-cnn", models_dir=portable_models_dir)
    header, (stripe,) = unpack(encode(model, sample(model, 1, seed=2)))
    most = STRIPE_VALUES // model.config.dimensions
    file = pack(replace(header, images=most + 1), [replace(stripe, images=most + 1)])
    with pytest.raises(DataError, match=f"a stripe .* at most {most}"):
        decode(model, file)

    (said,) = ask(
        DECODE, folder=str(exported / "models" / "tiny-cnn"), files=[list(file)]
    )

    assert said == (
        f"EngineError: a stripe contains {most + 1} images: expected at most {most}"
    )


WARN = """
const warnings = [];
console.warn = (text) => warnings.push(text);
const model = await parts.load(at(given.folder));
const file = await model.encode(given.images);
const before = warnings.length;
await model.decode(file);
await model.encode(given.images);
return {before, warnings};
"""


def test_the_codec_warns_once_that_it_is_deprecated(
    ask: Ask, exported: Path, portable_models_dir: Path
) -> None:
    """The first call of `encode` or `decode` prints one warning, and later calls none."""
    model = load_model("tiny-cnn", models_dir=portable_models_dir)
    images = sample(model, 1, seed=2)
    found = ask(
        WARN,
        folder=str(exported / "models" / "tiny-cnn"),
        images=images.flatten(1).tolist(),
    )
    assert found["before"] == 1
    (warning,) = found["warnings"]
    assert "deprecated" in warning
    assert "pixelrnn" in warning
