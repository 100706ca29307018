"""The engine in JavaScript draws the bytes that the compiled loop draws here."""

import gzip
import hashlib
import io
import json
import math
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from model_core import load_model, sample, save_model, shipped, untrained
from model_core.image_request import ImageRequest
from model_core.measures.likelihood import log_likelihood
from model_core.posterior.completion import complete
from model_core.sampling.offline import draw
from tests import verification
from tests.client.by_command import ended
from tests.portable.completions import assert_same
from tests.portable.exporting import Ask, export
from worker.contract.addresses import AddressNameError, seed_of

LABELLED = (
    "tiny-labelled",
    "tiny-labelled-cnn-rgb",
    "tiny-labelled-row-rgb",
    "tiny-labelled-mixture",
)
TILES = ("tiny-tiles", "tiny-labelled-tiles")
MODELS = (
    "tiny-cnn",
    "tiny-diagonal",
    "tiny-rgb",
    "tiny-row-rgb",
    "tiny-diagonal-rgb",
    "tiny-mixture",
    *LABELLED,
    *TILES,
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SEED = 2**53 + 2017
"""One that is no exact number in JavaScript."""


@pytest.fixture(scope="module", params=["relaxed", "exact"])
def drawn(
    request: pytest.FixtureRequest, ask: Ask, exported: Path, exact_engine: Path
) -> dict:
    """Of each model: images 3 to 13, more than are drawn side by side, and their rows as they came; by the modules that
    multiply and add as the machine does, and by those that do it in their own way."""
    options = {"n": 11, "first": 3, "temperature": 0.7}
    engine = exact_engine if request.param == "exact" else shipped.ENGINE
    found = ask(
        "draw",
        engine,
        folder=str(exported),
        models=MODELS,
        seed=str(SEED),
        options=options,
    )
    assert {".relaxed" in each["module"] for each in found.values()} == {
        request.param == "relaxed"
    }
    return found


@pytest.mark.parametrize("name", MODELS)
def test_values_are_those_of_the_compiled_loop_when_drawn_in_javascript(
    drawn: dict, portable_models_dir: Path, name: str
) -> None:
    """Every kind of network, grey and in colour, with labels, a mixture, any temperature and image of a seed: no value
    differs."""
    model = load_model(name, models_dir=portable_models_dir)
    expected = draw(model, [ImageRequest(SEED, 3 + i, 0.7) for i in range(11)])
    assert np.array_equal(
        np.array(drawn[name]["values"]).reshape(expected.shape), expected.numpy()
    )


@pytest.mark.parametrize("name", MODELS)
def test_rows_come_from_the_top_down_when_drawn_in_javascript(
    drawn: dict, name: str
) -> None:
    """Each row of each image is told once, with the image's values."""
    values = drawn[name]["values"]
    shapes = {30: (1, 6, 5), 60: (3, 5, 4), 20: (1, 5, 4)}
    images = np.array(values).reshape(len(values), *shapes[len(values[0])])
    told: dict[int, list[int]] = {i: [] for i in range(len(values))}
    for image, y, row in drawn[name]["rows"]:
        told[image].append(y)
        assert np.array_equal(np.array(row), images[image, :, y].ravel())
    assert all(ys == list(range(images.shape[2])) for ys in told.values())


def test_names_draw_the_same_picture_in_javascript(
    ask: Ask, exported: Path, portable_models_dir: Path
) -> None:
    """Of any script, in either form of an accent, at most 200 characters; what is no name is refused in the
    same words."""
    model = load_model("tiny-cnn", models_dir=portable_models_dir)
    names = ["alice", "Zoe\u0308", "Zo\u00eb", "李", "\U0001f600" * 200]
    wrong = ["", "a/b", "a\\b", "a\x7f", "a" * 201, "\ud800"]
    found = ask(
        "drawNames",
        folder=str(exported / "models" / "tiny-cnn"),
        names=[*names, *wrong],
    )
    drawn = [sample(model, 1, seed_of(name)).ravel().tolist() for name in names]
    assert found[: len(names)] == drawn
    for name, told in zip(wrong, found[len(names) :], strict=True):
        with pytest.raises(AddressNameError) as refused:
            seed_of(name)
        assert told == f"EngineError: {refused.value}"


def test_shipped_models_draw_and_complete_the_same_in_javascript(
    ask: Ask, tmp_path: Path
) -> None:
    """A trained network's bytes, too; its card knows how many nats are strange, which the receipt's word asks."""
    done = export(tmp_path / "site", "characters")
    assert done.returncode == 0, done.stderr
    (values,) = ask(
        "draw",
        folder=str(tmp_path / "site"),
        models=["characters"],
        seed="2016",
        options={"n": 4},
    ).values()
    model = load_model("characters")
    drawn = sample(model, 4, 2016)
    assert np.array_equal(np.array(values["values"]).ravel(), drawn.numpy().ravel())
    keep = torch.ones(drawn.shape[2:], dtype=torch.bool)
    keep[4:12, 4:12] = False
    options = {"known": drawn[0].ravel().tolist(), "keep": keep.ravel().tolist()}
    (found,) = ask(
        "complete",
        folder=str(tmp_path / "site" / "models" / "characters"),
        calls=[{**options, "seed": 5, "n": 3}],
    )
    assert_same(found, complete(model, drawn[0], keep, 3, seed=5))


def test_a_changed_weight_changes_the_picture(
    ask: Ask, exported: Path, tmp_path: Path
) -> None:
    """One bit of one weight, with a digest that agrees: the comparison above would not pass it."""
    folder = tmp_path / "site"
    shutil.copytree(exported, folder)
    described = folder / "models" / "tiny-cnn" / "portable.json"
    facts = json.loads(described.read_text())
    weights = described.with_name(facts["members"][0]["weights"]["file"])
    content = bytearray(gzip.decompress(weights.read_bytes()))
    bias = next(
        entry["at"] for entry in facts["table"] if entry["name"] == "shared.output_b"
    )
    content[bias + 3] ^= 0x40  # an exponent's highest bit
    weights.write_bytes(gzip.compress(content))
    facts["members"][0]["weights"]["sha256"] = hashlib.sha256(content).hexdigest()
    described.write_text(json.dumps(facts))
    options = {"n": 11, "first": 3, "temperature": 0.7}
    asked = {"models": ["tiny-cnn"], "seed": str(SEED), "options": options}
    (before,), (after,) = (
        ask("draw", folder=str(at), **asked).values() for at in (exported, folder)
    )
    assert before["values"] != after["values"]


def test_clamped_completions_are_those_of_python(
    ask: Ask, exported: Path, portable_models_dir: Path
) -> None:
    """Of a mixture by its first member."""
    model = load_model("tiny-mixture", models_dir=portable_models_dir)
    known = torch.from_numpy(np.random.default_rng(3).integers(0, 2, (1, 6, 5)))
    keep = torch.zeros(6, 5, dtype=torch.bool)
    keep[:3] = True
    expected = complete(model, known, keep, 3, seed=5, method="clamp")
    options = {
        "known": known.ravel().tolist(),
        "keep": keep.ravel().tolist(),
        "method": "clamp",
        "seed": 5,
        "n": 3,
    }
    folder = str(exported / "models" / "tiny-mixture")
    (found,) = ask("complete", folder=folder, calls=[options])
    values = [image["values"] for image in found["images"]]
    assert np.array_equal(np.array(values).reshape(3, 1, 6, 5), expected.values.numpy())
    assert found["receipt"] == expected.receipt.to_dict()
    assert (found["exact"], found["member"], found["mean"]) == (
        expected.exact,
        expected.member,
        None,
    )


def test_scores_are_those_of_python(
    ask: Ask, exported: Path, portable_models_dir: Path
) -> None:
    """-ln p, of a mixture's members together: within the last digits of float32 logits."""
    for name in ("tiny-mixture", "tiny-rgb"):
        model = load_model(name, models_dir=portable_models_dir)
        values = sample(model, 1, seed=1)
        (found,) = ask(
            "score",
            folder=str(exported / "models" / name),
            values=values.ravel().tolist(),
        )
        assert math.isclose(found, -float(log_likelihood(model, values)), rel_tol=1e-5)


def test_set_of_pictures_is_verified_in_javascript(ask: Ask, tmp_path: Path) -> None:
    """Honest and forged ones, and those of earlier versions, with shipped models."""
    models = sorted({answer["model"] for answer in verification.ANSWERS.values()})
    done = export(tmp_path / "site", *models)
    assert done.returncode == 0, done.stderr
    for model in models:
        answers = {
            name: answer["verified_by"]
            for name, answer in verification.ANSWERS.items()
            if answer["model"] == model
        }
        files = [list((verification.FOLDER / name).read_bytes()) for name in answers]
        told = ask(
            "verify", folder=str(tmp_path / "site" / "models" / model), files=files
        )
        for (name, readers), each in zip(answers.items(), told, strict=True):
            assert (each[0] is True) == ("browser" in readers), (name, each)


def test_pictures_are_verified_in_javascript(
    ask: Ask, exported: Path, portable_models_dir: Path, tmp_path: Path
) -> None:
    """What `pixelrnn sample` wrote is verified; one pixel that was changed is named; what cannot be told is said.
    A picture of a card that has changed since says so, and one of an earlier version, which names none, nothing."""
    names = "drawn.png", "changed.png", "bare.png", "relabelled.png", "earlier.png"
    picture, changed, bare, relabelled, earlier = (tmp_path / name for name in names)
    options = [
        "--n",
        "3",
        "--seed",
        "5",
        "--temperature",
        "0.7",
        "--scale",
        "2",
        "--models-dir",
        portable_models_dir,
    ]
    done = ended("sample", "tiny-row-rgb", *options, "--out", picture)
    assert done.returncode == 0, done.stderr
    with Image.open(picture) as image:
        text = PngInfo()
        for key, value in image.info.items():
            text.add_text(str(key), str(value))
        image.save(bare)
        for file, identity in ((relabelled, "ab" * 32), (earlier, "")):
            told = PngInfo()
            for key, value in {**image.info, "identity": identity}.items():
                if value:
                    told.add_text(str(key), str(value))
            image.save(file, pnginfo=told)
        pixel: Any = image.getpixel((2 * 6, 2 * 3))
        image.putpixel((2 * 6, 2 * 3), (*pixel[:2], 255 - pixel[2]))
        image.save(changed, pnginfo=text)
    files = [
        list(file.read_bytes())
        for file in (picture, changed, bare, relabelled, earlier)
    ]
    verified, other, unknown, *renamed = ask(
        "verify", folder=str(exported / "models" / "tiny-row-rgb"), files=files
    )
    assert verified == [True, [], False]
    assert renamed == [[True, [], True], [True, [], False]]
    assert other == [False, [{"sample": 1, "x": 1, "y": 3}], False]
    assert unknown.startswith("EngineError: only samples can be verified")


@pytest.mark.parametrize("name", ["tiny-cnn", "tiny-row-rgb", "tiny-tiles"])
def test_forged_sheet_is_not_verified_in_javascript(
    ask: Ask, exported: Path, portable_models_dir: Path, tmp_path: Path, name: str
) -> None:
    """As in Python: a foreign image in a cell that the text declares empty, a pixel of
    a line between images, and a pixel beside an empty cell."""
    files, places = [], []
    for place in ("cell", "line", "margin"):
        picture = tmp_path / f"{place}.png"
        n = 4 if place == "cell" else 3
        models = "--models-dir", portable_models_dir
        done = ended("sample", name, "--n", n, "--scale", 2, *models, "--out", picture)
        assert done.returncode == 0, done.stderr
        with Image.open(picture) as image:
            text = PngInfo()
            for key, value in {**image.info, "samples": "3"}.items():
                if isinstance(value, str):
                    text.add_text(key, value)
            width, height = image.size
            x, y = {
                "cell": (width - 2, height - 2),
                "line": (width // 2 - 1, 0),
                "margin": (width - 2, height // 2 + 1),
            }[place]
            image.paste(3 if image.mode in "LP" else (3, 3, 3), (x, y, x + 2, y + 2))
            bits: dict[str, Any] = {"bits": 8} if image.mode == "P" else {}
            image.save(picture, pnginfo=text, **bits)
        files.append(list(picture.read_bytes()))
        places.append({"sample": None, "x": x // 2, "y": y // 2})

    found = ask("verify", folder=str(exported / "models" / name), files=files)

    assert [verified for verified, *_ in found] == [False] * 3
    in_cell, *others = [changed for _, changed, _ in found]
    assert places[0] in in_cell
    assert others == [[place] for place in places[1:]]


def test_indexed_pictures_are_verified_in_javascript(
    ask: Ask, exported: Path, portable_models_dir: Path, tmp_path: Path
) -> None:
    """Of a model of categories; another number or another palette is not what it draws."""
    picture, changed, recoloured, faint = (
        tmp_path / f"{name}.png" for name in ("drawn", "changed", "recoloured", "faint")
    )
    options = [
        "--n",
        "3",
        "--seed",
        "5",
        "--scale",
        "2",
        "--models-dir",
        portable_models_dir,
    ]
    done = ended("sample", "tiny-tiles", *options, "--out", picture)
    assert done.returncode == 0, done.stderr
    with Image.open(picture) as image:
        text = PngInfo()
        for key, value in image.info.items():
            if isinstance(value, str):
                text.add_text(str(key), value)
        first: Any = image.getpixel((0, 0))
        image.paste((first + 1) % 17, (0, 0, 2, 2))
        image.save(changed, pnginfo=text, bits=8)
        colours = image.getpalette() or []
        image.putpalette([*colours[:3], 9, 9, 9, *colours[6:]])
        image.save(recoloured, pnginfo=text, bits=8)
    with Image.open(picture) as image:
        image.save(faint, pnginfo=text, bits=8, transparency=bytes([255, 100]))
    files = [list(file.read_bytes()) for file in (picture, changed, recoloured, faint)]
    verified, other, *repainted = ask(
        "verify", folder=str(exported / "models" / "tiny-tiles"), files=files
    )
    assert verified == [True, [], False]
    assert other == [False, [{"sample": 0, "x": 0, "y": 0}], False]
    assert [is_verified for is_verified, *_ in repainted] == [False, False]


def _drawn(
    name: str, portable_models_dir: Path, picture: Path, *options: object
) -> list[tuple[bytes, bytes]]:
    """Write a picture of a model with `pixelrnn sample`; return kind and content of the
    chunks of its PNG."""
    models = "--models-dir", portable_models_dir
    done = ended("sample", name, *options, *models, "--out", picture)
    assert done.returncode == 0, done.stderr
    content, at, chunks = picture.read_bytes(), len(PNG_SIGNATURE), []
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind = content[at + 4 : at + 8]
        chunks.append((kind, content[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def _png(chunks: list[tuple[bytes, bytes]]) -> list[int]:
    """Return the bytes of a PNG with these chunks."""
    parts = [
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    ]
    return list(PNG_SIGNATURE + b"".join(parts))


NEGATIVE = bytes(255 - i // 3 for i in range(3 * 256))
"""A palette in which 0 is white and 255 is black."""


def test_grey_picture_with_a_foreign_palette_is_not_verified_in_javascript(
    ask: Ask, exported: Path, portable_models_dir: Path, tmp_path: Path
) -> None:
    """The bytes of the pixels are right, but as indices of other greys they show a
    negative; without a palette they show nothing."""
    drawn = _drawn("tiny-cnn", portable_models_dir, tmp_path / "drawn.png")
    (_, header), *others = drawn
    indexed = b"IHDR", header[:9] + b"\3" + header[10:]
    coloured = [indexed, (b"PLTE", NEGATIVE), *others]

    genuine, negative, bare = ask(
        "verify",
        folder=str(exported / "models" / "tiny-cnn"),
        files=[_png(drawn), _png(coloured), _png([indexed, *others])],
    )

    assert genuine == [True, [], False]
    assert negative[0] is False
    assert "no colour of its palette" in bare


def test_second_palette_is_not_verified_in_javascript(
    ask: Ask, exported: Path, portable_models_dir: Path, tmp_path: Path
) -> None:
    """Programs show the palette before the pixels, so a true one elsewhere proves
    nothing: behind the end, behind the pixels, or directly behind the first. A grey
    picture shows no palette."""
    drawn = _drawn("tiny-tiles", portable_models_dir, tmp_path / "drawn.png")
    true = next(chunk for chunk in drawn if chunk[0] == b"PLTE")
    foreign = b"PLTE", bytes(255 - byte for byte in true[1])
    repainted = [foreign if chunk == true else chunk for chunk in drawn]
    twice = repainted.index(foreign) + 1
    header = drawn[0][1]
    grey = b"IHDR", header[:9] + b"\0" + header[10:]

    genuine, *forged = ask(
        "verify",
        folder=str(exported / "models" / "tiny-tiles"),
        files=[
            _png(drawn),
            _png([*repainted, true]),
            _png([*repainted[:-1], true, repainted[-1]]),
            _png([*repainted[:twice], true, *repainted[twice:]]),
            _png([grey, *drawn[1:]]),
        ],
    )

    assert genuine == [True, [], False]
    behind_the_end, *misplaced, without = forged
    assert "bytes follow after the end" in behind_the_end
    for each in misplaced:
        assert "another program saved the PNG: it has a chunk PLTE in a wrong" in each
    assert "PLTE although" in without


def test_pictures_of_few_colours_are_verified_in_javascript(
    ask: Ask, tmp_path: Path
) -> None:
    """Such files have 2 or 4 bits for each pixel; a sheet has one colour more. A changed
    pixel is found."""
    models = tmp_path / "models"
    sizes = {"height": 5, "width": 3, "layers": 1, "hidden": 3, "head": 4}
    for values in (3, 4, 7):
        some = {"values": values, "categories": True, **sizes}
        model = untrained("mnist-row-lstm", seed=7, **some)
        save_model(model, models / f"few-{values}")
    done = export(tmp_path / "site", "--models-dir", models)
    assert done.returncode == 0, done.stderr
    for values in (3, 4, 7):
        name = f"few-{values}"
        one = _drawn(name, models, tmp_path / "one.png")
        sheet = _drawn(name, models, tmp_path / "sheet.png", "--n", 3, "--scale", 3)
        files = []
        for chunks, colours in ((one, values), (sheet, values + 1)):
            depth = 2 if colours <= 4 else 4
            files += [_at_depth(chunks, depth), _at_depth(chunks, depth, True)]

        first, changed, of_sheet, changed_sheet = ask(
            "verify", folder=str(tmp_path / "site" / "models" / name), files=files
        )

        assert first == of_sheet == [True, [], False], name
        assert changed == [False, [{"sample": 0, "x": 2, "y": 4}], False], name
        assert changed_sheet == [False, [{"sample": None, "x": 6, "y": 10}], False], (
            name
        )


@pytest.mark.parametrize("is_foreign", [True, False])
def test_pixels_are_unpacked_last_in_javascript(
    ask: Ask,
    exported: Path,
    portable_models_dir: Path,
    tmp_path: Path,
    is_foreign: bool,
) -> None:
    """A small file may hold many pixels, so a picture of other weights or of another
    size is refused before they are unpacked; here they cannot be."""
    drawn = _drawn("tiny-cnn", portable_models_dir, tmp_path / "drawn.png")
    changes = {b"IDAT": b"damaged"}
    if not is_foreign:
        changes[b"IHDR"] = struct.pack(">II", 8000, 8000) + drawn[0][1][8:]
    file = _png([(kind, changes.get(kind, content)) for kind, content in drawn])
    model = "tiny-diagonal" if is_foreign else "tiny-cnn"

    (said,) = ask("verify", folder=str(exported / "models" / model), files=[file])

    expected = "drawn with the weights" if is_foreign else "the picture is 8000x8000"
    assert expected in said


def test_filters_are_undone_in_javascript(ask: Ask) -> None:
    """Pillow reads the same bytes from a file whose rows all have one of the five filters."""
    raw = np.random.default_rng(6).integers(0, 256, (4, 1 + 3 * 5), np.uint8)
    files, expected = [], []
    for filter_number in range(5):
        raw[:, 0] = filter_number
        chunks = [
            (b"IHDR", struct.pack(">IIBBBBB", 5, 4, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(raw.tobytes())),
            (b"IEND", b""),
        ]
        files.append(_png(chunks))
        with Image.open(io.BytesIO(bytes(files[-1]))) as image:
            pixels = np.array(image.convert("RGBA"))
        expected.append(pixels.view(">u4").ravel().tolist())
    assert ask("pixels", files=files) == expected


def test_indices_of_any_depth_are_read_in_javascript(ask: Ask) -> None:
    """Rows of 11 pixels end within a byte."""
    files, expected = [], []
    for depth in (1, 2, 4, 8):
        indices = np.random.default_rng(5).integers(0, 2**depth, (4, 11), np.uint8)
        chunks = [
            (b"IHDR", struct.pack(">IIBBBBB", 11, 4, 8, 3, 0, 0, 0)),
            (b"PLTE", NEGATIVE[: 3 * 2**depth]),
            (b"IDAT", zlib.compress(np.insert(indices, 0, 0, axis=1).tobytes())),
            (b"IEND", b""),
        ]
        files.append(_at_depth(chunks, depth))
        greys = 255 - indices.ravel().astype(int)
        expected.append((greys * 0x1010100 + 255).tolist())
    assert ask("pixels", files=files) == expected


def _at_depth(
    chunks: list[tuple[bytes, bytes]], depth: int, is_changed: bool = False
) -> list[int]:
    """Return the bytes of an indexed PNG with so many bits for each pixel, as some
    versions of Pillow write it and some do not.

    is_changed: change the last pixel.
    """
    with Image.open(io.BytesIO(bytes(_png(chunks)))) as image:
        pixels = np.array(image)
    if is_changed:
        pixels[-1, -1] = not pixels[-1, -1]
    bits = np.unpackbits(pixels[..., None], axis=-1)[..., -depth:]
    rows = np.packbits(bits.reshape(len(pixels), -1), axis=-1)
    stream = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    (_, header), *others = chunks
    kept = [chunk for chunk in others if chunk[0] not in (b"IDAT", b"IEND")]
    header = header[:8] + bytes([depth]) + header[9:]
    return _png([(b"IHDR", header), *kept, (b"IDAT", stream), (b"IEND", b"")])


def test_wrong_requests_are_answered_in_a_sentence(ask: Ask, exported: Path) -> None:
    """What was expected, and what came."""
    said = ask("refusals", folder=str(exported / "models" / "tiny-diagonal"))
    expected = {
        "seed": "EngineError: seed must be a whole number",
        "n": "EngineError: n must be a whole number from 1 on, not 0",
        "temperature": "EngineError: temperature must be above 0, not 0",
        "label": "EngineError: tiny-diagonal has no labels: leave out label",
        "size": "EngineError: a picture must have 30 values, not 3",
        "value": "EngineError: a picture's values must be whole numbers from 0 to 1, not 2",
        "particles": "EngineError: particles must be a whole number from 1 to 256, not 257",
        "sweeps": "EngineError: sweeps must be a whole number from 0 to 16, not 17",
        "method": "EngineError: unknown method guess: expected posterior or clamp",
        "clamp": "EngineError: n must be a whole number from 1 on for clamp, not 0",
        "labels": "EngineError: a completion from the posterior takes one label for all images, not a list",
        "keep": "EngineError: keep must have 30 pixels, not 1",
    }
    assert {
        name: text[: len(expected[name])] for name, text in said.items()
    } == expected


def _damaged(exported: Path, tmp_path: Path, damage: str) -> Path:
    folder = tmp_path / damage
    shutil.copytree(exported / "models" / "tiny-cnn", folder)
    description = folder / "portable.json"
    (weights,) = folder.glob("weights-*.bin.gz")
    if damage == "bit":
        content = bytearray(gzip.decompress(weights.read_bytes()))
        content[100] ^= 1
        weights.write_bytes(gzip.compress(content))
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-20])
    elif damage == "gone":
        weights.unlink()
    elif damage == "foreign":
        description.write_text("[1, 2]")
    elif damage == "text":
        description.write_text("<!doctype html>")
    else:
        description.write_text(
            json.dumps(json.loads(description.read_text()) | {"sources": "another"})
        )
    return folder


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("bit", "is damaged: its sha256 is"),
        ("cut", "is damaged: it cannot be unpacked"),
        ("gone", "cannot read"),
        ("foreign", "has format undefined: this engine reads 3"),
        ("text", "is not JSON"),
        (
            "older",
            "tiny-cnn was packed for another version of the engine: export it again",
        ),
    ],
)
def test_damaged_and_foreign_files_are_refused_in_a_sentence(
    ask: Ask, exported: Path, tmp_path: Path, damage: str, sentence: str
) -> None:
    """Nothing is drawn from weights that are not those of the card."""
    said = ask("load", folder=str(_damaged(exported, tmp_path, damage)))
    assert said.startswith("EngineError: ")
    assert sentence in said


def test_a_connection_that_breaks_is_reported_in_a_sentence(ask: Ask) -> None:
    """The file whose content ends early is named, as one that the server does not have."""
    assert ask("loadBroken").startswith("EngineError: cannot read http://127.0.0.1:")


def test_loop_of_an_earlier_export_draws_no_weights_of_a_later_one(
    ask: Ask, exported: Path
) -> None:
    """A page stays open while its folder is exported again with another engine: the
    loop that is kept in memory belongs to other sources."""
    old, new, used = ask(
        "loadUpdated",
        folder=str(exported / "models" / "tiny-cnn"),
        files=(shipped.ENGINE / "files.js").as_uri(),
    )
    assert old != new
    assert used == new


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--no-enable-sse4-1", "EngineError: WebAssembly with SIMD is needed"),
        (
            "--wasm-max-mem-pages=5",
            "EngineError: too little memory: the model asks for",
        ),
        ("--wasm-max-mem-pages=2", "EngineError: too little memory to start"),
    ],
)
def test_a_machine_that_cannot_draw_is_told_why(
    ask: Ask, exported: Path, option: str, sentence: str
) -> None:
    """Without vectors, or without memory: V8 is told to do without them."""
    assert ask(
        "loadAndDraw",
        node_options=[option],
        folder=str(exported / "models" / "tiny-cnn"),
    ).startswith(sentence)
