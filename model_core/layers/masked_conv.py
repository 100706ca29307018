"""Masked convolution, types A and B (section 3.4 and figure 2, right).

kernel 5 x 5, one colour:      1 1 1 1 1
                               1 1 1 1 1
                               1 1 m . .      m = 0 for mask A, 1 for mask B
                               (rows below are never stored)
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_core.layers.groups import allowed


class MaskedConv2d(nn.Module):
    """Convolution over the pixels above and to the left: (B, I, H, W) -> (B, O, H, W).

    weight: (O, I, rows_above + 1, K). The rows below the pixel are not stored. The
        weight is masked when it is made and when it is loaded, and its gradient is
        masked, so that no forward pass has to multiply by the mask.
    mask: float of the same shape, 1 where a weight is used; not saved with the weights.
    bias: (O,).
    kernel: K.
    rows_above: rows above the pixel that are read.
    groups: for each colour, the slice of its outputs and the slice of the inputs of
        this and earlier colours: with mask B, those that its outputs read at the pixel
        itself. Valid if the features are sorted by colour.
    """

    mask: Tensor

    def __init__(
        self,
        in_colour: Tensor,
        out_colour: Tensor,
        kernel: int = 1,
        mask: str = "B",
        rows_above: int | None = None,
    ) -> None:
        """Make the convolution. The weight is random, uniform, from torch's global
        generator; the bias is zero.

        in_colour (I,), out_colour (O,): the colour of each feature (layers/groups.py).
        kernel: width K, an odd number.
        mask: "A" hides a colour from itself at the centre pixel (first layer), "B"
            shows it.
        rows_above: number of rows above the pixel that are read. Default: K // 2.
        """
        super().__init__()
        assert kernel % 2 == 1, "the kernel needs a centre"
        assert mask in ("A", "B"), "masks are A or B"
        self.kernel = kernel
        reach = kernel // 2
        self.rows_above = reach if rows_above is None else rows_above
        visible = torch.ones(
            len(out_colour), len(in_colour), self.rows_above + 1, kernel
        )
        visible[:, :, -1, reach + 1 :] = 0
        visible[:, :, -1, reach] = allowed(
            out_colour, in_colour, see_own=mask == "B"
        ).float()
        self.register_buffer("mask", visible, persistent=False)
        self.groups = _groups(in_colour, out_colour)
        self.weight = nn.Parameter(torch.empty_like(visible))
        self.bias = nn.Parameter(torch.zeros(len(out_colour)))
        self._initialise(visible)

    @torch.no_grad()
    def _initialise(self, visible: Tensor) -> None:
        # Count only the inputs that the mask leaves to each output.
        fan_in = visible.flatten(1).sum(1).clamp(min=1)
        bound = (3.0 / fan_in).sqrt()[:, None, None, None]
        self.weight.uniform_(-1, 1).mul_(bound).mul_(visible)

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        super()._load_from_state_dict(*args, **kwargs)  # type: ignore[arg-type]
        with torch.no_grad():
            self.weight.mul_(self.mask)

    def masked_weight(self) -> Tensor:
        """Return the weight (O, I, rows_above + 1, K), whose masked entries are zero,
        as a tensor whose gradient is masked on its way back to `weight`."""
        if not torch.is_grad_enabled():
            return self.weight.detach()
        return _MaskGradient.apply(self.weight, self.mask)  # type: ignore[no-any-return]

    def matrix(self) -> Tensor:
        """Return the `masked_weight` of a 1 x 1 convolution as a matrix (O, I), with
        its gradient."""
        assert self.kernel == 1
        return self.masked_weight()[:, :, 0, 0]

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x (B, I, H, W), with its bias: (B, O, H, W). Pixels
        outside the image count as zero."""
        if self.kernel > 1:
            reach = self.kernel // 2
            # Pixels outside the image are zero.
            x = functional.pad(x, (reach, reach, self.rows_above, 0))
        return functional.conv2d(x, self.masked_weight(), self.bias)


def _groups(in_colour: Tensor, out_colour: Tensor) -> tuple[tuple[slice, slice], ...]:
    colours = range(int(out_colour.max()) + 1)
    ends = [0, *(int((out_colour <= colour).sum()) for colour in colours)]
    return tuple(
        (
            slice(ends[colour], ends[colour + 1]),
            slice(0, int((in_colour <= colour).sum())),
        )
        for colour in colours
    )


class _MaskGradient(torch.autograd.Function):
    """The identity with a masked gradient, so that a masked weight stays masked under
    any optimiser."""

    @staticmethod
    def forward(ctx, weight: Tensor, mask: Tensor) -> Tensor:  # type: ignore[no-untyped-def, override]
        ctx.save_for_backward(mask)
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def, override]
        (mask,) = ctx.saved_tensors
        return gradient * mask, None
