"""The page before a real API, with a worker that is moved by hand: states that elsewhere last only for a moment."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.app.hand_worker import COLOUR, GREY, HandWorker
from tests.browser.by_hand import moved_by_hand
from tests.browser.site import Site
from worker.contract import keys

REST = [(sample, y) for y in range(4) for sample in range(2)][3:]
"""Of two images, what comes behind three rows."""


@pytest.fixture
def site(browser: Any, redis_url: str) -> Iterator[Site]:
    with moved_by_hand(browser, redis_url) as opened:
        yield opened


@pytest.fixture
def worker(site: Any) -> HandWorker:
    return site.service.worker


def _ask(site: Site, n: int = 1) -> None:
    site.open("sample")
    site.choose_model("grey")
    site.fill("n", str(n))
    site.submit()


def _post(site: Site) -> None:
    """Somebody else's job."""
    httpx.post(
        f"{site.service.url}/sample", json={"model": "grey"}, timeout=60
    ).raise_for_status()


def test_rows_are_painted_as_they_come_from_one_stream(
    site: Site, worker: HandWorker
) -> None:
    """Each image has the rows that it was sent and a mark for the next one, in the large view too."""
    streams = []
    site.page.on(
        "request",
        lambda request: (
            streams.append(request)
            if "/jobs/" in request.url and "/events" in request.url
            else None
        ),
    )
    _ask(site, n=2)
    site.wait_for_standing("Waiting: next in the queue")
    spec = worker.take()
    worker.rows(spec, (0, 0), (1, 0), (0, 1))
    site.wait_for_standing("Drawing: 38%")
    assert site.page.get_by_role("progressbar").evaluate("node => node.value") == 3 / 8
    assert site.pixels(0)[:6] == [0, 1, 2, 10, 11, 12]
    assert site.pixels(1)[:3] == [50, 51, 52]
    assert site.pixels(0)[9:] == [-1] * 3
    dialog = site.open_large(0)
    dialog.get_by_text("when it is complete").wait_for()
    worker.rows(spec, *REST)
    worker.settle(spec)
    dialog.get_by_text("when it is complete").wait_for(state="hidden")
    last = dialog.locator(".large canvas").evaluate(
        "node => node.getContext('2d').getImageData(2, 3, 1, 1).data[0]"
    )
    assert last == 32
    site.wait_for_standing("Done: 2 images")
    assert site.pixels(1) == [50 + 10 * y + x for y in range(4) for x in range(3)]
    assert len(streams) == 1


def test_place_in_the_queue_and_time_are_said(site: Site, worker: HandWorker) -> None:
    """Who waits knows how many are before, and for how long."""
    span = int(worker.redis.time()[0]) // keys.DRAWN_SPAN_S
    worker.redis.hset(
        keys.DRAWN, str(span - 1), 2 * keys.DRAWN_SPAN_S
    )  # 2 values a second
    _post(site)
    _post(site)
    _ask(site)
    site.wait_for_standing(r"Waiting: 3rd in the queue · about \d+ s left")
    worker.draw()
    site.wait_for_standing(r"Waiting: 2nd in the queue")
    assert (
        "2nd in the queue"
        in site.page.get_by_role("status").filter(has_text="queue").inner_text()
    )


def test_job_that_waits_is_canceled(site: Site) -> None:
    """Before a worker has seen it."""
    _ask(site)
    site.wait_for_standing("Waiting")
    site.view.get_by_role("button", name="Cancel").click()
    site.wait_for_standing("Canceled at 0%")
    assert not site.view.get_by_role("button", name="Cancel").is_visible()


def test_late_cancel_leaves_the_images(site: Site, worker: HandWorker) -> None:
    """The job ends while the request is on its way: its images stay, on the page and on the server."""
    _ask(site)
    site.wait_for_standing("Waiting")

    def too_late(route: Any) -> None:
        worker.draw()
        route.continue_()

    site.page.route("**/jobs/*/cancel", too_late)
    with site.page.expect_response("**/jobs/*/cancel") as answer:
        site.view.get_by_role("button", name="Cancel").click()
    assert answer.value.status == 200
    site.wait_for_standing("Done")
    assert site.view.locator("button.tile").count() == 1
    assert (
        httpx.get(
            f"{site.service.url}/jobs/{site.job_id}/image", timeout=60
        ).status_code
        == 200
    )


def test_page_without_a_worker_says_what_is_missing(
    site: Site, worker: HandWorker
) -> None:
    """In the head of the page, where the models would be, and beside the field."""
    worker.leave()
    site.page.clock.install()
    site.page.goto("/#sample")
    site.page.locator("#fleet", has_text="Starting").wait_for()
    assert site.view.get_by_text("No model here").count() == 0, (
        "the service may have been started just now"
    )
    site.page.clock.fast_forward(40_000)
    site.page.locator("#fleet", has_text="No worker").wait_for()
    site.view.get_by_text(
        "No model here can do this; a worker that is started may bring one."
    ).wait_for()
    site.submit()
    assert "no model to draw with" in site.trouble("model")


def test_hidden_page_asks_nothing(site: Site, worker: HandWorker) -> None:
    """Until somebody looks at it again; then at once."""
    site.page.add_init_script(
        "Object.defineProperty(document, 'hidden', { get: () => window.isHidden ?? false });"
    )
    site.page.clock.install()
    site.open("sample")
    asked: list[str] = []
    site.page.on("request", lambda request: asked.append(request.url))
    site.page.evaluate("window.isHidden = true")
    for _ in range(5):
        site.page.clock.fast_forward(60_000)
    assert asked == []
    with site.page.expect_request("**/models"):
        site.page.evaluate(
            "window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))"
        )


def test_deleted_job_says_that_it_is_gone(site: Site, worker: HandWorker) -> None:
    """Where its images were; the history knows it too."""
    _ask(site)
    site.wait_for_standing("Waiting")
    worker.draw()
    site.wait_for_standing("Done")
    httpx.delete(
        f"{site.service.url}/jobs/{site.job_id}", timeout=60
    ).raise_for_status()
    site.page.reload()
    site.wait_for_standing("This job is no longer kept")
    assert site.view.locator("button.tile").count() == 0


def test_failed_job_says_why(site: Site, worker: HandWorker) -> None:
    """In the worker's words; the rows that came stay."""
    _ask(site)
    site.wait_for_standing("Waiting")
    spec = worker.take()
    worker.rows(spec, (0, 0))
    worker.settle(
        spec,
        "failed",
        {
            "type": "out-of-memory",
            "title": "No memory",
            "detail": "the card is too small",
        },
    )
    assert site.wait_for_standing("Failed") == "Failed: the card is too small"
    assert site.pixels(0)[:3] == [0, 1, 2]


def test_history_looks_after_jobs_that_had_not_ended(
    site: Site, worker: HandWorker
) -> None:
    """What became of them while the page was closed is seen when it is open again."""
    _ask(site)
    site.wait_for_standing("Waiting")
    site.page.goto("about:blank")
    worker.draw()
    site.open("history")
    site.view.locator(".history").get_by_text("done").wait_for()


def test_tab_leads_back_to_its_job(site: Site, worker: HandWorker) -> None:
    """Rows that came while another view was shown are there."""
    _ask(site)
    site.wait_for_standing("Waiting")
    address = site.page.url
    site.page.get_by_role("link", name="Look inside").click()
    worker.draw()
    site.page.get_by_role("link", name="API", exact=True).click()
    site.wait_for_standing("Done")
    assert site.page.url == address
    assert -1 not in site.pixels(0)


def test_what_was_painted_waits_for_its_model(site: Site, worker: HandWorker) -> None:
    """While the only worker that has it starts again, no model of another kind of
    picture takes its place."""
    worker.announce(GREY, COLOUR)
    site.open("complete")
    site.choose_model("grey")
    canvas = site.view.locator("canvas.paper")
    site.click_pixel(canvas, 1, 1, (3, 4))
    site.page.mouse.move(0, 0)
    painted = canvas.evaluate("node => node.toDataURL()")
    card = site.view.locator(".card input[value=grey]")
    worker.announce(COLOUR)
    card.wait_for(state="detached")
    assert site.view.locator(".card input:checked").count() == 0
    site.submit()
    assert "There is no model" in site.trouble("model")
    worker.announce(GREY, COLOUR)
    card.wait_for(state="attached")
    assert card.is_checked()
    site.page.mouse.move(0, 0)
    assert canvas.evaluate("node => node.toDataURL()") == painted
