"""Run a notebook's cells without Jupyter: `python tests/house/run_notebook.py NOTEBOOK`.

One namespace, cell after cell. For each code cell a line on stdout, JSON: its id, and what Jupyter would show below it,
as text; of a picture its size and how many colours it has. A cell that fails ends it, with the traceback.
"""

import ast
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image


def main(notebook: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                value = run("".join(cell["source"]), cell["id"], namespace)
            print(
                json.dumps(
                    {"id": cell["id"], "shown": printed.getvalue() + shown(value)}
                ),
                flush=True,
            )


def run(source: str, name: str, namespace: dict[str, Any]) -> Any:
    """The value of a cell's last line, if that is an expression; else None."""
    *statements, last = ast.parse(source, name).body
    if not isinstance(last, ast.Expr):
        statements, last = [*statements, last], ast.Expr(ast.Constant(None))
    exec(compile(ast.Module(statements, []), name, "exec"), namespace)
    return eval(compile(ast.Expression(last.value), name, "eval"), namespace)


def shown(value: Any) -> str:
    """As text."""
    if isinstance(value, Image.Image):
        colours = value.convert("RGB").getcolors(value.width * value.height) or []
        return f"{value.width} x {value.height}, {len(colours)} colours"
    return repr(value)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
