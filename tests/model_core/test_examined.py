"""The list of shipped models that a worker need not examine again."""

import json
import shutil
from pathlib import Path

import pytest

from model_core import shipped
from model_core.examined import LIST, file_digests, is_examined, renew

SHIPPED = sorted(card.parent for card in shipped.MODELS.glob("*/card.json"))


def test_every_shipped_model_is_listed_with_the_files_that_it_has() -> None:
    """If this fails, weights or a card changed: `make weights` writes the list, or
    `python -c "from model_core.examined import *; renew(LIST.parent)"`."""
    listed = json.loads(LIST.read_text(encoding="utf-8"))
    assert listed == {place.name: file_digests(place) for place in SHIPPED}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A shipped model under another name."""
    place = tmp_path / "another-name"
    shutil.copytree(shipped.MODELS / "mnist-pixelcnn", place)
    return place


def test_a_copy_of_a_shipped_model_is_known(copy: Path) -> None:
    assert is_examined(copy)


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_a_model_with_one_changed_byte_is_examined(copy: Path, name: str) -> None:
    """The identity, which comes from the card, would not show changed weights."""
    content = bytearray((copy / name).read_bytes())
    content[-2] ^= 1
    (copy / name).write_bytes(content)
    assert not is_examined(copy)


def test_a_model_with_one_more_file_of_weights_is_examined(copy: Path) -> None:
    shutil.copyfile(copy / "weights.safetensors", copy / "more.safetensors")
    assert not is_examined(copy)


def test_a_directory_without_a_list_knows_no_model(copy: Path, tmp_path: Path) -> None:
    assert not is_examined(copy, tmp_path / "examined.json")
    renewed = renew(tmp_path)
    assert is_examined(copy, renewed)
