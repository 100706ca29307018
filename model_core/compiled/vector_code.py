"""Building blocks for code that keeps a tile of ROWS x (COLUMNS * LANES) floats in
registers.

numba compiles loops well but does not keep a small matrix in registers from one loop to
the next. These functions write LLVM's vector instructions themselves, so a product of 4
rows with 64 columns runs near the CPU's peak rate, and its result enters the activation
function without touching memory. LLVM splits the vectors for a CPU with shorter ones.

They compute nothing when they are called: each adds instructions to `b`, the builder of
the function that is being compiled, and returns the LLVM value that will hold the
result. A vector is LANES (16) floats. All addresses are integers (int64, bytes); all
counts are int64.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils
from numba.core import config as numba_config


def has_feature(name: str) -> bool:
    """Return True if the CPU for which code is compiled has a feature. That CPU is this
    one, or has the features in NUMBA_CPU_FEATURES.

    name: the feature's name in LLVM.
    """
    named = numba_config.CPU_FEATURES  # pyright: ignore[reportAttributeAccessIssue]
    return (
        binding.get_host_cpu_features().get(name, False)
        if named is None
        else f"+{name}" in named.split(",")
    )


HAS_BF16 = has_feature("avx512bf16")
"""True if the CPU multiplies bf16 numbers and sums the products in float32. CPUs with
AMX do, too."""

LANES = 16
"""Floats in a vector."""
ROWS = 4
COLUMNS = 4
UNROLL = 4
FLOAT_BYTES, INDEX_BYTES = 4, 8
VECTOR_BYTES = FLOAT_BYTES * LANES


class _BFloat16(ir.Type):
    """A number with the exponent of float32 and eight bits of its fraction; llvmlite
    has no name for it."""

    intrinsic_name = "bf16"

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat16)

    def __hash__(self) -> int:
        return hash(_BFloat16)


FLOAT = ir.FloatType()
INDEX = ir.IntType(64)
SIDE_BY_SIDE = INDEX(FLOAT_BYTES)
VECTOR = ir.VectorType(FLOAT, LANES)
INTEGERS = ir.VectorType(ir.IntType(32), LANES)
HALVES = ir.VectorType(ir.IntType(16), LANES)
BFLOATS = ir.VectorType(_BFloat16(), LANES)
PAIRS = ir.VectorType(_BFloat16(), 2 * LANES)

Builder = Any
"""ir.IRBuilder, which carries no types."""

Multiply = Callable[[Builder, ir.Value, ir.Value, ir.Value], ir.Value]
"""Writes x * y + z of vectors."""

Tile = list[list[ir.Value]]
"""ROWS x up to COLUMNS stack slots of one vector each; LLVM turns them into
registers."""


def constant(value: float) -> ir.Constant:
    """Return a vector with this number in every lane."""
    return ir.Constant(VECTOR, [value] * LANES)


def load(b: Builder, address: ir.Value) -> ir.Value:
    """Emit code that loads a vector of 16 floats from `address` (int64, bytes), and
    return it."""
    return b.load(b.inttoptr(address, VECTOR.as_pointer()), align=4)


def store(b: Builder, vector: ir.Value, address: ir.Value) -> None:
    """Emit code that stores a vector of 16 floats at `address` (int64, bytes)."""
    b.store(vector, b.inttoptr(address, VECTOR.as_pointer()), align=4)


def offset(b: Builder, address: ir.Value, stride: ir.Value, times: int) -> ir.Value:
    """Emit code for address + stride * times, in bytes, and return the result."""
    return b.add(address, b.mul(stride, INDEX(times)))


def multiply_add(b: Builder, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
    """Emit code for x * y + z of vectors, rounded once, and return the result."""
    return _call(b, "fma", x, y, z)


def multiply_add_pairs(b: Builder, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
    """Emit code that adds to z the products of both bf16 numbers in each 32 bits of x
    and y, in float32, and return the result. For CPUs with AVX512-BF16."""
    signature = ir.FunctionType(VECTOR, [VECTOR, PAIRS, PAIRS])
    function = cgutils.get_or_insert_function(
        b.module, signature, f"llvm.x86.avx512bf16.dpbf16ps.{32 * LANES}"
    )
    return b.call(function, [z, b.bitcast(x, PAIRS), b.bitcast(y, PAIRS)])


def store_bf16(b: Builder, vector: ir.Value, address: ir.Value) -> None:
    """Emit code that rounds a vector of 16 floats to bf16 and stores its 32 bytes at
    `address` (int64, bytes)."""
    b.store(
        b.bitcast(b.fptrunc(vector, BFLOATS), HALVES),
        b.inttoptr(address, HALVES.as_pointer()),
        align=2,
    )


def rows_apart(
    b: Builder, first: ir.Value, stride: ir.Value, rows: int = ROWS
) -> list[ir.Value]:
    """Emit code for the addresses of `rows` rows that are `stride` bytes apart, and
    return them."""
    return [offset(b, first, stride, r) for r in range(rows)]


def new_tile(b: Builder, rows: Sequence[Sequence[ir.Value]]) -> Tile:
    """Emit code that makes a tile, a small matrix of vectors that stays in registers,
    with these first values, and return it."""
    tile = []
    for row in rows:
        slots = [cgutils.alloca_once(b, VECTOR) for _ in row]
        for slot, start in zip(slots, row, strict=True):
            b.store(start, slot)
        tile.append(slots)
    return tile


def side_by_side(
    b: Builder, address: ir.Value, columns: int = COLUMNS
) -> list[ir.Value]:
    """Emit code for the addresses of `columns` adjacent vectors, and return them."""
    return [b.add(address, INDEX(VECTOR_BYTES * v)) for v in range(columns)]


def fetch(b: Builder, address: ir.Value) -> None:
    """Emit code that asks the CPU to bring the cache line at `address` into its second
    cache. address: an integer; it may point to no memory."""
    integer, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer, integer, integer, integer])
    reads, second_cache, data = integer(0), integer(2), integer(1)
    function = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0i8")
    b.call(function, [b.inttoptr(address, pointer), reads, second_cache, data])


def add_product(
    b: Builder,
    tile: Tile,
    rows: Sequence[ir.Value],
    count: ir.Value,
    columns: Sequence[ir.Value],
    stride: ir.Value,
    ahead: ir.Value | None = None,
    step: ir.Value = SIDE_BY_SIDE,
    multiply: Multiply = multiply_add,
) -> None:
    """Emit code that adds left @ right to a tile. Each element is one chain of
    multiply-adds in the order of right's rows, whatever the tile's shape.

    rows: the addresses of left's rows, each of `count` floats, `step` bytes apart.
    count: inputs: columns of left, and rows of right.
    columns: the addresses of right's vectors of columns in its first row. right has
        `count` rows, `stride` bytes apart.
    ahead: how many bytes further on to fetch what is read later; None: nothing is
        fetched.
    multiply: with multiply_add_pairs each float is two bf16 numbers.
    """
    whole = b.and_(count, INDEX(-UNROLL))
    with cgutils.for_range_slice(b, INDEX(0), whole, INDEX(UNROLL), inc=True) as (k, _):
        for turn in range(UNROLL):
            row = b.add(k, INDEX(turn))
            _add_outer(b, tile, rows, row, columns, stride, step, multiply)
            for column in columns if ahead is not None else ():
                fetch(b, b.add(b.add(column, ahead), b.mul(row, stride)))
    with cgutils.for_range_slice(b, whole, count, INDEX(1), inc=True) as (k, _):
        _add_outer(b, tile, rows, k, columns, stride, step, multiply)


def _add_outer(
    b: Builder,
    tile: Tile,
    rows: Sequence[ir.Value],
    k: ir.Value,
    columns: Sequence[ir.Value],
    stride: ir.Value,
    step: ir.Value,
    multiply: Multiply,
) -> None:
    down = b.mul(k, stride)
    vectors = [load(b, b.add(column, down)) for column in columns]
    for address, row in zip(rows, tile, strict=True):
        factor = broadcast(
            b,
            b.load(
                b.inttoptr(b.add(address, b.mul(k, step)), FLOAT.as_pointer()), align=4
            ),
        )
        for slot, vector in zip(row, vectors, strict=True):
            b.store(multiply(b, factor, vector, b.load(slot)), slot)


def sigmoid(b: Builder, x: ir.Value) -> ir.Value:
    """Emit code for 1 / (1 + exp(-x)) of a vector, within 2e-7, and return the
    result."""
    return b.fdiv(constant(1.0), b.fadd(constant(1.0), exp(b, b.fneg(x))))


def tanh(b: Builder, x: ir.Value) -> ir.Value:
    """Emit code for tanh(x) of a vector, within 2e-7, and return the result."""
    return b.fsub(
        constant(1.0),
        b.fdiv(constant(2.0), b.fadd(exp(b, b.fmul(x, constant(2.0))), constant(1.0))),
    )


def exp(b: Builder, x: ir.Value) -> ir.Value:
    """Emit code for exp(x) of a vector, within 2e-7, and return the result. x is
    limited to -87..87, where float32 has an exponent for the result; NaN stays NaN."""
    # 2^n exp(r) with |r| <= ln(2) / 2: the power by its exponent bits, the rest by
    # seven Taylor terms.
    x = _clamp(b, x, 87.0)
    n = _call(b, "rint", b.fmul(x, constant(1.4426950408889634)))
    r = multiply_add(
        b, n, constant(-0.693359375), x
    )  # ln 2 in two parts: the first has few bits, n * it is exact
    r = multiply_add(b, n, constant(2.1219444005469057e-4), r)
    series = constant(1 / 5040)
    for coefficient in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        series = multiply_add(b, series, r, constant(coefficient))
    biased = b.add(b.fptosi(n, INTEGERS), ir.Constant(INTEGERS, [127] * LANES))
    power = b.bitcast(b.shl(biased, ir.Constant(INTEGERS, [23] * LANES)), VECTOR)
    return b.fmul(series, power)


def relu(b: Builder, x: ir.Value) -> ir.Value:
    """Emit code for max(x, 0) of a vector, and return the result; NaN stays NaN."""
    zero = constant(0.0)
    return b.select(b.fcmp_ordered("<", x, zero), zero, x)


def _clamp(b: Builder, x: ir.Value, bound: float) -> ir.Value:
    low, high = constant(-bound), constant(bound)
    x = b.select(
        b.fcmp_ordered("<", x, low), low, x
    )  # a comparison with NaN is false, so NaN passes through
    return b.select(b.fcmp_ordered(">", x, high), high, x)


def broadcast(b: Builder, scalar: ir.Value) -> ir.Value:
    """Emit code for a vector with the same float in every lane, and return it."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    return b.shuffle_vector(
        b.insert_element(undefined, scalar, INDEX(0)),
        undefined,
        ir.Constant(INTEGERS, [0] * LANES),
    )


def _call(b: Builder, name: str, *arguments: ir.Value) -> ir.Value:
    signature = ir.FunctionType(VECTOR, [VECTOR] * len(arguments))
    function = cgutils.get_or_insert_function(
        b.module, signature, f"llvm.{name}.v{LANES}f32"
    )
    return b.call(function, arguments)
