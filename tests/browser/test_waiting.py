"""States that everybody meets first and nobody sees again: models that compile, answers that are slow, a fleet that
leaves and returns, questions that are given up."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.app.hand_worker import GREY, HandWorker, image_bytes
from tests.browser.by_hand import moved_by_hand
from tests.browser.site import Site
from worker.contract.events import estimate_entry
from worker.contract.jobs import VERSION
from worker.contract.kinds.complete import CompletionSummary, Receipt
from worker.contract.traits import Method

ABLE = ("sample", "complete", "score")
CNN = GREY.model_copy(
    update={"name": "cnn", "title": "PixelCNN", "can": ABLE, "test_bits_per_dim": 0.5}
)
ROW = CNN.model_copy(
    update={
        "name": "row",
        "network": "row-lstm",
        "title": "Row LSTM",
        "digest": "d" * 64,
    }
)
COMPILING = [
    card.model_copy(update={"compiling": True, "cold": True}) for card in (CNN, ROW)
]


@pytest.fixture
def site(browser: Any, redis_url: str) -> Iterator[Site]:
    with moved_by_hand(browser, redis_url) as opened:
        stack: Any = opened.service
        stack.worker.announce(*COMPILING, version=VERSION)
        yield opened


@pytest.fixture
def worker(site: Any) -> HandWorker:
    return site.service.worker


class Tab:
    """A view in a tab of its own, whose clock is turned by hand, and what it sent."""

    def __init__(self, site: Site, view: str) -> None:
        self.sent: list[str] = []
        self.answers = 0
        self.page = site.context.new_page()
        self.page.clock.install()
        self.page.on("request", self._see)
        self.page.on("response", self._count)
        with self.page.expect_response("**/models"):
            self.page.goto(f"{site.service.url}/#{view}")

    def _see(self, request: Any) -> None:
        if request.method == "POST":
            self.sent.append(request.url.rpartition("/")[2])

    def _count(self, answer: Any) -> None:
        self.answers += answer.request.method == "POST"

    def look(self, seconds: int = 5) -> None:
        """Until it has asked for the models once more."""
        with self.page.expect_response("**/models"):
            self.page.clock.fast_forward(1000 * seconds)

    def wait_until_sent(self, *paths: str) -> None:
        """And the server has them."""

        def is_sent() -> bool:
            self.page.clock.fast_forward(100)
            return sorted(self.sent) == sorted(paths) and self.answers == len(paths)

        _eventually(self.page, is_sent)


def _status(site: Site, job_id: str) -> str:
    return httpx.get(f"{site.service.url}/jobs/{job_id}", timeout=60).json()["status"]


def _asked(page: Any) -> list[str]:
    """The ids of what a page asks from now on."""
    ids: list[str] = []
    page.on(
        "response",
        lambda answer: (
            ids.append(answer.json()["id"])
            if answer.request.method == "POST" and answer.status == 202
            else 0
        ),
    )
    return ids


def _eventually(page: Any, is_so: Any) -> None:
    for _ in range(200):
        if is_so():
            return
        page.wait_for_timeout(50)
    assert is_so()


def test_a_minute_of_compiling_asks_for_nothing_and_then_for_what_is_seen(
    site: Site, worker: HandWorker
) -> None:
    """Three tabs, twelve looks each: no job is in the queue but those of the views that are open."""
    tabs = [Tab(site, view) for view in ("watch", "inspect", "sample")]
    for _ in range(12):
        worker.announce(*COMPILING, version=VERSION)
        for tab in tabs:
            tab.look()
    assert [tab.sent for tab in tabs] == [[], [], []]
    worker.announce(CNN, ROW, version=VERSION)
    for tab in tabs:
        tab.look(seconds=1)
    watch, inspect, sample = tabs
    watch.wait_until_sent("sample")
    inspect.wait_until_sent("score")
    for tab in tabs:
        for _ in range(5):
            worker.announce(CNN, ROW, version=VERSION)
            tab.look()
    assert [sorted(tab.sent) for tab in tabs] == [["sample"], ["score"], []]
    assert sample.page.locator("#view-sample .card").count() == 2


def test_first_visit_moves_and_says_what_is_happening(site: Site) -> None:
    """A recorded picture plays within a second, and the page says that it is recorded, and for how long."""
    site.page.goto("/")
    site.view.get_by_text("Recorded earlier").filter(
        has_text="0 of 2 are ready"
    ).wait_for()
    assert "for a minute or more" in site.view.locator(".origin").inner_text()
    at = int(site.view.get_by_label("Pixel", exact=True).input_value())
    site.page.wait_for_function(
        "at => document.querySelector('.place input').value > at", arg=at
    )
    assert site.view.locator(".futures canvas").count() == 3
    for name in ("Roll again from here", "Draw another", "Draw on it yourself"):
        button = site.view.get_by_role("button", name=name)
        assert button.is_disabled() == (name != "Draw on it yourself"), name


def test_slow_answer_is_shown(site: Site, worker: HandWorker) -> None:
    """The page looks at the fleet many times meanwhile, and asks once."""
    worker.announce(CNN, ROW, version=VERSION)
    tab = Tab(site, "inspect")
    tab.wait_until_sent("score")
    for _ in range(6):
        worker.announce(CNN, ROW, version=VERSION)
        tab.look()
    tab.page.get_by_text("Waiting: next in the queue").first.wait_for()
    assert tab.sent == ["score"]


def test_fleet_that_leaves_is_missed_only_until_it_returns(
    site: Site, worker: HandWorker
) -> None:
    """Also where something was shown already; and what was asked for before is answered."""
    worker.announce(CNN, ROW, version=VERSION)
    watch, inspect = Tab(site, "watch"), Tab(site, "inspect")
    watch.wait_until_sent("sample")
    inspect.wait_until_sent("score")
    worker.leave()
    for tab in (watch, inspect):
        tab.look()
        tab.page.get_by_text("No model here").and_(
            tab.page.locator(":visible")
        ).wait_for()
    worker.announce(CNN, ROW, version=VERSION)
    for tab in (watch, inspect):
        tab.look()
        tab.page.locator("section:not([hidden])").get_by_text("No model here").wait_for(
            state="hidden"
        )
    assert (watch.sent, inspect.sent) == (["sample"], ["score"])


def test_question_that_is_given_up_is_taken_back(
    site: Site, worker: HandWorker
) -> None:
    """By leaving the view or the page; the next one does not wait behind it."""
    worker.announce(CNN, ROW, version=VERSION)
    ids = _asked(site.page)
    for count, other in enumerate(("/#sample", "about:blank"), start=1):
        site.page.goto("/#inspect")
        _eventually(site.page, lambda count=count: len(ids) == count)
        site.page.goto(other)
        _eventually(site.page, lambda: _status(site, ids[-1]) == "canceled")


def test_job_whose_worker_is_gone_has_no_estimate(
    site: Site, worker: HandWorker
) -> None:
    """Until one is back."""
    worker.announce(CNN, version=VERSION)
    site.page.clock.install()
    site.open("sample")
    site.submit()
    site.wait_for_standing("Waiting")
    spec = worker.take()
    worker.rows(spec, (0, 0))
    site.wait_for_standing("Drawing")
    worker.leave()
    site.page.clock.fast_forward(5000)
    site.wait_for_standing("No worker has this model now")
    worker.announce(CNN, version=VERSION)
    site.page.clock.fast_forward(5000)
    site.wait_for_standing("Drawing")


def test_fog_moves_while_particles_work(site: Site, worker: HandWorker) -> None:
    """What is expected so far is seen in the image that is being drawn and in the hole; then come its rows."""
    worker.announce(
        CNN.model_copy(update={"methods": (Method.POSTERIOR,), "max_particles": 64}),
        version=VERSION,
    )
    site.page.emulate_media(reduced_motion="reduce")
    site.open("complete")
    site.fill("n", "2")
    site.submit()
    site.wait_for_standing("Waiting")
    spec = worker.take()
    mean = bytes(range(0, 240, 20))
    assert worker.progress(spec, 0.4, estimate_entry(1, 0.4, mean)) == b"ok"
    site.wait_for_standing("Drawing: 40%")
    assert site.pixels(1) == list(mean)
    assert site.pixels(0) != site.pixels(1)
    site.page.wait_for_function(
        """() => {
          const {width, height} = document.querySelector("#view-complete canvas.paper");
          const brush = document.querySelector("#view-complete canvas.paper").getContext("2d");
          const light = [1, 3, 5].map((x) => brush.getImageData(x * width / 6, height * 7 / 8, 1, 1).data[0]);
          return light[0] < light[1] && light[1] < light[2];
        }"""
    )
    worker.rows(spec, *((sample, y) for sample in range(2) for y in range(4)))
    worker.settle(spec)
    site.wait_for_standing("Done")
    assert site.pixels(1) == list(image_bytes(spec, 1))


def test_rough_completion_says_so_and_is_tried_harder(
    site: Site, worker: HandWorker
) -> None:
    """With four times the particles, as far as the model has room for them: the picture and its hole stay."""
    able = {"methods": (Method.POSTERIOR, Method.CLAMP), "max_particles": 64}
    worker.announce(CNN.model_copy(update=able), version=VERSION)
    site.open("complete")
    site.fill("n", "1")
    site.submit()
    site.wait_for_standing("Waiting")
    spec = worker.take()
    worker.rows(spec, *((0, y) for y in range(4)))
    receipt = Receipt(
        exact=False,
        member="none",
        particles=32,
        quality="rough",
        evidence_nats=9,
        evidence_sd=1,
    )
    worker.settle_told(spec, CompletionSummary(posterior=receipt))
    site.wait_for_standing("rough: ")
    with site.page.expect_response("**/complete") as asked:
        site.view.get_by_role("button", name="Try harder").click()
    assert asked.value.json()["particles"] == 64
    site.wait_for_standing("Waiting")
    assert not site.view.get_by_role("button", name="Try harder").is_visible()


def test_each_completion_has_its_own_word_where_they_differ(
    site: Site, worker: HandWorker
) -> None:
    """Beneath it, beside its nats if it has some; above all stands the worst, as that of some."""
    able = {"methods": (Method.POSTERIOR, Method.CLAMP), "max_particles": 64}
    worker.announce(CNN.model_copy(update=able), version=VERSION)
    site.open("complete")
    site.fill("n", "3")
    site.submit()
    site.wait_for_standing("Waiting")
    spec = worker.take()
    worker.rows(spec, *((s, y) for s in range(3) for y in range(4)))
    receipt = Receipt(
        exact=False,
        member="none",
        particles=32,
        quality="poor",
        qualities=("good", "poor", "good"),
    )
    worker.settle_told(
        spec, CompletionSummary(sample_nats=(42.0, 200.0, 43.0), posterior=receipt)
    )
    site.wait_for_standing("some are poor: ")
    tiles = site.view.locator("button.tile").all()
    told = [
        "Likeliest · 60.6 bits · good",
        "2nd · 62.0 bits · good",
        "3rd · 288.5 bits · poor",
    ]
    assert [tile.inner_text() for tile in tiles] == told
