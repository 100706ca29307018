"""The numba types of the arguments of the drawing loops.

They do not depend on a network's size, so the loops can be compiled before there is a
network, and before torch is installed. `CompiledStage.loop_arguments` makes the
arguments themselves; a test compares their types with these.
"""

from typing import Any, get_args, get_type_hints

import numpy as np
from numba import types
from numba.np.numpy_support import from_dtype

from model_core.compiled.records import Front, Places, Shared, State


def loop_types(layers: type) -> tuple[types.Type, ...]:
    """Return the numba types of the arguments of `advance` and `pass_given`, in their
    order, for one kind of network.

    layers: the class `Layers` of its module, whose annotations describe the fields.
    """
    slots = types.Array(types.int64, 1, "C")
    records = (Front, Shared, State, Places, layers)
    return (slots, *(_record_type(record) for record in records))


def _record_type(record: type) -> Any:
    """Return the type of a record (a NamedTuple) of ints and arrays."""
    hints = get_type_hints(record, include_extras=True)
    fields = [_field_type(hint) for hint in hints.values()]
    return types.BaseTuple.from_types(fields, record)


def _field_type(hint: Any) -> types.Type:
    """Return the type of an int, or of an array that is annotated with its number of
    axes."""
    if hint is int:
        return types.int64
    array, axes = get_args(hint)  # Annotated[NDArray[dtype], axes]
    _shape, dtype = get_args(array)  # np.ndarray[shape, np.dtype[scalar]]
    (scalar,) = get_args(dtype)
    return types.Array(from_dtype(np.dtype(scalar)), axes, "C")
