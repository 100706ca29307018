"""What tests do on the page, in the words of a person in front of it."""

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.house.running import Up

LIMIT_MS = 60_000
COLOURS = """(node, [W, H]) => {
  const {width, height} = node;
  const brush = node.getContext("2d");
  return Array.from({length: W * H}, (_, i) =>
    [...brush.getImageData((i % W + 0.5) * width / W, (Math.floor(i / W) + 0.5) * height / H, 1, 1).data].slice(0, 3));
}"""
"""Colours of W x H places of a canvas, as the page shows them."""
_REFUSED = re.compile(r"Failed to load resource")


def chromium_path() -> str | None:
    """Debian's chromium, or what the environment names."""
    named = os.environ.get("PIXELRNN_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")


class Profile:
    """A browser profile that tests use one after the other, each with pages of its own.

    A new profile would cost each of them half a second of processor time, and have to
    fetch all modules of the page again.
    """

    def __init__(self, browser: Any, url: str) -> None:
        self.context = browser.new_context(
            base_url=url, viewport={"width": 1280, "height": 900}
        )
        self._url = url
        self._kept_page = self.context.new_page()
        self._send = self.context.new_cdp_session(self._kept_page).send

    def clear(self) -> None:
        """Close all pages of the test, and forget what they stored, were allowed and told.

        Scripts that a test adds to the context cannot be taken back: it adds them to its
        page.
        """
        for page in self.context.pages:
            if page != self._kept_page:
                page.close()
        self.context.unroute_all()
        self.context.clear_permissions()
        self.context.clear_cookies()
        self.context.set_offline(False)
        everything = {"origin": self._url, "storageTypes": "all"}
        self._send("Storage.clearDataForOrigin", everything)


@dataclass
class Site:
    """One browser window. `complaints`: errors on its console, but for answers that were not 2xx, and whatever it asked
    another server for."""

    context: Any
    service: Up
    """Or, for a server without the rest, something that has its `url`."""
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(LIMIT_MS)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", self._see)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning") and not _REFUSED.search(message.text):
            self.complaints.append(message.text)

    def _see(self, request: Any) -> None:
        if not request.url.startswith(
            (self.service.url + "/", "data:", "blob:" + self.service.url)
        ):
            self.complaints.append(f"asked for {request.url}")

    def open(self, view: str = "sample") -> None:
        """The view with its model cards, or with its jobs."""
        self.page.goto(f"/#{view}")
        if view == "complete":
            self.page.locator("#view-complete:visible").wait_for()
            self._unfold()
        if view not in (
            "history",
            "draw",
            "watch",
            "bet",
            "ink",
            "real",
            "teach",
        ):
            self.view.locator(".card").first.wait_for()
        if view == "inspect":  # which shows something by itself
            self.view.locator(".belief").first.wait_for()

    def wait_for_drawing(self) -> None:
        """In the first view: one of its own, and no film."""
        self.page.locator(
            "#view-draw[data-live=true] .next",
            has_text=re.compile("Next, row|Finished"),
        ).wait_for()

    def _unfold(self) -> None:
        fold = self.view.locator(".drawer:not(.form-code, [open]) > summary")
        if fold.count():
            fold.click()

    def choose_model(self, name: str) -> None:
        self._unfold()
        self.view.locator(f".card input[type=radio][value={name}]").check()

    def fill(self, name: str, text: str) -> None:
        """A field by its name."""
        self.view.locator(f"[data-field={name}] input").first.fill(text)

    def submit(self) -> None:
        self.view.locator("button.primary").click()

    def wait_for_standing(self, pattern: str) -> str:
        """The line that says where the job is, once it fits."""
        from playwright.sync_api import TimeoutError as TooLateError

        try:
            found = self.page.wait_for_function(
                """pattern => [...document.querySelectorAll("section.view:not([hidden]) .standing")]
                  .map(line => line.textContent).find(text => new RegExp(pattern).test(text))""",
                arg=pattern,
            )
        except TooLateError as late:
            shown = self.view.inner_text()
            raise AssertionError(
                f"no line fits {pattern!r} at {self.page.url}, which shows: {shown}"
            ) from late
        return found.json_value()

    @contextmanager
    def long_job(self) -> Iterator[str]:
        """The id of a job of which some rows are drawn, and no more until this ends: its worker stands still."""
        self.open("sample")
        self.choose_model("tiny-diagonal")
        self.fill("n", "64")
        worker = self.service.children()["worker"]
        os.kill(worker, signal.SIGSTOP)
        try:
            self.submit()
            job = self.job_id
            while self.service.get(f"/jobs/{job}")["rows_done"] == 0:
                os.kill(worker, signal.SIGCONT)
                time.sleep(0.05)
                os.kill(worker, signal.SIGSTOP)
            self.wait_for_standing("Drawing")
            yield job
        finally:
            os.kill(worker, signal.SIGCONT)

    def trouble(self, name: str) -> str:
        """What is said beside a field."""
        line = self.view.locator(f"[data-field={name}] .trouble")
        line.wait_for()
        return line.inner_text()

    @contextmanager
    def elsewhere(self, url: str, **options: Any) -> Iterator["Site"]:
        """A link opened in a second browser, which knows nothing of this one."""
        context = self.context.browser.new_context(base_url=self.service.url, **options)
        other = Site(context, self.service)
        other.page.goto(url)
        yield other
        context.close()
        assert other.complaints == []

    def copied_link(self, button: str = "Copy link") -> str:
        """What is on the clipboard when a link was copied."""
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.view.get_by_role("button", name=button).click()
        self.view.get_by_role("button", name="Copied.").wait_for()
        return self.page.evaluate("navigator.clipboard.readText()")

    def open_large(self, index: int) -> Any:
        """The dialog of a tile."""
        self.view.locator("button.tile").nth(index).click()
        dialog = self.page.get_by_role("dialog")
        dialog.wait_for()
        return dialog

    @property
    def view(self) -> Any:
        return self.page.locator("section.view:visible")

    @property
    def job_id(self) -> str:
        """Of the job that is shown."""
        return self.page.wait_for_function(
            "() => location.hash.split('/')[1]"
        ).json_value()

    def pixels(self, index: int) -> list[int]:
        """Red of every pixel of a tile, -1 where nothing is drawn."""
        return self.page.evaluate(
            """index => {
              const canvas = document.querySelectorAll("section.view:not([hidden]) button.tile canvas")[index];
              const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
              return Array.from({length: data.length / 4}, (_, i) => data[4 * i + 3] ? data[4 * i] : -1);
            }""",
            index,
        )

    def click_pixel(self, canvas: Any, x: int, y: int, size: tuple[int, int]) -> None:
        """The middle of a pixel of a picture of `size`, on the canvas that shows it."""
        canvas.evaluate("node => node.scrollIntoView({block: 'center'})")
        box = canvas.bounding_box()
        across, down = (x + 0.5) / size[0], (y + 0.5) / size[1]
        self.page.mouse.click(
            box["x"] + across * box["width"], box["y"] + down * box["height"]
        )

    def paste(self, path: Path, kind: str = "image/png") -> None:
        """A file from the clipboard."""
        self._hand_over("body", path, kind, "paste", "clipboardData")

    def drop(self, selector: str, path: Path, kind: str = "image/png") -> None:
        """Drop a file there, as from a file manager."""
        self._hand_over(selector, path, kind, "drop", "dataTransfer")

    def _hand_over(
        self, selector: str, path: Path, kind: str, event: str, field: str
    ) -> None:
        transfer = self.page.evaluate_handle(
            """([bytes, name, type]) => {
              const transfer = new DataTransfer();
              transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
              return transfer;
            }""",
            [list(path.read_bytes()), path.name, kind],
        )
        self.page.locator(selector).first.evaluate(
            """(node, [transfer, event, field]) => {
              const handed = new Event(event, {bubbles: true, cancelable: true});
              Object.defineProperty(handed, field, {value: transfer});
              node.dispatchEvent(handed);
            }""",
            [transfer, event, field],
        )


class Held:
    """The first request to an address that fits is held back until `let_go`; later ones pass."""

    def __init__(self, page: Any, pattern: Any) -> None:
        self._route: Any = None
        page.route(pattern, self._take)

    def _take(self, route: Any) -> None:
        if self._route is None:
            self._route = route
        else:
            route.continue_()

    def let_go(self) -> None:
        from playwright.sync_api import Error

        with suppress(Error):  # the page may have given it up
            self._route.continue_()
