"""Tables on stdout in which the names that a person may copy are never cut."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Column, Table

_UNBOUNDED = 100_000


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with a line for each row. The first column, which names the row, is
    whole at any width of the terminal; if stdout is not a terminal, all columns are.

    heads: the titles of the columns.
    """
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
