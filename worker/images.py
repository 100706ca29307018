"""From a job's description to the images the engine draws: given pixels, and rows that are drawn already.

A row that was published is a given row from then on: noise is a pure function of (seed, sample, y, x, colour), so what
is drawn after it is the same as if nothing had happened. Arrays only: no Redis, no queue.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_core.data.pixels import pixels_to_values, values_to_pixels
from model_core.sampling.engine import ImageRequest
from worker.contract.cards import ModelCard
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobKind, JobSpec
from worker.faults import JobRefusedError, malformed_spec, model_changed, shape_mismatch


@dataclass(frozen=True)
class PlannedImage:
    """One image of a job that still lacks rows; those above `first_y` are published already."""

    request: ImageRequest
    first_y: int


@dataclass(frozen=True)
class Given:
    """Values (C, H, W) and which of them are given: keep (H, W), True = given."""

    values: NDArray[np.integer]
    keep: NDArray[np.bool_]


def check_spec(spec: JobSpec, card: ModelCard) -> None:
    """JobRefusedError when the model is not the one that the job was accepted for."""
    expected, got = (card.channels, card.height, card.width), (spec.channels, spec.height, spec.width)
    if spec.digest != card.digest:
        raise JobRefusedError(model_changed(spec.model))
    if expected != got:
        raise JobRefusedError(shape_mismatch(spec.model, expected, got))


def given_image(spec: JobSpec, values: int, pixels: bytes, keep: bytes) -> Given | None:
    """A completion's input as values; None for other kinds. JobRefusedError when they do not fit."""
    if spec.kind is not JobKind.COMPLETE:
        return None
    C, H, W = spec.channels, spec.height, spec.width
    if len(pixels) != H * W * C or len(keep) != H * W:
        raise JobRefusedError(
            malformed_spec(
                f"A completion needs {H * W * C} pixel and {H * W} keep bytes; there are {len(pixels)} and {len(keep)}."
            )
        )
    image = np.frombuffer(pixels, np.uint8).reshape(H, W, C).transpose(2, 0, 1)
    return Given(pixels_to_values(image, values), np.frombuffer(keep, np.uint8).reshape(H, W) != 0)


def plan_images(spec: JobSpec, values: int, given: Given | None, rows: Iterable[RowDrawn]) -> list[PlannedImage]:
    """The images of the job that still lack rows. `rows`: what earlier attempts published, in order."""
    drawn: dict[int, list[RowDrawn]] = {}
    for row in rows:
        drawn.setdefault(row.sample, []).append(row)
    plans = (_plan(spec, values, sample, given, drawn.get(sample, [])) for sample in range(spec.n))
    return [plan for plan in plans if plan.first_y < spec.height]


def _plan(spec: JobSpec, values: int, sample: int, given: Given | None, rows: list[RowDrawn]) -> PlannedImage:
    C, H, W = spec.channels, spec.height, spec.width
    known = given.values.copy() if given else np.zeros((C, H, W), np.int64)
    keep = given.keep.copy() if given else np.zeros((H, W), bool)
    for row in rows:
        pixels = np.frombuffer(row.pixel_bytes(), np.uint8).reshape(W, C)
        known[:, row.y] = pixels_to_values(pixels, values).T
        keep[row.y] = True
    partial = bool(keep.any())
    request = ImageRequest(
        seed=spec.seed,
        sample=sample,
        temperature=spec.temperature,
        known=known if partial else None,
        keep=keep if partial else None,
    )
    return PlannedImage(request, first_y=len(rows))


def row_event(sample: int, y: int, row: NDArray[np.integer], values: int) -> str:
    """The stream entry (JSON) of one drawn row of values (C, W)."""
    pixels = values_to_pixels(row, values).T  # (W, C): pixel by pixel, colour by colour
    return RowDrawn.of(sample, y, np.ascontiguousarray(pixels).tobytes()).model_dump_json()
