"""An LSTM's scan over a canvas (canvas.py), forward and backward
(compiled/scans.py)."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from model_core.compiled.scans import backward_scan, forward_scan
from model_core.compiled.vector_code import LANES
from model_core.fused.kept import kept_operands
from model_core.fused.panels import bits, panels
from model_core.fused.products import Gradients
from model_core.fused.trunk import Maps
from model_core.layers.lstm import GATES, LSTMParameters


@dataclass(frozen=True)
class Walk:
    """Which cells a scan visits, and at which distances each reads its inputs and
    states (compiled/scans.py). Distances are in pixels of the canvas."""

    batch: int
    """Images, padded to a multiple of four."""
    rows: int
    """Rows of cells that are scanned, from the top one on."""
    width: int
    """Cells of a row."""
    step: int
    """1 from left to right, -1 from right to left."""
    input_steps: tuple[int, ...]
    """Distances to the features that a cell reads."""
    state_steps: tuple[int, ...]
    """Distances to the hidden states that a cell reads."""
    cell_step: int
    """Distance to the cell state that a cell reads."""

    @property
    def reads_beside(self) -> bool:
        """True if a cell reads the features of its left neighbour, which must be zero
        outside the image."""
        return min(self.input_steps) < 0

    @property
    def states_above(self) -> int:
        """Number of hidden states that a cell reads in the row above. The others are
        beside the cell."""
        return sum(abs(step) > 1 for step in self.state_steps)

    @cached_property
    def arguments(self) -> tuple[Any, ...]:
        """The walk as arguments of the compiled scans, in their order."""
        steps = (
            np.array(self.input_steps, np.int64),
            np.array(self.state_steps, np.int64),
        )
        return self.batch, self.rows, self.width, self.step, *steps, self.cell_step


def _packed(matrix: Tensor) -> Tensor:
    """Return a matrix (4h, ...), ordered by gate, in chunks of [o, f, i, g] of 16 units
    each."""
    return (
        matrix.view(GATES, -1, LANES, *matrix.shape[1:])
        .transpose(0, 1)
        .reshape(matrix.shape)
    )


def _unpacked(matrix: Tensor) -> Tensor:
    """Undo `_packed`."""
    return (
        matrix.reshape(-1, GATES, LANES, *matrix.shape[1:])
        .transpose(0, 1)
        .reshape(matrix.shape)
    )


class _Operands(NamedTuple):
    """The weights of an LSTM as its compiled scan takes them."""

    before: Any
    """In panels: those for the inputs and for the states in the row above."""
    beside: Any
    """In panels: those for the other states."""
    bias: Tensor
    """(1, 4h)"""
    hidden: Any
    cell: Any
    """(h,): the initial states."""


@dataclass(frozen=True)
class Scan:
    """One LSTM, and how it walks over a canvas."""

    lstm: LSTMParameters
    walk: Walk

    def forward(
        self, inputs: Tensor, states: list[Tensor] | None, maps: Maps
    ) -> list[Tensor]:
        """Scan the inputs. Return [gates, cell states (M, h), hidden states (M, h)].

        inputs: (M, F), the features, then the conditioning map if there is one. Their
            type, float32 or bfloat16, is also that of the hidden states.
        states: result of another scan, to be overwritten and returned; None for new
            arrays.
        maps: if `keeps` is True, the gates of all pixels are returned, (M, 4h), for the
            backward pass; otherwise those of one row. `labels` bias the gates.

        Pixels outside the image, and below the rows of the walk, get the initial state.
        """
        walk, M, h = self.walk, len(inputs), self.lstm.hidden
        if states is None:
            gates = torch.empty(M if maps.keeps else walk.width * walk.batch, GATES * h)
            states = [gates, torch.empty(M, h), inputs.new_empty(M, h)]
        operands = self._operands(inputs.shape[1], inputs.dtype)
        gates, cell, hidden = (bits(state) for state in states)
        _fill_outside(hidden, operands.hidden, walk)
        _fill_outside(cell, operands.cell, walk)
        forward_scan(
            bits(inputs),
            operands.before,
            operands.beside,
            bits(self._bias(operands.bias, maps)),
            gates,
            cell,
            hidden,
            *walk.arguments,
        )
        return states

    def _operands(self, width: int, dtype: torch.dtype) -> "_Operands":
        """Return the weights for inputs of this width, with factors of `dtype`."""
        lstm = self.lstm
        weights: list[Tensor] = [
            lstm.input_to_state.weight,
            lstm.input_to_state.bias,
            lstm.state_to_state,
            lstm.initial_hidden,
            lstm.initial_cell,
        ]
        if lstm.condition is not None:
            weights.append(lstm.condition.weight)
        make = partial(self._lay_out, width, dtype)
        return kept_operands(lstm, (width, dtype), weights, make)

    def _lay_out(self, width: int, dtype: torch.dtype) -> "_Operands":
        """Return `_operands`, laid out anew."""
        lstm, walk = self.lstm, self.walk
        weights = _packed(self._matrix(width)).t()  # (K, 4h)
        before = len(walk.input_steps) * width + walk.states_above * lstm.hidden
        return _Operands(
            panels(weights[:before], dtype),
            panels(weights[before:], dtype, GATES * LANES),
            _packed(lstm.input_to_state.bias.detach())[None],
            bits(lstm.initial_hidden.to(dtype)),
            bits(lstm.initial_cell),
        )

    def _bias(self, bias: Tensor, maps: Maps) -> Tensor:
        """Return the bias of all cells (1, 4h), or with labels that of each cell of a
        row (W * B, 4h). bias: (1, 4h), without labels."""
        lstm = self.lstm
        if maps.labels is None or lstm.condition is None:
            return bias
        return (
            bias + maps.by_image(_packed(lstm.condition.weight.detach()[:, :, 0, 0]))
        ).repeat(self.walk.width, 1)

    def backward(
        self,
        inputs: Tensor,
        states: list[Tensor],
        d_hidden: Tensor,
        d_inputs: Tensor,
        maps: Maps,
    ) -> Gradients:
        """Return the gradients of the parameters, and add those of the inputs to
        d_inputs.

        inputs: as for `forward`.
        states: what `forward` returned, with the gates of all pixels.
        d_hidden: float32 (M, h), gradient of the hidden states.
        d_inputs: float32 (M, F); is changed.
        maps: its `labels` are those of `forward`.
        """
        lstm, walk, (gates, cell, hidden) = self.lstm, self.walk, states
        n, F, h, matrix = (
            len(walk.input_steps),
            inputs.shape[1],
            lstm.hidden,
            _packed(self._matrix(inputs.shape[1])),
        )
        d_states, d_cell = torch.zeros_like(cell), torch.zeros_like(cell)
        d_weights, d_bias = torch.zeros(matrix.t().shape), torch.zeros(len(matrix))
        d_images = torch.zeros(0 if maps.labels is None else walk.batch, len(matrix))
        parts = zip(
            matrix.split([n * F, len(walk.state_steps) * h], 1), (F, h), strict=True
        )
        transposed = [
            part.reshape(len(matrix), -1, width).transpose(0, 1)
            for part, width in parts
        ]
        backward_scan(
            *(bits(t) for t in (inputs, hidden, gates, cell)),
            *(panels(each, inputs.dtype) for each in transposed),
            *(
                bits(t)
                for t in (
                    d_hidden,
                    d_states,
                    d_cell,
                    d_inputs,
                    d_weights,
                    d_bias,
                    d_images,
                )
            ),
            *walk.arguments,
        )  # pyright: ignore[reportCallIssue]
        outside = {
            lstm.initial_hidden: _sum_outside(d_states, walk),
            lstm.initial_cell: _sum_outside(d_cell, walk),
        }
        bias: Gradients = {lstm.input_to_state.bias: _unpacked(d_bias)}
        if maps.labels is not None and lstm.condition is not None:
            bias[lstm.condition.weight] = _unpacked(d_images.t() @ maps.labels)[
                :, :, None, None
            ]
        return outside | bias | self._gradients(_unpacked(d_weights.t()), F)

    def _matrix(self, width: int) -> Tensor:
        """Return the weights (4h, K): for each input step those of the features; after
        those of the last step the conditioning map's, if inputs of this width contain
        it; then those of the states."""
        lstm = self.lstm
        *before, own = self._taps(lstm.input_to_state.weight.detach())
        states = lstm.state_to_state.detach()
        if lstm.condition is None or width == own.shape[1]:
            return torch.cat([*before, own, *states], 1)
        condition = lstm.condition.weight.detach()[:, :, 0, 0]
        before = [part for tap in before for part in (tap, torch.zeros_like(condition))]
        return torch.cat([*before, own, condition, *states], 1)

    def _gradients(self, d_matrix: Tensor, width: int) -> Gradients:
        """Undo `_matrix` for inputs of this width: return the gradient of each
        parameter."""
        lstm, n = self.lstm, len(self.walk.input_steps)
        d_weight, features = (
            torch.zeros_like(lstm.input_to_state.weight),
            lstm.input_to_state.weight.shape[1],
        )
        d_inputs = d_matrix[:, : n * width].unflatten(1, (n, width))
        for tap, d_tap in zip(self._taps(d_weight), d_inputs.unbind(1), strict=True):
            tap.copy_(d_tap[:, :features])
        d_states = (
            d_matrix[:, n * width :].unflatten(1, (-1, lstm.hidden)).transpose(0, 1)
        )
        gradients: Gradients = {
            lstm.input_to_state.weight: d_weight.mul_(lstm.input_to_state.mask)
        }
        gradients[lstm.state_to_state] = d_states
        if lstm.condition is not None and width > features:
            gradients[lstm.condition.weight] = d_inputs[:, -1, features:, None, None]
        return gradients

    def _taps(self, weight: Tensor) -> tuple[Tensor, ...]:
        """Return the weights (4h, F) of each input step. The taps that the mask leaves
        are the first ones."""
        return weight[:, :, 0, : len(self.walk.input_steps)].unbind(-1)


def clear_first_column(canvas: Tensor, walk: Walk) -> None:
    """Set the pixels to the left of each row of a canvas (M, F), outside the image, to
    zero, in place."""
    _first_column(bits(canvas), walk)[:] = 0


def _first_column(canvas: Any, walk: Walk) -> Any:
    """Return a view (H, B, F) of the positions to the left of each row, outside the
    image. canvas: an array (M, F)."""
    return canvas.reshape(-1, walk.batch, canvas.shape[1])[
        walk.width + 1 :: walk.width + 1
    ]


def _fill_outside(canvas: Any, value: Any, walk: Walk) -> None:
    """Set the positions of an array (M, F) that the scan does not write: the first row,
    the first column, and all rows below the walk. value: (F,)."""
    row = (walk.width + 1) * walk.batch
    canvas[:row] = value
    _first_column(canvas, walk)[:] = value
    canvas[(walk.rows + 1) * row :] = value


def _sum_outside(canvas: Tensor, walk: Walk) -> Tensor:
    """Return the sum (F,) over the positions outside the image. Positions below the
    scanned rows hold zero."""
    first_column = canvas.view(-1, walk.batch, canvas.shape[1])[
        walk.width + 1 :: walk.width + 1
    ]  # (H, B, F)
    return canvas[: (walk.width + 1) * walk.batch].sum(0) + first_column.sum((0, 1))
