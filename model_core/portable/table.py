"""The table that a drawing loop reads and writes, described once for Python and JavaScript.

A loop is handed records of numbers and arrays (compiled/records.py). In memory that is a table of words of eight bytes:
a number is one word, an array is its address and its shape. The description is a list in the order of the table; an
entry has a name, as "state.images", and

    value   if it is a number: that number;
    dtype   if it is an array: of its elements;
    shape   its dimensions: a number, or [a, b] for a + b * images where there is room for several images;
    at      if it is never written to: its place among the weights, in bytes. Else
    fill    says how it begins: "zeros"; "count" for 0, 1, 2, ... along the last axis; "outside" for (L, cells, width)
            in which all cells of a layer are alike, but where `last` is "zero" the very last; "drawer" where whoever
            draws says it;
    kept    true if each image begins it anew;
    row     if what it holds of a row that is begun goes over to an image that goes on from there: "cells", those of the
            image side by side, or "columns", of each column the cells of all images.

What the cells of an array X are alike to stands in an entry "outside.X" (L, width), behind those of the table.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.compiled.loop import BY_COLUMN, IN_RING
from model_core.compiled.tiles import WIDEST
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.compiled.kind import CompiledKind
from model_core.sampling.compiled.prepared import prepared
from model_core.sampling.compiled.stage import CompiledStage

Array = NDArray[Any]
Entry = dict[str, Any]
ALIGNMENT = 64
"""Bytes: a cache line."""
DRAWER = {"slots", "front.done", "front.stop", "state.keep", "state.temperature"}
"""Fields that the stage fills before it draws, in Python (CompiledStage) and in JavaScript (engine/stage.js)."""


class Weights:
    """Arrays that are never written to, one behind the other."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def put(self, name: str, array: Array) -> Entry:
        """Append an array; returns its entry."""
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
        return b"".join(self._pieces)


def described(network: PixelNetwork) -> tuple[list[Entry], bytes]:
    """The description of a network's table, and its weights, in a process that was started for the target."""
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
    """Name and value of every entry, with room for one image and for two."""
    one, two = (_values(network, images) for images in (1, 2))
    return ((name, value, two[name]) for name, value in one.items())


def _values(network: PixelNetwork, images: int) -> dict[str, Any]:
    """All that a loop is handed to draw so many images, by name."""
    values = {}
    for name, record in (
        CompiledStage(network, images).handed(list(range(images))).items()
    ):
        if isinstance(record, np.ndarray):
            values[name] = record
        else:
            values |= {
                f"{name}.{field}": value for field, value in record._asdict().items()
            }
    return values


def _state(name: str, one: Array, two: Array) -> Entry:
    """An array that is written to; how it begins must be the same rule for one image and for two."""
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
    """How an array holds what CompiledStage.copy copies of a row that is begun, if it does."""
    streams = {IN_RING: "cells", BY_COLUMN: "columns"}.get(kind.code.STREAMS)
    rows = {f"layers.{each}": "columns" for each in kind.by_column} | {
        "state.streams": streams
    }
    return {"row": rows[name]} if rows.get(name) else {}


def _rules(array: Array) -> Iterator[Entry]:
    """The rules that fill an array of this shape so."""
    if not array.any():
        yield {"fill": "zeros"}
    elif (array == np.arange(array.shape[-1])).all():
        yield {"fill": "count"}
    elif array.ndim == 3 and (array[:, :-1] == array[:, :1]).all():
        if (array[:, -1] == array[:, 0]).all():
            yield {"fill": "outside"}
        elif not array[:, -1].any():
            yield {"fill": "outside", "last": "zero"}
