"""Cut-outs of larger pictures, filled one after the other: each one is given what the
cut-outs before it drew."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.order import Material, Order


@dataclass(frozen=True)
class CutoutOrder(Order):
    """A cut-out, whose real order is made once the cut-outs before it in the same
    picture are filled."""

    job: JobSpec
    """The job of the cut-out, as if it had been submitted alone."""
    card: ModelCard
    """Card of its model."""
    material: Material
    """Its input: pixels and mask of the cut-out alone, and its published rows."""
    build: Callable[[JobSpec, ModelCard, Material], Order]
    """Makes the real order."""
    place: tuple[int, int]
    """Its left and upper edge in the picture, in pixels."""

    def after(self, filled: "FilledPixels") -> Order:
        """Return the real order, with the pixels that are filled so far as given ones."""
        return self.build(
            self.job, self.card, replace(self.material, pixels=filled.given(self))
        )


class FilledPixels:
    """The pixels of one picture's holes that have been drawn so far."""

    def __init__(self) -> None:
        self._pixels: dict[tuple[int, int], bytes] = {}

    def add(self, cutout: CutoutOrder, y: int, pixels: bytes) -> None:
        """Store those pixels of row y of a cut-out that its mask does not give.

        y: index of the row in the cut-out.
        pixels: bytes of the whole row.
        """
        left, top = cutout.place
        C = cutout.job.channels
        W = cutout.job.width
        for x, is_given in enumerate(cutout.material.keep[y * W : (y + 1) * W]):
            if not is_given:
                # The cut-out of a later hole draws that hole's pixels once more.
                self._pixels[left + x, top + y] = pixels[C * x : C * (x + 1)]

    def given(self, cutout: CutoutOrder) -> bytes:
        """Return the input pixels of a cut-out, with the drawn colours of those that
        earlier cut-outs drew."""
        left, top = cutout.place
        C = cutout.job.channels
        W = cutout.job.width
        pixels = bytearray(cutout.material.pixels)
        for i, is_given in enumerate(cutout.material.keep):
            drawn = self._pixels.get((left + i % W, top + i // W))
            if is_given and drawn is not None:
                pixels[C * i : C * (i + 1)] = drawn
        return bytes(pixels)
