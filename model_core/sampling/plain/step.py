"""One step of a stage with static shapes: where each place works is tensor arithmetic, and no number is read out."""

import torch
from torch import Tensor

from model_core.kinds import part
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.plain.positions import Positions
from model_core.sampling.plain.schedule import SCRATCH, Schedule
from model_core.sampling.plain.stepper import Stepper


class StaticStep:
    """The images of `slots` slots, and `lag` ticks of drawing in all of them."""

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        config, device = network.config, network.input.bias.device
        C, H, W = config.channels, config.height, config.width
        self._distribution = network.distribution
        self.schedule = Schedule(config, slots, device)
        self.stepper: Stepper = part(config.kind.stepper)(
            network, slots + SCRATCH, self.schedule.places
        )
        self._slots, self._height = torch.arange(slots, device=device), H
        shape = slots + SCRATCH, H, W
        self.values = torch.zeros(
            slots + SCRATCH, C, H, W, dtype=torch.int64, device=device
        )
        self.keep = torch.zeros(shape, dtype=torch.bool, device=device)
        self.noise = torch.zeros(*shape, C, dtype=torch.float64, device=device)
        self.temperature = torch.ones(
            slots + SCRATCH, dtype=torch.float64, device=device
        )
        self.weighs = False
        """Set when ln p of given pixels is asked for, of any slot."""
        self.weighed = torch.zeros(shape, dtype=torch.bool, device=device)
        self.log_p = torch.zeros(slots + SCRATCH, H, dtype=torch.float64, device=device)
        self._report = torch.zeros(1 + slots * C * W, dtype=torch.uint8, device=device)

    @property
    def slot_bytes(self) -> int:
        """Bytes that each further slot adds to all that is kept from step to step, and to the maps of the pixels of
        one."""
        images = (
            self.values,
            self.keep,
            self.noise,
            self.temperature,
            self.weighed,
            self.log_p,
        )
        row = self.values[0, :, 0].numel()  # a byte a value in the report
        own = sum(part[0].nbytes for part in images) + self._slots.element_size() + row
        return (
            own
            + self.schedule.slot_bytes
            + self.stepper.slot_bytes(self.schedule.rows_at_once)
        )

    def __call__(self) -> Tensor:
        """Advance every image by `lag` ticks; at most one row of each is completed. Returns the report, on the device:
        (1 + slots * C * W,) uint8, whether all logits were finite that were drawn from, and the row of each slot.
        """
        finite = torch.stack([self._tick() for _ in range(self.schedule.lag)])
        self.stepper.end_rows()
        ended = self.schedule.ended()[: len(self._slots)].clamp(0, self._height - 1)
        self._report[:1] = finite.all()
        self._report[1:] = self.values[self._slots, :, ended].flatten()
        return self._report

    def _tick(self) -> Tensor:
        """Draw a pixel at every place; were all logits finite that were drawn from?"""
        where = self.schedule.now()
        drawn = where.live & ~self.keep[where.slot, where.y, where.x]
        used = (
            drawn | self.weighed[where.slot, where.y, where.x] & where.live
            if self.weighs
            else drawn
        )
        finite = []
        for colour in range(self.values.shape[1]):
            top = self.stepper.features(where, colour)
            logits = self.stepper.ends.logits(top, colour)
            finite.append((logits.isfinite().all(1) | ~used).all())
            self._place(where, drawn, logits, colour)
        self.schedule.move_on()
        return torch.stack(finite).all()

    def _place(
        self, where: Positions, drawn: Tensor, logits: Tensor, colour: int
    ) -> None:
        """Values of one colour, drawn or given, for the pixels and colours after them: logits (M, V)."""
        slot, y, x = where.slot, where.y, where.x
        values = self._distribution.draw(
            logits, self.noise[slot, y, x, colour], self.temperature[slot]
        )
        values = values.where(drawn, self.values[slot, colour, y, x])
        self.values[slot, colour, y, x] = values
        if self.weighs:
            log_p = self._distribution.log_p(logits, values, self.temperature[slot])
            weighed = self.weighed[slot, y, x] & where.live
            self.log_p[slot, y] = self.log_p[slot, y] + log_p.where(
                weighed, torch.zeros_like(log_p)
            )
        self.stepper.ends.place(where, colour, values)
