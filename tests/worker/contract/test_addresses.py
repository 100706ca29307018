"""Names of pictures, their seeds, and the file of an addressed picture."""

import pytest

from worker.contract.addresses import (
    MAX_NAME,
    AddressNameError,
    normalised,
    picture_file,
    seed_of,
)
from worker.contract.drawn_picture import DrawnPicture
from worker.contract.jobs import JobSpec
from worker.contract.kinds.sample import SampleOptions
from worker.contract.provenance import Provenance


def test_a_name_has_the_seed_of_its_nfc() -> None:
    """The seed is the first 53 bits of SHA-256 of the UTF-8, whichever way an accent
    is written; the numbers are those of the issue that asked for it and of
    `printf NAME | sha256sum`."""
    assert seed_of("alice") == 1542618457563584
    assert normalised("Zoe\u0308") == "Zo\u00eb"
    assert seed_of("Zoe\u0308") == seed_of("Zo\u00eb") == 6988654065681912
    assert seed_of("Alice") != seed_of("alice") != seed_of("alice.png")


@pytest.mark.parametrize("name", ["\U0001f600" * MAX_NAME, "e\u0301" * MAX_NAME, "..."])
def test_names_of_any_script_are_taken(name: str) -> None:
    assert len(normalised(name)) <= MAX_NAME


@pytest.mark.parametrize(
    "name", ["", "a" * (MAX_NAME + 1), "a/b", "a\\b", "a\nb", "\x7f", "\ud83d"]
)
def test_other_names_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(AddressNameError, match="expected 1 to 200 characters"):
        seed_of(name)


def test_the_text_of_a_file_says_how_to_draw_it_and_the_name_only_if_asked() -> None:
    spec = JobSpec(
        id="any",
        kind="sample",
        model="dots",
        digest="d" * 64,
        identity="i" * 64,
        seed=seed_of("Łucja"),
        n=1,
        temperature=0.9,
        height=2,
        width=3,
        channels=1,
        palette=("#ff0000", "#00ff00", "#00000000"),
        options=SampleOptions(label="b"),
    )
    pixels = bytes((0, 1, 2, 2, 1, 0))
    file = picture_file(spec, pixels, "cpu-compiled", "png", 2)
    assert file == picture_file(spec, pixels, "cpu-compiled", "png", 2)
    drawn = DrawnPicture.of(file)
    assert (drawn.width, drawn.height) == (6, 4)
    found = Provenance.of(drawn.text)
    assert (found.seed, found.label, found.sample) == (spec.seed, "b", 0)
    assert "name" not in drawn.text

    named = picture_file(spec, pixels, "cpu-compiled", "png", 2, "Łucja")
    assert DrawnPicture.of(named).text["name"] == "Łucja"
    webp = picture_file(spec, pixels, "cpu-compiled", "webp")
    assert webp[8:12] == b"WEBP"
    assert b"trainedAlgorithmicMedia" in webp
