"""Loads, stores and the barrier, as numba intrinsics that work on a CPU and on a GPU.

An address is an int64. Elements have an index, counted in elements from an address:
`load(weights, 3)` is the float32 that lies 12 bytes after the address `weights`.
"""
# pyright: reportCallIssue=false
# numba passes an intrinsic's first parameter itself

import ctypes
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

FLOAT = ir.FloatType()
DOUBLE = ir.DoubleType()
INT64 = ir.IntType(64)
INT32 = ir.IntType(32)
INT8 = ir.IntType(8)

BARRIER = "pixelrnn_barrier"
"""Symbol of the barrier. On a CPU it does nothing; ptx.py defines it for a GPU."""

Builder = Any
"""ir.IRBuilder, which carries no types."""


def _pointer(
    b: Builder, element: ir.Type, bytes_each: int, address: ir.Value, index: ir.Value
) -> ir.Value:
    place = b.add(address, b.mul(index, INT64(bytes_each)))
    return b.inttoptr(place, element.as_pointer())


def _access(element: ir.Type, numba_type: Any, bytes_each: int) -> tuple[Any, Any]:
    """Return the intrinsics that load and store elements of one type."""

    @intrinsic
    def load_element(_typing, address, index):
        def emit(_context: Any, b: Builder, _signature: Any, arguments: Any) -> Any:
            pointer = _pointer(b, element, bytes_each, *arguments)
            return b.load(pointer, align=bytes_each)

        return numba_type(types.int64, types.int64), emit

    @intrinsic
    def store_element(_typing, address, index, value):
        def emit(context: Any, b: Builder, _signature: Any, arguments: Any) -> Any:
            address, index, value = arguments
            pointer = _pointer(b, element, bytes_each, address, index)
            b.store(value, pointer, align=bytes_each)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, numba_type), emit

    return load_element, store_element


load, store = _access(FLOAT, types.float32, 4)
load_double, store_double = _access(DOUBLE, types.float64, 8)
load_int, store_int = _access(INT64, types.int64, 8)


@intrinsic
def load_byte(_typing, address, index):
    """Return the byte number `index` after an address, as uint64."""

    def emit(_context: Any, b: Builder, _signature: Any, arguments: Any) -> Any:
        byte = b.load(_pointer(b, INT8, 1, *arguments), align=1)
        return b.zext(byte, INT64)

    return types.uint64(types.int64, types.int64), emit


@intrinsic
def store_byte(_typing, address, index, value):
    """Store the lowest eight bits of a uint64 as byte number `index` after an
    address."""

    def emit(context: Any, b: Builder, _signature: Any, arguments: Any) -> Any:
        address, index, value = arguments
        b.store(b.trunc(value, INT8), _pointer(b, INT8, 1, address, index), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.uint64), emit


@intrinsic
def quotient(_typing, dividend, divisor):
    """Return dividend // divisor of two integers in 0..2**31 - 1, as int64; the divisor
    is not 0.

    A GPU divides 32 bits several times as fast as 64, and Python's rule for negative
    numbers would take longer.
    """

    def emit(_context: Any, b: Builder, _signature: Any, arguments: Any) -> Any:
        dividend, divisor = (b.trunc(number, INT32) for number in arguments)
        return b.zext(b.udiv(dividend, divisor), INT64)

    return types.int64(types.int64, types.int64), emit


@intrinsic
def barrier(_typing):
    """Wait until every thread of the block is here. What they have written before is
    then visible to all of them."""

    def emit(context: Any, b: Builder, _signature: Any, _arguments: Any) -> Any:
        signature = ir.FunctionType(ir.VoidType(), [])
        function = cgutils.get_or_insert_function(b.module, signature, BARRIER)
        # No path of the program may get a copy of its own: all threads must meet.
        function.attributes.add("convergent")
        b.call(function, [])
        return context.get_dummy_value()

    return types.void(), emit


_nothing = ctypes.CFUNCTYPE(None)(lambda: None)
binding.add_symbol(BARRIER, ctypes.cast(_nothing, ctypes.c_void_p).value)
