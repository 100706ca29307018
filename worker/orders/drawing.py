"""Images that are drawn in slots, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model_core.windows import Windows
from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec, Priority
from worker.orders.images import (
    Drawer,
    Given,
    PlannedImage,
    asked_label,
    drawn_images,
    plan_images,
)
from worker.orders.order import Material, Order


@dataclass(frozen=True)
class Hole:
    """The hole that `posterior` completes: all that is given, and at which temperature the rest is drawn, by the noise
    of images of the seed from number `first` on."""

    given: Given
    temperature: float
    seed: int
    first: int = 0
    label: int | None = None
    """The label that was asked for; None where all count."""


@dataclass(frozen=True)
class Labelling:
    """The labels of new images."""

    names: Sequence[str]
    priors: Sequence[float]
    asked: Sequence[int | None]
    """The label of each image, by its number; None where its noise chooses one by the priors."""
    seed: int
    first: int


@dataclass(frozen=True)
class DrawOrder(Order):
    """The images of a job that still lack rows."""

    values: int
    """Numbers that a byte of a row tells apart."""
    images: Sequence[PlannedImage]
    priority: Priority = Priority.INTERACTIVE
    drawn: NDArray[np.integer] | None = None
    """All images of a job that is looked at once it is drawn, as values (n, C, H, W), as far as earlier attempts
    came."""
    rank: bool = False
    """They are scored."""
    hole: Hole | None = None
    """They are exact draws from the posterior of this hole, and get a receipt."""
    label: int | None = None
    """The label of which they are scored; None: all."""
    width: int = 0
    """How wide its images are, where they are fields; 0: as the model's."""
    labelling: Labelling | None = None
    """Their labels, which are told in the end, of new images of a model that has labels."""
    weighed_variables: int = 0
    """Colour variables of an image, of a job whose result says ln p of each; else 0."""

    @property
    def seats(self) -> str:
        """Name of the slots that draw its images: the model's, or those for fields of one width."""
        return f"{self.model} {self.width} wide" if self.width else self.model


def draw_order(
    spec: JobSpec,
    card: ModelCard,
    material: Material,
    given: Given | None,
    drawer: Drawer,
    rank: bool = False,
    hole: Hole | None = None,
    weighed: bool = False,
) -> DrawOrder:
    """The order for a job whose images begin with `given`. weighed: the result says ln p
    of each image."""
    images: Sequence[PlannedImage] = plan_images(
        spec, card.levels, given, material.rows, drawer, weighed
    )
    labels = (
        [asked_label(spec, card, sample) for sample in range(max(1, spec.n))]
        if card.labels
        else []
    )
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
    return DrawOrder(
        material.claim,
        spec.model,
        card.levels,
        images,
        spec.effective_priority,
        drawn,
        rank,
        hole,
        next(iter(labels), None),
        spec.width if spec.options.is_field else 0,
        _labelling(spec, card, labels) if labels and given is None else None,
        spec.height * spec.width * spec.channels if weighed else 0,
    )


def _labelled(
    image: PlannedImage, label: int | None, label_from: NDArray[np.bool_] | None
) -> PlannedImage:
    """An image that has this label, or else one that fits what was given of it."""
    return replace(
        image, request=replace(image.request, label=label, label_from=label_from)
    )


def _labelling(
    spec: JobSpec, card: ModelCard, labels: Sequence[int | None]
) -> Labelling:
    names, priors = (
        [label.name for label in card.labels],
        [label.prior for label in card.labels],
    )
    return Labelling(names, priors, labels, spec.seed, spec.first)
