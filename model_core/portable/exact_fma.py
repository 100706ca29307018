"""x * y + z of 16 floats, rounded once, for a CPU without such an instruction: LLVM
text for WebAssembly.

A product of two float32 numbers is exact in float64, and its sum with a third number is
rounded to 53 bits there. Rounding that once more to float32 is right except in two
cases, which are detected:

- the 53 bits lie exactly in the middle between two float32 numbers, and the first
  rounding hid on which side the sum lies;
- the result is subnormal, where float32 has fewer bits and the middle is elsewhere.

Then all 16 are computed again, slowly: the sum is rounded to odd (Boldo and Melquiond,
2008), after which a second rounding to fewer bits is always right. So every bit is that
of a CPU's own instruction, except those of a NaN.
"""

from collections.abc import Iterator

LANES = 16
NAME = "exact_fma"
_V = f"<{LANES} x float>"
_FOUR, _PAIR, _WIDE, _BITS = "<4 x float>", "<2 x float>", "<2 x double>", "<4 x i32>"


def _lanes(*lanes: int) -> str:
    return "<" + ", ".join(f"i32 {lane}" for lane in lanes) + ">"


def _four(value: int) -> str:
    return "<" + ", ".join(f"i32 {value}" for _ in range(4)) + ">"


def _fast() -> Iterator[str]:
    """Yield the code for four lanes at a time, in the shapes for which WebAssembly has
    instructions."""
    for q in range(LANES // 4):
        lanes = _lanes(*range(4 * q, 4 * q + 4))
        for vector in "abc":
            yield f"%{vector}{q} = shufflevector {_V} %{vector}, {_V} poison, <4 x i32> {lanes}"
        yield from _pair(f"{q}l", q, (0, 1))
        yield from _pair(f"{q}h", q, (2, 3))
        yield from _side_by_side(q)
        yield from _doubts(q)
    for joined, first, second in (("01", "0", "1"), ("23", "2", "3")):
        yield f"%r{joined} = shufflevector {_FOUR} %r{first}, {_FOUR} %r{second}, <8 x i32> {_lanes(*range(8))}"
        yield f"%doubt{joined} = or {_BITS} %doubt{first}, %doubt{second}"
    yield f"%r = shufflevector <8 x float> %r01, <8 x float> %r23, <{LANES} x i32> {_lanes(*range(LANES))}"
    yield f"%doubt = or {_BITS} %doubt01, %doubt23"
    yield f"%any = call i32 @llvm.wasm.anytrue.v4i32({_BITS} %doubt)"
    yield "%again = icmp ne i32 %any, 0"
    yield "br i1 %again, label %slow, label %fast"


def _pair(name: str, q: int, lanes: tuple[int, int]) -> Iterator[str]:
    """Yield the code for two lanes: their sums in float64, and in float32 followed by
    two zeros."""
    for wide, narrow in zip("xyz", "abc", strict=True):
        yield f"%{narrow}{name} = shufflevector {_FOUR} %{narrow}{q}, {_FOUR} poison, <2 x i32> {_lanes(*lanes)}"
        yield f"%{wide}{name} = fpext {_PAIR} %{narrow}{name} to {_WIDE}"
    yield f"%p{name} = fmul {_WIDE} %x{name}, %y{name}"
    yield f"%s{name} = fadd {_WIDE} %p{name}, %z{name}"
    yield f"%t{name} = fptrunc {_WIDE} %s{name} to {_PAIR}"
    yield f"%r{name} = shufflevector {_PAIR} %t{name}, {_PAIR} zeroinitializer, <4 x i32> {_lanes(0, 1, 2, 3)}"


def _side_by_side(q: int) -> Iterator[str]:
    """Yield the code that joins the results of two pairs, by an intrinsic: LLVM would
    merge its own instruction with the zeros, and round one by one."""
    for half in "lh":
        yield f"%bytes{q}{half} = bitcast {_FOUR} %r{q}{half} to <16 x i8>"
    lanes = ", ".join(f"i32 {lane}" for lane in (*range(8), *range(16, 24)))
    yield f"%bytes{q} = call <16 x i8> @llvm.wasm.shuffle(<16 x i8> %bytes{q}l, <16 x i8> %bytes{q}h, {lanes})"
    yield f"%r{q} = bitcast <16 x i8> %bytes{q} to {_FOUR}"


def _doubts(q: int) -> Iterator[str]:
    """Yield the code that sets doubt = -1 in lanes whose fast result may be wrong."""
    yield f"%low{q} = bitcast {_WIDE} %s{q}l to {_BITS}"
    yield f"%high{q} = bitcast {_WIDE} %s{q}h to {_BITS}"
    yield f"%words{q} = shufflevector {_BITS} %low{q}, {_BITS} %high{q}, <4 x i32> {_lanes(0, 2, 4, 6)}"
    yield f"%cut{q} = shl {_BITS} %words{q}, {_four(3)}"  # the 29 bits that float32 has not
    yield f"%middle{q} = icmp eq {_BITS} %cut{q}, {_four(-(1 << 31))}"
    yield f"%bits{q} = bitcast {_FOUR} %r{q} to {_BITS}"
    yield f"%unsigned{q} = shl {_BITS} %bits{q}, {_four(1)}"
    yield f"%less{q} = sub {_BITS} %unsigned{q}, {_four(1)}"
    yield f"%tiny{q} = icmp ult {_BITS} %less{q}, {_four(1 << 24)}"  # not 0, and at most the smallest normal number
    yield f"%doubt{q}m = sext <4 x i1> %middle{q} to {_BITS}"
    yield f"%doubt{q}t = sext <4 x i1> %tiny{q} to {_BITS}"
    yield f"%doubt{q} = or {_BITS} %doubt{q}m, %doubt{q}t"


def _lane_by_lane() -> Iterator[str]:
    result = "poison"
    for lane in range(LANES):
        for vector in "abc":
            yield f"%{vector}{lane} = extractelement {_V} %{vector}, i32 {lane}"
        arguments = ", ".join(f"float %{vector}{lane}" for vector in "abc")
        yield f"%r{lane} = call float @{NAME}_of_one({arguments})"
        yield f"%v{lane} = insertelement {_V} {result}, float %r{lane}, i32 {lane}"
        result = f"%v{lane}"
    yield f"ret {_V} {result}"


_OF_ONE = f"""
define internal float @{NAME}_of_one(float %a, float %b, float %c) noinline {{
  %x = fpext float %a to double
  %y = fpext float %b to double
  %z = fpext float %c to double
  %p = fmul double %x, %y
  %s = fadd double %p, %z
  ; what rounding left out (Knuth's TwoSum), which float64 holds
  %z.seen = fsub double %s, %p
  %p.seen = fsub double %s, %z.seen
  %p.lost = fsub double %p, %p.seen
  %z.lost = fsub double %z, %z.seen
  %lost = fadd double %p.lost, %z.lost
  %inexact = fcmp one double %lost, 0.0
  %bits = bitcast double %s to i64
  %last = and i64 %bits, 1
  %even = icmp eq i64 %last, 0
  %wrong = and i1 %inexact, %even
  ; to the odd neighbour on the side of what was lost: further from zero where both have one sign
  %lost.bits = bitcast double %lost to i64
  %signs = xor i64 %bits, %lost.bits
  %nearer = icmp slt i64 %signs, 0
  %step = select i1 %nearer, i64 -1, i64 1
  %stepped = add i64 %bits, %step
  %odd = select i1 %wrong, i64 %stepped, i64 %bits
  %sum = bitcast i64 %odd to double
  %r = fptrunc double %sum to float
  ret float %r
}}
"""


def _body(lines: Iterator[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


DEFINITION = f"""
declare i32 @llvm.wasm.anytrue.v4i32(<4 x i32>)
declare <16 x i8> @llvm.wasm.shuffle(<16 x i8>, <16 x i8>, {", ".join(["i32"] * 16)})
define internal {_V} @{NAME}({_V} %a, {_V} %b, {_V} %c) alwaysinline {{
{_body(_fast())}
fast:
  ret {_V} %r
slow:
  %again.r = call {_V} @{NAME}_slowly({_V} %a, {_V} %b, {_V} %c)
  ret {_V} %again.r
}}
define internal {_V} @{NAME}_slowly({_V} %a, {_V} %b, {_V} %c) noinline cold {{
{_body(_lane_by_lane())}
}}
{_OF_ONE}
"""
"""Takes the place of the intrinsic llvm.fma.v16f32."""
