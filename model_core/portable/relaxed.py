"""WebAssembly's relaxed multiply-add, as LLVM text: the CPU's own instruction, six
times as fast as the way through float64.

The specification lets a machine round it once or twice, and demands that it is the same
for all numbers while a module runs. So a few sums show which it is
(engine/rounding.js); if they are rounded once, all bits are those of exact_fma.py. LLVM
would also use other relaxed instructions where it may: selections are written so that
it does not.
"""

import re
from collections.abc import Iterator

from model_core.portable.exact_fma import LANES, NAME

FEATURE = "relaxed-simd"
_V, _BITS, _FOUR, _FOUR_BITS = (
    f"<{LANES} x float>",
    f"<{LANES} x i1>",
    "<4 x float>",
    "<4 x i32>",
)
_MADD, _SELECT = "llvm.wasm.relaxed.madd.v4f32", "llvm.wasm.bitselect.v4i32"
_CHOSEN = "chosen"


def with_plain_selections(text: str) -> str:
    """Return LLVM text with each selection among vectors of floats replaced by one
    among their bits."""
    found = re.compile(
        rf"= select {re.escape(_BITS)} (%[\w.]+), ({re.escape(_V)} .*)$", re.MULTILINE
    )
    # LLVM would make a relaxed minimum of some selections.
    text = found.sub(rf"= call {_V} @{_CHOSEN}({_BITS} \1, \2)", text)
    assert f"select {_BITS}" not in text
    return text


def _lanes(first: int, end: int) -> str:
    return (
        f"<{end - first} x i32> <"
        + ", ".join(f"i32 {lane}" for lane in range(first, end))
        + ">"
    )


def _fours(kind: str, names: str) -> Iterator[str]:
    """Yield the code that splits vectors into quarters: %a0 to %a3 of %a."""
    for q in range(LANES // 4):
        for name in names:
            yield f"%{name}{q} = shufflevector {kind} %{name}, {kind} poison, {_lanes(4 * q, 4 * q + 4)}"


def _whole() -> Iterator[str]:
    """Yield the code that returns the quarters %r0 to %r3 as one vector."""
    for joined, first, second in (("01", "0", "1"), ("23", "2", "3")):
        yield f"%r{joined} = shufflevector {_FOUR} %r{first}, {_FOUR} %r{second}, {_lanes(0, 8)}"
    yield f"%r = shufflevector <8 x float> %r01, <8 x float> %r23, {_lanes(0, LANES)}"
    yield f"ret {_V} %r"


def _multiply_add() -> Iterator[str]:
    yield from _fours(_V, "abc")
    for q in range(LANES // 4):
        yield f"%r{q} = call {_FOUR} @{_MADD}({_FOUR} %a{q}, {_FOUR} %b{q}, {_FOUR} %c{q})"
    yield from _whole()


def _choice() -> Iterator[str]:
    yield from _fours(_V, "ab")
    yield from _fours(_BITS, "c")
    for q in range(LANES // 4):
        yield f"%m{q} = sext <4 x i1> %c{q} to {_FOUR_BITS}"
        for name in "ab":
            yield f"%{name}{q}.bits = bitcast {_FOUR} %{name}{q} to {_FOUR_BITS}"
        operands = ", ".join(
            f"{_FOUR_BITS} %{name}" for name in (f"a{q}.bits", f"b{q}.bits", f"m{q}")
        )
        yield f"%r{q}.bits = call {_FOUR_BITS} @{_SELECT}({operands})"
        yield f"%r{q} = bitcast {_FOUR_BITS} %r{q}.bits to {_FOUR}"
    yield from _whole()


def _body(lines: Iterator[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


DEFINITION = f"""
declare {_FOUR} @{_MADD}({_FOUR}, {_FOUR}, {_FOUR})
declare {_FOUR_BITS} @{_SELECT}({_FOUR_BITS}, {_FOUR_BITS}, {_FOUR_BITS})
define internal {_V} @{NAME}({_V} %a, {_V} %b, {_V} %c) alwaysinline {{
{_body(_multiply_add())}
}}
define internal {_V} @{_CHOSEN}({_BITS} %c, {_V} %a, {_V} %b) alwaysinline {{
{_body(_choice())}
}}
"""
"""Takes the place of the intrinsic llvm.fma.v16f32, and of selections."""
