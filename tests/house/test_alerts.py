"""deploy/alerts.yml: it asks for what /metrics tells, Prometheus reads it, and each alert comes when it should."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.errors import RefusedError
from deploy.make_rules import ALERTS, RULES, rules
from tests.house.told_metrics import metric_names, names_in, told_metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def alerts() -> list[dict[str, Any]]:
    return [
        rule
        for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def promtool(*arguments: str | Path) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install promtool)")
    done = subprocess.run(
        [tool, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_alert_asks_for_what_is_told(alert: dict[str, Any]) -> None:
    """Names of metrics, labels that they have, and reasons for which the API refuses; and it says what it means."""
    asked = names_in(alert["expr"])
    assert asked
    assert asked <= metric_names()
    for matched in re.findall(r"(\w+)\{([^}]*)\}", alert["expr"]):
        name, conditions = matched
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', conditions):
            _expect_label(name, label, value)
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert set(alert["annotations"]) == {"summary", "description"}


def _expect_label(name: str, label: str, value: str) -> None:
    if name == "pixelrnn_rejects_total":
        assert label == "reason"
        assert set(value.split("|")) <= {
            refusal.problem.slug for refusal in RefusedError.__subclasses__()
        }
    elif name == "pixelrnn_requests_total":
        assert label == "status"
    elif name == "pixelrnn_webhooks_total":
        assert label == "outcome"
    else:
        assert re.search(
            rf'^{name}\{{[^}}]*\b{label}="{value}"', told_metrics(), re.MULTILINE
        ), (name, label, value)


def test_every_kind_of_job_has_a_count_before_the_first_fails() -> None:
    """Prometheus sees no growth in a counter that begins with 1."""
    for kind in (
        "sample",
        "complete",
        "upsample",
        "score",
        "verify",
        "encode",
        "decode",
    ):
        assert (
            f'pixelrnn_jobs_total{{kind="{kind}",status="failed"}} 0.0'
            in told_metrics()
        )


def test_prometheus_and_its_operator_load_them() -> None:
    """The scraper names the file, compose mounts it beside its own, and the operator's copy is the same."""
    scraper = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    mounted = [
        volume.split(":")[1] for volume in compose["services"]["prometheus"]["volumes"]
    ]
    assert {
        f"/etc/prometheus/{name}" for name in (*scraper["rule_files"], "prometheus.yml")
    } <= set(mounted)
    assert RULES.read_text(encoding="utf-8") == rules(), "run deploy/make_rules.py"
    assert yaml.safe_load(rules())["spec"] == yaml.safe_load(
        ALERTS.read_text(encoding="utf-8")
    )


def test_the_page_names_every_alert() -> None:
    """And no other: docs/monitoring.md lists them in their order, with what to do."""
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(Pixelrnn\w+)`", page, re.MULTILINE) == [
        alert["alert"] for alert in alerts()
    ]


def test_prometheus_reads_them() -> None:
    """The scraper's configuration, and through it the rules."""
    promtool("check", "config", DEPLOY / "prometheus.yml")


def test_each_is_raised_when_it_should_be_and_not_before() -> None:
    """Minute by minute, on figures that are written down."""
    cases = Path(__file__).with_name("alerts_cases.yml")
    promtool("test", "rules", cases)
    told = cases.read_text(encoding="utf-8")
    assert [alert["alert"] for alert in alerts() if alert["alert"] not in told] == []
