"""`python -m model_core.portable.native`: build what a worker would compile at its start, for wheels and images.

Object files for every level of processors (compiled/levels.py), with canaries, are put where compiled/built.py looks.
It takes a processor a minute and a half, no compiler and no linker. Canaries are called, so a level is left out that
this processor is not of; Arm's is made beside x86-64-v3. Each is made in a process that was told of it before it
imported numba.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llvmlite import binding

from model_core.compiled import built
from model_core.compiled.keeping import SOURCES
from model_core.compiled.levels import LEVELS, Level
from model_core.kinds import KINDS
from model_core.portable.native_calls import Call, calls
from model_core.portable.native_text import for_native
from model_core.portable.program import linked

Described = dict[str, Any]


def main() -> None:
    """Build, in a process for each level whose LLVM code is its own."""
    parser = argparse.ArgumentParser(prog="python -m model_core.portable.native", description=__doc__)
    parser.add_argument("--into", type=Path, help="a folder, made anew; where this installation looks when left out")
    names = [level.name for level in LEVELS if built.fits(level)]
    parser.add_argument("--levels", nargs="+", choices=names, default=names, help="all that this machine can make")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="of network")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for level in (level for level in LEVELS if level.name in given.levels):
            subprocess.run(
                [sys.executable, "-c", _WRITE, level.name, place, *given.kinds],
                env=os.environ | _environment(level) | {"NUMBA_CACHE_DIR": place, "PIXELRNN_BUILT_DIR": place},
                check=True,
            )
        _gather(Path(place), given.into or built.FOLDER)


_WRITE = (
    "import sys; from model_core.portable.native import write_level as w; w(sys.argv[1], sys.argv[2], sys.argv[3:])"
)


def _environment(level: Level) -> dict[str, str]:
    return {
        "NUMBA_CPU_NAME": level.processor,
        "NUMBA_CPU_FEATURES": ",".join(f"+{feature}" for feature in level.features),
        "OMP_NUM_THREADS": "1",
    }


def _gather(place: Path, folder: Path) -> None:
    """Put what the processes have written into a folder, the index last."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    digests = {}
    for file in (file for file in sorted(place.iterdir()) if file.suffix in built.PARTS):
        shutil.copyfile(file, folder / file.name)
        digests[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / built.INDEX).write_text(json.dumps({"sources": SOURCES, "files": digests}, indent=2) + "\n")
    print(f"{folder}: {sum(file.stat().st_size for file in folder.iterdir()):,} bytes")


def write_level(name: str, place: str, kinds: Sequence[str]) -> None:
    """Write the object file of this level, and of those that take its LLVM code, with canaries and description."""
    recorded = calls(kinds)
    text = linked([call.program for call in recorded])
    canaries, entries = _entries(recorded)
    described = json.dumps({"tiles": built.TILES, "entries": entries})
    for level in (level for level in LEVELS if name in (level.name, level.code_of)):
        code = _object(text, level, [call.symbol for call in recorded])
        for kind, content in zip(built.PARTS, (code, described.encode(), canaries), strict=True):
            Path(place, f"{level.name}{kind}").write_bytes(content)
        print(f"{level.name}: {len(code):,} bytes, canaries {len(canaries):,}", flush=True)


def _entries(recorded: Sequence[Call]) -> tuple[bytes, dict[str, Described]]:
    """Canaries one behind the other, packed, and what is said of each entry."""
    packed, entries = b"", {}
    for call in recorded:
        piece = zlib.compress(call.content, 9)
        canary = {"at": len(packed), "end": len(packed) + len(piece), "table": call.table, "sha256": call.sha256()}
        entries[call.name] = {"symbol": call.symbol, "form": call.form, "canary": canary}
        packed += piece
    return packed, entries


def _object(text: str, level: Level, symbols: Sequence[str]) -> bytes:
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    target = binding.Target.from_triple(level.triple)
    features = ",".join(f"+{feature}" for feature in level.features)
    options = {"opt": 3, "reloc": "static", "codemodel": "large", "jit": True}  # far from all that it calls
    machine = target.create_target_machine(cpu=level.processor, features=features, **options)
    module = binding.parse_assembly(for_native(text, level.triple, str(machine.target_data)))
    for function in module.functions:
        if not function.is_declaration and function.name not in symbols:
            function.linkage = "internal"
    _drop_unused(module, machine)
    module.verify()
    return machine.emit_object(module)


def _drop_unused(module: binding.ModuleRef, machine: binding.TargetMachine) -> None:
    """Numba's own entries, which know Python."""
    passes = binding.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    options = binding.create_pipeline_tuning_options(speed_level=2)
    passes.run(module, binding.create_pass_builder(machine, options))


if __name__ == "__main__":
    main()
