"""Debian's Firefox without a window, asked by WebDriver BiDi: Playwright drives only a Firefox of its own."""

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

LOOK_S = 0.25
"""Seconds between two looks at the page."""


def firefox_path() -> str | None:
    """Return the command of Debian's Firefox, or the one that the environment names; None if there is none."""
    named = os.environ.get("PIXELRNN_FIREFOX")
    return named or shutil.which("firefox-esr") or shutil.which("firefox")


def look(
    url: str, expression: str, place: Path, size: tuple[int, int], limit_s: float
) -> tuple[bytes, Any]:
    """Open a page and evaluate an expression in it until it is true.

    Args:
        url: Address of the page; it may be of the scheme file:.
        expression: JavaScript whose value is true, and a text or a number, once the page is ready.
        place: Existing directory in which the browser's profile is made.
        size: Width and height of the page in CSS pixels.
        limit_s: Seconds after which TimeoutError is raised.

    Returns:
        A PNG of the page, and the value of the expression.
    """
    firefox = firefox_path()
    assert firefox is not None, "there is no Firefox"
    profile = place / "profile"
    profile.mkdir()
    options = ["--headless", "--no-remote", "--profile", str(profile)]
    with subprocess.Popen(
        [firefox, *options, "--remote-debugging-port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as browser:
        assert browser.stderr is not None
        try:
            address = next(
                found[1]
                for line in browser.stderr
                if (found := re.search(r"(ws://\S+)", line))
            )
            return _looked(f"{address}/session", url, expression, size, limit_s)
        finally:
            browser.terminate()


def _looked(
    session: str, url: str, expression: str, size: tuple[int, int], limit_s: float
) -> tuple[bytes, Any]:
    until = time.monotonic() + limit_s
    with connect(session, max_size=None) as socket:
        numbers = itertools.count()

        def ask(method: str, **params: Any) -> Any:
            number = next(numbers)
            socket.send(json.dumps({"id": number, "method": method, "params": params}))
            while (answer := json.loads(socket.recv(limit_s))).get("id") != number:
                pass  # an event
            return answer["result"]

        ask("session.new", capabilities={})
        context = ask("browsingContext.getTree")["contexts"][0]["context"]
        viewport = dict(zip(("width", "height"), size, strict=True))
        ask("browsingContext.setViewport", context=context, viewport=viewport)
        ask("browsingContext.navigate", context=context, url=url, wait="complete")

        here = {"context": context}
        value = None
        while not value:
            if time.monotonic() > until:
                raise TimeoutError(f"Firefox: {expression} is not true at {url}")
            time.sleep(LOOK_S)
            answer = ask(
                "script.evaluate",
                expression=expression,
                target=here,
                awaitPromise=False,
            )
            value = answer["result"].get("value")
        picture = ask("browsingContext.captureScreenshot", context=context)
        return base64.b64decode(picture["data"]), value
