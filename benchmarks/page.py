"""How the page feels: how soon something is seen, and how evenly it is painted while 64 images stream.

    python -m benchmarks.page http://127.0.0.1:8000 --model mnist-diagonal-bilstm
    python -m benchmarks.page http://127.0.0.1:8000 --views

With `--views` it opens every view on a phone, a tablet and two desks instead, each in a browser that has cached
nothing, waits until all models are ready, and prints a Markdown table. `scroll width` is that of the document: more
than the screen means that the page moves sideways. `y` is the top of the drawing area. It is `-` if the page
lacks the view, as exported ones lack some, and shows another one. `small` counts what a finger
can press and is less than 44 pixels high, on screens that are touched. `CLS` is the sum of all layout shifts without
input. `axe` counts violations of all its rules, `errors` the errors and warnings on the console.
Requests and bytes are those of the page, its modules and its pictures until the view is at rest: as they are on the
wire, with headers.

Prints one line of JSON. `first_paint_ms`: from the request for the page to its first text, as the browser has it.
`frames_per_s`: median over `runs` of the frames that the page had ready in a second, from the first row to the last, by
the browser's own trace, while it is asked for every one of them; `script_ms_per_frame`: what the page's own work took
of each, of 16.7 at 60 frames a second; `stream_s`: how long the rows came.

The shipped models draw 64 images in less than a second, and take all cores for it. A service that was started with
PIXELRNN_STEP_DELAY_S=0.02 takes longer, and leaves the browser a core: that measures the page.
"""

import json
import re
import statistics
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

VIEWPORT = {"width": 1280, "height": 1000}
LIMIT_MS = 120_000
_FRAME = "BeginMainThreadFrame"
_EVERY_FRAME = "() => { const again = () => requestAnimationFrame(again); again(); }"
_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
VIEWS = {
    "draw": ".easel canvas",
    "bet": ".easel canvas",
    "ink": "canvas.paper",
    "complete": "canvas.paper",
    "real": ".glyphs",
    "inspect": ".stage",
    "sample": ".stage",
    "teach": ".stage",
}
"""Each view's address, and the element in which something is drawn."""
WIDTHS = {390: 844, 768: 1024, 1366: 768, 1920: 1080}
"""Width of each screen, and its height, in CSS pixels."""
AXE = Path("tests/browser/node_modules/axe-core/axe.min.js")
_REST_S = 4
"""Seconds after which a view counts as being at rest: the first film and the first live picture have begun."""
_SUM_SHIFTS = """() => {
  window.shifts = 0;
  const add = list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
  };
  new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
}"""
_FIND_TOP = """selector => {
  const drawn = document.querySelector(`section.view:not([hidden]) ${selector}`);
  return drawn && drawn.checkVisibility() ? Math.round(drawn.getBoundingClientRect().top + scrollY) : null;
}"""
_COUNT_VIOLATIONS = "() => axe.run().then(({ violations }) => violations.length)"
_TOUCHED = 900
"""Width in CSS pixels below which a screen counts as one that is touched."""
_COUNT_SMALL = """() => [...document.querySelectorAll("a, button, input, select, summary")].filter(node => {
  const target = node.closest("label") ?? node;
  const inSentence = node.matches("p a") && node.parentElement.textContent.trim() !== node.textContent.trim();
  const pressed = node.checkVisibility() && !node.closest(".unseen, .skip") && !inSentence;
  const height = target => target.getBoundingClientRect().height;
  return pressed && Math.max(height(node), height(target)) < 43.5;
}).length"""
_ALL_READY = """() =>
  /^(\\d+ models?|In your browser)$/.test(document.querySelector('#fleet')?.textContent)
"""
_SCRIPT = ("FunctionCall", "FireAnimationFrame", "RunMicrotasks", "EvaluateScript")


def main(
    url: Annotated[str, typer.Argument(help="Of a running service.")],
    model: Annotated[str, typer.Option(help="What draws.")] = "mnist-diagonal-bilstm",
    images: Annotated[int, typer.Option(help="How many stream at once.")] = 64,
    runs: Annotated[int, typer.Option(help="How often each number is taken.")] = 3,
    chromium: Annotated[str, typer.Option(help="The browser.")] = "/usr/bin/chromium",
    views: Annotated[
        bool, typer.Option("--views", help="Open every view at four widths.")
    ] = False,
) -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    if views:
        with sync_playwright() as running:
            browser = running.chromium.launch(
                executable_path=chromium, args=["--no-sandbox"]
            )
            typer.echo("\n".join(table_of_views(browser, url)))
            browser.close()
        return

    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        paints = [first_paint_ms(browser, url) for _ in range(runs)]
        streams = [stream(browser, url, model, images) for _ in range(runs)]
        browser.close()
    frames, script, seconds = zip(*streams, strict=True)
    result = {
        "model": model,
        "images": images,
        "first_paint_ms": round(statistics.median(paints)),
        "frames_per_s": round(statistics.median(frames), 1),
        "script_ms_per_frame": round(statistics.median(script), 2),
        "stream_s": round(statistics.median(seconds), 2),
    }
    typer.echo(json.dumps(result))


def first_paint_ms(browser: Any, url: str) -> float:
    """Milliseconds to the first paint, with an empty cache."""
    page = browser.new_context(viewport=VIEWPORT).new_page()
    page.goto(url)
    painted_ms = page.wait_for_function(_PAINT).json_value()
    page.context.close()
    return painted_ms


def stream(
    browser: Any, url: str, model: str, images: int
) -> tuple[float, float, float]:
    """Frames a second and milliseconds of script a frame, while the images arrive; and for how many seconds."""
    page = browser.new_context(viewport=VIEWPORT).new_page()
    page.set_default_timeout(LIMIT_MS)
    page.goto(f"{url}/#sample")
    page.locator(f"#view-sample input[value={model}]").check()
    page.locator("#view-sample [data-field=n] input").fill(str(images))
    page.evaluate(_EVERY_FRAME)
    with tempfile.TemporaryDirectory() as directory:
        trace = Path(directory) / "trace.json"
        categories = [
            "devtools.timeline",
            "disabled-by-default-devtools.timeline.frame",
            "blink.user_timing",
        ]
        page.locator("#view-sample button.primary").click()
        standing = page.locator("#view-sample .standing")
        standing.filter(has_text=re.compile("Drawing")).wait_for()
        browser.start_tracing(page=page, path=trace, categories=categories)
        standing.filter(has_text=re.compile("Done")).wait_for()
        browser.stop_tracing()
        events = json.loads(trace.read_text())["traceEvents"]
    page.context.close()
    return _rate(events)


def table_of_views(browser: Any, url: str) -> list[str]:
    """Return the lines of a Markdown table with a row for each view and width."""
    header = ["view", "width", "scroll width", "y", "small", "CLS", "axe"]
    header += ["errors", "requests", "kB"]
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    for name, drawn in VIEWS.items():
        for width, height in WIDTHS.items():
            screen = {"width": width, "height": height}
            cells = [
                name,
                width,
                *measure_view(browser, f"{url}#{name}", drawn, screen),
            ]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def measure_view(
    browser: Any, address: str, drawn: str, screen: dict[str, int]
) -> list[Any]:
    """Open an address in a new profile and return the cells of its row.

    Args:
        drawn: CSS selector of the element in which something is drawn.
        screen: width and height in CSS pixels.
    """
    touched = screen["width"] < _TOUCHED
    context = browser.new_context(viewport=screen, is_mobile=touched, has_touch=touched)
    page = context.new_page()
    page.set_default_timeout(LIMIT_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def hear(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", hear)
    page.add_init_script(f"({_SUM_SHIFTS})()")

    # The protocol alone knows how many bytes were on the wire.
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    sizes: list[float] = []
    devtools.on(
        "Network.loadingFinished",
        lambda event: sizes.append(event["encodedDataLength"]),
    )

    page.goto(address)
    page.wait_for_function(_ALL_READY)
    page.wait_for_timeout(1000 * _REST_S)
    requests, wire = len(sizes), sum(sizes)
    scroll = page.evaluate("document.documentElement.scrollWidth")
    top = page.evaluate(_FIND_TOP, drawn)
    small = page.evaluate(_COUNT_SMALL) if touched else "-"
    shifts = page.evaluate("shifts")
    page.evaluate(AXE.read_text(encoding="utf-8"))  # a script element is forbidden
    violations = page.evaluate(_COUNT_VIOLATIONS)
    context.close()
    return [
        scroll,
        "-" if top is None else top,
        small,
        f"{shifts:.4f}",
        violations,
        len(complaints),
        requests,
        f"{wire / 1000:.1f}",
    ]


def _rate(events: list[dict[str, Any]]) -> tuple[float, float, float]:
    ready = sorted(event["ts"] for event in events if event["name"] == _FRAME)
    if len(ready) < 2:
        raise typer.BadParameter(
            "the images came too fast to be measured; draw more, or with a slower model"
        )
    busy_us = sum(event.get("dur", 0) for event in events if event["name"] in _SCRIPT)
    seconds = (ready[-1] - ready[0]) / 1e6
    return (len(ready) - 1) / seconds, busy_us / 1000 / len(ready), seconds


if __name__ == "__main__":
    typer.run(main)
