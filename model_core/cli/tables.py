"""Tables on stdout, in which what a person copies is never cut."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Column, Table

_UNBOUNDED = 100_000


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A line for each row. The first column, which names the row, is whole at any width of the terminal; in a pipe
    everything is."""
    kept = list(rows)
    name = Column(
        heads[0], no_wrap=True, min_width=max((len(row[0]) for row in kept), default=0)
    )
    table = Table(name, *heads[1:], box=None, pad_edge=False)
    for row in kept:
        table.add_row(*row)
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = console.measure(
            table, options=console.options.update(width=_UNBOUNDED)
        ).maximum
    console.print(table, highlight=False, markup=False)
