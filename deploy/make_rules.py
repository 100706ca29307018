"""Writes alerts.yml as Prometheus's operator wants it: `python deploy/make_rules.py`. A test holds the two together."""

from pathlib import Path
from textwrap import indent

ALERTS = Path(__file__).with_name("alerts.yml")
RULES = ALERTS.parent / "k8s" / "components" / "monitoring" / "rules.yaml"
HEAD = """# Written by deploy/make_rules.py from deploy/alerts.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: pixelrnn}
spec:
"""


def main() -> None:
    RULES.write_text(rules(), encoding="utf-8")


def rules() -> str:
    """The whole file."""
    lines = ALERTS.read_text(encoding="utf-8").splitlines(keepends=True)
    return HEAD + indent(
        "".join(line for line in lines if not line.startswith("#")), "  "
    )


if __name__ == "__main__":
    main()
