"""A stage that draws in compiled code: whole rows in one call, several rows of an image at once.

float32 on a CPU. Every pixel's arithmetic is the same whatever shares its tile, so bytes do not depend on company.
"""

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.compiled.loop import BY_COLUMN, IN_RING
from model_core.compiled.range_coder import BYTES_A_VALUE, REGISTERS, Coder
from model_core.compiled.records import SIDE, Front, Places, State
from model_core.compiled.vector_code import LANES
from model_core.distribution import NOT_FINITE
from model_core.kinds import INPUT_REACH, part
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.compiled.colour_order import Maps
from model_core.sampling.compiled.kind import CompiledKind, Sizes
from model_core.sampling.compiled.layout import Floats
from model_core.sampling.compiled.prepared import prepared
from model_core.sampling.compiled.weights import Room, made, zeros
from model_core.sampling.stage import Drawing, SlotRow, condition_of

assert SIDE == INPUT_REACH, (
    "compiled code is written for the input convolution that all networks have"
)

TOGETHER = 4
"""Pixels that are computed at once, if more than one is."""
PIECE = 512
"""Pixels after which a step of fields comes back, whose rows may be thousands wide: others wait for their turn."""
FEWEST = 4
"""Columns that it draws at least: the lag of most networks, which complete a row of every image in so many."""


class CompiledStage:
    """A Stage (sampling/stage.py); a step draws until some row is complete."""

    stops_within_rows: ClassVar[bool] = True
    keeps_closed: ClassVar[bool] = True

    @staticmethod
    def can(network: PixelNetwork, device: torch.device) -> bool:
        """float32 on a CPU, and a kind that names a compiled loop."""
        float32 = network.input.bias.dtype == torch.float32
        return (
            device.type == "cpu"
            and float32
            and network.config.kind.compiled is not None
        )

    @staticmethod
    def numerics(device: torch.device, slots: int) -> str:
        return f"{device.type}-compiled"

    @staticmethod
    def slot_bytes(network: PixelNetwork) -> int:
        """The difference that one more image makes to the arrays."""
        one, two = (_state_bytes(network, images) for images in (1, 2))
        return two - one

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        (kind, maps, self._shared, weights), sizes = (
            prepared(network),
            Sizes.of(network.config, slots),
        )
        self._network, self._slots, self._rows_at_once = (
            network,
            sizes.slots,
            sizes.rows_at_once,
        )
        self._layers = kind.code.Layers(
            **weights, **made(kind.state(network, maps, sizes))
        )
        self._code, self._streams, self._by_column = (
            kind.code,
            kind.code.STREAMS,
            kind.by_column,
        )
        self._kept = [getattr(self._layers, name) for name in kind.kept]
        self._outside = [kept[:, :1].copy() for kept in self._kept]
        self._state = State(**made(_state(network, maps, sizes)))
        self._front, self._places = (
            Front(**made(_front(sizes))),
            Places(**made(_places(sizes))),
        )
        self._records = (
            self._front,
            self._shared,
            self._state,
            self._places,
            self._layers,
        )
        self._active: list[int] = []
        self._at_once: dict[
            int, list[bool]
        ] = {}  # for each row of an image, whether it is worked off whole
        self._windows: set[int] = set()  # slots that draw a field

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none."""
        self._take_up(slot, drawing, first_row=0)
        state = self._state
        condition = condition_of(self._network, drawing)
        if condition is not None:
            state.conditions[self._cells(state.conditions, slot)] = condition.flatten(
                0, 1
            ).numpy()
        for kept, outside in zip(self._kept, self._outside, strict=True):
            kept[:, self._cells(kept[0], slot)] = outside

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        """See Stage.fork."""
        self._take_up(target, drawing, drawing.given_rows)
        self._copy_kept(source, target)

    def _take_up(self, slot: int, drawing: Drawing, first_row: int) -> None:
        front, state = self._front, self._state
        self._active.append(slot)
        front.first_row[slot] = first_row
        front.done[slot, :first_row], front.done[slot, first_row:-1] = (
            self._shared.width,
            0,
        )
        state.summed[slot] = 0
        state.noise[slot] = drawing.noise.numpy()
        state.temperature[slot] = drawing.temperature
        front.stop[slot] = drawing.end or self._shared.height, 0
        (self._windows.discard if drawing.end is None else self._windows.add)(slot)
        state.coded[slot] = drawing.coder is not None
        if drawing.coder is not None:
            registers, code = drawing.coder
            state.coders[slot], state.codes[slot, : len(code)] = registers, code
        state.keep[slot], state.weighed[slot], state.log_p[slot] = False, False, 0
        if drawing.keep is not None and drawing.known is not None:
            state.keep[slot] = drawing.keep.numpy()
            state.images[slot] = drawing.known.numpy()
        if drawing.weighed is not None:
            state.weighed[slot] = drawing.weighed.numpy()
        is_coded = state.coded[slot] & state.weighed[slot].any(1)
        self._at_once[slot] = (state.keep[slot].all(1) & ~is_coded).tolist()

    def hold(self, slot: int, y: int, x: int) -> None:
        """Draw the image in a slot up to row y, column x, and no further."""
        at_end = x == self._shared.width
        self._front.stop[slot] = (y + 1, 0) if at_end else (y, x)

    def log_p(self, slot: int) -> NDArray[np.float64]:
        """(H,) ln p of each row's weighed pixels, of those that were passed."""
        return self._state.log_p[slot].copy()

    def coder(self, slot: int) -> Coder:
        """The range coder of an image that was coded: its registers, and what was put out up to PLACE."""
        return Coder(self._state.coders[slot].copy(), self._state.codes[slot])

    @staticmethod
    def logits(
        network: PixelNetwork, images: NDArray[np.int64], label: int | None = None
    ) -> Floats:
        """See Stage.logits."""
        N, C, H, W = images.shape
        stage, every = CompiledStage(network, 1), torch.ones(H, W, dtype=torch.bool)
        noise, bounds = torch.zeros(H, W, C, dtype=torch.float64), stage._shared.outputs
        found = np.empty((N, network.config.values, C, H, W), np.float32)
        for image, its in zip(images, found, strict=True):
            stage.open(
                0,
                Drawing(
                    noise,
                    1.0,
                    torch.from_numpy(image),
                    every,
                    label=label,
                    weighed=every,
                ),
            )
            for y in range(H):
                stage._pass_rows([0])
                for c in range(C):
                    its[:, c, y] = stage._state.logits[
                        :W, bounds[c] : bounds[c] + len(its)
                    ].T
            stage.close(0)
        return found

    def kept(self, slot: int) -> list[Floats]:
        """Everything that the network keeps of an image for the pixels to come, at its end as at any time."""
        return [kept[:, self._cells(kept[0], slot)] for kept in self._kept]

    def copy(self, source: int, target: int) -> None:
        """Let an image go on from where another one is, which is held at the same place; what is given to it stays."""
        front, state = self._front, self._state
        y, x = front.stop[source]
        assert (front.stop[target] == front.stop[source]).all()
        front.first_row[target], front.done[target] = (
            front.first_row[source],
            front.done[source],
        )
        state.summed[target] = 0
        state.images[target, :, :y] = state.images[source, :, :y]
        if x:
            state.images[target, :, y, :x] = state.images[source, :, y, :x]
            self._copy_row(source, target)
        self._copy_kept(source, target)

    def _copy_row(self, source: int, target: int) -> None:
        """Copy what the rest of a row that is begun reads of its beginning."""
        by_column = [getattr(self._layers, name) for name in self._by_column]
        if self._streams == BY_COLUMN:
            by_column.append(self._state.streams)
        for row in by_column:
            row[:, target :: self._slots] = row[:, source :: self._slots]
        if self._streams == IN_RING:
            streams = self._state.streams
            streams[:, self._cells(streams[0], target)] = streams[
                :, self._cells(streams[0], source)
            ]

    def _copy_kept(self, source: int, target: int) -> None:
        state = self._state
        for kept in (state.scaled, state.conditions):
            kept[self._cells(kept, target)] = kept[self._cells(kept, source)]
        for kept in self._kept:
            kept[:, self._cells(kept[0], target)] = kept[
                :, self._cells(kept[0], source)
            ]

    def _cells(self, part: Floats, slot: int) -> slice:
        """The cells of a map (cells, width) that belong to a slot."""
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

        An image whose next row is given whole works that off at once. Raises FloatingPointError when the network gives
        logits that are not finite.
        """
        given = [slot for slot in self._active if self._passes(slot)]
        drawn = [slot for slot in self._active if slot not in given]
        if len(given) <= -len(drawn) % TOGETHER:  # the list is padded for as much
            given, drawn = [], self._active
        return (self._pass_rows(given) if given else []) + (
            self._draw_rows(drawn) if drawn else []
        )

    def _passes(self, slot: int) -> bool:
        """True if the next row is given whole, not begun, and not behind where the image is held."""
        front, y = self._front, self._front.first_row[slot]
        return bool(
            y < front.stop[slot, 0]
            and self._at_once[slot][y]
            and front.done[slot, y] == 0
        )

    def _pass_rows(self, given: list[int]) -> list[SlotRow]:
        """Work off the next row of each slot, which is given whole."""
        slots, front = np.array(given), self._front
        if not self._code.pass_given(slots, *self._records):
            raise FloatingPointError(NOT_FINITE)
        ys = front.first_row[slots]
        front.done[slots, ys], front.first_row[slots] = self._shared.width, ys + 1
        return self._rows(slots, ys)

    def _draw_rows(self, slots: list[int]) -> list[SlotRow]:
        front, *others = self._records
        if not self._windows.isdisjoint(slots):
            front = front._replace(
                steps=max(FEWEST, PIECE // (len(slots) * self._rows_at_once))
            )
        count = self._code.advance(np.array(slots), front, *others)
        if count < 0:
            raise FloatingPointError(NOT_FINITE)
        return self._rows(*front.finished[:count].T)

    def handed(self, slots: list[int]) -> dict[str, Any]:
        """The arguments that the loop needs to draw in these slots, by the names of its parameters."""
        names = "slots", "front", "shared", "state", "places", "layers"
        return dict(zip(names, (np.array(slots), *self._records), strict=True))

    def _rows(self, slots: NDArray[np.int64], ys: NDArray[np.int64]) -> list[SlotRow]:
        """All at once: small images are done in thousands of rows a second."""
        last, values = (
            self._shared.height - 1,
            self._state.images[slots, :, ys].astype(np.uint8),
        )
        places = zip(slots.tolist(), ys.tolist(), values, strict=True)
        rows = [SlotRow(slot, y, of, is_last=y == last) for slot, y, of in places]
        for row in rows:
            if row.is_last:
                self.close(row.slot)
        return rows


def _kind(network: PixelNetwork) -> CompiledKind:
    return part(network.config.kind.compiled)


def _state_bytes(network: PixelNetwork, images: int) -> int:
    """Bytes of all arrays whose size depends on how many images are drawn side by side."""
    maps, sizes, kind = Maps(network), Sizes.of(network.config, images), _kind(network)
    records = (
        _state(network, maps, sizes),
        _front(sizes),
        _places(sizes),
        kind.state(network, maps, sizes),
    )
    return sum(
        part.nbytes
        for record in records
        for part in record.values()
        if isinstance(part, Room)
    )


def _front(sizes: Sizes) -> dict[str, Any]:
    """The fields of Front."""
    return {
        "lag": sizes.lag,
        "steps": sizes.width,  # a row is complete by then
        "first_row": Room((sizes.slots,), np.int64),
        "done": Room(
            (sizes.slots, sizes.height + 1),
            np.int64,
            (((slice(None), -1), sizes.width),),
        ),
        "work": Room((sizes.list_pixels, 3), np.int64),
        "stop": Room((sizes.slots, 2), np.int64, ((..., (sizes.height, 0)),)),
        "finished": Room((sizes.step_pixels, 2), np.int64),
    }


def _places(sizes: Sizes) -> dict[str, Any]:
    """The fields of Places."""
    return dict.fromkeys(Places._fields, Room((sizes.list_pixels,), np.int64))


def _state(network: PixelNetwork, maps: Maps, sizes: Sizes) -> dict[str, Any]:
    """The fields of State."""
    config = network.config
    C, H, W, S, M = (
        config.channels,
        sizes.height,
        sizes.width,
        sizes.slots,
        sizes.step_pixels,
    )
    return {
        "images": Room((S, C, H, W), np.int64),
        "keep": Room(
            (S, H, W), np.bool_, ((-1, True),)
        ),  # the scratch slot asks for no logits
        "weighed": Room((S, H, W), np.bool_),
        "log_p": Room((S, H), np.float64),
        "noise": Room((S, H, W, C), np.float64),
        "coded": Room((S,), np.bool_),
        "coders": Room((S, REGISTERS), np.uint64),
        "codes": Room((S, BYTES_A_VALUE * C * H * W), np.uint8),
        "temperature": Room((S,), np.float64, ((..., 1),)),
        "scaled": zeros(S * (H + SIDE) * (W + 2 * SIDE), C),
        "conditions": zeros(S * H * W, network.conditioning),
        "summed": Room((S, H), np.int64),
        "streams": zeros(
            config.layers + 1, _kind(network).stream_cells(sizes), maps.features.width
        ),
        "skips": zeros(M, maps.features.width),
        "top": zeros(M, maps.features.width),
        "first": zeros(M, maps.wide.width),
        "second": zeros(M, maps.wide.width),
        "logits": zeros(M, maps.outputs.width),
        "weights": zeros(-(-config.values // LANES) * LANES),
    }
