"""numba's code of a drawing loop, with an entry that takes the address of one table
(table.py), as LLVM text.

numba passes each array as its parts, so a loop has hundreds of parameters, more than a
caller should write down.
"""
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
# numba's types say what they are at run time only

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import binding
from numba.core import types

WORD = 8
"""Bytes of each entry of a table."""


@dataclass(frozen=True)
class Program:
    """One compiled function for a WebAssembly module."""

    entry: str
    """Its name outside."""
    symbol: str
    """Its name in numba's module."""
    parameters: tuple[Any, ...]
    """The numba types of its parameters."""
    code: bytes
    """Bitcode of numba's module."""

    @classmethod
    def of(cls, entry: str, function: Any, parameters: Sequence[Any]) -> "Program":
        """Compile a function of numba's for these numba types of parameters, and return
        it as a program with this entry, its name outside."""
        function.compile(tuple(parameters))
        compiled = function.overloads[tuple(parameters)]
        module = compiled.library._get_module_for_linking()
        return cls(
            entry,
            compiled.fndesc.llvm_func_name,
            tuple(parameters),
            module.as_bitcode(),
        )

    @property
    def wrapper(self) -> str:
        """The entry as LLVM text: a function that reads every parameter from the table
        at its only argument, calls the compiled function and returns its result, or -2
        if that raised an exception."""
        table = _Table()
        arguments = [
            argument for kind in self.parameters for argument in table.arguments(kind)
        ]
        passed = ", ".join(["ptr %returned", "ptr %thrown", *arguments])
        declared = ", ".join(
            ["ptr", "ptr", *(argument.split()[0] for argument in arguments)]
        )
        return "\n".join(
            [
                f'declare i32 @"{self.symbol}"({declared})',
                f"define i32 @{self.entry}(ptr %table) {{",
                "  %returned = alloca i64",
                "  %thrown = alloca ptr",
                "  store i64 0, ptr %returned",
                *table.lines,
                f'  %status = call i32 @"{self.symbol}"({passed})',
                "  %raised = icmp sgt i32 %status, 0",
                "  %long = load i64, ptr %returned",
                "  %answer = trunc i64 %long to i32",
                "  %told = select i1 %raised, i32 -2, i32 %answer",
                "  ret i32 %told",
                "}",
            ]
        )


class _Table:
    """Writes the instructions that read a table's words one after the other."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._words = 0
        self._names = 0

    def arguments(self, kind: Any) -> Iterator[str]:
        """Yield the values that numba passes for a parameter of this type."""
        if isinstance(kind, types.BaseNamedTuple | types.BaseTuple):
            for part in kind:
                yield from self.arguments(part)
        elif isinstance(kind, types.Array):
            yield from self._array(kind)
        elif isinstance(kind, types.Integer) and kind.bitwidth == 8 * WORD:
            yield f"i64 {self._word('i64')}"
        else:
            raise NotImplementedError(f"a table has no place for {kind}")

    def _array(self, kind: types.Array) -> Iterator[str]:
        """Yield the parts of an array: its address and shape are in the table; the
        others follow from them, since its elements are contiguous."""
        assert kind.layout == "C"
        data, shape = self._word("ptr"), [self._word("i64") for _ in range(kind.ndim)]
        itemsize = str(kind.dtype.bitwidth // 8 if kind.dtype != types.boolean else 1)
        strides = [itemsize]
        for length in reversed(shape[1:]):
            strides.insert(0, self._line(f"mul i64 {strides[0]}, {length}"))
        size = "1"
        for length in shape:
            size = self._line(f"mul i64 {size}, {length}")
        yield from (
            "ptr null",
            "ptr null",
            f"i64 {size}",
            f"i64 {itemsize}",
            f"ptr {data}",
        )
        yield from (f"i64 {number}" for number in (*shape, *strides))

    def _word(self, kind: str) -> str:
        at = self._line(f"getelementptr i8, ptr %table, i32 {WORD * self._words}")
        self._words += 1
        return self._line(f"load {kind}, ptr {at}")

    def _line(self, instruction: str) -> str:
        name = f"%w{self._names}"
        self._names += 1
        self.lines.append(f"  {name} = {instruction}")
        return name


def linked(programs: Sequence[Program]) -> str:
    """Return all programs and their entries as the LLVM text of one module."""
    whole = binding.parse_assembly("\n".join(program.wrapper for program in programs))
    for program in programs:
        whole.link_in(binding.parse_bitcode(program.code))
    return str(whole)
