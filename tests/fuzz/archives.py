"""Archives that nobody should upload, without end, from a seed."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.archives import (
    DEFLATED,
    LINK,
    METHODS,
    STORED,
    Member,
    npy,
    npz,
    picture,
    raw_zip,
    zipped,
)

_KIB = 1024
_NAMES = (
    b"1.png", b"cats/1.png", b"a b/\xf0\x9f\x8e\xb2.png", b"../x", b"/etc/x", b"a\\b", b"", b"a\0b", b".", b"..", b"//",
    b"x.npy", b"train.npy", b"palette.npy", b".hidden", b"__MACOSX/._1.png", b"\xff\xfe", b"CON", b"folder/",
    b"00001.png", b"00001.png/1.png", b"a/" * 7 + b"x", b"a/" * 8 + b"x", b"n" * 255, b"n" * 256, b"a/" * 9000 + b"x",
    b"\x1b[2J", b"\xe2\x80\xae", b"c" * 61 + b"/1.png",
)  # fmt: skip
_PICTURES = tuple(
    picture(*size, kind=kind)
    for size in ((6, 5), (1, 1), (4096, 8), (2048, 2048))
    for kind in ("PNG", "GIF", "BMP")
)
_TYPES: tuple[Any, ...] = (
    np.uint8, np.bool_, np.int64, np.float32, ">u2", "<U5", ">U2", "S3", "M8[s]", "u1,f4", "c16",
)  # fmt: skip
_ARRAYS = (
    "train", "valid", "test", "labels", "train_labels", "label_names", "palette", "x", ".b", "a/b", "data",
)  # fmt: skip


def archives(seed: int) -> Iterator[bytes]:
    """Yield zips, arrays and what is left of them when bytes are changed."""
    rng = random.Random(seed)
    makers: list[Callable[[random.Random], bytes]] = [
        _members,
        _members,
        _arrays,
        _nested,
        _bomb,
        _many,
    ]
    while True:
        data = rng.choice(makers)(rng)
        yield _spoilt(rng, data) if rng.random() < 0.3 else data


def _members(rng: random.Random) -> bytes:
    """Entries with odd names, methods and contradictions."""
    members = [_member(rng) for _ in range(rng.randrange(6))]
    end: dict[str, Any] = {}
    if rng.random() < 0.2:
        end = rng.choice(
            (
                {"count": rng.randrange(70_000)},
                {"directory_size": rng.randrange(2**32)},
                {"comment": rng.randbytes(rng.randrange(60_000))},
                {"before_end": b"PK\6\7" + bytes(16)},
                {"before_end": rng.randbytes(9)},
            )
        )
    return raw_zip(members, **end)


def _member(rng: random.Random) -> Member:
    name = rng.choice(_NAMES)
    data = rng.choice(
        (rng.choice(_PICTURES), _array(rng), b"", rng.randbytes(500), b"%PDF-1.4")
    )
    method = rng.choice((*METHODS, *(STORED, DEFLATED) * 9))
    odd: dict[str, Any] = {}
    if rng.random() < 0.4:
        odd = rng.choice(
            (
                {"size": rng.randrange(2**32)},
                {"size": 0xFFFFFFFF},
                {"packed_size": rng.randrange(2000)},
                {"checksum": rng.randrange(2**32)},
                {"flags": rng.randrange(2**16)},
                {"attributes": LINK},
                {"local_name": rng.choice(_NAMES)},
                {"local_extra": rng.randbytes(rng.randrange(300))},
                {"extra": rng.randbytes(rng.randrange(300))},
                {"offset": rng.randrange(500)},
                {"packed": rng.randbytes(rng.randrange(500))},
            )
        )
    return Member(name, data, method, **odd)


def _array(rng: random.Random) -> bytes:
    shape = [rng.choice((0, 1, 2, 3, 8, 98)) for _ in range(rng.randrange(5))]
    array = npy(np.zeros(shape, rng.choice(_TYPES)))
    return _spoilt(rng, array) if rng.random() < 0.3 else array


def _arrays(rng: random.Random) -> bytes:
    """What numpy.savez might write, of which some may be trained on."""
    if rng.random() < 0.3:
        count = rng.choice((3, 20_000, 20_001))
        return npz(x=np.zeros((count, 4, 4), np.uint8), labels=np.arange(count))
    names = rng.sample(_ARRAYS, rng.randrange(1, 5))
    return zipped({f"{name}.npy": _array(rng) for name in names}, rng.choice((0, 8)))


def _nested(rng: random.Random) -> bytes:
    inner = _members(rng)
    for depth in range(rng.randrange(1, 5)):
        inner = zipped({f"{depth}.zip": inner, "1.png": _PICTURES[0]})
    return inner


def _bomb(rng: random.Random) -> bytes:
    """Zeros that unpack to much more, of which the directory may say less."""
    zeros = bytes(rng.choice((100 * _KIB, 3000 * _KIB, 20_000 * _KIB)))
    method = rng.choice(METHODS[:9])
    size = rng.choice((None, None, 10, len(zeros) - 1))
    count = rng.choice((1, 3, 9))
    names = ("%d.png", "x/%d.png", "%d.npy", ".%d.npy")
    name = rng.choice(names)
    first = Member((name % 0).encode(), zeros, method, size=size)
    packed = raw_zip([first])
    if len(packed) * count > 2000 * _KIB:
        return packed
    return raw_zip(
        [Member((name % i).encode(), zeros, method, size=size) for i in range(count)]
    )


def _many(rng: random.Random) -> bytes:
    """Many small entries."""
    count = rng.choice((255, 257, 3000, 25_001))
    form = rng.choice((b"%d", b"%d/", b"%d/1.png", b"x/%d.png", b".%d"))
    return raw_zip([Member(form % i, method=STORED) for i in range(count)])


def _spoilt(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    if changed and rng.random() < 0.2:
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)
