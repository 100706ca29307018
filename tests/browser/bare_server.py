"""A page of a bare web server, as an exported folder has."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser.site import LIMIT_MS
from tests.data.serving import serving

DRAWN = """
() => [...document.querySelectorAll("button.tile canvas")].map((canvas) =>
  [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].filter((_, i) => i % 4 < 3))
"""
"""The pixels of all tiles of the page, without opacity."""


@contextmanager
def opened(browser: Any, folder: Path, **options: Any) -> Iterator[tuple[Any, str]]:
    """Yield a page of a bare web server and its address.

    The page may ask no other address, and log nothing.
    """
    context = browser.new_context(
        **{"viewport": {"width": 1280, "height": 900}} | options
    )
    context.set_default_timeout(LIMIT_MS)
    page, complaints = context.new_page(), list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    with serving(folder) as url:
        own = (f"{url}/", "data:", f"blob:{url}/")
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(own) else complaints.append(request.url)
            ),
        )
        yield page, url
        context.close()  # before the server: the page may be loading something yet
    assert complaints == [], complaints
