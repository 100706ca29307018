"""What was caught: caught.json beside this file, and the table of docs/internals/life.md."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CAUGHT = Path(__file__).parent / "caught.json"
PAGE = Path(__file__).parents[2] / "docs" / "internals" / "life.md"
BEGIN, END = "<!-- written by `python -m tests.life --bugs` -->", "<!-- end -->"


@dataclass(frozen=True)
class Caught:
    promise: str
    """That was broken."""
    steps: list[tuple[str, dict[str, Any]]]
    """The moves of `World` that break it."""


def write(caught: Mapping[str, Caught]) -> None:
    _CAUGHT.write_text(
        json.dumps({bug: [c.promise, c.steps] for bug, c in caught.items()}, indent=1)
        + "\n"
    )
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table(read())}{END}{rest.partition(END)[2]}")


def read() -> dict[str, Caught]:
    found = json.loads(_CAUGHT.read_text()) if _CAUGHT.exists() else {}
    return {
        bug: Caught(promise, [(name, arguments) for name, arguments in steps])
        for bug, (promise, steps) in found.items()
    }


def table(caught: Mapping[str, Caught]) -> str:
    lines = ["| bug that was sown | promise that it broke | moves |", "|---|---|---|"]
    lines += [
        f"| {bug} | {c.promise} | {' · '.join(_move(*step) for step in c.steps)} |"
        for bug, c in caught.items()
    ]
    return "\n".join(lines) + "\n"


def _move(name: str, arguments: Mapping[str, Any]) -> str:
    fault = arguments.get("fault", "")
    return name.replace("_", " ") + (f" ({fault})" if fault else "")
