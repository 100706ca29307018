"""A stage that draws with compiled code on one thread: whole rows in one call, several
rows of an image at once.

float32 on a CPU; weights on a GPU are copied to main memory. The arithmetic of a pixel
is the same whichever pixels are computed with it, so the bytes of an image do not
depend on the other images.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, ClassVar, NamedTuple

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
from model_core.sampling.compiled.weights import (
    Prepared,
    Room,
    make_arrays,
    prepared,
    zeros,
)
from model_core.sampling.main_memory import in_main_memory
from model_core.sampling.stage import Drawing, SlotRow, Slots, condition_of

assert SIDE == INPUT_REACH, (
    "compiled code is written for the input convolution that all networks have"
)

TOGETHER = 4
"""Pixels that are computed at once if there is more than one. Lists of pixels are
padded to multiples of it."""
PIECE = 512
"""Pixels after which a step of fields returns. Their rows may be thousands of pixels
wide, and other images would wait for so long."""
FEWEST = 4
"""Minimum number of columns that a step draws: the lag of most networks. After so many
columns every image has completed a row."""


_NO_SLOTS = np.empty(0, np.int64)
_Index = slice | NDArray[np.int64]
"""An index of arrays whose axis is that of slots."""


class StepWork(NamedTuple):
    """What one step of a stage computes."""

    given: NDArray[np.int64]
    """int64 (n,): slots whose next row is given whole; it is worked through at once."""
    drawn: NDArray[np.int64]
    """int64 (n,): slots that are drawn until some row is complete."""
    front: Front
    """The stage's record of where each row of each slot is, and of the number of
    columns after which this step ends at the latest."""


class CompiledStage:
    """A Stage of compiled code on one thread (stage.py describes the methods that all
    stages have). Slot numbers are not checked.

    A step has three parts: `begin_step` and `end_step` do the bookkeeping, and
    `compute`, between them, runs only compiled code, so that another thread may call
    it.

    slots: number of images that may be drawn side by side.
    """

    numerics: ClassVar[str] = "cpu-compiled"
    stops_within_rows: ClassVar[bool] = True
    keeps_closed: ClassVar[bool] = True

    @staticmethod
    def can(network: PixelNetwork, device: torch.device) -> bool:
        """Return True if the weights are float32 and the kind of network names a
        compiled loop."""
        float32 = network.input.bias.dtype == torch.float32
        return float32 and network.config.kind.compiled is not None

    @staticmethod
    def slot_bytes(network: PixelNetwork) -> int:
        one, two = (state_bytes(network, images) for images in (1, 2))
        return two - one

    def __init__(
        self, network: PixelNetwork, slots: int, arrays: Prepared | None = None
    ) -> None:
        """The loop is compiled at the first step, unless it is compiled already.

        network: `can` returns True for it.
        arrays: the result of `prepared` for the network in main memory, if several
            stages share it. Default: it is called.
        """
        network = in_main_memory(network)
        kind, maps, self._shared, weights = arrays or prepared(network)
        sizes = Sizes.of(network.config, slots)
        self._network = network
        self._slots = sizes.slots
        self._rows_at_once = sizes.rows_at_once
        self._layers = kind.code.Layers(
            **weights, **make_arrays(kind.state(network, maps, sizes))
        )
        self._code = kind.code
        self._streams = kind.code.STREAMS
        self._by_column = kind.by_column
        self._kept = [getattr(self._layers, name) for name in kind.kept]
        self._outside = [kept[:, :1].copy() for kept in self._kept]
        self._kept_of_slots = [_by_slot(kept, sizes.slots) for kept in self._kept]
        self._ring_rows = sizes.ring_rows
        self._rings = [
            _in_rows(kept, sizes) for kept in self._kept if _is_ring(kept, sizes)
        ]
        """Maps that are kept for pixels that follow, of which a slot has a ring of
        rows."""
        self._whole = [
            _by_slot(kept, sizes.slots)
            for kept in self._kept
            if not _is_ring(kept, sizes)
        ]
        """Maps that are kept for pixels that follow, of which a slot has all rows."""
        self._state = State(**make_arrays(_state(network, maps, sizes)))
        if self._streams == IN_RING:
            self._stream_ring = _in_rows(self._state.streams, sizes)
        self._front = Front(**make_arrays(_front(sizes)))
        self._places = Places(**make_arrays(_places(sizes)))
        self._records = (
            self._front,
            self._shared,
            self._state,
            self._places,
            self._layers,
        )
        self.slots = slots
        """Images that may be drawn side by side."""
        self._active: list[int] = []
        self._with_given: set[int] = set()
        """Slots whose images have rows that are given whole."""
        self._windows: set[int] = set()  # slots that draw a field

    def open(self, slot: int, drawing: Drawing) -> None:
        self.open_all([slot], [drawing])

    def open_all(self, slots: Sequence[int], drawings: Sequence[Drawing]) -> None:
        """Open several slots at once."""
        at = _index_of(slots)
        self._take_up(slots, drawings, first_row=0)
        state = self._state
        for slot, drawing in zip(slots, drawings, strict=True):
            condition = condition_of(self._network, drawing)
            if condition is not None:
                cells = self._cells(state.conditions, slot)
                state.conditions[cells] = condition.flatten(0, 1).numpy()
        for kept, outside in zip(self._kept_of_slots, self._outside, strict=True):
            kept[:, at] = outside[:, None]

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        self.fork_all(source, [target], [drawing])

    def fork_all(
        self, source: int, targets: Sequence[int], drawings: Sequence[Drawing]
    ) -> None:
        """Fork one slot into several at once."""
        self.fork_from(self, source, targets, drawings)

    def fork_from(
        self,
        other: "CompiledStage",
        source: int,
        targets: Sequence[int],
        drawings: Sequence[Drawing],
    ) -> None:
        """Fork one slot of another stage of the same network into several slots of this
        one."""
        self._take_up(targets, drawings, drawings[0].given_rows)
        self._copy_kept(other, source, _index_of(targets))

    def _take_up(
        self, slots: Sequence[int], drawings: Sequence[Drawing], first_row: int
    ) -> None:
        """Store what images are drawn from; their rows before `first_row` are done.

        drawings: of each slot; they differ in noise and label alone.
        """
        front, state, at = self._front, self._state, _index_of(slots)
        drawing = drawings[0]
        self._active.extend(slots)
        front.first_row[at] = first_row
        front.done[at, :first_row] = self._shared.width
        front.done[at, first_row:-1] = 0
        state.summed[at] = 0
        for slot, its in zip(slots, drawings, strict=True):
            state.noise[slot] = its.noise.numpy()
        state.temperature[at] = drawing.temperature
        front.stop[at] = drawing.end or self._shared.height, 0
        if drawing.end is None:
            self._windows.difference_update(slots)
        else:
            self._windows.update(slots)
        state.coded[at] = drawing.coder is not None
        if drawing.coder is not None:
            registers, code = drawing.coder
            state.coders[at], state.codes[at, : len(code)] = registers, code
        state.log_p[at] = 0
        if drawing.weighed is None:
            state.weighed[at] = False
        else:
            state.weighed[at] = drawing.weighed.numpy()
        self._with_given.difference_update(slots)
        if drawing.keep is None or drawing.known is None:
            state.keep[at] = False
            return
        state.keep[at] = drawing.keep.numpy()
        state.images[at] = drawing.known.numpy()
        if state.keep[slots[0]].all(1).any():
            self._with_given.update(slots)

    def hold(self, slot: int, y: int, x: int) -> None:
        self._front.stop[slot] = self._stop(y, x)

    def hold_all(self, slots: Slots, y: int, x: int) -> None:
        """Let the images in these slots pause before (y, x)."""
        self._front.stop[slots] = self._stop(y, x)

    def _stop(self, y: int, x: int) -> tuple[int, int]:
        return (y + 1, 0) if x == self._shared.width else (y, x)

    @property
    def goes_on(self) -> bool:
        """True if some image is neither where it is held nor complete."""
        if not self._active:
            return False
        front, slots = self._front, np.array(self._active)
        rows, (ys, xs) = front.first_row[slots], front.stop[slots].T
        return bool(((rows < ys) | ((rows == ys) & (front.done[slots, ys] < xs))).any())

    def advance(self, slots: Slots, y: int, x: int) -> NDArray[np.float64]:
        """Hold these slots at (y, x), and draw until every image is held or complete.
        Return `log_p` of these slots, (N, H)."""
        self.hold_all(slots, y, x)
        # Rows are not returned: to make them takes as long as to draw small images.
        if self.goes_on:
            self.run()
        return self.log_p_of(slots)

    def run(self) -> int:
        """Advance all images until each is where it is held, or complete; at least one
        must be able to go on. Return the number of steps. Any thread may call it,
        because it uses nothing of torch."""
        for steps in count(1):
            work = self.begin_step()
            self.settle(work, self.compute(work))
            if not self.goes_on:
                return steps
        raise AssertionError("count has no end")

    def log_p(self, slot: int) -> NDArray[np.float64]:
        return self._state.log_p[slot].copy()

    def log_p_of(self, slots: Slots) -> NDArray[np.float64]:
        """Return `log_p` of several slots, (n,)."""
        return self._state.log_p[slots]

    def coder(self, slot: int) -> Coder:
        """Return the range coder of an image that is coded: a copy of its registers,
        and a view of its code, of which the first registers[PLACE] bytes were written
        or read."""
        return Coder(self._state.coders[slot].copy(), self._state.codes[slot])

    @staticmethod
    def logits(
        network: PixelNetwork,
        images: NDArray[np.int64],
        label: int | None = None,
        condition: Tensor | None = None,
    ) -> Floats:
        """See Stage.logits.

        condition: the conditioning map of all images, (H, W, c), if the network has no
            labels.
        """
        N, C, H, W = images.shape
        stage, every = CompiledStage(network, 1), torch.ones(H, W, dtype=torch.bool)
        noise, bounds = torch.zeros(H, W, C, dtype=torch.float64), stage._shared.outputs
        found = np.empty((N, network.config.values, C, H, W), np.float32)
        row = StepWork(_slots([0]), _slots([]), stage._front)
        for image, its in zip(images, found, strict=True):
            stage.open(
                0,
                Drawing(
                    noise,
                    1.0,
                    torch.from_numpy(image),
                    every,
                    condition=condition,
                    label=label,
                    weighed=every,
                ),
            )
            for y in range(H):
                stage.end_step(row, stage.compute(row))
                for c in range(C):
                    its[:, c, y] = stage._state.logits[
                        :W, bounds[c] : bounds[c] + len(its)
                    ].T
            stage.close(0)
        return found

    def kept(self, slot: int) -> list[Floats]:
        """Return views of everything that the network keeps of an image for the pixels
        that follow: one array (L, cells, width) for each of the kind's `kept` fields
        (CompiledKind), with the cells of this slot. Later steps change them."""
        return [kept[:, self._cells(kept[0], slot)] for kept in self._kept]

    def copy(self, sources: Slots, targets: Slots) -> None:
        self.copy_from(self, sources, targets)

    def copy_from(self, other: "CompiledStage", sources: Slots, targets: Slots) -> None:
        """Copy slots of another stage of the same network into slots of this one."""
        front, own, its = self._front, self._state, other._state
        y, x = other._front.stop[sources[0]].tolist()
        assert (other._front.stop[sources] == (y, x)).all()
        assert (front.stop[targets] == (y, x)).all()
        front.first_row[targets] = other._front.first_row[sources]
        front.done[targets] = other._front.done[sources]
        own.summed[targets] = 0
        own.images[targets, :, :y] = its.images[sources, :, :y]
        if x:
            own.images[targets, :, y, :x] = its.images[sources, :, y, :x]
            self._copy_row(other, sources, targets)
        for ours, theirs in (
            (own.scaled, its.scaled),
            (own.conditions, its.conditions),
        ):
            self._cells_by_slot(ours)[targets] = other._cells_by_slot(theirs)[sources]
        self._copy_maps(other, sources, targets, y, x)

    def _copy_maps(
        self, other: "CompiledStage", sources: Slots, targets: Slots, y: int, x: int
    ) -> None:
        """Copy the kept maps that pixels from row y, column x on read.

        Of a ring, rows y - 1 and y are enough: no layer reads rows above y - 1, and an
        image that is held at row y has drawn nothing below it.
        """
        above, row = (y - 1) % self._ring_rows, y % self._ring_rows
        for own, its in zip(self._rings, other._rings, strict=True):
            own[:, targets, above] = its[:, sources, above]
            if x:
                own[:, targets, row] = its[:, sources, row]
        for own, its in zip(self._whole, other._whole, strict=True):
            # One by one, or the copy in between would be as large as all of them.
            for source, target in zip(sources, targets, strict=True):
                own[:, target] = its[:, source]
        if x and self._streams == IN_RING:
            own, its = self._stream_ring, other._stream_ring
            own[:, targets, row] = its[:, sources, row]

    def _copy_row(self, other: "CompiledStage", sources: Slots, targets: Slots) -> None:
        """Copy what the rest of a row that is begun reads of its beginning."""
        for own, its in zip(self._columns(), other._columns(), strict=True):
            layers, _, width = own.shape
            ours = own.reshape(layers, -1, self._slots, width)
            theirs = its.reshape(layers, -1, other._slots, width)
            ours[:, :, targets] = theirs[:, :, sources]

    def _columns(self) -> list[Floats]:
        by_column = [getattr(self._layers, name) for name in self._by_column]
        if self._streams == BY_COLUMN:
            by_column.append(self._state.streams)
        return by_column

    def _copy_kept(self, other: "CompiledStage", source: int, targets: _Index) -> None:
        """Copy what pixels that follow read of the rows above, and the condition, to
        the slots with this index."""
        own, its = self._state, other._state
        for ours, theirs in (
            (own.scaled, its.scaled),
            (own.conditions, its.conditions),
        ):
            self._cells_by_slot(ours)[targets] = other._cells_by_slot(theirs)[source]
        for ours, theirs in zip(self._kept_of_slots, other._kept_of_slots, strict=True):
            ours[:, targets] = theirs[:, source, None]

    def _cells_by_slot(self, part: Floats) -> Floats:
        return part.reshape(self._slots, len(part) // self._slots, part.shape[1])

    def _cells(self, part: Floats, slot: int) -> slice:
        """Return which cells of a map (cells, width) belong to a slot."""
        cells = len(part) // self._slots
        return slice(slot * cells, (slot + 1) * cells)

    def close(self, slot: int) -> None:
        if slot in self._active:
            self._active.remove(slot)

    def close_all(self) -> None:
        """Stop drawing all images. Their states stay."""
        self._active.clear()

    def image(self, slot: int) -> Tensor:
        return torch.from_numpy(self._state.images[slot])

    def images(self, slots: Slots) -> NDArray[np.int64]:
        """Return the images in these slots."""
        return self._state.images[slots]

    def step(self) -> list[SlotRow]:
        work = self.begin_step()
        return self.end_step(work, self.compute(work))

    @property
    def busy(self) -> int:
        """Number of images that are being drawn, those that are held included."""
        return len(self._active)

    def begin_step(self) -> StepWork:
        """Decide what the next step computes."""
        given, drawn = self._passing(), self._active
        if given:
            passing = set(given)
            drawn = [slot for slot in self._active if slot not in passing]
            # The list of pixels is padded by that many anyway, so given rows cost
            # nothing in it.
            if len(given) <= -len(drawn) % TOGETHER:
                given, drawn = [], self._active
        front = self._front
        if not self._windows.isdisjoint(drawn):
            front = front._replace(
                steps=max(FEWEST, PIECE // (len(drawn) * self._rows_at_once))
            )
        return StepWork(_slots(given), _slots(drawn), front)

    def compute(self, work: StepWork) -> int:
        """Run the compiled code of a step, without the interpreter's lock. Return how
        many rows of `work.drawn` are complete, or -1 if a logit is not finite."""
        _, *others = self._records
        if len(work.given) and not self._code.pass_given(work.given, *self._records):
            return -1
        if not len(work.drawn):
            return 0
        return self._code.advance(work.drawn, work.front, *others)

    def end_step(
        self, work: StepWork, completed: int, names: Sequence[int] | None = None
    ) -> list[SlotRow]:
        """Return the rows that a step completed, first those that were given; images
        whose last row is among them are closed.

        work: what `begin_step` returned.
        completed: what `compute` returned; FloatingPointError is raised for -1.
        names: for each slot the number that its rows get in the result; default: its
            own.
        """
        slots, ys = self.settle(work, completed)
        if not len(slots):
            return []
        last = self._shared.height - 1
        values = self._state.images[slots, :, ys].astype(np.uint8)
        own = slots.tolist()
        named = own if names is None else [names[slot] for slot in own]
        return [
            SlotRow(slot, y, of, is_last=y == last)
            for slot, y, of in zip(named, ys.tolist(), values, strict=True)
        ]

    def settle(
        self, work: StepWork, completed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """End a step: return the slots and the row numbers y of the complete rows, two
        arrays int64 (rows,)."""
        if completed < 0:
            raise FloatingPointError(NOT_FINITE)
        slots, ys = self._front.finished[: completed if len(work.drawn) else 0].T
        if len(work.given):
            given = self._end_given(work.given)
            slots = np.concatenate([work.given, slots])
            ys = np.concatenate([given, ys])
        for slot in slots[ys == self._shared.height - 1].tolist():
            self.close(slot)
        return slots, ys

    def _passing(self) -> list[int]:
        """Return the slots whose next row is given whole, is not begun, and lies before
        the stop."""
        active = [slot for slot in self._active if slot in self._with_given]
        if not active:
            return []
        front, state, slots = self._front, self._state, np.array(active)
        ys = front.first_row[slots]
        passing = (
            (ys < front.stop[slots, 0])
            & (front.done[slots, ys] == 0)
            & state.keep[slots, ys].all(1)
        )
        coded = state.coded[slots]
        if coded.any():
            # A range coder codes the weighed pixels of a row one after the other.
            passing &= ~(coded & state.weighed[slots, ys].any(1))
        return slots[passing].tolist()

    def _end_given(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the next row of each slot, which was given whole, as done. Return the
        numbers y of these rows."""
        front = self._front
        ys = front.first_row[slots]
        front.done[slots, ys] = self._shared.width
        front.first_row[slots] = ys + 1
        return ys

    def loop_arguments(self, slots: list[int]) -> dict[str, Any]:
        """Return the arguments of the compiled loop that draws in these slots, by the
        names of its parameters: records of views of the stage's arrays. Other programs,
        such as portable/, pass them to a loop of their own."""
        names = "slots", "front", "shared", "state", "places", "layers"
        return dict(zip(names, (np.array(slots), *self._records), strict=True))


def _kind(network: PixelNetwork) -> CompiledKind:
    return part(network.config.kind.compiled)


def _index_of(slots: Sequence[int]) -> _Index:
    """Return an index of some slots, at least one."""
    if len(slots) == 1:
        # An array as an index takes several times as long.
        return slice(slots[0], slots[0] + 1)
    return np.array(slots)


def _by_slot(maps: Floats, slots: int) -> Floats:
    """Return a view (L, slots, cells of each, width) of the cells of maps (L, cells,
    width) that belong to slots."""
    layers, cells, width = maps.shape
    of_slot = cells // slots
    return maps[:, : slots * of_slot].reshape(layers, slots, of_slot, width)


def _is_ring(maps: Floats, sizes: Sizes) -> bool:
    """Return True if maps (L, cells, width) have a ring of rows for each slot."""
    return maps.shape[1] == sizes.ring_cells


def _in_rows(maps: Floats, sizes: Sizes) -> Floats:
    """Return a view (L, slots, rows, cells of a row, width) of maps (L, cells, width)
    that have a ring of rows for each slot."""
    layers, _, width = maps.shape
    return maps.reshape(layers, sizes.slots, sizes.ring_rows, -1, width)


def _slots(numbers: list[int]) -> NDArray[np.int64]:
    return np.array(numbers, np.int64) if numbers else _NO_SLOTS


def state_bytes(network: PixelNetwork, images: int) -> int:
    """Return the bytes of all arrays of a CompiledStage with `images` slots, 0 or more;
    weights do not count."""
    network = in_main_memory(network)
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
    return {
        "lag": sizes.lag,
        "steps": sizes.width,  # by then some row is complete
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
    return dict.fromkeys(Places._fields, Room((sizes.list_pixels,), np.int64))


def _state(network: PixelNetwork, maps: Maps, sizes: Sizes) -> dict[str, Any]:
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
        # The pixels of the scratch slot are given, so it needs no logits.
        "keep": Room((S, H, W), np.bool_, ((-1, True),)),
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
