"""Draw by definition: a pass of the network for each variable.

This serves float64 and kinds of network without compiled code, which need nothing but
their layers. An image passes alone, because torch sums in another order for other
numbers of images, and the bits of an image must not depend on its company.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.distribution import check_finite
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.main_memory import in_main_memory
from model_core.sampling.stage import ByOneSlot, Drawing, SlotRow, Slots, condition_of


@dataclass
class _Image:
    """An image in a slot: row `y` is drawn next, and the rows from `stop` on are not.

    condition: (1, c, H, W), or None.
    values: (C, H, W). log_p: float64 (H,).
    """

    drawing: Drawing
    condition: Tensor | None
    values: Tensor
    log_p: Tensor
    y: int
    stop: int


class PlainStage(ByOneSlot):
    """A Stage (stage.py) that calls the network once for each variable, for networks
    without compiled code. Weights on a GPU are copied. It cannot draw with a range
    coder."""

    # Version 0.4 and earlier drew float64 as `cpu-torch`, with other last digits.
    numerics: ClassVar[str] = "cpu-pass"
    stops_within_rows: ClassVar[bool] = False
    keeps_closed: ClassVar[bool] = False

    @staticmethod
    def can(network: PixelNetwork, device: torch.device) -> bool:
        return True

    @staticmethod
    def slot_bytes(network: PixelNetwork) -> int:
        config = network.config
        maps = 4 * config.features * network.input.bias.element_size()
        pixels = config.height * config.width
        return pixels * (maps + 16 * config.channels)

    @staticmethod
    def logits(
        network: PixelNetwork, images: NDArray[np.int64], label: int | None = None
    ) -> NDArray[np.floating]:
        network = in_main_memory(network)
        condition = None
        if label is not None:
            condition = network.of_labels(torch.full((len(images),), label))
        return network(torch.from_numpy(images), condition).numpy()

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        self._network = in_main_memory(network)
        self._images: dict[int, _Image] = {}

    def open(self, slot: int, drawing: Drawing) -> None:
        assert drawing.coder is None, "only compiled code decodes"
        config = self._network.config
        condition = condition_of(self._network, drawing)
        if condition is not None:
            condition = condition.permute(2, 0, 1)[None]
        shape = config.channels, config.height, config.width
        values = torch.zeros(shape, dtype=torch.int64)
        if drawing.known is not None:
            values[:] = drawing.known
        self._images[slot] = _Image(
            drawing,
            condition,
            values,
            log_p=torch.zeros(config.height, dtype=torch.float64),
            y=0,
            stop=drawing.end or config.height,
        )

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        self.open(target, drawing)
        self._images[target].y = drawing.given_rows

    def close(self, slot: int) -> None:
        if slot in self._images:
            self._images[slot].stop = 0

    def hold(self, slot: int, y: int, x: int) -> None:
        assert x == self._network.config.width, "it stops after whole rows only"
        self._images[slot].stop = y + 1

    def copy(self, sources: Slots, targets: Slots) -> None:
        for source, target in zip(sources, targets, strict=True):
            one = self._images[source]
            other = self._images[target]
            assert one.y == other.y == one.stop == other.stop
            other.values[:, : one.y] = one.values[:, : one.y]

    def log_p(self, slot: int) -> NDArray[np.float64]:
        return self._images[slot].log_p.numpy().copy()

    def image(self, slot: int) -> Tensor:
        return self._images[slot].values

    @torch.inference_mode()
    def step(self) -> list[SlotRow]:
        height = self._network.config.height
        rows: list[SlotRow] = []
        for slot, image in self._images.items():
            if image.y >= image.stop:
                continue
            self._draw_row(image)
            values = image.values[:, image.y].numpy().astype(np.uint8)
            rows.append(SlotRow(slot, image.y, values, is_last=image.y == height - 1))
            image.y += 1
        return rows

    def _draw_row(self, image: _Image) -> None:
        drawing, y = image.drawing, image.y
        for x in range(self._network.config.width):
            kept = drawing.keep is not None and bool(drawing.keep[y, x])
            weighed = drawing.weighed is not None and bool(drawing.weighed[y, x])
            if not kept or weighed:
                self._draw_pixel(image, x, kept, weighed)

    def _draw_pixel(self, image: _Image, x: int, kept: bool, weighed: bool) -> None:
        drawing, y = image.drawing, image.y
        distribution = self._network.distribution
        temperature = torch.tensor([drawing.temperature], dtype=torch.float64)
        # Rows below do not change the logits.
        condition = image.condition
        if condition is not None:
            condition = condition[:, :, : y + 1]
        for c in range(len(image.values)):
            values = image.values[None, :, : y + 1]
            logits = self._network(values, condition)[:, :, c, y, x]  # (1, V)
            check_finite(logits)
            if not kept:
                noise = drawing.noise[y, x, c : c + 1]
                image.values[c, y, x] = distribution.draw(logits, noise, temperature)[0]
            if weighed:
                value = image.values[c, y, x : x + 1]
                image.log_p[y] += distribution.log_p(logits, value, temperature)[0]
