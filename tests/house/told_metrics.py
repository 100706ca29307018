"""The names of all metrics that the API and a worker tell."""

import re
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from app.metrics import Metrics
from app.services.fleet import Fleet
from app.store import Load, ServerState
from worker.metrics import UsageCollector
from worker.orders.usage import Usage


def told_metrics() -> str:
    """What /metrics of a fleet without work says, of both, as text."""
    registry = CollectorRegistry()
    registry.register(UsageCollector({"m": Usage()}, {"m": 1}, lambda: 0))
    nothing: dict[str, Any] = dict.fromkeys(
        ("now", "parked", "open_jobs", "work", "accepted", "room", "written"), 0
    )
    none: dict[str, Any] = {
        name: {}
        for name in ("queues", "drawn", "busy", "took", "first_rows", "trained")
    }
    load = Load(**nothing, **none, waiting_since=None, totals={})
    fleet = Fleet([], load, ServerState(used=0, limit=0, weaknesses=()))
    return (Metrics().text(fleet) + generate_latest(registry)).decode()


def metric_names() -> set[str]:
    """As an expression may ask for them."""
    known = set(re.findall(r"^# TYPE (\S+) ", told_metrics(), re.MULTILINE))
    return known | {
        f"{name}_{part}" for name in known for part in ("bucket", "sum", "count")
    }


def names_in(text: str) -> set[str]:
    """Metrics of ours that a text names."""
    return set(re.findall(r"\bpixelrnn_[a-z_]+", text))
