"""One step of a plain stage, with tensors of constant shapes: the pixels are chosen by
tensor arithmetic, and no number is read back by Python."""

import torch
from torch import Tensor

from model_core.kinds import part
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.plain.positions import Positions
from model_core.sampling.plain.schedule import SCRATCH, Schedule
from model_core.sampling.plain.stepper import Stepper


class StaticStep:
    """The images of all slots (numbers under which images are kept), and the step that
    advances them: call the object. A call makes `lag` ticks, in each of which one pixel
    of every row that is being drawn is computed, so that each image completes at most
    one row.

    It returns its report, uint8 (1 + slots * C * W,): 1 if all logits were finite that
    were used, else 0; then the values (slots, C, W) of the row that each slot
    completed, or of any row. The tensor is reused by the next call.

    The caller writes the drawings of images to these tensors, whose first dimension is
    the slot; SCRATCH more slots follow those of images:

    values: int64 (slots, C, H, W), given or drawn.
    keep: bool (slots, H, W), True for given pixels.
    noise: float64 (slots, H, W, C).
    temperature: float64 (slots,).
    weighed: bool (slots, H, W), pixels whose ln p is summed.
    log_p: float64 (slots, H), the sums of each row.
    weighs: False until the caller sets it because an image has weighed pixels; until
        then log_p stays as it is.
    schedule, stepper: where each image is, and the state of the network.
    """

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        """Make the tensors and the network's state for `slots` images, without an
        image, on the network's device."""
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
        """The caller sets this to True once any image has weighed pixels; until then ln
        p is not computed."""
        self.weighed = torch.zeros(shape, dtype=torch.bool, device=device)
        self.log_p = torch.zeros(slots + SCRATCH, H, dtype=torch.float64, device=device)
        self._report = torch.zeros(1 + slots * C * W, dtype=torch.uint8, device=device)

    @property
    def slot_bytes(self) -> int:
        """Number of bytes that each additional slot adds to everything that is kept
        between steps, and to the maps of the pixels of one tick."""
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
        """Advance every image by `lag` ticks, in which each completes at most one row.

        Return the report, uint8 (1 + slots * C * W,): 1 if all logits were finite that
        were used, else 0; then the values of the row that each slot completed. The
        tensor is reused by the next call.
        """
        finite = torch.stack([self._tick() for _ in range(self.schedule.lag)])
        self.stepper.end_rows()
        ended = self.schedule.ended()[: len(self._slots)].clamp(0, self._height - 1)
        self._report[:1] = finite.all()
        self._report[1:] = self.values[self._slots, :, ended].flatten()
        return self._report

    def _tick(self) -> Tensor:
        """Draw a pixel at every place. Return whether all logits that were used are
        finite."""
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
        """Draw the values of one colour from logits (M, V), or take the given ones, and
        store them for later pixels and colours."""
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
