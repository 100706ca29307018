"""The kinds of network. Each is declared here once; no other code tests which kind a
network is.

A part is named as "module:object" and imported when it is first used, because parts
import this table: a network imports its config, and the config the kinds. A kind that
is declared in another file may give the object itself.

`fused` and `compiled` are optional fast implementations. Without them the network runs
in plain torch, and an image is drawn by one pass for each variable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

INPUT_REACH = 3
"""Pixels that the first convolution of every network, 7 x 7, reads to each side, and
rows that it reads above."""

Part = Any
"""An object, or its name "module:object"."""


@dataclass(frozen=True)
class Kind:
    """Everything that other code must know about one kind of network."""

    title: str
    """Its name as people read it, such as "Row LSTM"."""
    layer: Part
    """layer(features, hidden, colours, conditioning) returns a torch module whose
    forward(x, condition) maps (B, 2h, H, W) to (B, h, H, W), for any H and W. Features
    of a pixel's colour may depend on pixels before it and on its earlier colours."""
    lag: Callable[[int], int]
    """lag(width) returns how many columns a row must stay behind the row above if both
    are drawn at once: `input_lag` for most layers, or `whole_row`, which means that a
    row begins after the row above has ended. Only compiled loops call it."""
    field: Part
    """field(config) returns bool (C, H, W, C, H, W): which variables the logits of each
    variable depend on (layers/field.py)."""
    fused: Part | None = None
    """A networks.pixel_network.FusedPass: a faster teacher-forced pass on a CPU, or
    None."""
    compiled: Part | None = None
    """A sampling.compiled.kind.CompiledKind: compiled drawing on a CPU, or None."""


def part(named: Part) -> Any:
    """Return the object that `named` names as "module:object", importing the module; or
    `named` itself if it is no text."""
    if not isinstance(named, str):
        return named
    module, _, name = named.partition(":")
    return getattr(import_module(module), name)


def input_lag(width: int) -> int:
    """Return by how many columns a row must stay behind the row above if both are drawn
    at the same time, for layers that read no further to the right than the first
    convolution.

    width: of an image.
    """
    return min(INPUT_REACH + 1, width)


def whole_row(width: int) -> int:
    """Return the lag (see `input_lag`) of layers that read the whole row above.

    width: of an image.
    """
    return width


KINDS: dict[str, Kind] = {
    "pixel-cnn": Kind(
        title="PixelCNN",
        layer="model_core.layers.pixel_cnn:PixelCNNLayer",
        lag=input_lag,
        field="model_core.layers.pixel_cnn:field",
        fused="model_core.fused.pixel_cnn:FUSED",
        compiled="model_core.sampling.compiled.pixel_cnn:COMPILED",
    ),
    "row-lstm": Kind(
        title="Row LSTM",
        layer="model_core.layers.row_lstm:RowLSTM",
        lag=input_lag,
        field="model_core.layers.row_lstm:field",
        fused="model_core.fused.row_lstm:FUSED",
        compiled="model_core.sampling.compiled.row_lstm:COMPILED",
    ),
    "diagonal-bilstm": Kind(
        title="Diagonal BiLSTM",
        layer="model_core.layers.diagonal_bilstm:DiagonalBiLSTM",
        lag=whole_row,
        field="model_core.layers.diagonal_bilstm:field",
        fused="model_core.fused.diagonal_bilstm:FUSED",
        compiled="model_core.sampling.compiled.diagonal_bilstm:COMPILED",
    ),
}
"""All kinds, by the name that recipes and cards use."""
