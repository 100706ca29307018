"""Draw many images of one network side by side. Each image has a slot and is at a row
of its own; images join and leave between any two steps.

The bytes of an image depend only on its request and on the weights: not on the other
images, on the slot, or on when it joined. This file knows no jobs.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.image_request import ImageRequest
from model_core.layers.conditioning import spread_out, subsample
from model_core.networks import MultiScaleNetwork, Network
from model_core.sampling.compiled.threaded import ThreadedStage
from model_core.sampling.main_memory import in_main_memory
from model_core.sampling.noise import image_noise
from model_core.sampling.prefill import SharedPrefill
from model_core.sampling.stage import Drawing, SlotRow
from model_core.sampling.stages import networks_of, new_stage, stage_for, threads_of
from model_core.sampling.windowed import WindowedStage


class DrawnRow(NamedTuple):
    """A row of an image that will not change any more, as `NetworkEngine.step` and
    `Engine.step` return it.

    ticket: the number of the image that `admit` returned.
    y: index of the row, from the top.
    values: (C, W), 0..V-1.
    of_small: True for a row of the small image of a Multi-Scale model, which is drawn
        before the image itself.
    """

    ticket: int
    y: int
    values: NDArray[np.uint8]
    of_small: bool = False
    is_last: bool = False
    """True if this is the last row of the whole image, with which it leaves the
    engine."""
    log_p: float | None = None
    """With the last row of an image that was requested with `weighed`: ln p of the
    whole image, its small image included unless the request has it; of NetworkEngine
    under its network, of Engine under the model. Otherwise None."""


@dataclass(frozen=True)
class _Seat:
    """An image that is being drawn: its slot and its request."""

    slot: int
    request: ImageRequest
    log_p: float = 0.0
    """ln p of the small image of a Multi-Scale model, once it is drawn; 0 before."""


class NetworkEngine:
    """Draws up to `slots` images of one network side by side; a Multi-Scale network
    draws a small image first, then the image around it.

    Call `admit` for each image and `step` until `busy` is 0. An instance is used by one
    thread at a time. A field is a picture larger than the network's images; a request
    with `windows` is for one. If a card draws, methods raise torch.AcceleratorError if
    it fails.
    """

    def __init__(
        self,
        network: Network,
        slots: int = 16,
        kept: int = 0,
        threads: int | None = None,
    ) -> None:
        """Make the arrays of all slots (places for one image each), without an image.

        network: may be on a card; then the card draws if it has passed its check, and
            otherwise the processors do (stages.py).
        slots: images that can be drawn at the same time.
        kept: how many of the states after given rows are kept for later images that
            begin with the same rows. Each takes the memory of a slot. A stage in plain
            torch keeps none.
        threads: maximum number of threads that draw; default: the number that the
            calling thread passed to `threads.use_threads`, else 1. Only compiled code
            uses more than one.

        For weights on a card it may open and check the card first, which takes seconds
        and raises torch.AcceleratorError or RuntimeError if the card fails,
        FloatingPointError if the network gives logits that are not finite.
        """
        # The small image and labels reach the large network through main memory, even
        # if a card draws: only there are the last digits always the same.
        self._network = in_main_memory(network)
        keeps_closed = stage_for(network).keeps_closed
        # Slots after those of images hold the kept states.
        spare = range(slots, slots + kept if keeps_closed else slots)
        self._parts = [
            new_stage(part, slots + len(spare), threads, network)
            for part in networks_of(network)
        ]
        self._threads = max(threads_of(part) for part in self._parts)
        self._stages = [
            WindowedStage(SharedPrefill(part, spare)) for part in self._parts
        ]
        self._vacant = list(range(slots - 1, -1, -1))
        self._seats: dict[int, _Seat] = {}
        self._ticket_of: dict[int, int] = {}
        self._next_ticket = 0

    @property
    def height(self) -> int:
        """Rows of one image of the network; a field may have more."""
        return self._network.config.height

    @property
    def free(self) -> int:
        """Number of images that `admit` would accept now."""
        return len(self._vacant)

    @property
    def busy(self) -> int:
        """Number of images that are being drawn."""
        return len(self._seats)

    @property
    def load(self) -> int:
        """Number of images that the busiest thread draws. The time of a step grows with
        it."""
        drawn = sum(
            part.fullest for part in self._parts if isinstance(part, ThreadedStage)
        )
        return max(drawn, -(-self.busy // self._threads))

    def admit(self, request: ImageRequest) -> int:
        """Begin an image, and return its ticket: a number that no other image of this
        engine has. Its first rows are drawn by the next `step`.

        Raises IndexError if no slot is free, RuntimeError for a label that the network
        does not have.
        """
        slot = self._vacant.pop()
        ticket = self._next_ticket
        self._next_ticket += 1
        self._seats[ticket] = _Seat(slot, request)
        self._ticket_of[slot] = ticket
        with torch.inference_mode():
            if len(self._stages) == 2 and request.small is None:
                self._stages[0].open(slot, self._small_drawing(request))
            elif request.small is None:
                self._stages[0].open(slot, self._drawing(request))
            else:
                self._open_large(
                    slot, request, torch.from_numpy(request.small.astype(np.int64))
                )
        return ticket

    def withdraw(self, ticket: int) -> None:
        """Stop drawing an image and free its slot; its rows are lost.

        Raises KeyError if the ticket is not that of an image that is being drawn.
        """
        slot = self._seats.pop(ticket).slot
        for stage in self._stages:
            stage.close(slot)
        del self._ticket_of[slot]
        self._vacant.append(slot)

    def step(self) -> list[DrawnRow]:
        """Advance every image, and return the rows that became final: of each image
        from the top down. There is at least one row in all, unless there is no image or
        a field is being drawn: a step may end before any row of a field does. With its
        last row an image leaves, and its slot is free.

        Raises FloatingPointError if the network gives logits that are not finite; the
        engine cannot be used after that.
        """
        with torch.inference_mode():
            drawn = []
            for stage in self._stages:
                of_small = stage is not self._stages[-1]
                for row in stage.step():
                    is_last = row.is_last and not of_small
                    ticket = self._ticket_of[row.slot]
                    log_p = self._log_p(stage, ticket) if is_last else None
                    drawn.append(
                        DrawnRow(ticket, row.y, row.values, of_small, is_last, log_p)
                    )
                    if row.is_last:
                        self._image_ended(stage, row)
            return drawn

    def _log_p(self, stage: WindowedStage, ticket: int) -> float | None:
        """Return ln p of an image whose last row is drawn, the small image of a
        Multi-Scale model included; None if the request does not ask for it."""
        seat = self._seats[ticket]
        if not seat.request.weighed:
            return None
        return seat.log_p + stage.log_p(seat.slot)

    def _image_ended(self, stage: WindowedStage, row: SlotRow) -> None:
        """Free the slot of an image that is complete, or begin the large image after
        the small one."""
        ticket = self._ticket_of[row.slot]
        if stage is self._stages[-1]:
            self.withdraw(ticket)
        else:
            seat = self._seats[ticket]
            if seat.request.weighed:
                self._seats[ticket] = replace(seat, log_p=stage.log_p(row.slot))
            self._open_large(row.slot, seat.request, stage.image(row.slot))

    def _open_large(self, slot: int, request: ImageRequest, small: Tensor) -> None:
        """Begin the large image of a Multi-Scale model in a slot, given the small one
        (C, s, s)."""
        assert isinstance(self._network, MultiScaleNetwork)
        label = None
        if request.label is not None:
            label = self._network.of_labels(torch.tensor([request.label]))
        # Of this image alone, so that its bits do not depend on a batch.
        condition = self._network.condition(small[None], label)[0]  # (c, H, W)
        factor = self._network.config.factor
        is_small = spread_out(torch.ones_like(small[0], dtype=torch.bool), factor)
        known = spread_out(small, factor)
        keep = is_small
        if request.known is not None and request.keep is not None:
            # The pixels of the small image win over given ones, because the large
            # network never draws them.
            also = torch.from_numpy(request.keep) & ~keep
            known = torch.where(also, torch.from_numpy(request.known), known)
            keep = keep | also
        self._stages[-1].open(
            slot,
            Drawing(
                self._noise(request),
                request.temperature,
                known,
                keep,
                condition.permute(1, 2, 0),
                weighed=~is_small if request.weighed else None,
            ),
        )

    def _drawing(self, request: ImageRequest) -> Drawing:
        """Return what a stage draws for a request to a network of one scale."""
        known, keep = _given(request)
        noise = self._noise(request)
        return Drawing(
            noise,
            request.temperature,
            known,
            keep,
            label=request.label,
            weighed=_every_pixel(noise) if request.weighed else None,
            windows=request.windows,
        )

    def _small_drawing(self, request: ImageRequest) -> Drawing:
        """Return what the first stage of a Multi-Scale network draws for a request."""
        known, keep = _given(request)
        if known is not None and keep is not None:
            factor = self._network.config.factor
            known, keep = subsample(known, factor), subsample(keep, factor)
        if request.known_small is not None:
            known, keep = self._with_small_rows(request.known_small, known, keep)
        noise = self._noise(request, of_small=True)
        return Drawing(
            noise,
            request.temperature,
            known,
            keep,
            label=request.label,
            weighed=_every_pixel(noise) if request.weighed else None,
        )

    def _with_small_rows(
        self, rows: NDArray[np.integer], known: Tensor | None, keep: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return values (C, s, s) and map (s, s) of the given pixels of the small
        image, with its first rows (C, k, s) added to them."""
        small = self._network.config.small
        shape = small.channels, small.height, small.width
        known = (
            torch.zeros(shape, dtype=torch.int64) if known is None else known.clone()
        )
        keep = (
            torch.zeros(shape[1:], dtype=torch.bool) if keep is None else keep.clone()
        )
        known[:, : rows.shape[1]] = torch.from_numpy(rows.astype(np.int64))
        keep[: rows.shape[1]] = True
        return known, keep

    def _noise(self, request: ImageRequest, of_small: bool = False) -> Tensor:
        """Return the noise (H, W, C) of a request: for a field of all its rows."""
        config = self._network.config.small if of_small else self._network.config
        rows = config.height if request.windows is None else request.windows.rows
        shape = rows, config.width, config.channels
        return torch.from_numpy(
            image_noise(request.seed, request.sample, *shape, of_small=of_small)
        )


def _every_pixel(noise: Tensor) -> Tensor:
    """Return a map (H, W) that is True for all pixels of an image with this noise (H,
    W, C)."""
    return torch.ones(noise.shape[:2], dtype=torch.bool)


def _given(request: ImageRequest) -> tuple[Tensor | None, Tensor | None]:
    """Return the given values and their map as tensors; None and None if nothing is
    given."""
    if request.known is None or request.keep is None:
        return None, None
    known = torch.from_numpy(np.ascontiguousarray(request.known, np.int64))
    return known, torch.from_numpy(np.ascontiguousarray(request.keep, np.bool_))
