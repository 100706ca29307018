"""Writes the tables of settings into docs/settings.md: `python docs/tools/make_settings.py`."""

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


GROUPS = {
    "The ones that you need first": "REDIS_URL REDIS_PASSWORD API_KEYS KEYS_FILE "
    "PUBLIC_URL PROXIES HOSTS MODELS DRAW_THREADS SLOT_MEMORY_MIB RETENTION_S",
    "Who may use it, and from where": "HOST PORT ROOT_PATH INSECURE ORIGINS "
    "KEYS_STALE_S METRICS_OPEN",
    "Links, webhooks, marks": "LINK_SECRET WEBHOOK_HOSTS WEBHOOK_SECRET MARK",
    "Which models": "MODELS_DIR MODELS_LOOK_S MODEL_MIB LOADED_MODELS KEPT_DIR "
    "KEPT_MIB PORTABLE_DIR PORTABLE_OPEN PORTABLE_MIB",
    "Models and trainings of users": "TRAINING TRAINING_MINUTES TRAINING_MIB ADDED_DIR "
    "ADDED_MIB",
    "How a worker draws": "DEVICE SLOTS EXPRESS_SLOTS MAX_JOBS THREADS ENGINE_CPUS "
    "WORKER_NAME QUEUE",
    "What clients may ask for": "CLIENT_RATE CLIENT_JOBS QUEUE_JOBS QUEUE_WORK "
    "FIELD_PIXELS REDIS_SHARE MAX_STREAMS MAX_UPLOAD_BYTES PACK_AFTER_S "
    "FULL_JOBS ASLEEP ADDRESS_MODELS ADDRESS_MIB",
    "How long things may take": "REDIS_BUDGET_S FLEET_AGE_S PING_S RECEIVE_S STALL_S "
    "DRAIN_S DRAIN_GRACE_S ASLEEP_S",
    "Logs and health": "ACCESS_LOG LOG_LEVEL METRICS_PORT HEALTH_FILE STEP_DELAY_S",
}
"""Title of each table -> the settings in it, in their order. Those of no group are in a
last table, `Others`."""


def with_table(page: str) -> str:
    """Return the page with today's tables between its marks."""
    rows = _rows()
    grouped = " ".join(GROUPS.values()).split()
    others = {"Others": " ".join(name for name in rows if name not in grouped)}
    tables = []
    for title, names in (GROUPS | others).items():
        of_group = [row for name in names.split() for row in rows[name]]
        head = ["| variable | of | default | what it does |", "|---|---|---|---|"]
        if of_group:
            tables.append("\n".join([f"## {title}", "", *head, *of_group]))
    text = "\n\n".join(tables)
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}",
        lambda _: f"{BEGIN}\n{text}\n{END}",
        page,
        flags=re.DOTALL,
    )


def _rows() -> dict[str, list[str]]:
    """Return the rows of each setting, by its name without the prefix."""
    password = _attribute_docstrings(RedisSettings)["redis_password"]
    rows = {
        "REDIS_URL": [
            "| `REDIS_URL` | both | `redis://127.0.0.1:6379/0` | The server: redis://, rediss:// or unix://. |"
        ],
        "REDIS_PASSWORD": [f"| `PIXELRNN_REDIS_PASSWORD` | both |  | {password} |"],
    }
    for process, settings in PROCESSES.items():
        texts = _attribute_docstrings(settings)
        for name, field in settings.model_fields.items():
            if name not in RedisSettings.model_fields:
                default = _default(field.get_default(call_default_factory=True))
                rows.setdefault(name.upper(), []).append(
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
