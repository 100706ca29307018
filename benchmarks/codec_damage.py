"""Files of coded images, damaged by accident or by intent: each is refused with a sentence, or decoded right.

python benchmarks/codec_damage.py [COUNT]
"""

import random
import sys
import zlib

import torch
from torch import Tensor

from model_core import decode, encode, sample, untrained
from model_core.codec.container import Header
from model_core.errors import PixelRNNError
from model_core.models import Model

HEADER_BYTES = Header("0" * 64, "none", 1, bytes(8), identity="0" * 64).size


def damaged(data: bytes, rng: random.Random) -> bytes:
    """A file of one stripe in one of the ways in which it can be wrong; `forge` and `length` make checksums right."""
    kind = rng.choice(("flip", "cut", "insert", "swap", "length", "forge"))
    if kind == "cut":
        return data[: rng.randrange(len(data))]
    if kind == "insert":
        at = rng.randrange(len(data))
        return data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at:]
    changed = bytearray(data)
    if kind == "swap":
        a, b = rng.randrange(len(data)), rng.randrange(len(data))
        changed[a], changed[b] = changed[b], changed[a]
        return bytes(changed)
    for _ in range(rng.choice((1, 1, 1, 8))):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    if kind == "length":
        changed[HEADER_BYTES : HEADER_BYTES + 2] = rng.randbytes(2)
    return forged(bytes(changed)) if kind in ("length", "forge") else bytes(changed)


def forged(data: bytes) -> bytes:
    """The file with right checksums of the header, and of one stripe that reaches to the file's end."""
    header, rest = data[: HEADER_BYTES - 4], data[HEADER_BYTES:-4]
    return b"".join(
        [
            header,
            zlib.crc32(header).to_bytes(4, "big"),
            rest,
            zlib.crc32(rest).to_bytes(4, "big"),
        ]
    )


def refused_among(
    count: int, model: Model, images: Tensor, data: bytes, seed: int
) -> int:
    """How many of so many damaged files were refused; AssertionError when one was decoded to something else."""
    rng, refused = random.Random(seed), 0
    for _ in range(count):
        try:
            decoded = decode(model, damaged(data, rng))
        except PixelRNNError:
            refused += 1
        else:
            assert torch.equal(decoded, images), (
                "a damaged file decoded to other images"
            )
    return refused


def refused_mutations(count: int, seed: int) -> int:
    """The same of files of a small network's images."""
    model = untrained(
        "mnist-pixelcnn",
        layers=2,
        hidden=7,
        head=9,
        height=6,
        width=9,
        channels=3,
        values=5,
    )
    images = sample(model, 27, seed=1)
    return refused_among(count, model, images, encode(model, images), seed)


if __name__ == "__main__":
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(
        f"{refused_mutations(total, seed=1)} of {total} damaged files refused, the others decoded right"
    )
