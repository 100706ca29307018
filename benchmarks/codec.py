"""How small files of coded images are, beside other lossless codecs, and whether they come back: writes docs/codec.md
(mnist) and docs/internals/codec.md (the others).

    python benchmarks/codec.py --mnist PATH --cifar PATH     every part; about half an hour on an idle core
    python benchmarks/codec.py --mnist PATH --part mnist     one part; the others stay as they are
    python benchmarks/codec.py --mnist PATH --cifar PATH --limit 100      few images, nothing written

mnist: all test images of binarized MNIST. cifar: the first 1,000 test images of CIFAR-10. Each is one file by `encode`,
then other codecs have a file for each image and one for all of them as a sheet; JPEG XL takes part where the package
pillow-jxl-plugin is installed. processors: files that this processor encodes are decoded by code that is made for
others. damage: files with 10,000 kinds of damage (benchmarks/codec_damage.py).

One thread, whose processor time is what counts. The figures are kept in benchmarks/codec.json.
"""

import argparse
import bz2
import importlib
import io
import json
import lzma
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from codec_damage import refused_mutations
from numpy.typing import NDArray
from PIL import Image
from sections import machine, table, weights_of, write_section

from model_core import decode, encode, load_model
from model_core.codec.container import Header
from model_core.data.datasets import read_dataset
from model_core.data.pixels import values_to_pixels
from model_core.measures.likelihood import BATCH, nats_per_image
from model_core.models import Model
from model_core.orientation import check_orientation, turn

FIGURES = Path(__file__).with_suffix(".json")
DOCS = Path(__file__).parents[1] / "docs"
MNIST_MODELS = ("mnist-diagonal-bilstm",)
CIFAR_MODELS = ("cifar10-row-lstm-wide", "cifar10-small-pixelcnn")
CIFAR_IMAGES = 1000
DAMAGED_FILES = 10_000
PROCESSORS = {
    "AVX2 (haswell)": ("haswell", "+avx,+avx2,+fma,+bmi,+bmi2,+f16c"),
}
"""NUMBA_CPU_NAME and NUMBA_CPU_FEATURES of each processor."""

Values = NDArray[np.uint8]
Facts = dict[str, Any]
Compress = Callable[[Values], bytes]


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    limit = arguments.limit
    parts: dict[str, Callable[[], Facts]] = {
        "mnist": lambda: sizes(MNIST_MODELS, arguments.mnist, limit or None),
        "cifar": lambda: sizes(CIFAR_MODELS, arguments.cifar, limit or CIFAR_IMAGES),
        "processors": lambda: processors(arguments),
        "damage": lambda: damage(limit or DAMAGED_FILES),
    }
    for name in arguments.part or parts:
        facts = {**parts[name](), "machine": machine()}
        print(json.dumps({name: facts}, indent=1), file=sys.stderr)
        if not limit:
            figures: dict[str, Facts] = (
                json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
            )
            FIGURES.write_text(json.dumps({**figures, name: facts}, indent=1) + "\n")
            page = DOCS / ("codec.md" if name == "mnist" else "internals/codec.md")
            write_section(f"codec-{name}", _LINES[name](facts), page)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mnist", type=Path, help="Binarized MNIST.")
    parser.add_argument("--cifar", type=Path, help="CIFAR-10, binary.")
    parser.add_argument(
        "--part", action="append", choices=("mnist", "cifar", "processors", "damage")
    )
    parser.add_argument(
        "--limit", type=int, default=0, help="Only N images, and nothing written."
    )
    return parser.parse_args()


def sizes(models: tuple[str, ...], data: Path, limit: int | None) -> Facts:
    """Bytes and speed of each of our models, and of the other codecs, on the same images."""
    loaded = [load_model(name) for name in models]
    values = read_dataset(data, "test", loaded[0].config)[:limit]
    ours = {model.card.name: _ours(model, values) for model in loaded}
    pixels = values_to_pixels(values, loaded[0].config.values)
    return {"images": len(values), "ours": ours, "others": dict(_others(pixels))}


def _ours(model: Model, values: Values) -> Facts:
    given = torch.from_numpy(values.astype(np.int64))
    encode(model, given[:1])  # compiled before it is timed
    data, encode_s = _timed(lambda: encode(model, given))
    decoded, decode_s = _timed(lambda: decode(model, data))
    member = Header.unpack(data).member
    return {
        "sha256": model.card.sha256,
        "bytes": len(data),
        "member": member,
        "ideal_bytes": _nats(model, member, given) / math.log(2) / 8,
        "equal": int((decoded == given).flatten(1).all(1).sum()),
        "encode_per_s": len(values) / encode_s,
        "decode_per_s": len(values) / decode_s,
    }


def _nats(model: Model, member: str, values: torch.Tensor) -> float:
    """-ln p of all images under this member, by the teacher-forced pass."""
    (network,) = (each.network for each in model.members if each.orientation == member)
    turned = turn(values, check_orientation(member, *values.shape[2:]))
    with torch.inference_mode():
        return sum(
            float(nats_per_image(network, part).double().sum())
            for part in turned.split(BATCH)
        )


def _others(pixels: Values) -> Iterator[tuple[str, Facts]]:
    """Each codec on every image by itself, and on all as one sheet; general compressors on all bytes in a row."""
    one_bit = len(np.unique(pixels)) == 2
    for name, save in _picture_codecs(one_bit).items():
        files, seconds = _timed(
            lambda save=save: [save(image.transpose(1, 2, 0)) for image in pixels]
        )
        opened, decode_s = _timed(
            lambda files=files: [
                np.asarray(Image.open(io.BytesIO(file))) for file in files
            ]
        )
        assert all(
            _shows(picture, image)
            for picture, image in zip(opened, pixels, strict=True)
        ), name
        speed = {
            "encode_per_s": len(pixels) / seconds,
            "decode_per_s": len(pixels) / decode_s,
        }
        yield name, {"bytes": sum(map(len, files)), **speed}
        yield f"{name}, one sheet", {"bytes": len(save(_sheet(pixels)))}
    packed = np.packbits(pixels > 0).tobytes() if one_bit else pixels.tobytes()
    yield (
        "xz, all bytes in a row",
        {"bytes": len(lzma.compress(packed, preset=9 | lzma.PRESET_EXTREME))},
    )
    yield "bz2, all bytes in a row", {"bytes": len(bz2.compress(packed, 9))}


def _shows(opened: NDArray[Any], image: Values) -> bool:
    """True if a picture as Pillow gives it, one-bit as booleans and grey perhaps as RGB, is an image (C, H, W)."""
    picture = np.atleast_3d(
        opened.astype(np.uint8) * 255 if opened.dtype == np.bool_ else opened
    )
    return bool((picture == image.transpose(1, 2, 0)).all())


def _picture_codecs(one_bit: bool) -> dict[str, Compress]:
    def saver(kind: str, mode: str | None = None, **options: Any) -> Compress:
        def save(pixels: Values) -> bytes:
            out, image = io.BytesIO(), Image.fromarray(pixels.squeeze())
            (image.convert(mode) if mode else image).save(out, kind, **options)
            return out.getvalue()

        return save

    found = {
        "PNG": saver("PNG", "1" if one_bit else None, optimize=True),
        "WebP, lossless": saver("WEBP", "RGB", lossless=True, quality=100, method=6),
    }
    if one_bit:
        found["TIFF, fax group 4"] = saver("TIFF", "1", compression="group4")
    try:
        importlib.import_module("pillow_jxl")
    except ImportError:
        return found
    return {**found, "JPEG XL, lossless": saver("JXL", lossless=True, effort=9)}


def _sheet(pixels: Values) -> Values:
    """All images (N, C, H, W) side by side in a near-square sheet (H', W', C), without lines between them."""
    N, C, H, W = pixels.shape
    columns = math.ceil(math.sqrt(N))
    rows = math.ceil(N / columns)
    full = np.zeros((rows * columns, C, H, W), np.uint8)
    full[:N] = pixels
    return (
        full.reshape(rows, columns, C, H, W)
        .transpose(0, 3, 1, 4, 2)
        .reshape(rows * H, columns * W, C)
    )


def processors(arguments: argparse.Namespace) -> Facts:
    """Files that are encoded here, decoded by code for other processors; images that come back equal."""
    found: Facts = {}
    for name, data, limit in (
        (MNIST_MODELS[0], arguments.mnist, arguments.limit or None),
        (CIFAR_MODELS[0], arguments.cifar, arguments.limit or CIFAR_IMAGES),
        (CIFAR_MODELS[1], arguments.cifar, arguments.limit or CIFAR_IMAGES),
    ):
        values = read_dataset(data, "test", load_model(name).config)[:limit]
        file = FIGURES.with_name(f".{name}.pxrn")
        file.write_bytes(
            encode(load_model(name), torch.from_numpy(values.astype(np.int64)))
        )
        try:
            found[name] = {"images": len(values)}
            for processor, (cpu, features) in PROCESSORS.items():
                found[name][processor] = int(
                    (_decoded_for(cpu, features, name, file) == values)
                    .all((1, 2, 3))
                    .sum()
                )
        finally:
            file.unlink()
    return {"files": found}


def _decoded_for(cpu: str, features: str, model: str, file: Path) -> Values:
    """The file's images, decoded in another process by code for this processor; the tiles are other ones, too."""
    program = (
        "import sys; import numpy as np; from pathlib import Path; from model_core import decode, load_model;"
        "np.save(sys.stdout.buffer, decode(load_model(sys.argv[1]), Path(sys.argv[2]).read_bytes()).numpy())"
    )
    environment = {**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    command = [sys.executable, "-c", program, model, str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    return np.load(io.BytesIO(done.stdout))


def damage(count: int) -> Facts:
    """Damaged files: how many of them were refused with a sentence; the others decoded right, or this raises."""
    refused, seconds = _timed(lambda: refused_mutations(count, seed=1))
    return {"files": count, "refused": refused, "seconds": seconds}


def _size_lines(facts: Facts) -> list[str]:
    n = facts["images"]
    rows = []
    for name, found in facts["ours"].items():
        over = 100 * (found["bytes"] / found["ideal_bytes"] - 1)
        speed = f"{found['encode_per_s']:.0f}", f"{found['decode_per_s']:.0f}"
        equal = f"{found['equal']:,} of {n:,}"
        weights = weights_of(name, found["sha256"])
        rows.append(
            [
                weights,
                f"{found['bytes']:,}",
                f"{found['bytes'] / n:.1f}",
                f"{over:+.3f}%",
                equal,
                *speed,
            ]
        )
    for name, found in sorted(
        facts["others"].items(), key=lambda other: other[1]["bytes"]
    ):
        speed = [
            f"{found[key]:.0f}" if key in found else ""
            for key in ("encode_per_s", "decode_per_s")
        ]
        rows.append(
            [name, f"{found['bytes']:,}", f"{found['bytes'] / n:.1f}", "", "", *speed]
        )
    header = [
        "",
        "bytes",
        "an image",
        "over -log2 p",
        "equal",
        "encoded a second",
        "decoded a second",
    ]
    return [*table(header, rows), "", f"{n:,} images. {facts['machine']}."]


def _processor_lines(facts: Facts) -> list[str]:
    rows = [
        [
            f"`{name}`",
            *(
                f"{found[processor]:,} of {found['images']:,}"
                for processor in PROCESSORS
            ),
        ]
        for name, found in facts["files"].items()
    ]
    return [
        *table(["encoded here, decoded for", *PROCESSORS], rows),
        "",
        f"{facts['machine']}.",
    ]


def _damage_lines(facts: Facts) -> list[str]:
    right = facts["files"] - facts["refused"]
    refused = f"Of {facts['files']:,} damaged files {facts['refused']:,} were refused with a sentence"
    return [
        f"{refused}, and {right:,} decoded to what was encoded, in {facts['seconds']:.0f} s. {facts['machine']}."
    ]


_LINES = {
    "mnist": _size_lines,
    "cifar": _size_lines,
    "processors": _processor_lines,
    "damage": _damage_lines,
}


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of the work, and how many seconds of processor time it took."""
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


if __name__ == "__main__":
    main()
