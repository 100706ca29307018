"""The table that a drawing loop reads and writes, described once for Python and
JavaScript.

A loop takes records of numbers and arrays (compiled/records.py). In memory that is a
table of words of eight bytes: a number is one word, an array is its address and its
shape. The description is a list in the order of the table. An entry has a name, such as
"state.images", and

    value   if it is a number: that number;
    dtype   if it is an array: of its elements;
    shape   its dimensions: a number, or [a, b] for a + b * images if there is space
            for several images;
    at      if it is only read: where it begins among the weights, in bytes. Else
    fill    says how it begins: "zeros"; "count" for 0, 1, 2, ... along the last
            axis; "outside" for (L, cells, width) in which all cells of a layer are
            equal, except the very last one if `last` is "zero"; "drawer" if the code
            that draws fills it;
    kept    true if it begins again with each image;
    row     if another image that continues a row takes over what it says of the
            row's beginning: "cells" if the cells of an image are adjacent, "columns"
            if those of all images are, column by column.

The values of the cells of an array X with fill "outside" are in an entry "outside.X"
(L, width), after those of the table.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.compiled.loop import BY_COLUMN, IN_RING
from model_core.compiled.tiles import WIDEST
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.compiled.kind import CompiledKind
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.compiled.weights import prepared

Array = NDArray[Any]
Entry = dict[str, Any]
ALIGNMENT = 64
"""Bytes of a cache line."""
DRAWER = {"slots", "front.done", "front.stop", "state.keep", "state.temperature"}
"""Fields that the stage fills before it draws, in Python (CompiledStage) and in
JavaScript (engine/stage.js)."""


class Weights:
    """Arrays of a network's weights, joined: each begins at a multiple of 64 bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def put(self, name: str, array: Array) -> Entry:
        """Append an array, and return its entry in the table's description (module's
        docstring)."""
        at, data = self._size, np.ascontiguousarray(array).tobytes()
        self._pieces.append(data.ljust(-(-len(data) // ALIGNMENT) * ALIGNMENT, b"\0"))
        self._size += len(self._pieces[-1])
        return {
            "name": name,
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "at": at,
        }

    @property
    def content(self) -> bytes:
        """The bytes of all arrays."""
        return b"".join(self._pieces)


def describe_table(network: PixelNetwork) -> tuple[list[Entry], bytes]:
    """Return the description of a network's table, and the bytes of its weights.

    The process must have been started with target.ENVIRONMENT before it imported numba,
    because the layout of weights depends on it.
    """
    assert WIDEST == 1, (
        "weights are laid out for another processor: see portable/target.py"
    )
    given = prepared(network)
    constant = {
        id(each)
        for each in (*given.shared, *given.weights.values())
        if isinstance(each, np.ndarray)
    }
    kept = {f"layers.{name}" for name in given.kind.kept}
    weights, entries, outside = Weights(), [], []
    for name, one, two in _both(network):
        if not isinstance(one, np.ndarray):
            entries.append({"name": name, "value": int(one)})
        elif id(one) in constant:
            entries.append(weights.put(name, one))
        else:
            entries.append(
                _state(name, one, two)
                | ({"kept": True} if name in kept else {})
                | _row(name, given.kind)
            )
            if entries[-1]["fill"] == "outside":
                outside.append(weights.put(f"outside.{name}", one[:, 0]))
    return [*entries, *outside], weights.content


def _both(network: PixelNetwork) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name of every entry, and its value with space for one image and for
    two."""
    one, two = (_values(network, images) for images in (1, 2))
    return ((name, value, two[name]) for name, value in one.items())


def _values(network: PixelNetwork, images: int) -> dict[str, Any]:
    """Return everything that a loop takes to draw this number of images, by name."""
    values = {}
    for name, record in (
        CompiledStage(network, images).loop_arguments(list(range(images))).items()
    ):
        if isinstance(record, np.ndarray):
            values[name] = record
        else:
            values |= {
                f"{name}.{field}": value for field, value in record._asdict().items()
            }
    return values


def _state(name: str, one: Array, two: Array) -> Entry:
    """Return the entry of an array that is written to. The rule by which it begins must
    be the same for one image and for two."""
    shape = [
        a if a == b else [2 * a - b, b - a]
        for a, b in zip(one.shape, two.shape, strict=True)
    ]
    rule = (
        {"fill": "drawer"}
        if name in DRAWER
        else next(rule for rule in _rules(one) if rule in list(_rules(two)))
    )
    return {"name": name, "dtype": one.dtype.name, "shape": shape, **rule}


def _row(name: str, kind: CompiledKind) -> Entry:
    """Return how an array stores what CompiledStage.copy copies of a row that is begun;
    empty if it stores none of that."""
    streams = {IN_RING: "cells", BY_COLUMN: "columns"}.get(kind.code.STREAMS)
    rows = {f"layers.{each}": "columns" for each in kind.by_column} | {
        "state.streams": streams
    }
    return {"row": rows[name]} if rows.get(name) else {}


def _rules(array: Array) -> Iterator[Entry]:
    """Yield the rules that would fill an array of this shape as it is."""
    if not array.any():
        yield {"fill": "zeros"}
    elif (array == np.arange(array.shape[-1])).all():
        yield {"fill": "count"}
    elif array.ndim == 3 and (array[:, :-1] == array[:, :1]).all():
        if (array[:, -1] == array[:, 0]).all():
            yield {"fill": "outside"}
        elif not array[:, -1].any():
            yield {"fill": "outside", "last": "zero"}
