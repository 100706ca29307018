"""docs/internals/performance.md: each benchmark writes its own section, between two markers, and leaves the rest."""

import platform
import re
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "internals" / "performance.md"


def write_section(name: str, lines: Sequence[str], page: Path = PAGE) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->`. ValueError when the page has no such marks."""
    text = page.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"{page} needs the marks {start} and {end}, once each")
    before, rest = text.split(start)
    after = rest.split(end)[1]
    page.write_text("\n".join([before + start, *lines, end + after]), encoding="utf-8")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, as lines."""
    return [
        f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)
    ]


def number(value: float, digits: int = 2) -> str:
    """The value with so many significant digits, and never an exponent."""
    decimals = (
        max(0, digits - len(str(int(abs(value)))))
        if abs(value) >= 1
        else digits + _zeros(value)
    )
    return f"{value:.{decimals}f}"


def _zeros(value: float) -> int:
    """Zeros between the point and the first digit."""
    return 0 if not value else max(0, -int(f"{value:e}".partition("e")[2]) - 1)


def weights_of(name: str, sha256: str) -> str:
    """The weights that a table is of: `make weights` looks for this, and names the tables that are of older ones."""
    return f"`{name}` {sha256[:12]}"


def machine() -> str:
    """The machine that the figures were measured on, and the day."""
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "numba", "numpy")
    )
    return f"{processor()}, {_cores()} cores; Python {platform.python_version()}, {versions}; {date.today()}"


def processor() -> str:
    """Its name, without what decorates it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"model name\s*: (.*)", text)
    return (
        re.sub(r"\((R|TM)\)| Processor", "", found[1]) if found else platform.machine()
    )


def _cores() -> int:
    import os

    return (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )
