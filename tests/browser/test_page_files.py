"""What is served at / and below /playground/: all of the page, and nothing from elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from tests.app.live import speaking

ROOT = Path(__file__).parents[2] / "app" / "playground"
FILES = sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()
)
SERVED = [name for name in FILES if not name.endswith(".d.ts")]


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    """Speaks to a live server; the page needs no Redis."""
    settings = Settings(redis_url="redis://127.0.0.1:1/0", port=0)
    with speaking(settings) as speaker:
        yield speaker


@pytest.mark.parametrize("name", SERVED)
def test_file_is_served_with_type_policy_and_tag(
    server: httpx.Client, name: str
) -> None:
    """Each file has its type, and is not sent twice; the page, which speaks for all, forbids everything foreign."""
    answer = server.get(f"/playground/{name}")
    kinds = {
        "html": "text/html",
        "css": "text/css",
        "js": "text/javascript",
        "json": "application/json",
        "svg": "image/svg+xml",
        "png": "image/png",
        "webp": "image/webp",
        "zip": "application/zip",
        "woff2": "font/woff2",
        "txt": "text/plain",
    }
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kinds[name.rpartition(".")[2]])
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers.get("content-security-policy", "")
    assert ("default-src 'none'" in policy) == name.endswith(".html")
    assert "unsafe" not in policy
    again = server.get(
        f"/playground/{name}", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert answer.headers.get("content-encoding") == (
        "gzip" if name.endswith((".html", ".css", ".js", ".json", ".svg")) else None
    )
    plain = server.get(
        f"/playground/{name}", headers={"Accept-Encoding": "gzip;q=0, identity"}
    )
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content
    assert (
        plain.headers["etag"] != answer.headers["etag"]
        or "content-encoding" not in answer.headers
    )


def test_files_are_kept_for_ever_below_the_tag_of_their_release(
    server: httpx.Client,
) -> None:
    """The page is asked for each time; what it names never is again. Another tag gets what is there now, unkept."""
    page = server.get("/")
    assert page.headers["cache-control"] == "no-cache"
    named = set(re.findall(r'(?:src|href)="(playground/[^"]+)"', page.text))
    assert len({address.split("/")[1] for address in named}) == 1
    for address in named:
        answer = server.get(address)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (
            200,
            True,
        )
    old = server.get(f"/playground/{'0' * 16}/js/main.js")
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "../main.py",
        "..%2fmain.py",
        "%2e%2e/%2e%2e/pyproject.toml",
        "js",
        "js/types.d.ts",
        "a%00.js",
    ],
)
def test_404_for_everything_that_is_no_file_of_the_page(
    server: httpx.Client, name: str
) -> None:
    """No other file of the machine can be read through the page."""
    answer = server.get(f"/playground/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_shipped_model_has_its_picture() -> None:
    """The cards of a fresh machine show what each model draws (docs/tools/make_page_pictures.py)."""
    shipped = {
        card.parent.name for card in (ROOT.parents[1] / "models").glob("*/card.json")
    }
    assert shipped == {name[10:-5] for name in SERVED if name.startswith("img/model-")}


def test_page_names_no_other_place(server: httpx.Client) -> None:
    """No file refers to another server, except by the names of drawing languages and a
    name that cannot exist, which stands for the files in a page that is one file."""
    for name in SERVED:
        if not name.endswith((".png", ".webp", ".zip", ".woff2", ".txt")):
            found = set(
                re.findall(
                    r"(?:https?:)?//[a-z][\w.-]+\.[a-z]{2,}[^\s\"'`]*",
                    (ROOT / name).read_text(),
                )
            )
            names = {"http://www.w3.org/2000/svg", "https://one-file.invalid/"}
            assert found <= names, name


def test_page_asks_for_the_first_view_alone(server: httpx.Client) -> None:
    """Each of its modules is preloaded, so that none waits until another has been read; the other views come when they
    are opened."""
    named = {
        "/".join(address.split("/")[2:])
        for address in re.findall(
            r'href="(playground/[^"]+\.js)"', server.get("/").text
        )
    }
    views = {name for name in SERVED if name.startswith("js/views/")}
    assert "js/main.js" in named
    assert named & views <= {"js/views/draw_view.js"}
