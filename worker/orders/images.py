"""Turns a job's description into the images that the engine process draws: given pixels, and
rows that were drawn before.

A published row counts as given from then on. Noise is a pure function of (seed, sample,
y, x, colour), so the rows after it are the same as in an undisturbed run, in both
images of a Multi-Scale model. This file handles only arrays: no Redis and no queue.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model_core.data.pixels import pixels_to_values, values_to_pixels
from model_core.image_request import ImageRequest
from model_core.orientation import Orientation, check_orientation, turn
from model_core.posterior.plan import given_behind
from worker.contract.cards import ModelCard
from worker.contract.events import RowDrawn, Stage
from worker.contract.jobs import JobSpec
from worker.orders.faults import (
    JobRefusedError,
    kind_refused,
    malformed_spec,
    model_changed,
    shape_mismatch,
)


@dataclass(frozen=True)
class PlannedImage:
    """An image that is still to be drawn."""

    request: ImageRequest
    skip: int
    """Number of its first rows that are published already."""
    first: int = 0
    """Number of the job's image 0 among the images of the seed."""

    @property
    def sample(self) -> int:
        """Index of the image in the job, from 0."""
        return self.request.sample - self.first


@dataclass(frozen=True)
class GivenImage:
    """The client's input as values. All fields are None if nothing is given."""

    values: NDArray[np.integer] | None = None
    """Completion: values (C, H, W)."""
    keep: NDArray[np.bool_] | None = None
    """Completion: mask (H, W), True = given."""
    small: NDArray[np.integer] | None = None
    """Upsampling: values of the small image (C, s, s)."""

    def label_from(self, spec: JobSpec) -> NDArray[np.bool_] | None:
        """Return the mask (H, W) of the given pixels that decide about the label: those
        of a completion, or all for an upsampling."""
        if self.small is None:
            return self.keep
        return np.ones((spec.height, spec.width), bool)


def check_spec(spec: JobSpec, card: ModelCard) -> None:
    """Raise JobRefusedError if the model is not the one that the job was accepted for,
    has another size, or does not do this kind of job."""
    if not card.is_of(spec):
        raise JobRefusedError(model_changed(spec.model))
    height, width = spec.options.shape(card)
    expected = _shape(card.model_copy(update={"height": height, "width": width}))
    if expected != _shape(spec):
        raise JobRefusedError(shape_mismatch(spec.model, expected, _shape(spec)))
    if spec.kind not in card.can:
        raise JobRefusedError(kind_refused(spec.model, list(card.can)))


def _shape(of: JobSpec | ModelCard) -> str:
    shape = f"{(of.channels, of.height, of.width)}"
    if of.small_height or of.small_width:
        shape += f", first {(of.channels, of.small_height, of.small_width)}"
    return shape


def whole_picture(spec: JobSpec, pixels: bytes) -> NDArray[np.uint8]:
    """Return a picture of the job's size, (H, W, C), from its bytes."""
    return picture(spec, pixels, spec.height, spec.width)


def picture(spec: JobSpec, pixels: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Return pixel bytes, ordered by row, pixel and colour, as an array (C, height,
    width), 0..255. Raises JobRefusedError if there are more or fewer bytes."""
    size = height * width * spec.channels
    if len(pixels) != size:
        raise JobRefusedError(
            malformed_spec(f"Its image needs {size} bytes; there are {len(pixels)}.")
        )
    return (
        np.frombuffer(pixels, np.uint8)
        .reshape(height, width, spec.channels)
        .transpose(2, 0, 1)
    )


def kept_pixels(spec: JobSpec, keep: bytes) -> NDArray[np.bool_]:
    """Return mask bytes as a mask (H, W), True = given. Raises JobRefusedError if there
    are more or fewer bytes."""
    H, W = spec.height, spec.width
    if len(keep) != H * W:
        raise JobRefusedError(
            malformed_spec(
                f"Its picture needs {H * W} keep bytes; there are {len(keep)}."
            )
        )
    return np.frombuffer(keep, np.uint8).reshape(H, W) != 0


def requested_label(spec: JobSpec, card: ModelCard, sample: int = 0) -> int | None:
    """Return the index of the label that was requested for image `sample`; None if none
    was. Raises ValueError if the model does not have it."""
    name = spec.options.label_of(sample)
    return None if name is None else [label.name for label in card.labels].index(name)


@dataclass(frozen=True)
class Drawer:
    """Which member of a model draws an image, and whether its published rows are a
    checkpoint."""

    member: int | None = None
    """Index of the member; None if the image's noise chooses it."""
    resumes: bool = True
    """True if rows become final from the top down, so that another attempt continues
    after them. Otherwise the image is published when it is complete, and another
    attempt draws it again."""


UPRIGHT = Drawer()


def any_member(members: Sequence[str]) -> Drawer:
    """Return the drawer of an image without given pixels: the noise chooses the member.

    members: orientations of the model's networks.
    """
    return Drawer(resumes=set(members) == {"none"})


def exact_drawer(members: Sequence[str], keep: NDArray[np.bool_]) -> Drawer | None:
    """Return the drawer whose images are exact draws of p(hole | given pixels). Return
    None if particles are needed: if the model has several networks, or if a given pixel
    follows the hole's first pixel in drawing order.

    members: orientations of the model's networks.
    keep: (H, W), True = given.
    """
    orientations: list[Orientation] = [
        check_orientation(name, *keep.shape) for name in members
    ]
    if len(orientations) > 1 or given_behind(turn(keep, orientations[0])):
        return None
    return Drawer(0, resumes=orientations[0] == "none")


def plan_images(
    spec: JobSpec,
    values: int,
    given: GivenImage | None,
    rows: Iterable[RowDrawn],
    drawer: Drawer = UPRIGHT,
    weighed: bool = False,
) -> list[PlannedImage]:
    """Return the images of a job that are still to be drawn, in their order.

    values: number of different values of a byte.
    given: None if nothing is given.
    rows: rows that earlier attempts published.
    weighed: whether ln p of each image is wanted, so that complete images pass the
        network once more.
    """
    drawn: dict[tuple[int, Stage], list[RowDrawn]] = {}
    for row in rows:
        drawn.setdefault((row.sample, row.stage), []).append(row)
    given = given or GivenImage()
    # All images without rows share these arrays, so that a message contains them once.
    without_rows = _known(spec, values, given, ())
    plans = []
    for sample in range(spec.n):
        small = drawn.get((sample, Stage.SMALL), [])
        final = drawn.get((sample, Stage.FINAL), [])
        is_whole = len(final) == spec.height
        if is_whole and not weighed:
            continue
        known = without_rows
        if final and (drawer.resumes or is_whole):
            known = _known(spec, values, given, final)
        plans.append(
            _plan(spec, values, sample, given, small, final, known, drawer, weighed)
        )
    return plans


def _plan(
    spec: JobSpec,
    values: int,
    sample: int,
    given: GivenImage,
    small: Sequence[RowDrawn],
    final: Sequence[RowDrawn],
    known_and_keep: tuple[NDArray[np.integer], NDArray[np.bool_]],
    drawer: Drawer,
    weighed: bool,
) -> PlannedImage:
    rows = _small_rows(spec, values, small)
    first = given.small
    if first is None and len(small) == spec.small_height and not weighed:
        first = rows
    known, keep = known_and_keep
    partial = bool(keep.any())
    request = ImageRequest(
        seed=spec.seed,
        sample=spec.first + sample,
        temperature=spec.temperature,
        known=known if partial else None,
        keep=keep if partial else None,
        small=first,
        member=drawer.member,
        known_small=rows if first is None else None,
        weighed=weighed,
    )
    skip = len(final)
    if rows is not None and first is None:
        # The rows of the small image are published, but pass the network once more.
        skip += len(small)
    return PlannedImage(request, skip, spec.first)


def _known(
    spec: JobSpec, values: int, given: GivenImage, final: Sequence[RowDrawn]
) -> tuple[NDArray[np.integer], NDArray[np.bool_]]:
    C, H, W = spec.channels, spec.height, spec.width
    known = np.zeros((C, H, W), np.int64)
    if given.values is not None:
        known[:] = given.values
    keep = np.zeros((H, W), bool)
    if given.keep is not None:
        keep[:] = given.keep
    for row in final:
        known[:, row.y] = _row_values(row, C, values)
        keep[row.y] = True
    return known, keep


def _small_rows(
    spec: JobSpec, values: int, rows: Sequence[RowDrawn]
) -> NDArray[np.integer] | None:
    """Return the published rows (C, k, s) of the small image; None if there are none."""
    if not spec.draws_small or not rows:
        return None
    small = np.zeros((spec.channels, len(rows), spec.small_width), np.int64)
    for row in rows:
        small[:, row.y] = _row_values(row, spec.channels, values)
    return small


def rows_published(spec: JobSpec, rows: Iterable[RowDrawn]) -> tuple[int, ...]:
    """Return the number of published rows of each final image."""
    counts = Counter(row.sample for row in rows if row.stage is Stage.FINAL)
    return tuple(counts[sample] for sample in range(spec.n))


def drawn_images(
    spec: JobSpec, values: int, rows: Iterable[RowDrawn]
) -> NDArray[np.integer]:
    """Return the final images as values (n, C, H, W); rows that are not published are
    0."""
    images = np.zeros((spec.n, spec.channels, spec.height, spec.width), np.int64)
    for row in rows:
        if row.stage is Stage.FINAL:
            images[row.sample, :, row.y] = _row_values(row, spec.channels, values)
    return images


def _row_values(row: RowDrawn, channels: int, values: int) -> NDArray[np.uint8]:
    return pixels_to_values(
        np.frombuffer(row.pixel_bytes(), np.uint8).reshape(-1, channels), values
    ).T


NewRow = tuple[int, int, bytes, bool]
"""A drawn row: sample, y, pixels, and whether it belongs to a small image; the
arguments of `row_entry`. The worker formats it, because the engine draws ten thousand
rows per second."""


def row_pixels(row: NDArray[np.integer], values: int) -> bytes:
    """Return a row of values (C, W) as bytes 0 to 255, ordered by pixel and then by
    colour.

    values: number of different values, which are spread over 0 to 255.
    """
    pixel_by_pixel = row.T.astype(np.uint8, copy=False).tobytes()
    return pixel_by_pixel.translate(pixel_of_value(values))


@lru_cache
def pixel_of_value(levels: int) -> bytes:
    """Return a table for bytes.translate, value -> pixel byte, which takes a tenth of
    the time of an array operation for a short row."""
    return values_to_pixels(np.arange(levels), levels).tobytes().ljust(256, b"\0")
