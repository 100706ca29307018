"""Turns a job's description into the images that the engine draws: given pixels, and rows that are drawn already.

A row that was published is a given row from then on: noise is a pure function of (seed, sample, y, x, colour), so what
is drawn after it is the same as if nothing had happened, in both images of a Multi-Scale model. Arrays only: no Redis,
no queue.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model_core.data.pixels import pixels_to_values, values_to_pixels
from model_core.image_request import ImageRequest, ways_of
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
    """One image of a job that still lacks rows. The engine's first `skip` rows of it are published already."""

    request: ImageRequest
    skip: int
    first: int = 0
    """Number of the job's sample 0 among the images of the seed."""

    @property
    def sample(self) -> int:
        """Its number in the job."""
        return self.request.sample - self.first


@dataclass(frozen=True)
class Given:
    """The client's pixels as values: for a completion (C, H, W) with keep (H, W), True = given; for an upsampling the
    small image (C, s, s)."""

    values: NDArray[np.integer] | None = None
    keep: NDArray[np.bool_] | None = None
    small: NDArray[np.integer] | None = None

    def label_from(self, spec: JobSpec) -> NDArray[np.bool_] | None:
        """(H, W): where something is given that tells the label, of a small image all of it."""
        return (
            self.keep
            if self.small is None
            else np.ones((spec.height, spec.width), bool)
        )


def check_spec(spec: JobSpec, card: ModelCard) -> None:
    """JobRefusedError when the model is not the one that the job was accepted for, or does no such work."""
    if not card.is_of(spec):
        raise JobRefusedError(model_changed(spec.model))
    height, width = spec.options.shape(card)
    expected = _shape(card.model_copy(update={"height": height, "width": width}))
    if expected != _shape(spec):
        raise JobRefusedError(shape_mismatch(spec.model, expected, _shape(spec)))
    if spec.kind not in card.can:
        raise JobRefusedError(kind_refused(spec.model, list(card.can)))


def _shape(of: JobSpec | ModelCard) -> str:
    first = (
        f", first {(of.channels, of.small_height, of.small_width)}"
        if of.small_height or of.small_width
        else ""
    )
    return f"{(of.channels, of.height, of.width)}{first}"


def whole_picture(spec: JobSpec, pixels: bytes) -> NDArray[np.uint8]:
    """A picture of the model's size as pixels (C, H, W). JobRefusedError when it does not fit."""
    return picture(spec, pixels, spec.height, spec.width)


def picture(spec: JobSpec, pixels: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Pixel bytes as (C, height, width). JobRefusedError when there are more or fewer."""
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
    """keep (H, W), True = given. JobRefusedError when there are more or fewer."""
    H, W = spec.height, spec.width
    if len(keep) != H * W:
        raise JobRefusedError(
            malformed_spec(
                f"Its picture needs {H * W} keep bytes; there are {len(keep)}."
            )
        )
    return np.frombuffer(keep, np.uint8).reshape(H, W) != 0


def asked_label(spec: JobSpec, card: ModelCard, sample: int = 0) -> int | None:
    """Number of the label that is asked for in one of the images; None where all labels count. ValueError for one that
    the model does not have."""
    name = spec.options.label_of(sample)
    return None if name is None else [label.name for label in card.labels].index(name)


@dataclass(frozen=True)
class Drawer:
    """The member of a model that draws an image. Says, too, whether the rows that it has published are a checkpoint."""

    member: int | None = None
    """None: the image's noise decides."""
    resumes: bool = True
    """Its rows become final from the top down. Else its image comes whole, and is drawn again from nothing."""


UPRIGHT = Drawer()


def any_member(members: Sequence[str]) -> Drawer:
    """The drawer of an image of which nothing is given; members: the orientations of the model's networks."""
    return Drawer(resumes=set(members) == {"none"})


def exact_drawer(members: Sequence[str], keep: NDArray[np.bool_]) -> Drawer | None:
    """The drawer whose every image is an exact draw of p(hole | everything given): the one network of a model, if
    nothing given lies behind the hole's first pixel in its order. None where it takes particles. keep (H, W), True =
    given. ConfigError for an orientation that does not exist or that does not fit."""
    orientations: list[Orientation] = [
        check_orientation(name, *keep.shape) for name in members
    ]
    if len(orientations) > 1 or given_behind(turn(keep, orientations[0])):
        return None
    return Drawer(0, resumes=orientations[0] == "none")


def plan_images(
    spec: JobSpec,
    values: int,
    given: Given | None,
    rows: Iterable[RowDrawn],
    drawer: Drawer = UPRIGHT,
    weighed: bool = False,
) -> list[PlannedImage]:
    """The images of the job that still lack rows. `rows`: what earlier attempts published, in order.

    weighed: ln p of each image is asked for, so that images which lack none pass the
    network once more.
    """
    drawn: dict[tuple[int, Stage], list[RowDrawn]] = {}
    for row in rows:
        drawn.setdefault((row.sample, row.stage), []).append(row)
    given = given or Given()
    untouched = _known(
        spec, values, given, ()
    )  # one for all that lack every row: messages have it once
    plans = []
    for sample in range(spec.n):
        small, final = (
            drawn.get((sample, stage), []) for stage in (Stage.SMALL, Stage.FINAL)
        )
        is_whole = len(final) == spec.height
        if weighed or not is_whole:
            goes_on = final and (drawer.resumes or is_whole)
            known = _known(spec, values, given, final) if goes_on else untouched
            plans.append(
                _plan(spec, values, sample, given, small, final, known, drawer, weighed)
            )
    return plans


def _plan(
    spec: JobSpec,
    values: int,
    sample: int,
    given: Given,
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
        **ways_of(spec.options.drawing()),
    )
    skip = len(final)
    if rows is not None and first is None:
        # the small image's rows pass once more, those of the final one if it is begun
        skip += len(small)
    return PlannedImage(request, skip, spec.first)


def _known(
    spec: JobSpec, values: int, given: Given, final: Sequence[RowDrawn]
) -> tuple[NDArray[np.integer], NDArray[np.bool_]]:
    """Values (C, H, W) and keep (H, W) of the final image: what the client gave, and the rows that are drawn."""
    C, H, W = spec.channels, spec.height, spec.width
    known = (
        np.zeros((C, H, W), np.int64)
        if given.values is None
        else given.values.astype(np.int64)
    )
    keep = np.zeros((H, W), bool) if given.keep is None else given.keep.copy()
    for row in final:
        known[:, row.y] = _row_values(row, C, values)
        keep[row.y] = True
    return known, keep


def _small_rows(
    spec: JobSpec, values: int, rows: Sequence[RowDrawn]
) -> NDArray[np.integer] | None:
    """The first k rows (C, k, s) of the small image, all that are drawn; None where there are none yet."""
    if not spec.draws_small or not rows:
        return None
    small = np.zeros((spec.channels, len(rows), spec.small_width), np.int64)
    for row in rows:
        small[:, row.y] = _row_values(row, spec.channels, values)
    return small


def rows_published(spec: JobSpec, rows: Iterable[RowDrawn]) -> tuple[int, ...]:
    """How many rows there are of each final image."""
    counts = Counter(row.sample for row in rows if row.stage is Stage.FINAL)
    return tuple(counts[sample] for sample in range(spec.n))


def drawn_images(
    spec: JobSpec, values: int, rows: Iterable[RowDrawn]
) -> NDArray[np.integer]:
    """The final images as values (n, C, H, W), as far as their rows are published; zeros elsewhere."""
    images = np.zeros((spec.n, spec.channels, spec.height, spec.width), np.int64)
    for row in rows:
        if row.stage is Stage.FINAL:
            images[row.sample, :, row.y] = _row_values(row, spec.channels, values)
    return images


def _row_values(row: RowDrawn, channels: int, values: int) -> NDArray[np.uint8]:
    """(C, W)."""
    return pixels_to_values(
        np.frombuffer(row.pixel_bytes(), np.uint8).reshape(-1, channels), values
    ).T


NewRow = tuple[int, int, bytes, bool]
"""A row that was drawn: sample, y, pixels, and whether it is of a small image, as `row_entry` takes them. That is left
to the worker: the engine draws ten thousand a second."""


def row_pixels(row: NDArray[np.integer], values: int) -> bytes:
    """The pixels of one drawn row of values (C, W)."""
    pixel_by_pixel = row.T.astype(np.uint8, copy=False).tobytes()
    return pixel_by_pixel.translate(pixel_of_value(values))


@lru_cache
def pixel_of_value(levels: int) -> bytes:
    """Table for bytes.translate, which takes a tenth of the time of an array operation on a short row."""
    return values_to_pixels(np.arange(levels), levels).tobytes().ljust(256, b"\0")
