"""The pages for operators, the compose file and deploy/ name only what exists."""

import re
from pathlib import Path

import pytest
import yaml

import app.settings
import worker.settings
from app.redis_connections import READ_BLOCK_S
from app.services import row_reader
from docs.tools.make_settings import PAGE, with_table
from tests.house.kustomize import built, containers, named
from tests.house.told_metrics import metric_names, names_in
from worker.contract.keys import LEASE_S
from worker.queue import recovery

ROOT = Path(__file__).parents[2]
PAGES = [
    PAGE.with_name(f"{name}.md")
    for name in (
        "operate",
        "deployments",
        "sizing",
        "monitoring",
        "resilience",
        "served-models",
        "settings",
    )
]
"""The pages for operators: the first leads to the others."""
NINE = (
    "mnist-diagonal-bilstm,mnist-labelled,characters,maps,sprites,gravel,emoji,"
    "cifar10-row-lstm-deep,cifar10-small-multi-scale"
)
MANIFESTS = [ROOT / "docker-compose.yml", *sorted((ROOT / "deploy").rglob("*.y*ml"))]


def test_the_table_of_settings_is_current() -> None:
    """As `python docs/tools/make_settings.py` writes it."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page)


def test_every_variable_is_a_setting(subtests: pytest.Subtests) -> None:
    """A misspelt variable would be ignored in silence. Those of Compose and of the
    command are on the page of settings, too."""
    verbs = [*(ROOT / "pixelrnn").glob("*.py"), *(ROOT / "model_core").rglob("*.py")]
    sources = "".join(path.read_text(encoding="utf-8") for path in [*MANIFESTS, *verbs])
    expected = {
        *re.findall(r"[^$]\$\{([A-Z_]+)", sources),
        *re.findall(r'envvar="([A-Z_]+)"', sources),
    }
    known = set(re.findall(r"`([A-Z_]+)[0-7]?`", PAGE.read_text(encoding="utf-8")))
    assert expected <= known
    fields = {
        *app.settings.Settings.model_fields,
        *worker.settings.Settings.model_fields,
    }
    of_processes = {f"PIXELRNN_{name.upper()}" for name in fields}
    for name in known - of_processes:
        assert name in sources
    for path in [*MANIFESTS, *PAGES]:
        with subtests.test(path=path):
            text = path.read_text(encoding="utf-8")
            assert set(re.findall(r"\bPIXELRNN_[A-Z_]+", text)) <= known


@pytest.mark.parametrize(
    "path", [*PAGES, PAGE.with_name("troubleshooting.md")], ids=lambda path: path.name
)
def test_events_of_logs_and_fields_of_answers_exist(path: Path) -> None:
    """A reader searches a log for the events that a page names, so each such name is in
    a source file. Names of metrics have a test of their own."""
    named_on_page = re.findall(
        r"`([a-z]+(?:_[a-z]+)+)`", path.read_text(encoding="utf-8")
    )
    sources = "".join(
        source.read_text(encoding="utf-8")
        for package in ("app", "worker", "pixelrnn", "model_core")
        for source in (ROOT / package).rglob("*.py")
    )
    known = set(re.findall(r"\w+", sources))
    assert {name for name in named_on_page if not name.startswith("pixelrnn_")} <= known


def test_seconds_that_the_page_promises_are_those_of_the_code() -> None:
    """tests/app/test_row_feed.py and tests/worker/test_worker_process.py show that it happens."""
    page = PAGE.with_name("resilience.md").read_text(encoding="utf-8")
    assert "readers of the other jobs are told within ten seconds" in page
    assert READ_BLOCK_S + row_reader._LOOK_EVERY_S <= 10
    assert (
        "its jobs continue on other workers at the first row that is missing, within "
        "about 5 s" in page
    )
    assert LEASE_S + recovery.INTERVAL_S <= 5


def test_manifests_are_yaml(subtests: pytest.Subtests) -> None:
    """Every document of every file."""
    for path in MANIFESTS:
        with subtests.test(path=path):
            assert all(
                isinstance(document, dict)
                for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
            )


def test_every_server_of_ours_has_a_limit_to_its_memory() -> None:
    """And it is reached before the container's own, which would end it."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    valkey = compose["services"]["valkey"]
    assert valkey["environment"]["MEMORY_MIB"] == "${PIXELRNN_REDIS_MEMORY_MIB:-1024}"
    assert '--maxmemory "$${MEMORY_MIB}mb"' in valkey["command"][-1]
    (container,) = containers(
        named(built(ROOT / "deploy" / "k8s" / "base"), "StatefulSet")["valkey"]
    )
    assert "--maxmemory 1536mb" in container["args"][0]
    assert container["resources"]["limits"]["memory"] == "2Gi"


def test_the_dashboard_and_the_page_ask_for_metrics_that_exist() -> None:
    """Every pixelrnn_* name is one that the API or a worker tells."""
    dashboard = ROOT / "deploy" / "grafana" / "dashboards" / "pixelrnn.json"
    texts = [path.read_text(encoding="utf-8") for path in (dashboard, *PAGES)]
    asked = set[str]().union(*map(names_in, texts))
    assert asked <= metric_names(), asked - metric_names()


def test_new_installations_serve_the_best_model_of_each_sort() -> None:
    """The same nine in Compose, in Kubernetes and on the page; all of them exist."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    worker_of_compose = compose["services"]["worker"]["environment"]
    assert worker_of_compose["PIXELRNN_MODELS"] == f"${{PIXELRNN_MODELS-{NINE}}}"
    base = built(ROOT / "deploy" / "k8s" / "base")
    (container,) = containers(named(base, "Deployment")["worker"])
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert environment["PIXELRNN_MODELS"] == NINE
    page = PAGES[0].read_text(encoding="utf-8")
    for name in NINE.split(","):
        assert (ROOT / "models" / name / "card.json").is_file()
        assert f"`{name}`" in page


def test_first_page_leads_to_all_others() -> None:
    """Each page for operators is linked from the one about a first deployment."""
    first, *others = PAGES
    text = first.read_text(encoding="utf-8")
    assert all(f"]({page.name})" in text for page in others)
