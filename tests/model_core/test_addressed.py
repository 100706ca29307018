"""`addressed` and `pixelrnn address`: the picture of a name, drawn here."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_core import load_model, sample
from model_core.data.pixels import values_to_pixels
from pixelrnn.addressed import addressed
from tests.client.by_command import run
from worker.contract.addresses import AddressNameError

ALICE = 1542618457563584


def test_the_picture_of_a_name_is_sample_0_of_its_seed(models_dir: Path) -> None:
    """In the order of a picture's bytes, enlarged, in both formats."""
    model = load_model(models_dir / "tiny-rgb")
    (values,) = sample(model, 1, ALICE, size=(9, 11)).numpy()
    drawn = values_to_pixels(values, 4).transpose(1, 2, 0)
    for picture_format in ("png", "webp"):
        file = addressed(model, "alice", picture_format, scale=2, size="9x11")
        with Image.open(io.BytesIO(file)) as picture:
            pixels = np.asarray(picture)
        np.testing.assert_array_equal(pixels, drawn.repeat(2, 0).repeat(2, 1))


def test_the_command_writes_the_same_file_and_verify_knows_its_name(
    all_models_dir: Path, tmp_path: Path
) -> None:
    """Names with every option of an address; a name is in the file only if asked."""
    out = tmp_path / "zoe.png"
    place = "--models-dir", all_models_dir
    options = "--temperature", 0.8, "--scale", 3, "--out", out, "--json"
    said = run("address", "tiny-cnn", "Zoe\u0308", *options, *place, "--named")
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["seed"] == 6988654065681912
    assert out.read_bytes() == addressed(
        all_models_dir / "tiny-cnn", "Zo\u00eb", scale=3, temperature=0.8, named=True
    )
    verdict = run("verify", out, *place, "--json")
    assert json.loads(verdict.stdout.splitlines()[-1])["name"] == "Zo\u00eb"
    assert "this is the picture of the name 'Zo\u00eb'" in verdict.stderr

    assert run("address", "tiny-cnn", "Zoe\u0308", *options, *place).exit_code == 0
    assert b"Zo" not in out.read_bytes()
    verdict = run("verify", out, *place, "--json")
    facts = json.loads(verdict.stdout.splitlines()[-1])
    assert (facts["verified"], facts["name"]) == (True, None)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("a/b", (), "expected 1 to 200 characters"),
        ("", (), "expected 1 to 200 characters"),
        ("a", ("--size", "large"), "expected WIDTHxHEIGHT"),
        ("a", ("--out", "a.jpg"), ".png or .webp"),
        ("a", ("--scale", 33), "less than or equal to 32"),
    ],
)
def test_what_no_address_has_is_refused_in_a_sentence(
    models_dir: Path, name: str, options: tuple[str | int, ...], sentence: str
) -> None:
    result = run("address", models_dir / "tiny-rgb", name, *options)
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())


def test_python_refuses_with_value_errors(models_dir: Path) -> None:
    model = load_model(models_dir / "tiny-rgb")
    with pytest.raises(AddressNameError):
        addressed(model, "a\\b")
    with pytest.raises(ValueError, match="expected the format png or webp"):
        addressed(model, "a", "jpeg")
