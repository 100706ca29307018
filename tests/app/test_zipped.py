"""Zip files of clients: judged before they are read, and unpacked within limits."""

import io
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.errors import BadUploadError, RefusedError, UnusableImageError
from app.imaging.training_set import write_training_set
from app.imaging.zipped import (
    Allowance,
    Archive,
    DamagedZipError,
    TooMuchInZipError,
    files_in,
)
from tests.archives import (
    BZIP2,
    DEFLATED,
    LINK,
    METHODS,
    STORED,
    Member,
    chunky_png,
    npy,
    npz,
    picture,
    raw_zip,
    segmented_jpeg,
    zipped,
)

MIB = 2**20
ZEROS = bytes(1000)


def opened(data: bytes, entries: int = 1000, size: int = MIB) -> Archive:
    return Archive(io.BytesIO(data), Allowance(entries, size))


def contents(data: bytes) -> dict[str, bytes]:
    archive = opened(data)
    return {
        "/".join(entry.path): b"".join(archive.blocks(entry)) for entry in archive.files
    }


def taken(place: Path, *files: bytes) -> tuple[int, int]:
    place.mkdir(exist_ok=True)
    found = write_training_set(
        [*map(io.BytesIO, files)], place, lambda _: None, least=1
    )
    return found.pictures, found.unreadable


class Streamed(io.RawIOBase):
    """A file without seek, for which zipfile writes data descriptors."""

    def __init__(self, out: io.BytesIO) -> None:
        self.out = out

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self.out.write(data)


def test_files_of_a_zip_are_those_that_python_unpacks(
    subtests: pytest.Subtests,
) -> None:
    """Of stored and deflated ones, streamed with data descriptors or not, with ZIP64
    fields in local headers, names of all scripts, folders and a comment."""
    for seed in range(20):
        with subtests.test(seed=seed):
            rng = random.Random(seed)
            out = io.BytesIO()
            names = [
                "a b/ü 🎲.png",
                "x",
                "deep/er/and/deeper/1",
                "folder/",
                "__MACOSX/x",
                ".h",
            ]
            expected = {}

            target = Streamed(out) if rng.random() < 0.5 else out
            method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            with zipfile.ZipFile(target, "w", method) as archive:  # type: ignore[call-overload]
                archive.comment = rng.randbytes(rng.randrange(9))
                for name in rng.sample(names, rng.randrange(1, len(names))):
                    data = rng.choice((rng.randbytes, bytes))(
                        rng.choice((0, 1, 70_000))
                    )
                    info = zipfile.ZipInfo(name)
                    info.compress_type = method
                    with archive.open(
                        info, "w", force_zip64=rng.random() < 0.5
                    ) as file:
                        file.write(b"" if name.endswith("/") else data)
                    if name in names[:3]:
                        expected[name] = data
            assert contents(out.getvalue()) == expected


def test_a_name_without_the_flag_of_utf8_is_read_as_dos_wrote_it() -> None:
    """As Python does."""
    data = raw_zip([Member(b"\x81.png", b"x", flags=0)])
    assert contents(data) == {"ü.png": b"x"}


def test_sizes_may_stand_in_a_zip64_field_of_the_directory() -> None:
    """Programs that stream a zip write them there."""
    wide = struct.pack("<2HQQ", 1, 16, 1, 1)
    other = struct.pack("<2HB", 0x5455, 1, 0)
    member = Member(
        b"x", b"y", STORED, size=0xFFFFFFFF, packed_size=0xFFFFFFFF, extra=other + wide
    )
    assert contents(raw_zip([member])) == {"x": b"y"}


def test_many_extra_fields_cost_no_time() -> None:
    """Each is looked at once: quadratic work would take minutes here."""
    extra = struct.pack("<2H", 0x5455, 0) * 16_000
    names = (b"%d" % i for i in range(60))
    members = [Member(name, size=0xFFFFFFFF, extra=extra) for name in names]
    with pytest.raises(TooMuchInZipError):
        opened(raw_zip(members))


LONG = b"a/" * 16_380 + b"7"
OVERLAPPING = [
    Member(b"a", ZEROS, STORED),
    Member(b"b", ZEROS, STORED, offset=0, local_name=b"b"),
]
WIDE_END = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)


def test_an_archive_is_judged_before_any_content_is_read(
    subtests: pytest.Subtests,
) -> None:
    """Its names, kinds of entries, methods, sizes and places."""
    for members, error, words in [
        ([Member(b"../x")], UnusableImageError, "leads out of it"),
        ([Member(b"/etc/x")], UnusableImageError, "leads out of it"),
        ([Member(b"a\\b")], UnusableImageError, "leads out of it"),
        ([Member(b"a\0b")], UnusableImageError, "leads out of it"),
        ([Member(b"")], UnusableImageError, "too long"),
        ([Member(LONG)], UnusableImageError, "too long"),
        ([Member(b"x" * 256)], UnusableImageError, "too long"),
        ([Member(b"a/" * 8 + b"x")], UnusableImageError, "too many folders"),
        ([Member(b"x", attributes=LINK)], UnusableImageError, "link"),
        ([Member(b"x"), Member(b"x")], UnusableImageError, "same name"),
        ([Member(b"a/x"), Member(b"a//x")], UnusableImageError, "same name"),
        ([Member(b"a"), Member(b"a/")], UnusableImageError, "same name"),
        ([Member(b"x", ZEROS, size=MIB + 1)], TooMuchInZipError, None),
        ([Member(b"x", flags=1)], DamagedZipError, None),
        ([Member(b"x", flags=0x40)], DamagedZipError, None),
        ([Member(b"\xff", flags=0x800)], DamagedZipError, None),
        ([Member(b"x", local_name=b"y")], DamagedZipError, None),
        ([Member(b"x", local_name=b"xy")], DamagedZipError, None),
        ([Member(b"x", ZEROS, STORED, size=999)], DamagedZipError, None),
        ([Member(b"x", ZEROS, packed_size=MIB)], DamagedZipError, None),
        ([Member(b"x", offset=10)], DamagedZipError, None),
        ([Member(b"x", offset=10**9)], DamagedZipError, None),
        (OVERLAPPING, DamagedZipError, None),
    ]:
        with (
            subtests.test(words=words, members=members),
            pytest.raises(error, match=words),
        ):
            opened(raw_zip(members))


@pytest.mark.parametrize(
    ("end", "error", "words"),
    [
        ({"count": 2}, DamagedZipError, None),
        ({"count": 0}, DamagedZipError, None),
        ({"count": 1001}, TooMuchInZipError, None),
        ({"directory_size": 5 * MIB}, UnusableImageError, "directory has more than"),
        ({"directory_size": 0}, DamagedZipError, None),
        ({"directory_size": 0xFFFFFFFF}, UnusableImageError, "ZIP64"),
        ({"before_end": WIDE_END}, UnusableImageError, "ZIP64"),
        ({"before_end": b"x"}, DamagedZipError, None),
    ],
)
def test_the_end_record_is_judged_first(
    end: dict[str, bytes | int], error: type[Exception], words: str | None
) -> None:
    """It says how many entries there are, and how long the directory is."""
    with pytest.raises(error, match=words):
        opened(raw_zip([Member(b"x")], **end))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "member",
    [
        Member(b"x", ZEROS, size=999),
        Member(b"x", ZEROS, size=1001),
        Member(b"x", ZEROS, checksum=1),
        Member(b"x", ZEROS, STORED, checksum=1),
        Member(b"x", ZEROS, packed=b"\xff" * 9),
        Member(b"x", ZEROS, packed=zlib.compress(ZEROS)),
        Member(b"x", ZEROS, packed=b""),
        Member(b"x", ZEROS * 99, packed=b"\x63"),
    ],
)
def test_content_is_what_the_directory_declares(member: Member) -> None:
    """Neither longer nor shorter, and with the declared checksum."""
    archive = opened(raw_zip([member]))
    with pytest.raises(DamagedZipError):
        list(archive.blocks(archive.files[0]))


@pytest.mark.parametrize("seed", range(6))
def test_a_spoilt_zip_is_refused_or_read(seed: int) -> None:
    """Whatever bytes are changed or missing, nothing else is raised."""
    rng = random.Random(seed)
    whole = zipped({"a/1.png": picture(), "b.npy": npy(np.arange(9)), "c": ZEROS})
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        try:
            contents(bytes(data))
        except (RefusedError, DamagedZipError, TooMuchInZipError):
            continue


def test_zips_of_a_request_share_a_limit() -> None:
    """Of bytes and of entries; each is reserved before it is unpacked."""
    bomb = zipped({"x": bytes(MIB)})
    reserved: list[int] = []
    allowance = Allowance(256, 2 * MIB)
    files_in([b"plain", bomb], "image", MIB, allowance, reserved.append)
    assert (reserved, allowance.entries, allowance.size) == ([MIB], 255, MIB)
    with pytest.raises(RefusedError, match="too many bytes"):
        files_in([bomb, bomb], "image", MIB, allowance, reserved.append)
    assert reserved == [MIB, MIB]


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ([Member(LONG[:-4] + b"%04d" % i) for i in range(500)], UnusableImageError),
        ([Member(b"%d" % i, bytes(63 * MIB)) for i in range(2)], TooMuchInZipError),
        ([Member(b"%d" % i) for i in range(40_000)], TooMuchInZipError),
    ],
)
def test_a_zip_takes_little_memory_before_it_is_refused(
    members: Sequence[Member], error: type[Exception]
) -> None:
    """Of long names, of a large directory, and of zeros."""
    data = raw_zip(members)
    tracemalloc.start()
    try:
        with pytest.raises(error):
            opened(data, 25_000, 64 * MIB)
        # BytesIO shares the bytes of the zip.
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def test_hidden_files_of_an_npz_are_not_unpacked(tmp_path: Path) -> None:
    """Nor judged by their method: nothing reads them, and nothing writes them."""
    data = raw_zip(
        [
            Member(b"train.npy", npy(np.zeros((3, 8, 8), np.uint8))),
            Member(b".b.npy", bytes(50 * MIB), BZIP2),
        ]
    )
    tracemalloc.start()
    assert taken(tmp_path, data) == (0, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MIB
    with np.load(tmp_path / "pictures.npz") as arrays:
        assert arrays.files == ["train"]


def test_an_npz_is_written_anew(tmp_path: Path) -> None:
    """Stored, with the arrays that a training reads, longer than one block, and nothing
    else."""
    rng = np.random.default_rng(1)
    sent = {
        "valid": rng.integers(0, 3, (4, 5, 6, 3), dtype=np.uint8),
        "train": rng.integers(0, 3, (900, 5, 6, 3), dtype=np.uint8),
        "test": np.zeros((2, 5, 6, 3), bool),
        "train_labels": np.arange(900, dtype=">i4"),
        "valid_labels": np.arange(4, dtype=np.uint8),
        "label_names": np.array(["a", "ünknown", "🎲"], dtype=">U7"),
        "palette": np.array(["#1a1c2c", "#00000000", "#ffffff"]),
    }
    more = {"mean": np.zeros(3), "object_names": np.zeros((), np.int8)}
    taken(tmp_path, npz(**more, **sent))
    with zipfile.ZipFile(tmp_path / "pictures.npz") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {0}
    with np.load(tmp_path / "pictures.npz", allow_pickle=False) as arrays:
        assert set(arrays.files) == set(sent)
        for name, array in sent.items():
            assert (arrays[name] == array).all()
            assert arrays[name].shape == array.shape


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_a_single_array_may_have_any_name(
    tmp_path: Path, version: tuple[int, int]
) -> None:
    """And any version of the format."""
    file = io.BytesIO()
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    np.lib.format.write_array(file, array, version)
    packed = zipped({"of/mine 🎲.npy": file.getvalue(), "labels.npy": npy([1, 2, 3])})
    taken(tmp_path, packed)
    with np.load(tmp_path / "pictures.npz") as arrays:
        assert sorted(arrays.files) == ["images", "labels"]
        assert (arrays["images"] == array).all()


GREYS = np.zeros((3, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"train": np.zeros((3, 8, 8), np.float32)}, "arrays of pictures"),
        ({"train": np.zeros((3, 8, 8, 4), np.uint8)}, "arrays of pictures"),
        ({"train": np.zeros((3, 98), bool)}, "arrays of pictures"),
        ({"x": np.zeros((3, 98), np.uint8)}, "arrays of pictures"),
        ({"train": np.zeros((3, 0, 8), np.uint8)}, "arrays of pictures"),
        ({"train": np.asfortranarray(np.eye(8, dtype=np.uint8)[None])}, "C order"),
        ({"x": np.zeros((20_001, 2, 2), np.uint8)}, "more than 20000 pictures"),
        (
            {"train": np.zeros((20_000, 2, 2), np.uint8), "valid": GREYS},
            "more than 20000 pictures",
        ),
        ({"x": GREYS, "y": GREYS}, "one single array"),
        ({"labels": np.arange(3)}, "one single array"),
        ({"x": GREYS, "labels": np.zeros(3)}, "labels: expected whole numbers"),
        ({"x": GREYS, "labels": np.zeros((3, 1), int)}, "labels: expected whole"),
        ({"x": GREYS, "label_names": np.array([b"a"])}, "label_names: expected a list"),
        ({"x": GREYS, "palette": np.array("#123456")}, "palette: expected a list"),
        ({"x": GREYS, "palette": np.array(["x" * 9999] * 99)}, "palette: .* bytes"),
    ],
)
def test_arrays_that_cannot_be_trained_on_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], words: str
) -> None:
    """With a sentence, before anything is trained."""
    with pytest.raises(UnusableImageError, match=words):
        taken(tmp_path, npz(**arrays))
    with np.errstate(all="ignore"):
        assert not [*tmp_path.glob("pictures/*")]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (npy(GREYS)[:-1], UnusableImageError, "have as many bytes as"),
        (npy(GREYS) + b"x", UnusableImageError, "have as many bytes as"),
        (b"\x93NUMPY\1\0\xff\xff", BadUploadError, "cut off, or longer than 512"),
        (b"\x93NUMPY\x09\0", BadUploadError, "version"),
        (npy(np.array([None])), BadUploadError, "dtype=object"),
        (npy(np.zeros(3, "M8[s]")), BadUploadError, "header cannot be read"),
        (npy(np.zeros(3, "i4,f4")), BadUploadError, "header cannot be read"),
        (b"", UnusableImageError, "no array"),
        (b"no array", UnusableImageError, "no array"),
    ],
)
def test_arrays_are_compared_with_their_headers(
    tmp_path: Path, data: bytes, error: type[Exception], words: str
) -> None:
    """Also those that would be left out: their headers say what they are."""
    with pytest.raises(error, match=words):
        taken(tmp_path, zipped({"train.npy": data}))


def test_strings_are_characters(tmp_path: Path) -> None:
    """NumPy would raise an error of its own for a number that is none."""
    names = bytearray(npy(np.array(["abcd"])))
    names[-16:-12] = struct.pack("<L", 0x110000)
    with pytest.raises(UnusableImageError, match="Unicode"):
        taken(tmp_path, zipped({"x.npy": npy(GREYS), "label_names.npy": bytes(names)}))


def test_a_folder_may_be_called_as_a_picture_is(tmp_path: Path) -> None:
    """Labels and the names of pictures do not meet in one directory."""
    pair = [b"1.png", b"00001.png/2.png", b"00002.png/3.png"]
    mixed = raw_zip([Member(name, picture()) for name in pair])
    assert taken(tmp_path / "mixed", mixed) == (3, 0)
    names = ["00001.png", "00002.png", "00003.png"]
    pictures = tmp_path / "mixed" / "pictures"
    assert sorted(path.name for path in pictures.iterdir()) == names
    assert all(path.is_file() for path in pictures.iterdir())
    labelled = raw_zip([Member(name, picture()) for name in pair[1:]])
    taken(tmp_path / "labelled", labelled)
    found = (tmp_path / "labelled" / "pictures").rglob("*.png")
    assert sorted(path.parent.name for path in found if path.is_file()) == names[:2]


def test_unreadable_files_of_every_size_are_left_out(tmp_path: Path) -> None:
    """And counted; also a zip in the zip, and an array among pictures."""
    files = {
        "a 🎲/1.png": picture(),
        "a 🎲/notes.txt": bytes(2 * MIB),
        "b/2.gif": picture(kind="GIF"),
        "b/inner.zip": zipped({"x.png": picture()}),
        "b/array.npy": npy(GREYS),
    }
    assert taken(tmp_path, zipped(files)) == (2, 3)
    kept = sorted(path.name for path in (tmp_path / "pictures").rglob("*.*"))
    assert kept == ["00001.png", "00002.gif"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures"]


@pytest.mark.parametrize("make", [chunky_png, segmented_jpeg])
def test_a_long_header_is_no_pictures(
    tmp_path: Path, make: Callable[[int], bytes]
) -> None:
    """Pillow would keep all of it in memory; what is shorter is read."""
    picture_of = {mib: make(mib) for mib in (3, 60)}
    assert taken(tmp_path / "short", picture_of[3]) == (1, 0)
    tracemalloc.start()
    try:
        with pytest.raises(UnusableImageError, match="can be read as a picture"):
            taken(tmp_path / "long", picture_of[60])
        assert tracemalloc.get_traced_memory()[1] < 45 * MIB
    finally:
        tracemalloc.stop()


def test_a_webp_of_noise_is_read(tmp_path: Path) -> None:
    """The longest file that such a picture can have."""
    noise = random.Random(1).randbytes(2048 * 2048 * 4)
    file = io.BytesIO()
    image = Image.frombytes("RGBA", (2048, 2048), noise)
    image.save(file, "WEBP", lossless=True, quality=0, method=0, exact=True)
    assert len(file.getvalue()) > 16 * MIB
    assert taken(tmp_path, file.getvalue()) == (1, 0)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_unpacked_or_refused(tmp_path: Path, method: int) -> None:
    """Only zlib unpacks within a limit."""
    data = raw_zip([Member(b"1.png", picture(), method)])
    if method in (STORED, DEFLATED):
        assert taken(tmp_path, data) == (1, 0)
        return
    with pytest.raises(BadUploadError, match="stored or deflated"):
        taken(tmp_path, data)
