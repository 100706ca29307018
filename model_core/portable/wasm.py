"""A WebAssembly module of several programs. The one arithmetic instruction that
WebAssembly lacks, or leaves to the machine, is added.

llvmlite writes the object file; a linker (wasm-ld of LLVM's lld) makes a module of it.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from llvmlite import binding

from model_core.errors import ConfigError
from model_core.portable import exact_fma, relaxed
from model_core.portable.program import Program, linked

TRIPLE = "wasm32-unknown-unknown"
FEATURES = "+simd128,+bulk-memory,+nontrapping-fptoint,+sign-ext"
"""Features of WebAssembly 2, which browsers have."""
STACK_BYTES = 1 << 18
_INTRINSIC = "llvm.fma.v16f32"
_TESTED = f"""
define void @multiply_add(ptr %table) {{
  %b.at = getelementptr i8, ptr %table, i32 64
  %c.at = getelementptr i8, ptr %table, i32 128
  %out = getelementptr i8, ptr %table, i32 192
  %a = load <16 x float>, ptr %table, align 4
  %b = load <16 x float>, ptr %b.at, align 4
  %c = load <16 x float>, ptr %c.at, align 4
  %r = call <16 x float> @{exact_fma.NAME}(<16 x float> %a, <16 x float> %b, <16 x float> %c)
  store <16 x float> %r, ptr %out, align 4
  ret void
}}
"""
"""Stores 16 sums of the 48 floats at an address after them, for tests and for
engine/rounding.js."""
TESTED = "multiply_add"


def wasm_module(programs: Sequence[Program], is_relaxed: bool) -> bytes:
    """Return a WebAssembly module that exports each program's entry, its memory, and
    the address from which memory is free (__heap_base).

    is_relaxed: True for the machine's multiply-add, which may round once or twice
        (relaxed.py); False for the exact one (exact_fma.py).

    Raises ConfigError if the linker is missing or fails.
    """
    entries = [*(program.entry for program in programs), TESTED]
    return _link(_object(linked(programs), entries, is_relaxed), entries)


def _object(text: str, entries: Sequence[str], is_relaxed: bool) -> bytes:
    machine = _machine(is_relaxed)
    module = binding.parse_assembly(
        _for_wasm(text, str(machine.target_data), is_relaxed)
    )
    for function in module.functions:
        if not function.is_declaration and function.name not in entries:
            function.linkage = "internal"
    _inline(module, machine)
    module.verify()
    return machine.emit_object(module)


def _machine(is_relaxed: bool) -> binding.TargetMachine:
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    target = binding.Target.from_triple(TRIPLE)
    features = f"{FEATURES},{'+' if is_relaxed else '-'}{relaxed.FEATURE}"
    return target.create_target_machine(
        opt=3, features=features, reloc="static", codemodel="small"
    )


def _for_wasm(text: str, layout: str, is_relaxed: bool) -> str:
    """Return the LLVM text of a module for WebAssembly, with one of the two
    multiply-adds."""
    text = re.sub(r"^target datalayout = .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^target triple = .*$", "", text, flags=re.MULTILINE)
    text = re.sub(
        rf"^declare .*@{re.escape(_INTRINSIC)}\(.*$", "", text, flags=re.MULTILINE
    )
    text = text.replace(f"@{_INTRINSIC}(", f"@{exact_fma.NAME}(")
    assert "@llvm.fma" not in text, (
        "every multiply-add must be one of vector_code.multiply_add"
    )
    text = text.replace(" = common ", " = internal ")  # WebAssembly has no such symbols
    head = f'target datalayout = "{layout}"\ntarget triple = "{TRIPLE}"\n'
    if is_relaxed:
        return "\n".join(
            [head, relaxed.with_plain_selections(text), relaxed.DEFINITION, _TESTED]
        )
    return "\n".join([head, text, exact_fma.DEFINITION, _TESTED])


def _inline(module: binding.ModuleRef, machine: binding.TargetMachine) -> None:
    """Make each loop part of its entry."""
    for function in module.functions:
        # Web engines accept no function with a thousand parameters.
        if not function.is_declaration and len(list(function.arguments)) > 100:
            function.add_function_attribute("alwaysinline")
    passes = binding.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    options = binding.create_pipeline_tuning_options(speed_level=2)
    passes.run(module, binding.create_pass_builder(machine, options))


def _link(wasm_object: bytes, entries: Sequence[str]) -> bytes:
    linker = shutil.which("wasm-ld")
    if linker is None:
        raise ConfigError(
            "no wasm-ld: install LLVM's linker (Debian: apt-get install lld)"
        )
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "loop.o"), Path(folder, "loop.wasm")
        source.write_bytes(wasm_object)
        exported = [f"--export={name}" for name in (*entries, "__heap_base")]
        command = [
            linker,
            "--no-entry",
            "--gc-sections",
            "--strip-all",
            "--stack-first",
            "-z",
        ]
        command += [f"stack-size={STACK_BYTES}", *exported]
        done = subprocess.run(
            [*command, source, "-o", made], capture_output=True, text=True
        )
        if done.returncode:
            raise ConfigError(f"wasm-ld failed: {done.stderr.strip()}")
        return made.read_bytes()
