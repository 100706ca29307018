"""Many images at once from one network: slots, each at its own rows; images join and leave at any step.

The bytes of an image depend on its request and the weights alone: not on who shares the batch, nor on the slot, nor on
when it joined. Knows no jobs.
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
    """Row y of the image that `ticket` stands for is final: (C, W) values.

    of_small: a row of a Multi-Scale model's first image.
    """

    ticket: int
    y: int
    values: NDArray[np.uint8]
    of_small: bool = False
    is_last: bool = False
    """It is the last row of the whole image."""
    log_p: float | None = None
    """ln p of the image, with its last row, if that was asked for: see `ImageRequest.weighed`."""


@dataclass(frozen=True)
class _Seat:
    slot: int
    request: ImageRequest
    log_p: float = 0.0
    """ln p of the first image of a Multi-Scale model, once that is drawn."""


class NetworkEngine:
    """Draws up to `slots` images of one network side by side.

    A step goes on until at least one row is complete: in compiled code (float32 on a CPU) or in plain torch.
    kept: how many of the states that given rows led to stay for images to come, in compiled code. Each takes a slot's
    memory. threads: see `stages.new_stage`.
    """

    def __init__(
        self,
        network: Network,
        slots: int = 16,
        kept: int = 0,
        threads: int | None = None,
    ) -> None:
        # Small images and labels reach the large image through main memory, also if a
        # card draws: only there are the last digits always the same.
        self._network = in_main_memory(network)
        keeps_closed = stage_for(network).keeps_closed
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
        """Rows of an image."""
        return self._network.config.height

    @property
    def free(self) -> int:
        """How many more images could join now."""
        return len(self._vacant)

    @property
    def busy(self) -> int:
        """How many images are being drawn."""
        return len(self._seats)

    @property
    def load(self) -> int:
        """How many images the busiest thread draws: a step takes as long as for so
        many."""
        drawn = sum(
            part.fullest for part in self._parts if isinstance(part, ThreadedStage)
        )
        return max(drawn, -(-self.busy // self._threads))

    def admit(self, request: ImageRequest) -> int:
        """Seat an image and return its ticket; there must be a free slot."""
        slot = self._vacant.pop()
        ticket, self._next_ticket = self._next_ticket, self._next_ticket + 1
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
        """Free the slot of an image that nobody wants any more."""
        slot = self._seats.pop(ticket).slot
        for stage in self._stages:
            stage.close(slot)
        del self._ticket_of[slot]
        self._vacant.append(slot)

    def step(self) -> list[DrawnRow]:
        """Advance every image; returns the rows that became final. With its last row an image leaves.

        Raises FloatingPointError when the network gives logits that are not finite.
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
        """ln p of an image whose last row is drawn; None if nobody asked for it."""
        seat = self._seats[ticket]
        if not seat.request.weighed:
            return None
        return seat.log_p + stage.log_p(seat.slot)

    def _image_ended(self, stage: WindowedStage, row: SlotRow) -> None:
        ticket = self._ticket_of[row.slot]
        if stage is self._stages[-1]:
            self.withdraw(ticket)
        else:
            seat = self._seats[ticket]
            if seat.request.weighed:
                self._seats[ticket] = replace(seat, log_p=stage.log_p(row.slot))
            self._open_large(row.slot, seat.request, stage.image(row.slot))

    def _open_large(self, slot: int, request: ImageRequest, small: Tensor) -> None:
        assert isinstance(self._network, MultiScaleNetwork)
        label = (
            None
            if request.label is None
            else self._network.of_labels(torch.tensor([request.label]))
        )
        condition = self._network.condition(small[None], label)[0].permute(
            1, 2, 0
        )  # (H, W, c), of it alone
        factor = self._network.config.factor
        is_small = spread_out(torch.ones_like(small[0], dtype=torch.bool), factor)
        known, keep = spread_out(small, factor), is_small
        if request.known is not None and request.keep is not None:
            also = torch.from_numpy(request.keep) & ~keep
            known, keep = (
                torch.where(also, torch.from_numpy(request.known), known),
                keep | also,
            )
        self._stages[-1].open(
            slot,
            Drawing(
                self._noise(request),
                request.temperature,
                known,
                keep,
                condition,
                weighed=~is_small if request.weighed else None,
            ),
        )

    def _drawing(self, request: ImageRequest) -> Drawing:
        given, told = (
            _given(request),
            {"label": request.label, "windows": request.windows},
        )
        noise = self._noise(request)
        weighed = _every_pixel(noise) if request.weighed else None
        return Drawing(noise, request.temperature, *given, weighed=weighed, **told)

    def _small_drawing(self, request: ImageRequest) -> Drawing:
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
        """The given pixels of the small image, (C, s, s) and (s, s), with its first rows (C, k, s)."""
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
        config = self._network.config.small if of_small else self._network.config
        rows = config.height if request.windows is None else request.windows.rows
        shape = rows, config.width, config.channels
        return torch.from_numpy(
            image_noise(request.seed, request.sample, *shape, of_small=of_small)
        )


def _every_pixel(noise: Tensor) -> Tensor:
    """A map (H, W) of all pixels of an image with this noise (H, W, C)."""
    return torch.ones(noise.shape[:2], dtype=torch.bool)


def _given(request: ImageRequest) -> tuple[Tensor | None, Tensor | None]:
    if request.known is None or request.keep is None:
        return None, None
    known = torch.from_numpy(np.ascontiguousarray(request.known, np.int64))
    return known, torch.from_numpy(np.ascontiguousarray(request.keep, np.bool_))
