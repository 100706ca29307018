"""A stage (stage.py) that draws in compiled code: whole rows in one call, several rows of an image at once.

float32 on a CPU. Every pixel's arithmetic is the same whatever shares its tile, so bytes do not depend on company.
"""

from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.compiled import diagonal_bilstm, pixel_cnn, row_lstm
from model_core.compiled.frontier import COLUMNS_AHEAD
from model_core.compiled.loop import SIDE, Places, State
from model_core.compiled.products import LANES
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.compiled.colour_order import Maps
from model_core.sampling.compiled.layout import Floats
from model_core.sampling.compiled.weights import convolution_own, diagonal_own, row_own, shared_weights
from model_core.sampling.stage import Drawing, SlotRow

LAG = 4
"""How many columns a row stays behind the row above (compiled/frontier.py)."""

_KINDS: dict[str, Any] = {
    "pixel-cnn": (pixel_cnn.advance, pixel_cnn.take, convolution_own),
    "row-lstm": (row_lstm.advance, row_lstm.take, row_own),
    "diagonal-bilstm": (diagonal_bilstm.advance, diagonal_bilstm.take, diagonal_own),
}


def compiles(network: PixelNetwork) -> bool:
    """Can this network be drawn from by compiled code?"""
    bias = network.input.bias
    return bias.device.type == "cpu" and bias.dtype == torch.float32


_KEPT = ("maps", "hidden", "cell", "right")
"""Maps that are read before they are written: they start each image as what lies outside it."""


class CompiledStage:
    """Same words as Stage; a step draws until some row is complete."""

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        config = network.config
        H, W = config.height, config.width
        self._slots = slots + 1  # and a scratch slot, whose pixels are computed and thrown away
        self._lag = W if config.network == "diagonal-bilstm" else LAG
        rows_at_once = min(H, ceil(W / self._lag))
        longest, ring_rows = slots * rows_at_once + W + 4, rows_at_once + 2
        longest_list = longest + slots * (rows_at_once + 1) * COLUMNS_AHEAD
        maps = Maps(network)
        self._advance, self._take, own = _KINDS[config.network]
        self._shared = shared_weights(network, maps)
        self._own = own(network, maps, self._slots, ring_rows, longest)
        self._outside = {n: part[:, :1].copy() for n, part in self._own._asdict().items() if n in _KEPT}
        self._state = _state(network, maps, self._slots, ring_rows, longest)
        self._active: list[int] = []
        self._first_row, self._given_rows = np.zeros(self._slots, np.int64), np.zeros(self._slots, np.int64)
        self._done = np.zeros((self._slots, H + 1), np.int64)
        self._done[:, H] = W
        self._work, self._finished = np.zeros((longest_list, 3), np.int64), np.zeros((longest, 2), np.int64)
        self._places = Places(*(np.zeros(longest_list, np.int64) for _ in Places._fields))

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none."""
        self._take_up(slot, drawing, first_row=0)
        state = self._state
        if drawing.condition is not None:
            state.conditions[self._cells(state.conditions, slot)] = drawing.condition.flatten(0, 1).numpy()
        for name, outside in self._outside.items():
            part = getattr(self._own, name)
            part[:, self._cells(part[0], slot)] = outside

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none, after its given rows: they and the condition are those of `source`,
        which has just finished the last of them."""
        self._take_up(target, drawing, drawing.given_rows)
        state = self._state
        for part in (state.scaled, state.conditions):
            part[self._cells(part, target)] = part[self._cells(part, source)]
        for name in self._outside:
            part = getattr(self._own, name)
            part[:, self._cells(part[0], target)] = part[:, self._cells(part[0], source)]

    def _take_up(self, slot: int, drawing: Drawing, first_row: int) -> None:
        self._active.append(slot)
        self._first_row[slot], self._given_rows[slot] = first_row, drawing.given_rows
        self._done[slot, :first_row], self._done[slot, first_row:-1] = self._shared.width, 0
        state = self._state
        state.summed[slot] = 0
        state.noise[slot] = drawing.noise.numpy()
        state.temperature[slot] = drawing.temperature
        state.keep[slot] = False
        if drawing.keep is not None and drawing.known is not None:
            state.keep[slot] = drawing.keep.numpy()
            state.images[slot] = drawing.known.numpy()

    def _cells(self, part: Floats, slot: int) -> slice:
        """Which cells of a map (cells, width) belong to a slot."""
        cells = len(part) // self._slots
        return slice(slot * cells, (slot + 1) * cells)

    def close(self, slot: int) -> None:
        """Stop drawing the image in a slot, if there is one."""
        if slot in self._active:
            self._active.remove(slot)

    def image(self, slot: int) -> Tensor:
        """(C, H, W) values drawn so far."""
        return torch.from_numpy(self._state.images[slot])

    def step(self) -> list[SlotRow]:
        """Advance every image until at least one row is complete; returns the rows that are.

        An image whose next row is given whole works that off. Raises FloatingPointError when the network gives logits
        that are not finite.
        """
        given = [slot for slot in self._active if self._first_row[slot] < self._given_rows[slot]]
        drawn = [slot for slot in self._active if slot not in given]
        taken = self._rows(np.array(given), np.array([self._take_row(slot) for slot in given])) if given else []
        return taken + (self._draw_rows(drawn) if drawn else [])

    def _take_row(self, slot: int) -> int:
        """Work off the next row, which is given whole; returns which it was."""
        y = int(self._first_row[slot])
        self._take(slot, y, self._work, self._shared, self._state, self._places, self._own)
        self._done[slot, y], self._first_row[slot] = self._shared.width, y + 1
        return y

    def _draw_rows(self, slots: list[int]) -> list[SlotRow]:
        sizes = np.array(slots), self._first_row, self._done, self._lag, self._work, self._finished
        count = self._advance(*sizes, self._shared, self._state, self._places, self._own)
        if count < 0:
            raise FloatingPointError("the network gave logits that are not finite")
        return self._rows(self._finished[:count, 0], self._finished[:count, 1])

    def _rows(self, slots: NDArray[np.int64], ys: NDArray[np.int64]) -> list[SlotRow]:
        """All at once: small images are done in thousands of rows a second."""
        last, values = self._shared.height - 1, self._state.images[slots, :, ys].astype(np.uint8)
        places = zip(slots.tolist(), ys.tolist(), values, strict=True)
        rows = [SlotRow(slot, y, of, is_last=y == last) for slot, y, of in places]
        for row in rows:
            if row.is_last:
                self.close(row.slot)
        return rows


def _state(network: PixelNetwork, maps: Maps, slots: int, ring_rows: int, longest: int) -> State:
    config = network.config
    C, H, W = config.channels, config.height, config.width
    ring_cells = slots * ring_rows * (W + 2)
    stream_cells = {"pixel-cnn": longest, "row-lstm": ring_cells, "diagonal-bilstm": slots * W}[config.network]
    keep = np.zeros((slots, H, W), np.bool_)
    keep[-1] = True  # the scratch slot asks for no logits

    def floats(*shape: int) -> Floats:
        return np.zeros(shape, np.float32)

    return State(
        images=np.zeros((slots, C, H, W), np.int64),
        keep=keep,
        noise=np.zeros((slots, H, W, C)),
        temperature=np.ones(slots),
        scaled=floats(slots * (H + SIDE) * (W + 2 * SIDE), C),
        conditions=floats(slots * H * W, network.conditioning),
        summed=np.zeros((slots, H), np.int64),
        streams=floats(config.layers + 1, stream_cells, maps.features.width),
        skips=floats(longest, maps.features.width),
        top=floats(longest, maps.features.width),
        first=floats(longest, maps.wide.width),
        second=floats(longest, maps.wide.width),
        logits=floats(longest, maps.outputs.width),
        weights=floats(-(-config.values // LANES) * LANES),
    )
