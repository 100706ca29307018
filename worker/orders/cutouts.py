"""Cut-outs of larger pictures, filled one after the other: each is given what those before it drew."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.order import Material, Order


@dataclass(frozen=True)
class CutoutOrder(Order):
    """A cut-out whose order is made once those before it in its picture are filled."""

    job: JobSpec
    """The job of the cut-out, as if it came alone."""
    card: ModelCard
    material: Material
    build: Callable[[JobSpec, ModelCard, Material], Order]
    place: tuple[int, int]
    """Its left and upper edge in the picture."""

    def after(self, filled: "Filled") -> Order:
        """The order, with what is filled by now. Raises what `build` raises."""
        return self.build(
            self.job, self.card, replace(self.material, pixels=filled.given(self))
        )


class Filled:
    """The pixels of a picture's holes that are drawn by now."""

    def __init__(self) -> None:
        self._pixels: dict[tuple[int, int], bytes] = {}

    def add(self, cutout: CutoutOrder, y: int, pixels: bytes) -> None:
        """Take a row of a cut-out. What one drew of a later hole is drawn again by that hole's own."""
        left, top = cutout.place
        C, W = cutout.job.channels, cutout.job.width
        for x, is_given in enumerate(cutout.material.keep[y * W : (y + 1) * W]):
            if not is_given:
                self._pixels[left + x, top + y] = pixels[C * x : C * (x + 1)]

    def given(self, cutout: CutoutOrder) -> bytes:
        """The pixels of a cut-out, with those of earlier holes where it is given them."""
        left, top = cutout.place
        C, W, pixels = (
            cutout.job.channels,
            cutout.job.width,
            bytearray(cutout.material.pixels),
        )
        for i, is_given in enumerate(cutout.material.keep):
            drawn = self._pixels.get((left + i % W, top + i // W))
            if is_given and drawn is not None:
                pixels[C * i : C * (i + 1)] = drawn
        return bytes(pixels)
