"""The kinds of network. Each is declared here, once; nothing else asks which kind a network is.

A part is named as "module:object" and imported when it is first needed. Parts stand above this table: a stepper knows
networks, a network knows its config, and a config knows the kinds. Where a kind is declared outside of this file, the
part may as well be the object itself.

`fused` and `compiled` are fast paths, and a kind has them only if its record names them. Without them the network runs
in plain torch, which is right for every layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

INPUT_REACH = 3
"""Every network begins with a 7 x 7 convolution: it reads so many pixels to each side, and so many rows above."""

Part = Any
"""An object, or "module:object"."""


@dataclass(frozen=True)
class Kind:
    """Everything that the rest of the code must know of one kind of network."""

    title: str
    """Its name in the paper."""
    layer: Part
    """layer(features, hidden, colours, conditioning) is a torch module: (B, 2h, H, W) -> (B, h, H, W)."""
    lag: Callable[[int], int]
    """lag(width): how many columns a row must stay behind the row above when both are drawn at once; width means that
    a row begins when the one above has ended. At least INPUT_REACH + 1 columns, or the width."""
    field: Part
    """field(config) -> bool (C, H, W, C, H, W): which variables the logits of each variable see (layers/field.py)."""
    stepper: Part
    """A sampling.plain.stepper.Stepper: the layers one pixel at a time."""
    fused: Part | None = None
    """A networks.pixel_network.FusedPass: the teacher-forced pass on a CPU."""
    compiled: Part | None = None
    """A sampling.compiled.kind.CompiledKind: drawing on a CPU."""


def part(named: Part) -> Any:
    """The object that a record names."""
    if not isinstance(named, str):
        return named
    module, _, name = named.partition(":")
    return getattr(import_module(module), name)


def input_lag(width: int) -> int:
    """The lag of layers that see no further to the right in the row above than the input convolution."""
    return min(INPUT_REACH + 1, width)


def whole_row(width: int) -> int:
    """The lag of layers that see the row above to its end."""
    return width


KINDS: dict[str, Kind] = {
    "pixel-cnn": Kind(
        title="PixelCNN",
        layer="model_core.layers.pixel_cnn:PixelCNNLayer",
        lag=input_lag,
        field="model_core.layers.pixel_cnn:field",
        stepper="model_core.sampling.plain.pixel_cnn:PixelCNNStepper",
        fused="model_core.fused.pixel_cnn:FUSED",
        compiled="model_core.sampling.compiled.pixel_cnn:COMPILED",
    ),
    "row-lstm": Kind(
        title="Row LSTM",
        layer="model_core.layers.row_lstm:RowLSTM",
        lag=input_lag,
        field="model_core.layers.row_lstm:field",
        stepper="model_core.sampling.plain.row_lstm:RowLSTMStepper",
        fused="model_core.fused.row_lstm:FUSED",
        compiled="model_core.sampling.compiled.row_lstm:COMPILED",
    ),
    "diagonal-bilstm": Kind(
        title="Diagonal BiLSTM",
        layer="model_core.layers.diagonal_bilstm:DiagonalBiLSTM",
        lag=whole_row,
        field="model_core.layers.diagonal_bilstm:field",
        stepper="model_core.sampling.plain.diagonal_bilstm:DiagonalBiLSTMStepper",
        fused="model_core.fused.diagonal_bilstm:FUSED",
        compiled="model_core.sampling.compiled.diagonal_bilstm:COMPILED",
    ),
}
"""All kinds, by the name that recipes and cards give."""
