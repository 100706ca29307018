"""examples/page: a page of another origin, of one file, that draws a picture row by row."""

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.house.running import Up

KEEP_WHAT_IS_SAID = """() => {
  window.said = [];
  const output = document.querySelector("output");
  new MutationObserver(() => window.said.push(output.value)).observe(output, {childList: true, characterData: true});
}"""
SHOWN = """() => {
  const {width, height} = document.querySelector("canvas");
  return [...document.querySelector("canvas").getContext("2d").getImageData(0, 0, width, height).data];
}"""


@pytest.fixture
def page(browser: Any, service: Up, example_page: str) -> Iterator[Any]:
    """The example, which knows where the service is."""
    context = browser.new_context()
    opened = context.new_page()
    yield _at(opened, example_page, service)
    context.close()


def _at(page: Any, origin: str, service: Up) -> Any:
    page.goto(origin)
    page.get_by_label("Service").fill(service.url)
    page.evaluate(KEEP_WHAT_IS_SAID)
    return page


def _draw(page: Any, model: str, until: str) -> None:
    page.get_by_label("Model").fill(model)
    page.get_by_role("button", name="Draw").click()
    page.locator("output", has_text=until).wait_for()


@pytest.mark.parametrize("model", ["tiny-cnn", "tiny-scales"])
def test_rows_arrive_and_the_picture_is_the_service_s(
    page: Any, service: Up, model: str
) -> None:
    """In one colour and in three; of two stages the last one is shown."""
    _draw(page, model, "succeeded")
    links = service.get("/jobs?limit=1")["jobs"][0]["links"]
    with Image.open(
        io.BytesIO(httpx.get(service.url + links["image"], timeout=60).content)
    ) as picture:
        rows = [f"row {y + 1} of {picture.height}" for y in range(picture.height)]
        assert page.evaluate(SHOWN) == list(picture.convert("RGBA").tobytes())
    assert page.evaluate("window.said") == [*rows, "succeeded"]


def test_what_is_wrong_is_said(page: Any, service: Up, example_page: str) -> None:
    """What the service expected; and, from an origin that it does not let in, what it has to be told."""
    _draw(page, "nobody", "expected one of: tiny-cnn")
    elsewhere = example_page.replace("127.0.0.1", "localhost")
    _draw(_at(page, elsewhere, service), "tiny-cnn", f"PIXELRNN_ORIGINS={elsewhere}?")


def test_the_page_is_short() -> None:
    """At most sixty lines, and nothing beside them."""
    from tests.browser.conftest import EXAMPLE_PAGE

    assert [path.name for path in EXAMPLE_PAGE.iterdir()] == ["index.html"]
    assert (
        len((EXAMPLE_PAGE / "index.html").read_text(encoding="utf-8").splitlines())
        <= 60
    )
