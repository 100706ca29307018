"""Files of each kind with bytes changed, cut or added: their readers give data or one DataError, and nothing else."""

import contextlib
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_core.config import preset
from model_core.data.datasets import read_dataset
from model_core.data.images import read_exact_values, read_keep, read_values
from model_core.data.options import ReadOptions
from model_core.data.picture_names import SUFFIXES, find_pictures
from model_core.data.survey import survey
from model_core.errors import DataError
from pixelrnn.verify import verify_file

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, of what it passes over
CHANGES = 60
"""Of each kind of file."""
GREY = preset("mnist-pixelcnn").with_overrides(height=4, width=4, values=256)
BITS = preset("mnist-pixelcnn")


def changed(data: bytes, choose: random.Random) -> bytes:
    """Cut, with some bytes changed, most of them in its head, or with bytes put in."""
    new = bytearray(data)
    if choose.random() < 0.3:
        del new[choose.randrange(len(new)) :]
    for _ in range(choose.choice([0, 1, 1, 2, 8])):
        at = choose.randrange(min(len(data), choose.choice([32, 128, len(data)])))
        new[at : at + choose.choice([0, 1, 1, 4])] = bytes(
            choose.choices(range(256), k=choose.choice([0, 1, 1, 4]))
        )
    return bytes(new)


def hold(read: Callable[[Path], object], file: Path) -> None:
    """Each changed file is read, or refused in one line."""
    data, choose, said = file.read_bytes(), random.Random(file.name), ""
    for _ in range(CHANGES):
        file.write_bytes(changed(data, choose))
        try:
            read(file)
        except DataError as error:
            said += str(error)
    assert said
    assert "\n" not in said


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_changed_picture_is_read_or_refused(tmp_path: Path, suffix: str) -> None:
    """As score, complete and encode read one, as a mask, and as a folder's."""
    file = tmp_path / f"picture{suffix}"
    image = Image.fromarray(np.arange(0, 256, 16, np.uint8).reshape(4, 4))
    (image.convert("1") if suffix == ".pbm" else image).save(file)

    def read(file: Path) -> None:
        for reader in (read_values, read_exact_values, read_keep):
            with contextlib.suppress(DataError):
                reader(file, GREY)
        with contextlib.suppress(DataError):
            verify_file(file, None, "cpu")
        read_values(file, GREY)

    assert find_pictures(tmp_path) == [file.name]
    read(file)
    hold(read, file)


def test_an_array_of_fewer_than_no_images_is_refused(tmp_path: Path) -> None:
    """Its blocks would be none, and whoever asks for the first would break off."""
    np.save(tmp_path / "x.npy", np.zeros((5, 4, 4), np.uint8))
    data = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(data.replace(b"(5, 4, 4), ", b"(-5, 4, 4),"))
    for read in (survey, lambda path: read_dataset(path, "train", GREY)):
        with pytest.raises(DataError, match=r"not uint8 \(-5, 4, 4\)"):
            read(tmp_path / "x.npy")


def archive(file: Path, method: int, **arrays: np.ndarray) -> None:
    """A .npz; numpy writes two of the ways only."""
    np.savez(file, **arrays)
    with zipfile.ZipFile(file) as plain:
        members = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(file, "w", method) as packed:
        for name, data in members.items():
            packed.writestr(name, data)


def encrypted(file: Path) -> None:
    """As an archive with a password looks."""
    data = bytearray(file.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(signature, at + 1)) >= 0:
            data[at + flags] |= 1
    file.write_bytes(data)


IMAGES = {
    split: np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    for split in ("train", "valid", "test")
}
PACKED = {split: np.zeros((3, 98), np.uint8) for split in ("train", "valid", "test")}


@pytest.mark.parametrize(
    "method", ["npy", "stored", "deflated", "lzma", "bzip2", "packed", "cifar"]
)
def test_changed_data_set_is_read_or_refused(tmp_path: Path, method: str) -> None:
    """Arrays, archives of each kind, packed bits and CIFAR-10's pickles."""
    file, config = tmp_path / "data.npz", GREY
    methods = {"stored": 0, "deflated": 8, "bzip2": 12, "lzma": 14}
    if method == "npy":
        file = tmp_path / "data.npy"
        np.save(file, IMAGES["train"])
    elif method == "packed":
        config = BITS
        archive(file, zipfile.ZIP_DEFLATED, **PACKED)
    elif method == "cifar":
        config, file = preset("cifar10-pixelcnn"), tmp_path / "test_batch"
        file.write_bytes(pickle.dumps({"data": np.zeros((2, 3072), np.uint8)}, 2))
        for i in range(1, 6):
            (tmp_path / f"data_batch_{i}").write_bytes(file.read_bytes())
    else:
        archive(file, methods[method], **IMAGES)

    def read(file: Path) -> None:
        path = file.parent if method == "cifar" else file
        read_dataset(path, "test", config, ReadOptions(cache=tmp_path / "cache"))

    read(file)
    hold(read, file)


@pytest.mark.parametrize("arrays", [IMAGES, PACKED], ids=["images", "bits"])
def test_archive_with_a_password_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    """In one line."""
    file = tmp_path / "binarized_mnist.npz"
    archive(file, zipfile.ZIP_DEFLATED, **arrays)
    encrypted(file)
    with pytest.raises(DataError, match=r"password|encrypted"):
        read_dataset(file, "test", BITS)


@pytest.mark.parametrize(
    "shape",
    ["(1, 10**12, 10**12)", "(1, 1000000, 1000000000)", "((((((((", "(-1, 4, 4)"],
)
def test_header_that_lies_is_refused(tmp_path: Path, shape: str) -> None:
    """Whatever it says the array's shape is."""
    text = (
        f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117)
        + "\n"
    )
    file = tmp_path / "data.npy"
    file.write_bytes(
        b"\x93NUMPY\x01\x00"
        + len(text).to_bytes(2, "little")
        + text.encode()
        + bytes(64)
    )
    with pytest.raises(DataError):
        read_dataset(file, "train", GREY, ReadOptions(cache=tmp_path / "cache"))
