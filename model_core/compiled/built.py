"""Code that was built ahead of time (portable/native.py) in the place of what numba would compile on this machine.

A folder, `built` beside this file or PIXELRNN_BUILT_DIR, has an object file for each level of processors; a checkout
has none. An entry is handed the address of a table: a number is one word of eight bytes, an array its address and its
shape.

Nothing is used that differs: the sources, the processor's features, the shape of tiles, a file's digest, the types of
what is handed over. An entry then proves itself on its *canary*, which lies beside it: arguments, and the digest of all
their bytes once it was called. Whatever fails is compiled, as if nothing had been built.
"""

import ctypes
import hashlib
import json
import logging
import os
import platform
import sys
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from llvmlite import binding
from numpy.typing import NDArray

from model_core.compiled.keeping import SOURCES
from model_core.compiled.levels import LEVELS, Level
from model_core.compiled.tiles import TALLEST, WIDEST, WIDEST_ALONE
from model_core.compiled.vector_code import has_feature

FOLDER = Path(os.environ.get("PIXELRNN_BUILT_DIR") or Path(__file__).with_name("built"))
INDEX = "index.json"
"""Says of which sources they are, and the digest of each file."""
PARTS = ".o", ".json", ".canaries"
"""Files of a level: its code, what its entries take, and their canaries."""
TILES = TALLEST, WIDEST, WIDEST_ALONE
"""Weights are laid out by them: code with others does not fit."""
LOOPS = "advance", "pass_given"
BESIDE = "philox.fill_uniform", "scans.forward_scan", "ways.forward_ways", "map_products.affine"
"""Entries that drawing and scoring need beside a kind's own."""
CALLS = 3
"""Calls of an entry that its canary takes."""
RAISED = -2
"""An entry's answer where numba's function raised."""
_ALIGNED = 64
_WORD = 2**64 - 1

Words = list[int]
Code = Callable[[int], int]
"""A loaded entry: takes the address of its table."""

_log = logging.getLogger(__name__)


class Entry:
    """A function of numba's that Python calls: built code where that fits, else compiled for these types of arguments.

    kept: its last arguments where they are the same at each call, which are looked at only once.
    """

    watcher: ClassVar[Callable[["Entry", tuple[Any, ...]], None] | None] = None
    """Is told of each call of what was not built: of the command that builds."""

    def __init__(self, function: Any, *kept: Any) -> None:
        self.function, self._kept = function, kept
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self._words, self._form = flat(kept)
        self._found: dict[str, Code | None] = {}

    def __call__(self, *first: Any) -> Any:
        words, form = flat(first)
        code = self._code(form)
        if code is not None:
            return _run(code, [*words, *self._words])
        if Entry.watcher is not None:
            Entry.watcher(self, (*first, *self._kept))
        return self.function(*first, *self._kept)

    def _code(self, form: str) -> Code | None:
        if form not in self._found:
            self._found[form] = _built(self.name, form + self._form)
        return self._found[form]


def is_built(module: str) -> bool:
    """True if the loops of this module are there, and all that is called beside them, and have proved themselves."""
    names = *(f"{module}.{name}" for name in LOOPS), *BESIDE
    return all(_built(name, None) is not None for name in names)


def flat(arguments: Iterable[Any]) -> tuple[Words, str]:
    """The words of arguments in a table, and their form, which says what types they are."""
    words: Words = []
    form: list[str] = []
    _flatten(arguments, words, form)
    return words, "".join(form)


def _flatten(arguments: Iterable[Any], words: Words, form: list[str]) -> None:
    for each in arguments:
        if isinstance(each, np.ndarray):
            words += [each.__array_interface__["data"][0], *each.shape]
            fits = each.flags.c_contiguous and each.flags.writeable
            form.append(f"{each.dtype.char}{each.ndim} " if fits else "other ")
        elif isinstance(each, tuple):
            _flatten(each, words, form)
        else:
            words.append(int(each) & _WORD)
            form.append("int " if type(each) in (int, np.int64) else f"{type(each).__name__} ")


def _run(code: Code, words: Words) -> int:
    table = np.array(words, np.uint64)
    answer = code(table.__array_interface__["data"][0])
    if answer == RAISED:
        raise RuntimeError("built code raised: memory is short")
    return answer


@cache
def _built(name: str, form: str | None) -> Code | None:
    """The code of an entry that takes what has this form, or any."""
    library = _library()
    return None if library is None else library.code(name, form)


@cache
def _library() -> "_Library | None":
    try:
        index = json.loads((FOLDER / INDEX).read_text(encoding="utf-8"))
        if index["sources"] != SOURCES:
            raise ValueError("it was built of other sources")
        level = next((level for level in LEVELS if fits(level) and f"{level.name}.o" in index["files"]), None)
        return level and _Library(level, index["files"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        return _left(str(error) or repr(error))


def _left(why: str) -> None:
    """Nothing was built that can be used."""
    _log.warning("built_code_left: %s: %s; compiled on this machine", FOLDER, why)


def fits(level: Level) -> bool:
    """True if the processor that is compiled for has what the level asks for, on Linux."""
    here = sys.platform == "linux" and platform.machine().lower() in level.machines
    return here and all(map(has_feature, level.features))


class _Library:
    """One loaded object file. files: what there is, with digests. ValueError for one that is damaged, or for tiles that
    are not ours."""

    def __init__(self, level: Level, files: dict[str, str]) -> None:
        content, described, self._canaries = (_read(f"{level.name}{kind}", files) for kind in PARTS)
        self._entries: dict[str, Any] = json.loads(described)["entries"]
        if tuple(json.loads(described)["tiles"]) != TILES:
            raise ValueError(f"{level.name} has other tiles")
        self._jit, self._loaded = _link(content, [entry["symbol"] for entry in self._entries.values()])
        self._proved: dict[str, bool] = {}

    def code(self, name: str, form: str | None) -> Code | None:
        entry = self._entries.get(name)
        if entry is None or form not in (None, entry["form"]):
            return None
        code = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(self._loaded[entry["symbol"]])
        if name not in self._proved:
            self._proved[name] = self._is_proved(code, entry["canary"])
            if not self._proved[name]:
                _left(f"{name} computes something else")
        return code if self._proved[name] else None

    def _is_proved(self, code: Code, canary: dict[str, Any]) -> bool:
        try:
            memory = aligned(zlib.decompress(self._canaries[canary["at"] : canary["end"]]))
            for _ in range(CALLS):
                _run(code, placed(canary["table"], memory))
        except (RuntimeError, zlib.error):
            return False
        return hashlib.sha256(memory.tobytes()).hexdigest() == canary["sha256"]


def _read(file: str, files: dict[str, str]) -> bytes:
    content = (FOLDER / file).read_bytes()
    if hashlib.sha256(content).hexdigest() != files[file]:
        raise ValueError(f"{file} is damaged")
    return content


def _link(content: bytes, symbols: list[str]) -> tuple[Any, Any]:
    """Load an object file. Returns what must live as long as its code, and the addresses of these symbols by name."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    jit = binding.create_lljit_compiler()
    builder = binding.JITLibraryBuilder().add_object_img(content).add_current_process()
    for symbol in symbols:
        builder.export_symbol(symbol)
    return jit, builder.link(jit, "built")


def aligned(content: bytes) -> NDArray[np.uint8]:
    """These bytes, which may be written to, at a whole cache line."""
    room = np.empty(len(content) + _ALIGNED, np.uint8)
    memory = room[-room.__array_interface__["data"][0] % _ALIGNED :][: len(content)]
    memory[:] = np.frombuffer(content, np.uint8)
    return memory


def placed(table: list[Any], memory: NDArray[np.uint8]) -> Words:
    """The words of a canary's table: [at, ...shape] is an array that lies there in its memory, all else a number."""
    base, words = memory.__array_interface__["data"][0], []
    for each in table:
        words += [base + each[0], *each[1:]] if isinstance(each, list) else [each]
    return words
