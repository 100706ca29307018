"""An LSTM scan as one differentiable operation on a CPU: compiled forward pass, hand-written backward pass."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_core.compiled.scans import backward_scan, forward_scan
from model_core.compiled.vector_code import LANES
from model_core.fused.panels import bits, panels
from model_core.layers.lstm import GATES


@dataclass(frozen=True)
class Walk:
    """Which cells a scan visits and what each reads, as distances on a canvas (compiled/scans.py)."""

    batch: int
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

    @property
    def states_above(self) -> int:
        """How many of the states that a cell reads lie in the row above; the last of the others is beside it."""
        return sum(abs(step) > 1 for step in self.state_steps)

    def arguments(self) -> tuple[Any, ...]:
        """As the compiled scans take it."""
        steps = np.array(self.input_steps, np.int64), np.array(self.state_steps, np.int64)
        return self.batch, self.rows, self.width, self.step, *steps, self.cell_step


def _packed(matrix: Tensor) -> Tensor:
    """(4h, ...), gate by gate -> the same in chunks of [o, f, i, g], 16 units each."""
    return matrix.view(GATES, -1, LANES, *matrix.shape[1:]).transpose(0, 1).reshape(matrix.shape)


def _unpacked(matrix: Tensor) -> Tensor:
    """Undo _packed."""
    return matrix.reshape(-1, GATES, LANES, *matrix.shape[1:]).transpose(0, 1).reshape(matrix.shape)


class Scan(torch.autograd.Function):
    """canvas (M, F), weights (4h, K) of the inputs and then of the states, bias (4h,), initial states (h,) -> hidden
    states (M, h).

    Products, and the hidden states, are of numbers of dtype, float32 or bfloat16. What lies outside the image, and
    below the rows of the walk, is the initial state.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        canvas: Tensor,
        matrix: Tensor,
        bias: Tensor,
        initial_hidden: Tensor,
        initial_cell: Tensor,
        walk: Walk,
        dtype: torch.dtype,
    ) -> Tensor:
        M, h = len(canvas), initial_hidden.numel()
        canvas = canvas.to(dtype, copy=walk.reads_beside)
        if walk.reads_beside:
            _clear_first_column(canvas, walk)
        weights = _packed(matrix).t()  # (K, 4h)
        above = len(walk.input_steps) * canvas.shape[1] + walk.states_above * h
        keeps_gates = any(ctx.needs_input_grad)
        gates = torch.empty(M if keeps_gates else walk.width * walk.batch, GATES * h)
        hidden, cell = canvas.new_empty(M, h), torch.empty(M, h)
        for state, initial in ((hidden, initial_hidden), (cell, initial_cell)):
            _fill_outside(state, initial, walk)
        forward_scan(
            bits(canvas),
            panels(weights[:above], canvas.dtype),
            panels(weights[above:], canvas.dtype, GATES * LANES),
            _packed(bias).detach().numpy(),
            *(bits(t) for t in (gates, cell, hidden)),
            *walk.arguments(),
        )  # pyright: ignore[reportCallIssue]
        ctx.save_for_backward(canvas, matrix, gates, hidden, cell)
        ctx.walk = walk
        return hidden

    @staticmethod
    def backward(ctx: Any, d_output: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        canvas, matrix, gates, hidden, cell = ctx.saved_tensors
        walk, h, F = ctx.walk, hidden.shape[1], canvas.shape[1]
        d_hidden, d_cell = torch.zeros_like(cell), torch.zeros_like(cell)
        d_canvas = torch.zeros(canvas.shape)
        d_weights, d_bias = torch.zeros(matrix.t().shape), torch.zeros(len(matrix))
        inputs, states = _packed(matrix).split([len(walk.input_steps) * F, len(walk.state_steps) * h], 1)
        transposed = [
            part.reshape(len(matrix), -1, width).transpose(0, 1) for part, width in ((inputs, F), (states, h))
        ]
        backward_scan(
            *(bits(t) for t in (canvas, hidden, gates, cell)),
            *(panels(each, canvas.dtype) for each in transposed),
            *(bits(t) for t in (d_output.float().contiguous(), d_hidden, d_cell, d_canvas, d_weights, d_bias)),
            *walk.arguments(),
        )  # pyright: ignore[reportCallIssue]
        if walk.reads_beside:
            _clear_first_column(d_canvas, walk)
        d_states = _sum_outside(d_hidden, walk), _sum_outside(d_cell, walk)
        return d_canvas, _unpacked(d_weights.t()), _unpacked(d_bias), *d_states, None, None


def _clear_first_column(canvas: Tensor, walk: Walk) -> Tensor:
    _first_column(canvas, walk).zero_()
    return canvas


def _first_column(canvas: Tensor, walk: Walk) -> Tensor:
    """(H, B, F) of the positions that lie outside the image to the left of a row."""
    return canvas.view(-1, walk.batch, canvas.shape[1])[walk.width + 1 :: walk.width + 1]


def _fill_outside(canvas: Tensor, value: Tensor, walk: Walk) -> None:
    """Set what the scan does not write: the first row, the first column, and all below."""
    row = (walk.width + 1) * walk.batch
    canvas[:row] = value
    _first_column(canvas, walk).copy_(value.expand(walk.batch, -1))
    canvas[(walk.rows + 1) * row :] = value


def _sum_outside(canvas: Tensor, walk: Walk) -> Tensor:
    """(F,) what the outside positions received; positions below the scanned rows hold zero."""
    return canvas[: (walk.width + 1) * walk.batch].sum(0) + _first_column(canvas, walk).sum((0, 1))
