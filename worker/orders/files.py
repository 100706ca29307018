"""Orders for files of coded images: pictures that are encoded, or a file that is
decoded, some rows at a time."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.data.pixels import nearest_values
from worker.contract.cards import ModelCard
from worker.contract.coded_file import CodedFile
from worker.contract.jobs import JobSpec
from worker.orders.claims import Outcome
from worker.orders.faults import JobRefusedError, not_encodable
from worker.orders.images import requested_label, rows_published, whole_picture
from worker.orders.order import Material, Order

CodingSteps = Generator[int | NDArray[np.uint8], None, Outcome]
"""Pauses after every row or so. Yields each decoded image (C, H, W), in order, and an
integer at every other pause; returns the job's outcome."""


@dataclass(frozen=True)
class FileOrder(Order):
    """The pictures of a job that are encoded to a file, or the file whose pictures
    become the job's images. The function of its kind (worker.engine.kinds.OF_FILES)
    takes (order, model) and returns its steps. Decoded images are published when they
    are complete."""

    kind: str
    """The kind's word."""
    content: Any
    """Pictures as values (n, C, H, W), or the bytes of a file."""
    values: int
    """Number of different values of a row's byte."""
    published: tuple[int, ...] = ()
    """Number of rows of each image that earlier attempts published."""
    label: int | None = None
    """Index of the label given which pictures are encoded; None if each picture takes
    the label with the shortest code."""


def encode_order(spec: JobSpec, card: ModelCard, material: Material) -> FileOrder:
    """Return the order for encoding the job's pictures, whose colours must be the
    model's: decoding would not return others unchanged."""
    size = len(material.pixels) // spec.n
    parts = [material.pixels[i * size : (i + 1) * size] for i in range(spec.n)]
    images = [_exact(spec, card.levels, pixels, i) for i, pixels in enumerate(parts)]
    label = requested_label(spec, card)
    return FileOrder(
        material.claim,
        spec.model,
        spec.kind,
        np.stack(images),
        card.levels,
        label=label,
    )


def decode_order(spec: JobSpec, card: ModelCard, material: Material) -> FileOrder:
    """Return the order for a decoding. Raises ValueError if the file does not hold as
    many pictures as the job."""
    images = CodedFile.of(material.pixels).images
    if images != spec.n:
        raise ValueError(f"the file holds {images} pictures: expected {spec.n}")
    published = rows_published(spec, material.rows)
    return FileOrder(
        material.claim, spec.model, spec.kind, material.pixels, card.levels, published
    )


def _exact(spec: JobSpec, values: int, pixels: bytes, number: int) -> NDArray[np.uint8]:
    image, moved = nearest_values(whole_picture(spec, pixels), values)
    if moved:
        raise JobRefusedError(
            not_encodable(
                f"Picture {number}, counted from 0, has {moved} pixels of other colours "
                f"than the model's {values} values"
            )
        )
    return image
