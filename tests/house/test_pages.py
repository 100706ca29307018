"""The pages as a whole: each link from one to another, or into the checkout, leads somewhere."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]


def test_links_lead_somewhere(subtests: pytest.Subtests) -> None:
    """Each relative link names a file or a folder, and a heading of the page where it names one."""
    for page in PAGES:
        with subtests.test(page=page):
            for target in re.findall(
                r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")
            ):
                path, _, heading = target.partition("#")
                if not re.match(r"[a-z]+:", target):
                    found = page.parent / path if path else page
                    assert found.exists(), target
                    assert not heading or heading in headings(found), target


def headings(page: Path) -> set[str]:
    """What a page's headings are called in links to them."""
    titles = re.findall(
        r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles
    }


def test_the_version_is_the_newest_that_the_changelog_has_released() -> None:
    """In the package, in the schema, and in the tags of the images of deploy/."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (released, *_) = re.findall(
        r"^## \[(\d+\.\d+\.\d+)\]", changelog, flags=re.MULTILINE
    )
    assert (
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "version"
        ]
        == released
    )
    assert (
        json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))["info"][
            "version"
        ]
        == released
    )
    tags = [
        tag
        for path in (ROOT / "deploy" / "k8s").rglob("*.yaml")
        for tag in re.findall(
            r"(?:image: pixelrnn\S*:|newTag: )(\S+?)[},\s]",
            path.read_text(encoding="utf-8"),
        )
    ]
    assert set(tags) == {released}
