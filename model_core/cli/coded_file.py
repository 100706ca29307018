"""From picture files to a file of coded images, and back: what `pixelrnn encode` and
`pixelrnn decode` do."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model_core.cli.progress import OnShare, Work
from model_core.codec.codec import decode_stripes, encode
from model_core.codec.container import Header
from model_core.data.images import read_exact_values, write_grid
from model_core.errors import DataError
from model_core.models import Model, load_by_digest, load_model
from model_core.places import check_folder, check_place


def encode_files(
    model_name: str,
    pictures: Sequence[Path],
    out: Path,
    models_dir: Path | None,
    label: str | None,
    work: Work,
    nearest: bool = False,
) -> dict[str, Any]:
    """Encode picture files into one file of coded images, and return what was done, as
    JSON values: model, member, images, bytes, bits_per_dim, seconds and out.

    model_name: name of the model, or path of its directory.
    pictures: paths of the files.
    out: the file to write, whole or not at all.
    models_dir: the models directory; None: the default one.
    label: name or index of one label with which all images are encoded; None: each has
        its likeliest one.
    work: shows the progress.
    nearest: with a palette, accept other colours as the nearest of the palette.

    Raises DataError for a picture that decoding would not return unchanged, ModelError
    or ConfigError for a model without codec or label.
    """
    check_place(out)
    model = load_model(model_name, models_dir=models_dir)
    read = (
        read_exact_values(path, model.config, model.card.palette, nearest)
        for path in pictures
    )
    values = torch.from_numpy(np.stack([*read]))
    started = time.perf_counter()
    on_images = _share_counter(work.begin("encoding"), len(values) * len(model.members))
    data = encode(model, values, on_images, label)
    _write(out, data)
    bits = 8 * len(data)
    return {
        "model": model.card.name,
        "member": Header.unpack(data).member,
        "images": len(values),
        "bytes": len(data),
        "bits_per_dim": bits / (len(values) * model.config.dimensions),
        "seconds": time.perf_counter() - started,
        "out": str(out),
    }


def decode_file(
    path: Path, out: Path, model_name: str | None, models_dir: Path | None, work: Work
) -> dict[str, Any]:
    """Decode a file of coded images into PNG files 0.png, 1.png, ... (with leading
    zeros) in a directory, in the order in which they were encoded. Return what was
    done, as JSON values: model, card_changed, member, images, bytes, seconds and out.

    path: the file of coded images.
    out: the directory, which is made if it is missing.
    model_name: name of the model, or path of its directory; None: it is found by the
        digest in the file.
    models_dir: the models directory; None: the default one.
    work: shows the progress.

    Raises DataError, ModelError or ConfigError if the file cannot be decoded here.
    """
    check_folder(out)
    data = _bytes_of(path)
    header = Header.unpack(data)
    if model_name:
        model = load_model(model_name, models_dir=models_dir)
    else:
        model = load_by_digest(header.sha256, models_dir, identity=header.identity)
    started = time.perf_counter()
    stripes = decode_stripes(
        model, data, _share_counter(work.begin("decoding"), header.images)
    )
    _write_pictures(stripes, model, header.images, out)
    return {
        "model": model.card.name,
        "card_changed": model.card.has_changed_since(header.identity),
        "member": header.member,
        "images": header.images,
        "bytes": len(data),
        "seconds": time.perf_counter() - started,
        "out": str(out),
    }


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


def _write_pictures(
    stripes: Iterator[np.ndarray], model: Model, count: int, out: Path
) -> None:
    digits = len(str(count - 1))
    try:
        out.mkdir(exist_ok=True)
        images = (image for stripe in stripes for image in stripe)
        for i, image in enumerate(images):
            write_grid(
                image[None],
                model.config,
                out / f"{i:0{digits}}.png",
                palette=model.card.palette,
            )
    except OSError as error:
        raise DataError(f"cannot write into {out}: {error.strerror}") from None


def _share_counter(on_share: OnShare, images: int) -> Callable[[int], None]:
    """Return a function that is called with numbers of further images, and calls
    on_share with the share of all that are done."""
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        on_share(done / images)

    return count
