"""A stage that draws with the block programs: each image by one block of a GPU's
threads.

The bits are those of CompiledStage. A launch advances every image by some steps, on
torch's stream. Then one copy fetches the counters of all blocks, and another one the
rows that are complete.
"""

from typing import ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.blocks import record as r
from model_core.blocks.program import KINDS
from model_core.compiled.range_coder import Coder
from model_core.distribution import NOT_FINITE
from model_core.networks.pixel_network import PixelNetwork, WeightVersions
from model_core.sampling.blocks.drivers import Driver, Launch
from model_core.sampling.blocks.gpus import gpu_at
from model_core.sampling.blocks.layout import BlockLayout, BlockState, Floats, Integers
from model_core.sampling.main_memory import in_main_memory
from model_core.sampling.stage import ByOneSlot, Drawing, SlotRow, Slots

PIECE = 512
"""Pixels of an image after which a step of fields returns, as in CompiledStage."""
FEWEST = 4
"""Minimum number of steps of a launch."""

_KEPT = {
    "pixel-cnn": (r.MAPS,),
    "row-lstm": (r.MAPS, r.CELLS),
    "diagonal-bilstm": (r.MAPS, r.CELLS, r.RIGHT_MAPS),
}
"""By kind: the maps that pixels to come read, in the order of CompiledStage.kept."""

_NOWHERE: tuple[int, int] = (-1, 0)
"""The stop of a slot without an image: before the first pixel."""


class _Prepared(NamedTuple):
    """What all stages of a network on one device share and only read."""

    versions: WeightVersions | None
    layout: BlockLayout
    record: Tensor
    weights: Tensor
    begin: Tensor
    """float32 (floats,): the state in which an image begins, except its condition."""


_kept: WeakKeyDictionary[PixelNetwork, dict[torch.device, _Prepared]] = (
    WeakKeyDictionary()
)


def _prepared(network: PixelNetwork, device: torch.device) -> _Prepared:
    """Return the layout of a network, and its weights on a device; kept until a
    parameter is written to."""
    versions = network.weight_versions()
    on_devices = _kept.setdefault(network, {})
    found = on_devices.get(device)
    if found is not None and versions is not None and found.versions == versions:
        return found
    layout = BlockLayout(network)
    block = layout.new_block()
    # A number that is read before it is written would be another one each time.
    block.state[...] = 0
    layout.begin_state(block)
    found = _Prepared(
        versions,
        layout,
        torch.from_numpy(layout.record).to(device),
        torch.from_numpy(layout.weights).to(device),
        torch.from_numpy(block.state).to(device),
    )
    on_devices[device] = found
    return found


class BlockStage(ByOneSlot):
    """A Stage on a GPU, or on another driver of block programs, which draws each image
    by one block of threads (sampling/stage.py describes the methods that all stages
    have). A failure of the GPU is raised by the next method that uses it."""

    numerics: ClassVar[str] = "cpu-compiled"
    stops_within_rows: ClassVar[bool] = True
    keeps_closed: ClassVar[bool] = True

    @staticmethod
    def can(network: PixelNetwork, device: torch.device) -> bool:
        """Return True if the network has block programs, and the GPU registered for
        this device computes the same bits as the CPU. The first call for a network runs
        that check, which takes seconds."""
        gpu = gpu_at(device)
        if gpu is None or not has_program(network):
            return False
        return gpu.difference(network) is None

    @staticmethod
    def slot_bytes(network: PixelNetwork) -> int:
        """Return the bytes of one block's state and image on the GPU."""
        return BlockStage.bytes_of(network, _driver(network))

    @staticmethod
    def bytes_of(network: PixelNetwork, driver: Driver) -> int:
        """Return the bytes of one block's state and image with any driver."""
        layout = _prepared(in_main_memory(network), driver.device).layout
        return r.FLOAT_BYTES * layout.state_size + r.CELL_BYTES * layout.image_size

    @staticmethod
    def logits(
        network: PixelNetwork, images: NDArray[np.int64], label: int | None = None
    ) -> Floats:
        return block_logits(network, images, label, _driver(network))

    def __init__(
        self, network: PixelNetwork, slots: int, driver: Driver | None = None
    ) -> None:
        """Copy the weights to the device, unless they are kept from another stage.

        driver: runs the programs. Default: that of the GPU of the network's device,
            which must be registered.
        """
        self._driver = _driver(network) if driver is None else driver
        device = self._driver.device
        self._shared = _prepared(in_main_memory(network), device)
        layout = self._layout = self._shared.layout
        sizes = layout.sizes
        self._height, self._width = sizes.height, sizes.width
        self._rows_at_once = sizes.rows_at_once
        # A row of every image is complete after so many steps, once all are under way.
        self._steps = max(FEWEST, min(sizes.lag, sizes.width))
        self._states = torch.zeros(slots, layout.state_size, device=device)
        self._images = torch.zeros(
            slots, layout.image_size, dtype=torch.int64, device=device
        )
        self._draft = layout.new_block()  # an image on its way to the GPU
        self._active: list[int] = []
        self._first_rows = [0] * slots
        self._holds: list[tuple[int, int]] = [_NOWHERE] * slots
        self._on_gpu: list[tuple[int, int]] | None = None  # the stops of the blocks
        self._given: dict[int, int] = {}
        """By slot: number of given rows after which an image waits for one step, so
        that others can be forked from it there."""
        self._windows: set[int] = set()  # slots that draw a field
        self._log_p: NDArray[np.float64] | None = None

    def open(self, slot: int, drawing: Drawing) -> None:
        self._take_up(slot, drawing, first_row=0)
        state = self._states[slot]
        state.copy_(self._shared.begin)
        condition = self._layout.condition(drawing)
        if condition is not None:
            flat = torch.from_numpy(np.ascontiguousarray(condition)).flatten()
            state[self._layout.span(r.CONDITIONS)].copy_(flat)
        if drawing.given_rows and drawing.coder is None:
            self._given[slot] = drawing.given_rows

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        self._take_up(target, drawing, drawing.given_rows)
        self._states[target].copy_(self._states[source])

    def _take_up(self, slot: int, drawing: Drawing, first_row: int) -> None:
        """Copy an image to the device; its rows before `first_row` are done."""
        self._active.append(slot)
        self._layout.begin_image(self._draft, drawing, first_row)
        self._images[slot].copy_(torch.from_numpy(self._draft.image))
        self._first_rows[slot] = first_row
        self._holds[slot] = drawing.end or self._height, 0
        self._given.pop(slot, None)
        (self._windows.discard if drawing.end is None else self._windows.add)(slot)
        self._on_gpu = self._log_p = None

    def hold(self, slot: int, y: int, x: int) -> None:
        self._holds[slot] = (y + 1, 0) if x == self._width else (y, x)

    def copy(self, sources: Slots, targets: Slots) -> None:
        for source, target in zip(sources, targets, strict=True):
            self._copy_one(source, target)

    def _copy_one(self, source: int, target: int) -> None:
        y, x = self._holds[source]
        assert self._holds[target] == self._holds[source]
        self._states[target].copy_(self._states[source])
        ours, theirs = self._image_of(target), self._image_of(source)
        ours[:, :y] = theirs[:, :y]
        if x:
            ours[:, y, :x] = theirs[:, y, :x]
        for field in (r.DONE, r.FIRST_ROW):
            span = self._layout.span(field)
            self._images[target, span] = self._images[source, span]
        self._first_rows[target] = self._first_rows[source]

    def close(self, slot: int) -> None:
        if slot in self._active:
            self._active.remove(slot)

    def log_p(self, slot: int) -> NDArray[np.float64]:
        if self._log_p is None:
            # The sums of all slots, since the caller asks for those of the others next.
            span = self._layout.span(r.LOG_P)
            self._log_p = self._images[:, span].cpu().numpy().view(np.float64)
        return self._log_p[slot].copy()

    def coder(self, slot: int) -> Coder:
        """Return the range coder of an image that is coded: a copy of its registers,
        and its code, which on a CPU may be a view of the stage's memory, which the next
        step changes."""
        registers = self._images[slot, self._layout.span(r.CODER)].cpu().numpy()
        codes = self._images[slot, self._layout.span(r.CODES)].cpu().numpy()
        return Coder(registers.view(np.uint64).copy(), codes.view(np.uint8))

    def image(self, slot: int) -> Tensor:
        return self._image_of(slot).cpu().clone()

    def kept(self, slot: int) -> list[Floats]:
        """Return the maps of an image that later pixels read, as arrays (L, cells, h):
        those of CompiledStage.kept without the padding of cells. On a CPU they are
        views, which the next step changes."""
        block = BlockState(self._states[slot].cpu().numpy(), np.zeros(0, np.int64))
        return [self._layout.view(block, field) for field in _KEPT[self._layout.kind]]

    def step(self) -> list[SlotRow]:
        for slot in [*self._given]:
            if self._first_rows[slot] >= self._given[slot]:
                del self._given[slot]
        fields = not self._windows.isdisjoint(self._active)
        steps = max(FEWEST, PIECE // self._rows_at_once) if fields else self._steps
        while self._active:
            self._set_stops()
            self.launch(steps)
            rows, goes_on = self._collect()
            if rows or fields or not goes_on:
                return rows
        return []

    def launch(self, steps: int) -> None:
        """Advance every image by up to `steps` steps on the device. A step computes at
        most one pixel of each row that is being drawn. At least one slot must have an
        image. The call may return before the device has finished.

        The caller writes the stops of the images to the device before, and collects
        the rows afterwards, as `step` does.
        """
        self._log_p = None
        layout = self._layout
        self._driver.launch(
            Launch(
                layout.kind,
                max(self._active) + 1,
                steps,
                self._shared.record,
                self._shared.weights,
                self._states,
                self._images,
            )
        )

    def _set_stops(self) -> None:
        """Write to the device where each image stops, if that has changed."""
        stops: list[tuple[int, int]] = [_NOWHERE] * len(self._holds)
        for slot in self._active:
            stops[slot] = self._holds[slot]
            if slot in self._given:
                stops[slot] = min(stops[slot], (self._given[slot], 0))
        if stops != self._on_gpu:
            on_gpu = torch.tensor(stops, device=self._images.device)
            self._images[:, self._layout.span(r.STOP)] = on_gpu
            self._on_gpu = stops

    def _collect(self) -> tuple[list[SlotRow], bool]:
        """Return the rows that the last launch completed, and whether any image went
        on. Raises FloatingPointError if logits were not finite."""
        # The counters lie side by side (BlockLayout).
        layout = self._layout
        first = layout.span(r.FIRST_ROW).start
        counters = self._images[:, first : layout.span(r.FAILED).stop].cpu().numpy()
        counters = counters[self._active]
        if counters[:, layout.span(r.FAILED).start - first].any():
            raise FloatingPointError(NOT_FINITE)
        goes_on = bool(counters[:, layout.span(r.COUNT).start - first].any())
        slots, ys = [], []
        for slot, end in zip(self._active, counters[:, 0].tolist(), strict=True):
            for y in range(self._first_rows[slot], end):
                slots.append(slot)
                ys.append(y)
            self._first_rows[slot] = end
        return self._rows(slots, ys), goes_on

    def _rows(self, slots: list[int], ys: list[int]) -> list[SlotRow]:
        """Fetch these rows in one copy, and close images whose last row is among
        them."""
        if not slots:
            return []
        H, W = self._height, self._width
        C = self._layout.network.config.channels
        place = self._layout.span(r.IMAGE).start + np.arange(C)[:, None] * H * W
        cells = place + np.arange(W) + (np.array(ys) * W)[:, None, None]  # (rows, C, W)
        device = self._images.device
        found = self._images[
            torch.tensor(slots, device=device)[:, None],
            torch.from_numpy(cells.reshape(len(ys), -1)).to(device),
        ]
        values = found.cpu().numpy().reshape(-1, C, W).astype(np.uint8)
        rows = [
            SlotRow(slot, y, of, is_last=y == H - 1)
            for slot, y, of in zip(slots, ys, values, strict=True)
        ]
        for row in rows:
            if row.is_last:
                self.close(row.slot)
        return rows

    def _image_of(self, slot: int) -> Tensor:
        C = self._layout.network.config.channels
        span = self._layout.span(r.IMAGE)
        return self._images[slot, span].view(C, self._height, self._width)

    def logits_of_step(self, slot: int) -> tuple[Integers, Floats]:
        """Return two arrays: the pixels for which the last step of a slot computed
        logits, int64 (n, 2), row and column; and these logits, float32 (n, C, V)."""
        config = self._layout.network.config
        image = self._images[slot].cpu().numpy()
        state = np.zeros(self._layout.state_size, np.float32)
        span = self._layout.span(r.LOGITS)
        state[span] = self._states[slot, span].cpu().numpy()
        block = BlockState(state, image)
        count = int(self._layout.view(block, r.WANTED_COUNT)[0])
        wanted = self._layout.view(block, r.WANTED)[:count]
        pixels = self._layout.view(block, r.LIST)[wanted][:, [r.ROW, r.COLUMN]]
        found = self._layout.view(block, r.LOGITS)[:count]
        return pixels, found.reshape(count, config.channels, config.values)


def has_program(network: PixelNetwork) -> bool:
    """Return True if block programs, the form in which a GPU draws, can draw from a
    network: if its weights are float32 and its kind has a program."""
    is_float32 = network.input.bias.dtype == torch.float32
    return is_float32 and network.config.network in KINDS


def block_logits(
    network: PixelNetwork,
    images: NDArray[np.int64],
    label: int | None,
    driver: Driver,
    condition: Tensor | None = None,
    rows: int | None = None,
) -> Floats:
    """Return the logits (N, V, C, rows, W), float32, of the first rows of images (N, C,
    H, W), at least one, computed by a driver of block programs.

    label: index of the label of all images, or None.
    condition: conditioning map of all images, (H, W, c), or None.
    rows: number of rows; default: all.
    """
    N, C, H, W = images.shape
    count = H if rows is None else rows
    stage = BlockStage(network, N, driver)
    every = torch.ones(H, W, dtype=torch.bool)
    noise = torch.zeros(H, W, C, dtype=torch.float64)
    found = np.empty((N, network.config.values, C, count, W), np.float32)
    for slot in range(N):
        known = torch.from_numpy(images[slot])
        drawing = Drawing(noise, 1.0, known, every, condition, label, every)
        stage.open(slot, drawing)
        stage.hold(slot, count - 1, W)
    stage._set_stops()
    goes_on = True
    while goes_on and stage._active:
        # Only the logits of the last step are in a block's memory.
        stage.launch(1)
        for slot in range(N):
            pixels, logits = stage.logits_of_step(slot)
            ys, xs = pixels.T
            found[slot][:, :, ys, xs] = logits.transpose(2, 1, 0)
        _, goes_on = stage._collect()
    return found


def _driver(network: PixelNetwork) -> Driver:
    gpu = gpu_at(network.input.bias.device)
    if gpu is None:
        raise KeyError(network.input.bias.device)
    return gpu.driver
