"""An LSTM scan as one differentiable operation on a CPU: compiled forward pass, hand-written backward pass."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model_core.compiled.scans import TILE_COLUMNS, backward_scan, forward_scan
from model_core.compiled.vector_code import LANES
from model_core.layers.lstm import GATES


@dataclass(frozen=True)
class Walk:
    """Which cells a scan visits and what each reads, as distances on a canvas (compiled/scans.py)."""

    rows: int
    width: int
    step: int
    input_steps: tuple[int, ...]
    state_steps: tuple[int, ...]
    cell_step: int

    @property
    def reads_beside(self) -> bool:
        """Does a cell read the features of its left neighbour, which are zeros outside the image?"""
        return min(self.input_steps) < 0

    def arguments(self) -> tuple[Any, ...]:
        """As the compiled scans take it."""
        steps = np.array(self.input_steps, np.int64), np.array(self.state_steps, np.int64)
        return self.rows, self.width, self.step, *steps, self.cell_step


def pack_gates(matrix: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """(4h, K) weights and (4h,) bias, gate by gate -> (K, 4h) and (4h,) by chunks of [o, f, i, g], 16 units each."""
    chunks = (GATES, len(bias) // GATES // LANES, LANES)
    packed = matrix.unflatten(0, chunks).transpose(0, 1).flatten(0, 2).t().contiguous()
    return packed, bias.unflatten(0, chunks).transpose(0, 1).flatten()


class Scan(torch.autograd.Function):
    """canvas (Q, B, F), packed weights (K, 4h) and bias (4h,), initial states (h,) -> hidden states (Q, B, h).

    What lies outside the image, and below the rows of the walk, is the initial state.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        canvas: Tensor,
        weights: Tensor,
        bias: Tensor,
        initial_hidden: Tensor,
        initial_cell: Tensor,
        walk: Walk,
    ) -> Tensor:
        Q, B, _ = canvas.shape
        h = initial_hidden.numel()
        canvas = canvas.contiguous()
        if walk.reads_beside:
            canvas = _clear_first_column(canvas.clone(), walk)
        gates = canvas.new_empty(Q, B, GATES * h)
        hidden, cell = canvas.new_empty(Q, B, h), canvas.new_empty(Q, B, h)
        for state, initial in ((gates, 0.0), (hidden, initial_hidden), (cell, initial_cell)):
            _fill_outside(state, initial, walk)
        plain = [t.detach().numpy() for t in (canvas, weights, bias, gates, cell, hidden)]
        forward_scan(*plain, *walk.arguments())  # pyright: ignore[reportCallIssue]
        ctx.save_for_backward(canvas, weights, gates, hidden, cell)
        ctx.walk = walk
        ctx.gates_are_whole = True
        return hidden

    @staticmethod
    def backward(ctx: Any, d_output: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        assert ctx.gates_are_whole, "a second backward pass through the same scan: the first used its gates up"
        ctx.gates_are_whole = False
        canvas, weights, d_gates, hidden, cell = ctx.saved_tensors  # the gates become their gradients, in place
        d_hidden, d_cell, d_canvas = torch.zeros_like(hidden), torch.zeros_like(cell), torch.zeros_like(canvas)
        weights_t = functional.pad(weights, (0, 0, 0, -len(weights) % TILE_COLUMNS)).t().contiguous()
        plain = [t.numpy() for t in (weights_t, d_gates, cell, d_hidden, d_cell, d_canvas, d_output.contiguous())]
        backward_scan(*plain, *ctx.walk.arguments())  # pyright: ignore[reportCallIssue]
        d_weights, d_bias = _weight_gradients(canvas, hidden, d_gates, ctx.walk)
        if ctx.walk.reads_beside:
            _clear_first_column(d_canvas, ctx.walk)
        return d_canvas, d_weights, d_bias, _sum_outside(d_hidden, ctx.walk), _sum_outside(d_cell, ctx.walk), None


def _clear_first_column(canvas: Tensor, walk: Walk) -> Tensor:
    canvas[walk.width + 1 :: walk.width + 1] = 0
    return canvas


def _fill_outside(canvas: Tensor, value: Tensor | float, walk: Walk) -> None:
    """Set what the scan does not write: the first row, the first column, and all below."""
    row = walk.width + 1
    canvas[:row] = value
    canvas[row::row] = value
    canvas[(walk.rows + 1) * row :] = value


def _sum_outside(canvas: Tensor, walk: Walk) -> Tensor:
    """(F,) what the outside positions received; positions below the scanned rows hold zero."""
    row = walk.width + 1
    return canvas[:row].sum((0, 1)) + canvas[row::row].sum((0, 1))


def _weight_gradients(canvas: Tensor, hidden: Tensor, d_gates: Tensor, walk: Walk) -> tuple[Tensor, Tensor]:
    """(K, 4h) and (4h,): on a canvas every neighbour lies at a fixed distance, so each is a product of two slices."""
    B = canvas.shape[1]
    gradients = d_gates.flatten(0, 1)
    read = [(canvas, step) for step in walk.input_steps] + [(hidden, step) for step in walk.state_steps]
    d_weights = gradients.new_empty(sum(map_.shape[2] for map_, _ in read), gradients.shape[1])
    for part, (map_, step) in zip(d_weights.split([m.shape[2] for m, _ in read]), read, strict=True):
        features = map_.flatten(0, 1)
        if step > 0:
            torch.mm(features[step * B :].t(), gradients[: -step * B], out=part)
        else:
            torch.mm(features[: len(features) + step * B].t(), gradients[-step * B :], out=part)
    return d_weights, gradients.sum(0)
