"""Orders for images that are drawn in slots, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model_core.data.pixels import pixels_to_values
from model_core.windows import Windows
from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec, Priority
from worker.orders.images import (
    UPRIGHT,
    Drawer,
    GivenImage,
    PlannedImage,
    any_member,
    drawn_images,
    picture,
    plan_images,
    requested_label,
)
from worker.orders.order import Material, Order


@dataclass(frozen=True)
class Hole:
    """A hole that is completed by `posterior`: the given pixels, and the noise and
    temperature for the others."""

    given: GivenImage
    """Given pixels and mask."""
    temperature: float
    seed: int
    first: int = 0
    """Number of the first image among those of the seed."""
    label: int | None = None
    """Index of the requested label; None if all labels count."""


@dataclass(frozen=True)
class Labelling:
    """The labels of a job's new images, which are part of its result."""

    names: Sequence[str]
    """Names of the model's labels, in their order."""
    priors: Sequence[float]
    """Their probabilities."""
    requested: Sequence[int | None]
    """For each image, the index of the requested label; None if the image's noise
    chooses one by the priors."""
    seed: int
    """Seed of the noise."""
    first: int
    """Number of the first image among those of the seed."""


@dataclass(frozen=True)
class DrawOrder(Order):
    """The images of a job that still lack rows, or that pass the network once more to
    be weighed."""

    values: int
    """Number of different values of a row's byte."""
    images: Sequence[PlannedImage]
    priority: Priority = Priority.INTERACTIVE
    """Who goes first if images wait for slots."""
    drawn: NDArray[np.integer] | None = None
    """All images of the job as values (n, C, H, W), with the rows that earlier attempts
    published; only for jobs that are scored or get a receipt at the end, else None."""
    rank: bool = False
    """True if the images are scored at the end."""
    hole: Hole | None = None
    """The hole of which the images are exact draws by `posterior`, and which gets a
    receipt; None for other jobs."""
    label: int | None = None
    """Index of the label given which the images are scored; None for all labels."""
    width: int = 0
    """Width of the images in pixels if they are fields; 0 for images of the model's
    size."""
    labelling: Labelling | None = None
    """The labels of new images that the result names; None if there are none."""
    weighed_variables: int = 0
    """Number of colour variables of an image, if the result contains ln p of each
    image; else 0."""

    @property
    def seats(self) -> str:
        """Name of the slots that draw the images: the model's, and the width of fields."""
        return f"{self.model} {self.width} wide" if self.width else self.model


def sample_order(spec: JobSpec, card: ModelCard, material: Material) -> DrawOrder:
    """Return the order for a job that draws new images."""
    # Only upright members draw fields, so rows become final from the top down.
    drawer = UPRIGHT if spec.options.is_field else any_member(card.members)
    return draw_order(spec, card, material, None, drawer, weighed=True)


def upsample_order(spec: JobSpec, card: ModelCard, material: Material) -> DrawOrder:
    """Return the order for a job that begins with a small image."""
    given = small_image(spec, card.values, material.pixels)
    # The noise of each image chooses the member that draws it.
    drawer = any_member(card.members)
    return draw_order(spec, card, material, given, drawer, weighed=True)


def small_image(spec: JobSpec, values: int, pixels: bytes) -> GivenImage:
    """Return the small image of an upsampling.

    values: number of different values of a byte.
    pixels: its bytes, as `keys.image` stores them.
    """
    small = picture(spec, pixels, spec.small_height, spec.small_width)
    return GivenImage(small=pixels_to_values(small, values))


def draw_order(
    spec: JobSpec,
    card: ModelCard,
    material: Material,
    given: GivenImage | None,
    drawer: Drawer,
    rank: bool = False,
    hole: Hole | None = None,
    weighed: bool = False,
) -> DrawOrder:
    """Return the order for a job whose images begin with `given`, None for nothing.

    drawer: which member draws, and whether its published rows are continued.
    rank, hole: see DrawOrder.
    weighed: whether the result contains ln p of each image.

    Raises ValueError for a label that the model does not have, and for a published
    row that cannot be decoded.
    """
    images: Sequence[PlannedImage] = plan_images(
        spec, card.levels, given, material.rows, drawer, weighed
    )
    labels: list[int | None] = []
    if card.labels:
        # A job of no images has one label too, for what it expects of the hole.
        count = max(1, spec.n)
        labels = [requested_label(spec, card, sample) for sample in range(count)]
    if labels:
        label_from = None if given is None else given.label_from(spec)
        images = [
            _labelled(image, labels[image.request.sample - spec.first], label_from)
            for image in images
        ]
    if spec.options.is_field:
        windows = Windows(card.height, card.field_step, spec.height)
        images = [
            replace(image, request=replace(image.request, windows=windows))
            for image in images
        ]
    drawn = drawn_images(spec, card.levels, material.rows) if rank or hole else None
    # Only new images name their labels; those of a completion are in its receipt.
    names_labels = bool(labels) and given is None
    variables = spec.height * spec.width * spec.channels
    return DrawOrder(
        material.claim,
        spec.model,
        values=card.levels,
        images=images,
        priority=spec.effective_priority,
        drawn=drawn,
        rank=rank,
        hole=hole,
        label=next(iter(labels), None),
        width=spec.width if spec.options.is_field else 0,
        labelling=_labelling(spec, card, labels) if names_labels else None,
        weighed_variables=variables if weighed else 0,
    )


def _labelled(
    image: PlannedImage, label: int | None, label_from: NDArray[np.bool_] | None
) -> PlannedImage:
    """Return the image with this label, or with the given pixels (H, W) by which its
    label is chosen."""
    return replace(
        image, request=replace(image.request, label=label, label_from=label_from)
    )


def _labelling(
    spec: JobSpec, card: ModelCard, labels: Sequence[int | None]
) -> Labelling:
    names = [label.name for label in card.labels]
    priors = [label.prior for label in card.labels]
    return Labelling(names, priors, labels, spec.seed, spec.first)
