"""The Diagonal BiLSTM stack on a CPU, with compiled scans and a hand-written backward pass.

Equal to the plain modules (layers/diagonal_bilstm.py) up to float32 rounding, values and gradients.
Maps are canvases (Q, B, F) as in compiled/scans.py; the batch is padded to a multiple of four images.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from model_core.layers.diagonal_bilstm import GATES, DiagonalBiLSTM, DiagonalLSTM

if TYPE_CHECKING:
    from model_core.networks.pixel_network import PixelNetwork

LANES = 16
TILE_ROWS = 4


def fuses(x: Tensor, hidden: int) -> bool:
    """Can the compiled scans take this map? They know float32 on a CPU and h in multiples of 16."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and hidden % LANES == 0


def diagonal_trunk(network: "PixelNetwork", x: Tensor) -> Tensor:
    """What PixelNetwork.trunk computes, layer by layer on canvases: (B, 2h, H, W) -> (B, 2h, H, W)."""
    B, _, H, W = x.shape
    stream = to_canvas(x)  # (Q, B', 2h)
    skips = None
    for block in network.blocks:
        assert isinstance(block.layer, DiagonalBiLSTM)
        hidden = fused_bilstm(block.layer, stream, H, W)  # (Q, B', h)
        update = functional.linear(hidden, block.up.matrix(), block.up.bias)
        stream = update.add_(stream) if network.config.residual else update
        if block.skip is not None:
            skip = functional.linear(hidden, block.skip.matrix(), block.skip.bias)
            skips = skip if skips is None else skip.add_(skips)
    return from_canvas(stream if skips is None else stream + skips, B, H, W)


def to_canvas(x: Tensor) -> Tensor:
    """(B, F, H, W) -> (Q, B', F) with zeros outside the image and in the images that pad the batch."""
    spare = -x.shape[0] % TILE_ROWS
    return functional.pad(x.permute(2, 3, 0, 1), (0, 0, 0, spare, 1, 0, 1, 0)).flatten(0, 1)


def from_canvas(canvas: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Undo to_canvas: (Q, B', F) -> (B, F, H, W)."""
    grid = canvas.unflatten(0, (height + 1, width + 1))
    return grid[1:, 1:, :batch].permute(2, 3, 0, 1)


def fused_bilstm(layer: DiagonalBiLSTM, canvas: Tensor, height: int, width: int) -> Tensor:
    """DiagonalBiLSTM.forward on a canvas: (Q, B, 2h) -> (Q, B, h); what it holds outside the image means nothing."""
    from_left = _Scan.apply(canvas, *_packed(layer.left), height, width, 1)
    from_right = _Scan.apply(canvas, *_packed(layer.right), height, width, -1)
    return _add_shifted_down(from_left, from_right, height, width)


def _packed(lstm: DiagonalLSTM) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights (4h, 4h) and bias (4h,) in the scans' order, inputs, left, up by chunks of [o, f, i, g]; both states."""
    up, left = lstm.state_to_state
    h = lstm.hidden
    weights = torch.cat([lstm.input_to_state.matrix(), left, up], 1)  # (4h gates, 2h + h + h)
    chunks = (GATES, h // LANES, LANES)
    weights = weights.unflatten(0, chunks).transpose(0, 1).reshape(GATES * h, -1).t().contiguous()
    bias = lstm.input_to_state.bias.unflatten(0, chunks).transpose(0, 1).reshape(-1)
    return weights, bias, lstm.initial_hidden, lstm.initial_cell


def _add_shifted_down(left: Tensor, right: Tensor, height: int, width: int) -> Tensor:
    """left + right one row further down, on canvases whose first row lies outside the image."""
    row = width + 1
    seen = right[row : height * row]  # all but the last row of the image, which nothing may see
    return left + functional.pad(seen, (0, 0, 0, 0, 2 * row, 0))


class _Scan(torch.autograd.Function):
    """One direction on a canvas. The right-to-left scan (step -1) leaves out the last row: nothing reads it."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        canvas: Tensor,
        weights: Tensor,
        bias: Tensor,
        initial_hidden: Tensor,
        initial_cell: Tensor,
        height: int,
        width: int,
        step: int,
    ) -> Tensor:
        from model_core.compiled.scans import forward_scan

        Q, B, _ = canvas.shape
        h = initial_hidden.numel()
        rows = height if step == 1 else height - 1
        canvas = canvas.detach().contiguous()
        gates = canvas.new_empty(Q, B, GATES * h)
        hidden, cell = canvas.new_empty(Q, B, h), canvas.new_empty(Q, B, h)
        for state, initial in ((gates, 0.0), (hidden, initial_hidden.detach()), (cell, initial_cell.detach())):
            _fill_outside(state, initial, rows, width)
        plain = [t.detach().numpy() for t in (canvas, weights, bias, gates, cell, hidden)]
        forward_scan(*plain, rows, width, step)  # pyright: ignore[reportCallIssue]
        ctx.save_for_backward(canvas, weights, gates, hidden, cell)
        ctx.geometry = rows, width, step
        ctx.gates_are_whole = True
        return hidden

    @staticmethod
    def backward(ctx: Any, d_output: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        from model_core.compiled.scans import backward_scan

        assert ctx.gates_are_whole, "a second backward pass through the same scan: the first used its gates up"
        ctx.gates_are_whole = False
        canvas, weights, d_gates, hidden, cell = ctx.saved_tensors  # the gates become their gradients, in place
        rows, width, step = ctx.geometry
        d_hidden, d_cell, d_canvas = torch.zeros_like(hidden), torch.zeros_like(cell), torch.zeros_like(canvas)
        weights_t, d_output = weights.t().contiguous(), d_output.contiguous()
        plain = [t.numpy() for t in (weights_t, d_gates, cell, d_hidden, d_cell, d_canvas, d_output)]
        backward_scan(*plain, rows, width, step)  # pyright: ignore[reportCallIssue]
        d_weights, d_bias = _weight_gradients(canvas, hidden, d_gates, width, step)
        d_initial = (_sum_outside(d_hidden, rows, width), _sum_outside(d_cell, rows, width))
        return d_canvas, d_weights, d_bias, *d_initial, None, None, None


def _fill_outside(canvas: Tensor, value: Tensor | float, rows: int, width: int) -> None:
    """Set what no scan of `rows` rows writes: the first row, the first column, and all below."""
    canvas[: width + 1] = value
    canvas[width + 1 :: width + 1] = value
    canvas[(rows + 1) * (width + 1) :] = value


def _sum_outside(canvas: Tensor, rows: int, width: int) -> Tensor:
    """(F,) what the outside positions received; positions below the scanned rows hold zero."""
    return canvas[: width + 1].sum((0, 1)) + canvas[width + 1 :: width + 1].sum((0, 1))


def _weight_gradients(canvas: Tensor, hidden: Tensor, d_gates: Tensor, width: int, step: int) -> tuple[Tensor, Tensor]:
    """(4h, 4h) and (4h,): on a canvas every neighbour lies at a fixed distance, so each is a product of two slices."""
    B, h = hidden.shape[1:]
    F = canvas.shape[2]
    inputs, states, gradients = canvas.flatten(0, 1), hidden.flatten(0, 1), d_gates.flatten(0, 1)
    d_weights = gradients.new_empty(F + 2 * h, GATES * h)
    torch.mm(inputs.t(), gradients, out=d_weights[:F])
    neighbours = (states[:-B], gradients[B:]) if step == 1 else (states[B:], gradients[:-B])
    torch.mm(neighbours[0].t(), neighbours[1], out=d_weights[F : F + h])
    row = (width + 1) * B
    torch.mm(states[:-row].t(), gradients[row:], out=d_weights[F + h :])
    return d_weights, gradients.sum(0)
