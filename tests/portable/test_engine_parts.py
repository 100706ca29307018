"""Parts of the engine, and of what makes it, each against its definition."""

import gzip
import hashlib
import json
import re
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from model_core import shipped
from model_core.card import Card
from model_core.errors import ConfigError, ModelError
from model_core.kinds import KINDS, part
from model_core.models import load_model
from model_core.orientation import ORIENTATIONS, turn, turn_back
from model_core.portable.build import sources_digest
from model_core.portable.folder import export as write
from model_core.portable.modules import modules
from model_core.portable.one_file import export_one_file
from tests.portable.exporting import Ask, export

COMPILED = Path(__file__).parents[2] / "model_core" / "compiled"


@pytest.mark.parametrize("kind", KINDS)
def test_modules_are_made_of_these_sources(kind: str) -> None:
    """If this fails, a drawing loop was changed: run `python -m model_core.portable.build`, which wants wasm-ld."""
    facts = modules()[kind]
    assert facts["sources"] == sources_digest(
        part(KINDS[kind].compiled).code.__name__.rpartition(".")[2]
    )
    for each in (facts, facts["relaxed"]):
        assert hashlib.sha256(_unpacked(each)).hexdigest() == each["sha256"]


def _unpacked(facts: dict) -> bytes:
    return gzip.decompress((shipped.ENGINE / facts["file"]).read_bytes())


def test_relaxed_modules_have_one_relaxed_instruction() -> None:
    """Its bytes are looked for in all, and those of the others, 0xfd 0x100 to 0x113, in LEB128."""
    for facts in modules().values():
        found = set(re.findall(rb"\xfd[\x80-\x93]\x02", _unpacked(facts["relaxed"])))
        assert found == {b"\xfd\x85\x02"}, "f32x4.relaxed_madd"
        assert not re.search(rb"\xfd[\x80-\x93]\x02", _unpacked(facts))


def test_modules_are_small() -> None:
    """They lie in the repository: 150 kB packed each, 400 kB together."""
    files = [
        file
        for facts in modules().values()
        for file in (facts["file"], facts["relaxed"]["file"])
    ]
    sizes = [(shipped.ENGINE / file).stat().st_size for file in files]
    assert max(sizes) < 150_000
    assert sum(sizes) < 400_000


def test_only_one_place_multiplies_and_adds() -> None:
    """WebAssembly has no such instruction: what takes its place is put in for vector_code.multiply_add alone."""
    users = [
        file.name
        for file in COMPILED.glob("*.py")
        if '"fma"' in file.read_text(encoding="utf-8")
    ]
    assert users == ["vector_code.py"]
    assert not any(
        "fastmath" in file.read_text(encoding="utf-8") for file in COMPILED.glob("*.py")
    )


def test_modules_ask_for_nothing(ask: Ask) -> None:
    """No function of a page, a system or a library of mathematics, whose last bits differ."""
    for facts in (
        each for of_kind in modules().values() for each in (of_kind, of_kind["relaxed"])
    ):
        imported, exported = ask(
            "importsAndExports", file=str(shipped.ENGINE / facts["file"])
        )
        assert imported == []
        assert {"draw", "uniform", "memory", "__heap_base"} <= set(exported)


def _rounded_once(x: np.float32, y: np.float32, z: np.float32) -> np.float32:
    """x * y + z by fractions, rounded to the nearest float32, of two equally near ones to the even."""
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
    if exact == 0:
        return np.float32(float(x) * float(y) + float(z))  # for the sign of zero
    near = (
        np.float32(float(exact))
        if abs(exact) < 2**128
        else np.float32(np.inf if exact > 0 else -np.inf)
    )
    around = [
        near,
        np.nextafter(near, np.float32(-np.inf)),
        np.nextafter(near, np.float32(np.inf)),
    ]
    finite = [each for each in around if np.isfinite(each)]
    limit = Fraction(2) ** 128 - Fraction(2) ** 103
    if abs(exact) >= limit:
        return np.float32(np.inf if exact > 0 else -np.inf)
    return min(
        finite,
        key=lambda each: (
            abs(Fraction(float(each)) - exact),
            int(each.view(np.uint32)) & 1,
        ),
    )


def _hard_cases() -> np.ndarray:
    """(n, 3) float32: ordinary numbers; sums so near the midst of two numbers, normal and subnormal, that float64
    cannot tell; the smallest and the largest."""
    rng, n = np.random.default_rng(7), (400, 1)
    sign, other = (rng.choice([-1.0, 1.0], n) for _ in range(2))
    near = 2.0 ** -rng.integers(16, 24, n)
    below_one = np.hstack([sign * (1 + near), 1 - near])  # their product is 1 - near^2
    cases = [
        rng.standard_normal((400, 3)) * np.exp2(rng.integers(-30, 30, (400, 3))),
        np.hstack([below_one * [2.0**-24, 1], 1 + rng.integers(0, 99, n) * 2.0**-23]),
        np.hstack(
            [
                below_one * [2.0**-75, 2.0**-75],
                other * (2.0**-127 + rng.integers(0, 99, n) * 2.0**-149),
            ]
        ),
        np.hstack(
            [
                2.0 ** rng.integers(-75, -60, (400, 2)),
                rng.integers(-9, 9, n) * 2.0**-149,
            ]
        ),
        np.hstack(
            [
                2.0 ** rng.integers(60, 66, (400, 2)),
                sign * 2.0 ** rng.integers(100, 127, n),
            ]
        ),
    ]
    return np.vstack(cases).astype(np.float32)


@pytest.mark.parametrize("is_relaxed", [False, True], ids=["exact", "relaxed"])
def test_multiply_add_rounds_once(ask: Ask, is_relaxed: bool) -> None:
    """By way of float64, and yet every bit is that of the exact sum rounded once: also in the midst of two numbers and
    below the smallest normal one. So is the machine's own, where the engine takes it."""
    cases = _hard_cases()
    lanes = cases.reshape(-1, 16, 3).transpose(0, 2, 1).reshape(-1, 48).view(np.uint32)
    facts = modules()["pixel-cnn"]
    file = shipped.ENGINE / (facts["relaxed"] if is_relaxed else facts)["file"]
    if is_relaxed and not ask("roundsOnce", file=str(file)):
        pytest.skip("this machine rounds twice")
    found = np.array(
        ask("multiplyAdd", file=str(file), cases=lanes.tolist()), np.uint32
    ).ravel()
    with np.errstate(over="ignore", under="ignore"):
        expected = np.array([_rounded_once(*case) for case in cases], np.float32).view(
            np.uint32
        )
        twice = (
            (cases[:, 0].astype("f8") * cases[:, 1] + cases[:, 2])
            .astype(np.float32)
            .view(np.uint32)
        )
    assert np.array_equal(found, expected)
    assert (twice != expected).sum() > 200, (
        "the cases must be hard for a sum that is rounded twice"
    )


def test_sums_tell_whether_a_machine_rounds_once() -> None:
    """Those that the engine looks at: each is right, and other than in float32 or by way of float64."""
    words = re.findall(r"0x([0-9a-f]{8})", (shipped.ENGINE / "rounding.js").read_text())
    a, b, c, expected = (
        np.array([int(word, 16) for word in words], np.uint32)
        .view(np.float32)
        .reshape(4, 16)
    )
    assert [
        _rounded_once(*case) for case in zip(a, b, c, strict=True)
    ] == expected.tolist()
    in_float32, by_float64 = a * b + c, (a.astype("f8") * b + c).astype(np.float32)
    assert ((in_float32 != expected) | (by_float64 != expected)).all()
    assert (in_float32 != expected).sum() > 8
    assert (by_float64 != expected).sum() > 4


def test_orientations_are_those_of_python(ask: Ask) -> None:
    """All eight, there and back."""
    maps = np.arange(2 * 5 * 5, dtype=np.uint8).reshape(2, 5, 5)
    found = ask("turns", names=ORIENTATIONS, maps=maps.ravel().tolist())
    for name, (there, back) in zip(ORIENTATIONS, found, strict=True):
        assert there == turn(maps, name).ravel().tolist()
        assert back == turn_back(maps, name).ravel().tolist()


def test_digests_are_sha256_when_a_page_has_none(ask: Ask) -> None:
    """Of every length around a block's end."""
    lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]
    for length, digest in zip(lengths, ask("digests", lengths=lengths), strict=True):
        assert (
            bytes(digest)
            == hashlib.sha256(bytes(i * 7 % 256 for i in range(length))).digest()
        )


def test_what_cannot_be_exported_is_said(all_models_dir: Path, tmp_path: Path) -> None:
    """A Multi-Scale model is left out, or refused if it is named; so is a model with
    large weights unless it is named, also under another name than its card's, a model
    whose card names another directory, and a copy of another model. Somebody else's folder is left alone."""
    folder = tmp_path / "site"
    models = tmp_path / "models"
    shutil.copytree(all_models_dir, models)
    (models / "tiny-diagonal").rename(models / "renamed")
    with (models / "renamed" / "more.safetensors").open("wb") as weights:
        weights.truncate(12_000_000)
    hostile = shutil.copytree(models / "tiny-cnn", models / "hostile")
    replace(Card.read(hostile / "card.json"), name="../../outside").keep(hostile)
    shutil.copytree(models / "tiny-cnn", models / "a-copy")
    done = export(folder, "--models-dir", models)
    assert done.returncode == 0, done.stderr
    assert "left out: a-copy has the name of another model, tiny-cnn" in done.stderr
    assert "left out: tiny-scales is a Multi-Scale model" in done.stderr
    assert "left out: renamed has 12.0 MB of weights" in done.stderr
    assert "left out: hostile: '../../outside' cannot be a model's name" in done.stderr
    assert not (tmp_path / "outside").exists()
    assert [
        each["name"]
        for each in json.loads((folder / "models" / "index.json").read_text())
    ] == [
        "tiny-cnn",
        "tiny-rgb",
    ]
    with pytest.raises(ModelError, match="tiny-scales is a Multi-Scale model"):
        write(
            [load_model("tiny-scales", models_dir=all_models_dir)], tmp_path / "other"
        )
    assert not (tmp_path / "other").exists()
    (tmp_path / "thesis.txt").write_text("years of work")
    model = load_model("tiny-cnn", models_dir=all_models_dir)
    with pytest.raises(ConfigError, match="has other files in it"):
        write([model], tmp_path)
    assert export(folder, "tiny-cnn", "--models-dir", models).returncode == 0
    (folder / "index.html").unlink()  # its engine is what a checkout has, too
    with pytest.raises(ConfigError, match="has other files in it"):
        write([model], folder)


@pytest.mark.parametrize("to_one_file", [False, True])
def test_models_are_refused_whose_names_would_misplace_files(
    all_models_dir: Path, tmp_path: Path, to_one_file: bool
) -> None:
    """A card that names another directory, and two cards with one name. Nothing is
    written."""
    model = load_model("tiny-cnn", models_dir=all_models_dir)
    outside = replace(model, card=replace(model.card, name="../../outside"))
    again = replace(model)
    target = tmp_path / "made" / "here" / "page.html"
    to_export = export_one_file if to_one_file else write
    with pytest.raises(ModelError, match="cannot be a model's name"):
        to_export([outside], target)
    with pytest.raises(ConfigError, match="2 models have the name tiny-cnn"):
        to_export([model, again], target)
    assert list(tmp_path.iterdir()) == []


def test_only_the_eight_names_are_orientations(ask: Ask) -> None:
    """The name of a method that every JavaScript object has is no orientation."""
    names = [*ORIENTATIONS, "toString", "constructor", ""]
    found = ask("areOrientations", names=names)
    assert found == [True] * len(ORIENTATIONS) + [False] * 3
