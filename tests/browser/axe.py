"""What axe-core finds on a page as it is."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.site import Site

COLOURS = "color-contrast", "link-in-text-block"
"""The rules that look at colours, which are all that the dark scheme changes (css/base.css)."""

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


def findings(site: Site) -> list[str]:
    """Serious and critical findings, in light by every rule and in dark by those of colours."""
    if not AXE.exists():
        pytest.skip("needs axe-core (npm ci --prefix tests/browser)")
    if not site.page.evaluate("'axe' in window"):
        site.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = _findings_in(site, "light", {}, at_least=10)
    return found + _findings_in(
        site, "dark", {"runOnly": {"type": "rule", "values": list(COLOURS)}}, at_least=0
    )


def _findings_in(
    site: Site, scheme: str, options: dict[str, Any], at_least: int
) -> list[str]:
    site.page.evaluate(
        "theme => document.documentElement.dataset.theme = theme", scheme
    )
    run = "options => axe.run(options).then(({passes, violations}) => ({passes: passes.length, violations}))"
    result = site.page.evaluate(run, options)
    assert result["passes"] > at_least, "axe looked at next to nothing"
    grave = [
        one for one in result["violations"] if one["impact"] in ("serious", "critical")
    ]
    return [
        f"{one['id']}, {scheme}: {node['html']}"
        for one in grave
        for node in one["nodes"]
    ]
