"""What README.md, and the page about completion, tell people to type is what the program takes."""

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import typer.main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def fenced(language: str, page: str = README) -> list[str]:
    """Lines of a page's code blocks in one language."""
    blocks = re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


CURLS = [line for line in fenced("sh") if line.startswith("curl")]
PAGES = README, *((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("completion", "codec", "verification"))
COMMANDS = [line for page in PAGES for line in fenced("sh", page) if line.startswith("pixelrnn")]


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    from app.main import create_app
    from app.settings import Settings

    return create_app(Settings()).openapi()


def operation(openapi: dict[str, Any], words: list[str]) -> tuple[dict[str, Any], str]:
    """The described operation that a curl line calls, and its query."""
    (url,) = (word for word in words if word.startswith("http"))
    parts = urlsplit(url)
    path = parts.path.replace("JOB_ID", "{job_id}")
    method = "post" if {"-d", "-F"} & set(words) else "get"
    return openapi["paths"][path][method], parts.query


@pytest.mark.parametrize("line", CURLS)
def test_curl_line_is_a_described_call(line: str, openapi: dict[str, Any]) -> None:
    """Every curl line names a path, method and query that the API describes, and files that are there."""
    words = shlex.split(line)
    described, query = operation(openapi, words)
    names = {parameter["name"] for parameter in described.get("parameters", [])}
    assert set(parse_qs(query)) <= names
    for field in (word for word in words if "=@" in word):
        assert (ROOT / field.partition("=@")[2]).is_file()


def test_there_are_four_curl_lines() -> None:
    """Sample, follow, complete, fetch."""
    assert len(CURLS) == 4


@pytest.mark.parametrize("line", COMMANDS)
def test_command_is_understood(line: str) -> None:
    """Every `pixelrnn` line parses: the verb, its arguments and its options exist."""
    from pixelrnn.verbs import root

    _, verb, *arguments = shlex.split(line)
    command = typer.main.get_command(root).commands[verb]  # pyright: ignore
    command.make_context(verb, arguments)


def test_make_targets_exist() -> None:
    """`make` lines name targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in fenced("sh"):
        if line.startswith("make "):
            assert f"\n{line.split()[1]}:" in makefile


def test_python_lines_compile() -> None:
    """The Python lines are Python, and import what model_core exports."""
    import model_core

    compile("\n".join(fenced("python")), "README.md", "exec")
    (names,) = re.findall(r"from model_core import (.*)", README)
    assert all(hasattr(model_core, name) for name in names.split(", "))


def test_every_link_leads_somewhere() -> None:
    """Links and pictures to files of the repository exist."""
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_tree_in_contributing_names_what_exists() -> None:
    """Every file and folder of the annotated tree, so that a move cannot leave it behind."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = text.split("## Where is ...")[1].split("```")[1]
    named, parent = [], ""
    for line in tree.strip().splitlines():
        paths = re.findall(r"(?<!\S)[a-z_]+(?:/|\.py)(?=\s|$)", line.strip().split("  ")[0])
        if not line.startswith(" ") and paths:
            parent = paths[0]
            named.append(parent)
        else:
            named += [parent + path for path in paths]
    assert len(named) > 35
    assert [path for path in named if not (ROOT / path).exists()] == []
