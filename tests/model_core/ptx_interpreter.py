"""Runs a PTX program on this CPU, instruction by instruction, as a GPU would.

The threads of a block run in turn, each up to its next barrier; all must meet at the
same one. Floats are rounded by IEEE 754, memory is the arrays that are handed over, and
an access outside of them is an error. It knows the instructions that
model_core/blocks/ptx.py lets pass.
"""

import ctypes
import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Run = Callable[[dict[str, int]], None]
"""Carries out one instruction on a thread's registers, which hold bits."""

_UNSIGNED_FLOAT, _FLOAT = struct.Struct("<I"), struct.Struct("<f")
_UNSIGNED_DOUBLE, _DOUBLE = struct.Struct("<Q"), struct.Struct("<d")
_LINE = re.compile(r"(?:@(!?)(%p\d+)\s+)?([a-z][\w.]*)\s*(.*?);")
_ADDRESS = re.compile(r"\[(%?\w+)(?:\+(-?\d+))?\]")


_CELLS: Mapping[int, Any] = {
    1: ctypes.c_uint8,
    4: ctypes.c_uint32,
    8: ctypes.c_uint64,
}


def float_of(bits: int) -> float:
    return _FLOAT.unpack(_UNSIGNED_FLOAT.pack(bits))[0]


def bits_of(number: float) -> int:
    """Return the bits of a number rounded to float32."""
    try:
        return _UNSIGNED_FLOAT.unpack(_FLOAT.pack(number))[0]
    except OverflowError:
        return bits_of(math.copysign(math.inf, number))


def double_of(bits: int) -> float:
    return _DOUBLE.unpack(_UNSIGNED_DOUBLE.pack(bits))[0]


def double_bits_of(number: float) -> int:
    return _UNSIGNED_DOUBLE.unpack(_DOUBLE.pack(number))[0]


def fused_multiply_add(x: float, y: float, z: float) -> float:
    """Return x * y + z of float32 numbers as a float64 that rounds to the right float32.

    The product is exact in float64. The sum is rounded to odd there: its last bit is set
    if it is not exact, so that the second rounding decides as it would on the exact sum
    (Boldo and Melquiond, Emulation of a FMA and correctly rounded sums, 2008).
    """
    product = x * y
    total = product + z
    if not math.isfinite(total):
        return total
    part = total - product
    error = (product - (total - part)) + (z - part)
    if error and not double_bits_of(total) & 1:
        return math.nextafter(total, math.inf if error > 0 else -math.inf)
    return total


def _divided(x: float, y: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float64(x) / np.float64(y))


def _divided_float(x: float, y: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float32(x) / np.float32(y))


_FLOAT_OPERATIONS: Mapping[str, Callable[..., float]] = {
    # Sums and products of float32 numbers in float64, rounded once more to float32,
    # have the bits of a single rounding: float64 has more than twice the digits.
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": _divided_float,
    "rcp": lambda x: _divided_float(1.0, x),
    "fma": fused_multiply_add,
    "neg": lambda x: -x,
}
_DOUBLE_OPERATIONS: Mapping[str, Callable[..., float]] = _FLOAT_OPERATIONS | {
    "div": _divided
}

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda x, y: x == y,
    "ne": lambda x, y: x != y,
    "lt": lambda x, y: x < y,
    "le": lambda x, y: x <= y,
    "gt": lambda x, y: x > y,
    "ge": lambda x, y: x >= y,
}


def _signed(bits: int, width: int) -> int:
    return bits - (1 << width) if bits >> (width - 1) else bits


def _truncated(x: int, y: int) -> int:
    quotient = abs(x) // abs(y)
    return quotient if (x < 0) == (y < 0) else -quotient


_INTEGER_OPERATIONS: Mapping[str, Any] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "mad": lambda x, y, z: x * y + z,
    "div": _truncated,
    "rem": lambda x, y: x - _truncated(x, y) * y,
    "min": min,
    "max": max,
    "neg": lambda x: -x,
    "abs": abs,
    "and": lambda x, y: x & y,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
    "not": lambda x: ~x,
    "shl": lambda x, y: x << min(y, 64),
    "shr": lambda x, y: x >> min(y, 64),
}


class Memory:
    """The arrays that a program may read and write, at their own addresses."""

    def __init__(self, *arrays: NDArray[Any]) -> None:
        self._ranges = [
            (array.ctypes.data, array.ctypes.data + array.nbytes) for array in arrays
        ]

    def cell(self, address: int, bytes_each: int) -> Any:
        """Return the integer at an address. Raises IndexError outside the arrays."""
        for first, end in self._ranges:
            if first <= address and address + bytes_each <= end:
                return _CELLS[bytes_each].from_address(address)
        raise IndexError(f"an access of {bytes_each} bytes outside all arrays")


@dataclass
class _Instruction:
    name: str
    run: _Run | None
    """None for what the loop itself does: branches, barriers and the end."""
    predicate: str
    negated: bool
    target: str


class Program:
    """A PTX program with one kernel. `executed`: instructions that were carried out."""

    def __init__(self, ptx: str, memory: Memory, parameters: Sequence[int]) -> None:
        self._memory = memory
        self._parameters = parameters
        self._code: list[_Instruction] = []
        self._labels: dict[str, int] = {}
        self.executed = 0
        body = ptx[ptx.index("{", ptx.index(".entry")) + 1 :]
        for line in re.sub(r"//.*", "", body).splitlines():
            self._add_line(line.strip())

    @property
    def barriers(self) -> list[int]:
        """Places of the barriers in the code."""
        return [i for i, each in enumerate(self._code) if each.name == "bar"]

    def remove_barrier(self, place: int) -> None:
        """Let threads run past this barrier."""
        self._code[place] = _Instruction("nop", lambda registers: None, "", False, "")

    def run(self, threads: int, block: int = 0, order: Sequence[int] = ()) -> None:
        """Run one block. order: of the threads between two barriers; as numbered by
        default. Raises AssertionError if threads wait at different barriers."""
        running = [self._run_thread(i, threads, block) for i in range(threads)]
        while True:
            stops = {next(running[i], None) for i in order or range(threads)}
            assert len(stops) == 1, f"threads wait at different barriers: {stops}"
            if stops == {None}:
                return

    def _run_thread(self, thread: int, threads: int, block: int) -> Iterator[int]:
        """Yield the place of each barrier that the thread reaches."""
        registers = {"%tid.x": thread, "%ntid.x": threads, "%ctaid.x": block}
        place = 0
        while True:
            instruction = self._code[place]
            place += 1
            self.executed += 1
            if instruction.predicate:
                holds = bool(registers[instruction.predicate])
                if holds == instruction.negated:
                    continue
            if instruction.run is not None:
                instruction.run(registers)
            elif instruction.name == "bra":
                place = self._labels[instruction.target]
            elif instruction.name == "bar":
                yield place
            else:
                return

    def _add_line(self, line: str) -> None:
        if line.endswith(":"):
            self._labels[line[:-1]] = len(self._code)
            return
        match = _LINE.match(line)
        if match is None:
            return
        negated, predicate, name, rest = match.groups()
        operands = [operand.strip() for operand in rest.split(",")]
        first = name.split(".")[0]
        run = None
        if first not in ("bra", "bar", "ret"):
            run = self._decode(name.split("."), operands)
        self._code.append(
            _Instruction(first, run, predicate or "", bool(negated), operands[0])
        )

    def _decode(self, name: list[str], operands: list[str]) -> _Run:
        operation, kind = name[0], name[-1]
        if operation in ("ld", "st"):
            return self._decode_access(name, operands)
        target, *sources = operands
        values = [_source(source) for source in sources]
        if operation in ("mov", "cvta"):
            return _storing(target, values[0])
        if operation == "selp":
            yes, no, which = values
            return _storing(target, lambda r: yes(r) if which(r) else no(r))
        if operation == "setp":
            return _decode_comparison(name[1], kind, target, values)
        if operation == "cvt":
            return _decode_conversion(name[1:], target, values[0])
        if kind in ("f32", "f64"):
            return _decode_arithmetic(operation, kind, target, values)
        if kind == "pred":
            return _decode_integer(operation, [], "b1", target, values)
        return _decode_integer(operation, name[1:-1], kind, target, values)

    def _decode_access(self, name: list[str], operands: list[str]) -> _Run:
        memory, bytes_each = self._memory, int(name[-1][1:]) // 8
        if name[:2] == ["ld", "param"]:
            number = int(operands[1].rpartition("_")[2].rstrip("]"))
            value = self._parameters[number]
            return _storing(operands[0], lambda r: value)
        match = _ADDRESS.fullmatch(operands[1] if name[0] == "ld" else operands[0])
        assert match is not None, operands
        base, offset = match[1], int(match[2] or 0)

        def cell(registers: dict[str, int]) -> Any:
            return memory.cell(registers[base] + offset, bytes_each)

        if name[0] == "ld":
            return _storing(operands[0], lambda r: cell(r).value)
        value_of = _source(operands[1])

        def store(registers: dict[str, int]) -> None:
            mask = (1 << 8 * bytes_each) - 1
            cell(registers).value = value_of(registers) & mask

        return store


def _source(operand: str) -> Callable[[dict[str, int]], int]:
    """Return the function that gives the bits of an operand."""
    if operand.startswith("%"):
        return lambda registers: registers[operand]
    is_float = operand[:2] in ("0f", "0d")
    bits = int(operand[2:], 16) if is_float else int(operand, 0) & (1 << 64) - 1
    return lambda registers: bits


def _storing(target: str, value: Callable[[dict[str, int]], int]) -> _Run:
    def run(registers: dict[str, int]) -> None:
        registers[target] = value(registers)

    return run


def _decode_arithmetic(
    operation: str, kind: str, target: str, values: list[Callable[..., int]]
) -> _Run:
    if kind == "f32":
        compute, read, write = _FLOAT_OPERATIONS[operation], float_of, bits_of
    else:
        compute, read, write = _DOUBLE_OPERATIONS[operation], double_of, double_bits_of
    return _storing(target, lambda r: write(compute(*(read(v(r)) for v in values))))


def _decode_integer(
    operation: str,
    parts: list[str],
    kind: str,
    target: str,
    values: list[Callable[..., int]],
) -> _Run:
    width = int(kind[1:])
    out = 2 * width if parts == ["wide"] else width
    mask, out_mask = (1 << width) - 1, (1 << out) - 1
    compute = _INTEGER_OPERATIONS[operation]
    counted = operation in ("shl", "shr")

    def run(registers: dict[str, int]) -> None:
        numbers = [value(registers) for value in values]
        for i, number in enumerate(numbers):
            # The last number of a wide `mad` is as wide as its result, and the second
            # of a shift is a count.
            if (i == 2 and parts == ["wide"]) or (i == 1 and counted):
                continue
            number &= mask
            numbers[i] = _signed(number, width) if kind[0] == "s" else number
        registers[target] = compute(*numbers) & out_mask

    return run


def _decode_comparison(
    word: str, kind: str, target: str, values: list[Callable[..., int]]
) -> _Run:
    x_of, y_of = values
    width = int(kind[1:])
    if kind[0] == "f":
        read = float_of if width == 32 else double_of
        holds_of_nan = len(word) == 3 and word.endswith("u")
        compare = _COMPARISONS[word[:2]]

        def compared(registers: dict[str, int]) -> int:
            x, y = read(x_of(registers)), read(y_of(registers))
            if math.isnan(x) or math.isnan(y):
                return int(holds_of_nan)
            return int(compare(x, y))

        return _storing(target, compared)

    unsigned = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}
    compare, mask = _COMPARISONS[unsigned.get(word, word)], (1 << width) - 1

    def integers(registers: dict[str, int]) -> int:
        x, y = x_of(registers) & mask, y_of(registers) & mask
        if kind[0] == "s":
            x, y = _signed(x, width), _signed(y, width)
        return int(compare(x, y))

    return _storing(target, integers)


def _decode_conversion(
    parts: list[str], target: str, value: Callable[..., int]
) -> _Run:
    """parts: rounding, if there is one, then the types of result and source."""
    to, source = parts[-2], parts[-1]
    mask = (1 << int(to[1:])) - 1
    if to[0] == "f" and source[0] == "f":
        if to == source:  # to a whole number
            assert parts[0] == "rni"
            return _storing(
                target,
                lambda r: bits_of(float(np.rint(np.float32(float_of(value(r)))))),
            )
        if to == "f64":
            return _storing(target, lambda r: double_bits_of(float_of(value(r))))
        return _storing(target, lambda r: bits_of(double_of(value(r))))
    if source[0] == "f":
        assert parts[0] == "rzi"
        read = float_of if source == "f32" else double_of
        return _storing(target, lambda r: _whole(read(value(r))) & mask)
    width = int(source[1:])

    def number(registers: dict[str, int]) -> int:
        bits = value(registers) & (1 << width) - 1
        return _signed(bits, width) if source[0] == "s" else bits

    if to == "f32":
        # Exact in float64 below 2**53, then rounded once.
        return _storing(target, lambda r: bits_of(float(number(r))))
    if to == "f64":
        return _storing(target, lambda r: double_bits_of(float(number(r))))
    return _storing(target, lambda r: number(r) & mask)


def _whole(number: float) -> int:
    return 0 if math.isnan(number) else int(number)
