"""Writes the table of settings into docs/settings.md: `python docs/tools/make_settings.py`."""

import ast
import inspect
import itertools
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

import app.settings
import worker.settings
from worker.contract.environment import RedisSettings

PAGE = Path(__file__).parents[1] / "settings.md"
BEGIN, END = (
    "<!-- settings: docs/tools/make_settings.py -->",
    "<!-- end of settings -->",
)
PROCESSES: dict[str, type[BaseSettings]] = {
    "API": app.settings.Settings,
    "worker": worker.settings.Settings,
}


def main() -> None:
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_table(page: str) -> str:
    """The page with today's table between its marks."""
    table = "\n".join(
        ["| variable | of | default | what it does |", "|---|---|---|---|", *_rows()]
    )
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}",
        lambda _: f"{BEGIN}\n{table}\n{END}",
        page,
        flags=re.DOTALL,
    )


def _rows() -> list[str]:
    """One for each setting; what both have comes first and once."""
    password = _attribute_docstrings(RedisSettings)["redis_password"]
    rows = [
        "| `REDIS_URL` | both | `redis://127.0.0.1:6379/0` | The server: redis://, rediss:// or unix://. |",
        f"| `PIXELRNN_REDIS_PASSWORD` | both |  | {password} |",
    ]
    for process, settings in PROCESSES.items():
        texts = _attribute_docstrings(settings)
        for name, field in settings.model_fields.items():
            if name not in RedisSettings.model_fields:
                default = _default(field.get_default(call_default_factory=True))
                rows.append(
                    f"| `PIXELRNN_{name.upper()}` | {process} | {default} | {texts.get(name, '')} |"
                )
    return rows


def _default(value: Any) -> str:
    if value in ((), "", None, PydanticUndefined):
        return ""
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _attribute_docstrings(settings: type[BaseSettings]) -> dict[str, str]:
    """Docstring of each attribute, from the source."""
    (body,) = (
        node.body
        for node in ast.walk(ast.parse(dedent(inspect.getsource(settings))))
        if isinstance(node, ast.ClassDef)
    )
    texts = {}
    for field, text in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            assert isinstance(field.target, ast.Name)
            texts[field.target.id] = " ".join(str(text.value.value).split())
    return texts


if __name__ == "__main__":
    main()
