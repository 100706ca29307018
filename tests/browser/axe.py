"""What axe-core finds on a page as it is."""

from pathlib import Path

import pytest

from tests.browser.site import Site

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


def findings(site: Site) -> list[str]:
    """Serious and critical findings, in light and in dark."""
    if not AXE.exists():
        pytest.skip("needs axe-core (npm ci --prefix tests/browser)")
    site.page.evaluate(AXE.read_text(encoding="utf-8"))
    return [finding for scheme in ("light", "dark") for finding in _findings_in(site, scheme)]


def _findings_in(site: Site, scheme: str) -> list[str]:
    site.page.emulate_media(color_scheme=scheme)
    result = site.page.evaluate("axe.run()")
    assert len(result["passes"]) > 10, "axe looked at next to nothing"
    grave = [one for one in result["violations"] if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}, {scheme}: {node['html']}" for one in grave for node in one["nodes"]]
