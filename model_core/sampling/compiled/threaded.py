"""A stage that draws in several threads: a stage of compiled code for each thread,
among which it distributes the images.

The arithmetic of a slot is the same whatever shares its stage. So the bytes of an image
depend neither on the number of threads nor on the stage that draws it.
"""

from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model_core.compiled.range_coder import Coder
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.compiled.kind import Sizes
from model_core.sampling.compiled.layout import Floats
from model_core.sampling.compiled.stage import (
    TOGETHER,
    CompiledStage,
    state_bytes,
)
from model_core.sampling.compiled.threads import run_together
from model_core.sampling.compiled.weights import prepared
from model_core.sampling.stage import Drawing, SlotRow, Slots

WORTH_S = 50e-6
"""Seconds that a stage's part of a step must last to be given to another thread. Waking
a thread that sleeps and waiting for it takes about as long."""
SPARE = 1
"""Slots of each stage in addition to its share of all slots. Images do not end in the
order in which they were distributed, so a stage may need more than its share."""
_BY_PLACE = itemgetter(0, 1)
LEARNS = 0.1
"""Weight of the latest step in the moving average of the time that steps take."""


Numbers = NDArray[np.int64]


class _Place(NamedTuple):
    """The number of a stage, and a slot of that stage."""

    stage: int
    slot: int
    """Its slot in that stage."""


class ThreadedStage:
    """A Stage (stage.py) of compiled code that draws in up to `threads` threads.

    It has a CompiledStage for each thread. A new image goes to the one with the fewest
    images. A step advances them side by side, as far as each part lasts `worth_s`, and
    waits for all of them. Its rows are sorted by slot, then by y. Methods raise
    KeyError for a slot that has had no image since the last `close_all`, except
    `images` and `advance`.

    worth_s: seconds that a stage's part of a step must last to be given to another
        thread.
    """

    stops_within_rows: ClassVar[bool] = CompiledStage.stops_within_rows
    keeps_closed: ClassVar[bool] = CompiledStage.keeps_closed
    can = staticmethod(CompiledStage.can)
    numerics: ClassVar[str] = CompiledStage.numerics
    slot_bytes = staticmethod(CompiledStage.slot_bytes)
    logits = staticmethod(CompiledStage.logits)

    worth_s: ClassVar[float] = WORTH_S

    def __init__(
        self,
        network: PixelNetwork,
        slots: int,
        threads: int = 1,
        spare: int = SPARE,
        stages: Sequence[CompiledStage] = (),
    ) -> None:
        """network: in main memory.
        slots: number of images of all threads together.
        threads: maximum number of threads, if `stages` is empty; at least 1.
        spare: slots of each new stage in addition to its share of all slots.
        stages: of this network, one for each thread, with at least `slots` slots in
            all; empty to make new ones. Several ThreadedStages may share them if each
            calls `close_all` before it draws, and if no two that share one draw at the
            same time.
        """
        if not stages:
            arrays = prepared(network)
            stages = [
                CompiledStage(network, share, arrays)
                for share in slots_of_each(slots, threads, spare)
            ]
        self.threads = len(stages)
        self._stages = list(stages)
        shares = [stage.slots for stage in stages]
        self._vacant = [list(range(share - 1, -1, -1)) for share in shares]
        self._slots = [[-1] * share for share in shares]
        """The slot outside of each slot of each stage."""
        self._places: dict[int, _Place] = {}
        """Of each slot that ever had an image: a closed one keeps its state."""
        self._table = np.zeros((slots, 2), np.int64)
        """The same as an array, for many slots at once."""
        self._config = network.config
        self._image_pixels = Sizes.of(network.config, slots).rows_at_once
        """Pixels of an image that are drawn at once."""
        self._image_s = 0.0
        """Seconds that a step of a stage takes for each of its images."""

    @property
    def busy(self) -> int:
        """Number of images that are being drawn, those that are held included."""
        return sum(stage.busy for stage in self._stages)

    @property
    def fullest(self) -> int:
        """Number of images in the stage that has the most."""
        return max(stage.busy for stage in self._stages)

    def open(self, slot: int, drawing: Drawing) -> None:
        self.open_all([slot], [drawing])

    def open_all(self, slots: Sequence[int], drawings: Sequence[Drawing]) -> None:
        """Open several slots, divided among the threads."""
        for stage, inner, its in self._take_places(slots, drawings):
            stage.open_all(inner, its)

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        self.fork_all(source, [target], [drawing])

    def fork_all(
        self, source: int, targets: Sequence[int], drawings: Sequence[Drawing]
    ) -> None:
        """Fork one slot into several."""
        place = self._places[source]
        of_source = self._stages[place.stage]
        for stage, inner, its in self._take_places(targets, drawings):
            stage.fork_from(of_source, place.slot, inner, its)

    def close(self, slot: int) -> None:
        if (place := self._places.get(slot)) is not None:
            self._stages[place.stage].close(place.slot)

    def close_all(self) -> None:
        """Stop drawing all images, also those of other ThreadedStages that share the
        stages, and forget their states."""
        for stage, vacant, slots in zip(
            self._stages, self._vacant, self._slots, strict=True
        ):
            stage.close_all()
            vacant[:] = range(stage.slots - 1, -1, -1)
            slots[:] = [-1] * stage.slots
        self._places.clear()

    def hold(self, slot: int, y: int, x: int) -> None:
        stage, inner = self._places[slot]
        self._stages[stage].hold(inner, y, x)

    def copy(self, sources: Slots, targets: Slots) -> None:
        pairs: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
        for source, target in zip(sources, targets, strict=True):
            its, own = self._places[source], self._places[target]
            theirs, ours = pairs.setdefault((its.stage, own.stage), ([], []))
            theirs.append(its.slot)
            ours.append(own.slot)
        for (of_theirs, of_ours), (theirs, ours) in pairs.items():
            self._stages[of_ours].copy_from(self._stages[of_theirs], theirs, ours)

    def log_p(self, slot: int) -> NDArray[np.float64]:
        stage, inner = self._places[slot]
        return self._stages[stage].log_p(inner)

    def image(self, slot: int) -> Tensor:
        stage, inner = self._places[slot]
        return self._stages[stage].image(inner)

    def images(self, slots: Sequence[int]) -> NDArray[np.int64]:
        """Return the images in these slots."""
        config = self._config
        shape = config.channels, config.height, config.width
        found = np.empty((len(slots), *shape), np.int64)
        for stage, inner, numbers in self._by_stage(slots):
            found[numbers] = stage.images(inner)
        return found

    def coder(self, slot: int) -> Coder:
        stage, inner = self._places[slot]
        return self._stages[stage].coder(inner)

    def kept(self, slot: int) -> list[Floats]:
        stage, inner = self._places[slot]
        return self._stages[stage].kept(inner)

    def step(self) -> list[SlotRow]:
        busy = [k for k, stage in enumerate(self._stages) if stage.busy]
        if len(busy) == 1:  # a lone image loses nothing by what several need
            return self._step_alone(busy[0])
        own, handed = self._divided(busy)
        works = [(k, self._stages[k].begin_step()) for k in own + handed]
        calls = [partial(self._stages[k].compute, work) for k, work in works]
        computed = run_together(calls[: len(own)], calls[len(own) :])
        rows: list[SlotRow] = []
        for (k, work), (count, seconds) in zip(works, computed, strict=True):
            self._learn(seconds / self._stages[k].busy)
            rows += self._stages[k].end_step(work, count, self._slots[k])
        rows.sort(key=_BY_PLACE)
        return rows

    def advance(self, slots: Sequence[int], y: int, x: int) -> NDArray[np.float64]:
        """Hold these slots at (y, x), and draw until every image is held or complete.
        Return `log_p` of these slots, (N, H)."""
        groups = self._by_stage(slots)
        for stage, inner, _ in groups:
            stage.hold_all(inner, y, x)
        own, handed = self._divided(
            [k for k, stage in enumerate(self._stages) if stage.goes_on]
        )
        stages = [self._stages[k] for k in own + handed]
        images = [stage.busy for stage in stages]
        calls = [stage.run for stage in stages]
        # They wait for each other here, and not after each step, so that none waits for
        # what another does between two steps.
        ran = run_together(calls[: len(own)], calls[len(own) :])
        for count, (steps, seconds) in zip(images, ran, strict=True):
            self._learn(seconds / (count * steps))
        log_p = np.empty((len(slots), self._config.height))
        for stage, inner, numbers in groups:
            log_p[numbers] = stage.log_p_of(inner)
        return log_p

    def _divided(self, busy: list[int]) -> tuple[list[int], list[int]]:
        """Return which of these stages the calling thread advances, and which other
        threads do, because their part lasts long enough."""
        # The first stays with the calling thread, which would only wait otherwise.
        handed = [k for k in busy[1:] if self._is_worth(self._stages[k].busy)]
        return [k for k in busy if k not in handed], handed

    def _by_stage(
        self, slots: Sequence[int]
    ) -> list[tuple[CompiledStage, Numbers, Numbers]]:
        """Return, for each stage that has some of these images, the stage, its own
        numbers of their slots, and their indices in `slots`."""
        stages, inner = self._table[slots].T
        groups: list[tuple[CompiledStage, Numbers, Numbers]] = []
        for k, stage in enumerate(self._stages):
            numbers = np.flatnonzero(stages == k)
            if len(numbers):
                groups.append((stage, inner[numbers], numbers))
        return groups

    def _step_alone(self, k: int) -> list[SlotRow]:
        stage = self._stages[k]
        work = stage.begin_step()
        rows = stage.end_step(work, stage.compute(work), self._slots[k])
        if len(rows) > 1:
            rows.sort(key=_BY_PLACE)
        return rows

    def _is_worth(self, images: int) -> bool:
        return images * self._image_s >= self.worth_s

    def _learn(self, image_s: float) -> None:
        weight = LEARNS if self._image_s else 1.0
        self._image_s += weight * (image_s - self._image_s)

    def _take_places(
        self, slots: Sequence[int], drawings: Sequence[Drawing]
    ) -> list[tuple[CompiledStage, list[int], list[Drawing]]]:
        """Choose where the next images of some slots are drawn, and free the places of
        their last ones. Return, for each stage that gets some, the stage, its own
        numbers of their slots, and their drawings."""
        images = [stage.busy for stage in self._stages]
        inner: list[list[int]] = [[] for _ in self._stages]
        its: list[list[Drawing]] = [[] for _ in self._stages]
        for slot, drawing in zip(slots, drawings, strict=True):
            place = self._take_place(slot, images)
            images[place.stage] += 1
            inner[place.stage].append(place.slot)
            its[place.stage].append(drawing)
        groups = zip(self._stages, inner, its, strict=True)
        return [group for group in groups if group[1]]

    def _take_place(self, slot: int, images: list[int]) -> _Place:
        """Choose where the next image of a slot is drawn, and free the place of its
        last one.

        images: number of images of each stage.
        """
        if (before := self._places.pop(slot, None)) is not None:
            self._vacant[before.stage].append(before.slot)
        stage = self._next_stage(images)
        place = self._places[slot] = _Place(stage, self._vacant[stage].pop())
        self._slots[stage][place.slot] = slot
        self._table[slot] = place
        return place

    def _next_stage(self, images: list[int]) -> int:
        """Return the stage for one more image: of those that have a vacant slot the one
        with the fewest images.

        No more stages are begun than there are tiles of pixels: a tile takes as long
        for one pixel as for TOGETHER.
        """
        tiles = -(-(sum(images) + 1) * self._image_pixels // TOGETHER)
        begun = sum(n > 0 for n in images)
        vacant = [k for k, places in enumerate(self._vacant) if places]
        if begun and begun >= tiles:
            vacant = [k for k in vacant if images[k]] or vacant
        return min(vacant, key=lambda k: (images[k], -len(self._vacant[k]), k))


def slots_of_each(slots: int, threads: int, spare: int = SPARE) -> list[int]:
    """Return the number of slots of each thread's stage: an equal share of `slots`, and
    `spare` more for each."""
    least, further = divmod(slots, threads)
    return [least + (k < further) + spare for k in range(threads)]


def threaded_bytes(
    network: PixelNetwork, slots: int, threads: int, spare: int = SPARE
) -> int:
    """Return the bytes of all arrays of a ThreadedStage; weights do not count. For one
    thread those of a CompiledStage, without spare slots."""
    if threads == 1:
        return state_bytes(network, slots)
    shares = slots_of_each(slots, threads, spare)
    return sum(state_bytes(network, share) for share in shares)
