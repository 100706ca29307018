"""Do two machines decode the same? Files are written on the one and read on the other.

    python benchmarks/codec_elsewhere.py write DIR MODEL ...      on this machine
    python benchmarks/codec_elsewhere.py read DIR MODEL ...       on another, with the same checkout

`write` encodes samples of each model and noise, and keeps digests of their values. `read` decodes the files, encodes
what it found once more, and says whether values and bytes are the same. It needs model_core and what that imports, no
more, so that it runs under an emulator as well: `qemu-aarch64-static -L ROOT ROOT/usr/bin/python3 ...`.
"""

import argparse
import hashlib
import platform
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from model_core import Model, decode, encode, load_model, sample
from model_core.errors import PixelRNNError

BINARY, COLOUR = 20, 2
"""Samples of a model of two values, and of one of more: an emulator takes a second for a colour image's few rows."""
NOISE = 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=["write", "read"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("models", nargs="+")
    arguments = parser.parse_args()
    act = write if arguments.side == "write" else read
    went_well = [act(load_model(name), arguments.directory / name) for name in arguments.models]
    return int(not all(went_well))


def write(model: Model, stem: Path) -> bool:
    values = torch.cat([sample(model, BINARY if model.config.values == 2 else COLOUR, seed=3), noise_of(model)])
    data = encode(model, values)
    stem.with_suffix(".pxrn").write_bytes(data)
    stem.with_suffix(".sha256").write_text(digest(values))
    print(f"{stem.name}: {len(values)} images, {len(data):,} bytes")
    return True


def read(model: Model, stem: Path) -> bool:
    """True if all is as it was written."""
    data, began = stem.with_suffix(".pxrn").read_bytes(), time.perf_counter()
    try:
        values = decode(model, data)
    except PixelRNNError as error:
        print(f"{stem.name}, {platform.machine()}: refused: {error}", flush=True)
        return False
    is_same = digest(values) == stem.with_suffix(".sha256").read_text()
    is_repeated = encode(model, values) == data
    seconds = time.perf_counter() - began
    print(
        f"{stem.name}, {platform.machine()}: {len(values)} images "
        f"{'are the same' if is_same else 'DIFFER'}, {'and' if is_same == is_repeated else 'but'} encoded again give "
        f"{'the same' if is_repeated else 'OTHER'} bytes; {seconds:.0f} s with compiling",
        flush=True,
    )
    return is_same and is_repeated


def noise_of(model: Model) -> Tensor:
    """Values that the model finds unlikely."""
    config = model.config
    shape = NOISE, config.channels, config.height, config.width
    return torch.randint(0, config.values, shape, generator=torch.Generator().manual_seed(1))


def digest(values: Tensor) -> str:
    return hashlib.sha256(values.numpy().astype("uint8").tobytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
