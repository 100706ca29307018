"""The programs as PTX, the text that NVIDIA's drivers compile for the GPU that they
find.

`python -m model_core.blocks.ptx` compiles the programs into the folder `programs`,
which belongs to the package; a test fails if they are older than the sources. numba
compiles the same functions as for a CPU, to LLVM's intermediate representation, and
llvmlite's NVPTX target makes PTX of it: neither CUDA's toolkit nor a GPU is needed.

A program is one kernel, `draw_images`, with the parameters

    record     address of the record (record.py)
    weights    address of the network's weights
    states     address of the blocks' states, one after the other
    images     address of the blocks' images, one after the other
    steps      the kernel returns after this number of steps

Block b draws image b. `check` rejects a program with an instruction whose result IEEE
754 does not define to the last bit.
"""

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import llvmlite
from llvmlite import binding

from model_core.blocks.memory import BARRIER
from model_core.blocks.record import CELL_BYTES, FLOAT_BYTES, IMAGE_CELLS, STATE_FLOATS
from model_core.compiled.keeping import block_sources
from model_core.source_digest import source_digest

FOLDER = Path(__file__).with_name("programs")

TARGET = "sm_75"
"""Oldest GPUs on which the programs run; drivers translate them for later ones."""
TRIPLE = "nvptx64-nvidia-cuda"
ENTRY = "draw_images"

ENVIRONMENT: Mapping[str, str] = {
    # numba would compile for this processor, with vectors that a GPU does not have.
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
    "NUMBA_LOOP_VECTORIZE": "0",
    "NUMBA_SLP_VECTORIZE": "0",
}
"""Settings of numba, which it reads when it is imported."""

_ARITHMETIC = r"(add|sub|mul|div|rcp)\.rn\.f(32|64)|fma\.rn\.f32|neg\.f(32|64)"
"""Instructions on floating-point numbers that a program may have. `rn` rounds to the
nearest number; it also prevents the driver from making one fused multiply-add of a
product and a sum. Without `ftz` the smallest numbers are kept."""

_CONVERSIONS = (
    r"cvt\.f64\.f32|cvt\.rn\.f32\.f64|cvt\.rni\.f32\.f32"
    r"|cvt\.rzi\.s(32|64)\.f32|cvt\.rzi\.s64\.f64"
    r"|cvt\.rn\.f(32|64)\.s(32|64)"
)
_COMPARISONS = r"setp\.(eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan)\.f(32|64)"
_MOVES = (
    r"(mov|selp|ld|st|ld\.param|ld\.global|st\.global)\.(b|f|u|s)?(32|64)"
    r"|(ld|st|ld\.global|st\.global)\.[bu]8"
)
_INTEGERS = (
    r"(add|sub|mul\.(lo|wide)|mad\.(lo|wide)|div|rem|min|max|neg|abs)\.[su](16|32|64)"
    r"|(and|or|xor|not|shl)\.(b16|b32|b64|pred)|shr\.[sub](16|32|64)"
    r"|setp\.(eq|ne|lt|le|gt|ge|lo|ls|hi|hs)\.[sub](16|32|64)"
    r"|cvt\.[su](8|16|32|64)\.[su](8|16|32|64)|(bfe|bfi)\.[sub](32|64)"
    r"|selp\.[sub](16|32|64)|mov\.([sub](16|32|64)|pred)"
)
"""Instructions on integers, all of which are exact."""

_CONTROL = r"bra(\.uni)?|ret|bar\.sync|barrier\.sync"

_EXACT = re.compile(
    "|".join(
        [_ARITHMETIC, _CONVERSIONS, _COMPARISONS, _MOVES, _INTEGERS, _CONTROL],
    )
)

_INSTRUCTION = re.compile(r"^\s+(?:@!?%p\d+\s+)?([a-z][\w.]*)\b(?!:)", re.MULTILINE)

_VARIABLE = re.compile(r"^\s*(\.\w+\s+)*\.(local|shared|const|global)\s", re.MULTILINE)
"""A declaration of a variable in memory."""


def load_ptx(kind: str) -> str:
    """Return the PTX text of a kind of network that is shipped with the package."""
    return gzip.decompress((FOLDER / f"{kind}.ptx.gz").read_bytes()).decode()


def write_ptx(kind: str) -> None:
    """Compile the program of a kind of network, check it, and write it to the folder
    `programs`. Raises ValueError if the check fails, subprocess.CalledProcessError if
    compiling does."""
    ptx = compile_ptx(kind)
    check(ptx)
    FOLDER.mkdir(exist_ok=True)
    packed = gzip.compress(ptx.encode(), 9, mtime=0)
    (FOLDER / f"{kind}.ptx.gz").write_bytes(packed)


def first_line() -> str:
    """Return the first line of a program, which names its sources and llvmlite, as it
    would be if it was compiled now."""
    digest = source_digest(block_sources())
    return f"// of sources {digest}, by llvmlite {llvmlite.__version__}\n"


def compile_ptx(kind: str) -> str:
    """Return the PTX text of a kind of network, compiled now by a process of its own.
    Raises subprocess.CalledProcessError if that fails."""
    command = [sys.executable, "-P", "-m", "model_core.blocks.ptx", kind]
    # Compiled code that is kept on disk may be of other settings.
    with TemporaryDirectory() as nothing_kept:
        environment = {**ENVIRONMENT, "NUMBA_CACHE_DIR": nothing_kept}
        done = subprocess.run(
            command,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return first_line() + done.stdout


def instructions(ptx: str) -> dict[str, int]:
    """Return how often each instruction occurs in a PTX text, by its name."""
    body = ptx[ptx.index("{", ptx.index(".entry")) :]
    counts: dict[str, int] = {}
    for name in _INSTRUCTION.findall(re.sub(r"//.*", "", body)):
        counts[name] = counts.get(name, 0) + 1
    return counts


def inexact(ptx: str) -> list[str]:
    """Return the sorted names of the instructions of a PTX text that are not known to
    be exact."""
    return sorted(name for name in instructions(ptx) if not _EXACT.fullmatch(name))


def check(ptx: str) -> None:
    """Raise ValueError if a PTX text has an instruction that is not known to be exact,
    calls a function, has variables in memory, or has no barrier."""
    if wrong := inexact(ptx):
        raise ValueError(f"not exactly rounded, or not known: {', '.join(wrong)}")
    if _VARIABLE.search(ptx):
        raise ValueError("expected a program without variables in memory")
    if not {"bar.sync", "barrier.sync"} & set(instructions(ptx)):
        raise ValueError("expected a program with barriers")


def _compiled_here(kind: str) -> str:
    """Return a program as PTX; numba's settings must be those of ENVIRONMENT."""
    for name, value in ENVIRONMENT.items():
        if os.environ.get(name) != value:
            raise ValueError(f"expected {name}={value!r} before numba is imported")
    name, module_text = _llvm_of(kind)
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    target = binding.Target.from_triple(TRIPLE)
    machine = target.create_target_machine(cpu=TARGET, opt=3)

    layout = f'target datalayout = "{machine.target_data}"\n'
    text = f'{layout}target triple = "{TRIPLE}"\n{_for_gpu(module_text)}{_kernel(name)}'
    module = binding.parse_assembly(text)
    for function in module.functions:
        if not function.is_declaration and function.name != ENTRY:
            # Everything becomes part of the kernel; a call would need a stack.
            function.linkage = "internal"
            function.add_function_attribute("alwaysinline")
    for variable in module.global_variables:
        # What numba keeps for exceptions and Python's calls. Nothing of the kernel uses
        # it, so that it is left out.
        if not variable.is_declaration:
            variable.linkage = "internal"
    options = binding.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = False
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    module.verify()
    return machine.emit_assembly(module)


def _llvm_of(kind: str) -> tuple[str, str]:
    """Return the name of a program in LLVM's text, and that text."""
    from model_core.blocks.loop import PARAMETERS
    from model_core.blocks.program import KINDS

    program = KINDS[kind].draw
    program.compile(PARAMETERS)
    (compiled,) = program.overloads.values()
    library: Any = compiled.library
    module = binding.parse_bitcode(library._get_module_for_linking().as_bitcode())
    return compiled.fndesc.llvm_func_name, str(module)


def _for_gpu(text: str) -> str:
    text = re.sub(r"^target (datalayout|triple) = .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r'"(target-cpu|target-features|tune-cpu)"="[^"]*"', "", text)
    text = re.sub(r"\bnoinline\b", "alwaysinline", text)
    declaration = rf"^declare void @{BARRIER}\(\).*$"
    return re.sub(declaration, "", text, flags=re.MULTILINE)


def _kernel(program: str) -> str:
    """Return the kernel around a program, and the barrier, as LLVM's text.

    A program that numba compiles returns a status, and would write a result and an
    exception through its first two arguments; these programs have neither.
    """
    return f"""
declare void @llvm.nvvm.barrier0() convergent
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()

define void @{BARRIER}() convergent {{
  call void @llvm.nvvm.barrier0()
  ret void
}}

define ptx_kernel void @{ENTRY}(
    i64 %record, i64 %weights, i64 %states, i64 %images, i64 %steps) {{
  %thread32 = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %threads32 = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %block32 = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %thread = zext i32 %thread32 to i64
  %threads = zext i32 %threads32 to i64
  %block = zext i32 %block32 to i64
  %sizes = inttoptr i64 %record to ptr
  %floats.at = getelementptr i64, ptr %sizes, i64 {STATE_FLOATS}
  %floats = load i64, ptr %floats.at
  %cells.at = getelementptr i64, ptr %sizes, i64 {IMAGE_CELLS}
  %cells = load i64, ptr %cells.at
  %state.bytes = mul i64 %floats, {FLOAT_BYTES}
  %state.offset = mul i64 %block, %state.bytes
  %state = add i64 %states, %state.offset
  %image.bytes = mul i64 %cells, {CELL_BYTES}
  %image.offset = mul i64 %block, %image.bytes
  %image = add i64 %images, %image.offset
  %result = alloca i64
  %exception = alloca ptr
  %status = call i32 @"{program}"(ptr %result, ptr %exception, i64 %thread, i64 1,
    i64 0, i64 %threads, i64 %record, i64 %weights, i64 %state, i64 %image, i64 %steps)
  ret void
}}
"""


def main(kinds: Sequence[str]) -> None:
    """Compile all programs into the folder `programs`; if a kind is given, print its
    program instead."""
    if kinds:
        sys.stdout.write(_compiled_here(kinds[0]))
        return
    from model_core.blocks.program import KINDS

    for kind in KINDS:
        write_ptx(kind)


if __name__ == "__main__":
    main(sys.argv[1:])
