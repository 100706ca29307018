"""docs/operate.md, the compose file and deploy/ name only what exists."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

import app.settings
import worker.settings
from app.metrics import Metrics
from app.services.fleet import Fleet
from app.store import Load, ServerState
from docs.make_settings import PAGE, with_table
from worker.metrics import UsageCollector
from worker.orders.usage import Usage

ROOT = Path(__file__).parents[2]
OF_COMPOSE_ALONE = {"PIXELRNN_PUBLISH", "PIXELRNN_REDIS_PASSWORD"}
MANIFESTS = [ROOT / "docker-compose.yml", *sorted((ROOT / "deploy").rglob("*.y*ml"))]


def test_the_table_of_settings_is_current() -> None:
    """As `python docs/make_settings.py` writes it."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page)


@pytest.mark.parametrize("path", [*MANIFESTS, PAGE], ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    """A misspelt variable would be ignored in silence."""
    fields = [*app.settings.Settings.model_fields, *worker.settings.Settings.model_fields]
    known = {f"PIXELRNN_{name.upper()}" for name in fields} | OF_COMPOSE_ALONE
    assert set(re.findall(r"\bPIXELRNN_[A-Z_]+", path.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_yaml(path: Path) -> None:
    """Every document of every file."""
    assert all(isinstance(document, dict) for document in yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_the_dashboard_and_the_page_ask_for_metrics_that_exist() -> None:
    """Every pixelrnn_* name is one that the API or a worker tells."""
    registry = CollectorRegistry()
    registry.register(UsageCollector({"m": Usage()}, {"m": 1}, lambda: 0))
    nothing = dict.fromkeys(("now", "parked", "open_jobs", "work", "accepted", "room"), 0)
    none = {name: {} for name in ("depths", "drawn", "busy", "took")}
    load = Load(**nothing, **none, waiting_since=None, totals={"sample:succeeded": 1})
    fleet = Fleet([], load, ServerState(used=0, limit=0, weaknesses=()))
    told = (Metrics().text(fleet) + generate_latest(registry)).decode()
    known = set(re.findall(r"^# TYPE (\S+) ", told, re.MULTILINE))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "sum", "count")}
    dashboard = ROOT / "deploy" / "grafana" / "dashboards" / "pixelrnn.json"
    asked = {name for path in (dashboard, PAGE) for name in re.findall(r"\bpixelrnn_[a-z_]+", path.read_text())}
    assert asked <= known, asked - known
