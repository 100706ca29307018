"""What is seen until the page is there, and if a part of it does not come."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.app.hand_worker import COLOUR, GREY, HandWorker
from tests.browser.by_hand import moved_by_hand
from tests.browser.site import Held, Site
from tests.portable.exporting import export
from worker.contract.keys import TRAIN_QUEUE

LATE = "This page could not be loaded completely."
FASTER = 50
"""How many times faster than usual animations run, so that nobody waits for eight seconds."""
STAGE = "#view-draw .easel > canvas"
"""The large picture of the first view. Kinds and endings have canvases of their own."""


@pytest.fixture
def site(browser: Any, redis_url: str) -> Iterator[Site]:
    with moved_by_hand(browser, redis_url) as opened:
        yield opened


def _hurry(page: Any) -> None:
    send = page.context.new_cdp_session(page).send
    send("Animation.enable")
    send("Animation.setPlaybackRate", {"playbackRate": FASTER})


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_module_that_does_not_come_is_missed_in_a_sentence(
    site: Site, motion: Any
) -> None:
    """By style alone, also for those who want no motion; a page that is whole never says it."""
    site.page.emulate_media(reduced_motion=motion)
    _hurry(site.page)
    site.page.route(re.compile("js/main.js"), lambda route: route.abort())
    site.page.goto("/")
    site.page.get_by_text(LATE).wait_for()
    assert not site.page.get_by_text("python -m http.server").first.is_visible()
    site.page.unroute_all()
    site.page.reload()
    site.page.locator("#fleet[data-state=ready]").wait_for()
    site.page.wait_for_timeout(8000 / FASTER + 200)
    assert site.page.get_by_text(LATE).count() == 0


def test_folder_that_is_opened_as_a_file_says_what_it_needs(
    browser: Any, tmp_path: Path
) -> None:
    """Modules are forbidden there; in German, too."""
    done = export(tmp_path / "folder", "mnist-row-lstm")
    assert done.returncode == 0, done.stderr
    page = browser.new_page()
    _hurry(page)
    page.goto((tmp_path / "folder" / "index.html").as_uri())
    page.get_by_text("start a web server in its folder").wait_for()
    page.get_by_text("Starte in ihrem Ordner").wait_for()
    page.close()


def test_language_that_does_not_come_leaves_the_page_in_english(
    browser: Any, redis_url: str
) -> None:
    """It works without its file."""
    with moved_by_hand(browser, redis_url) as site:
        context = browser.new_context(base_url=site.service.url, locale="de-DE")
        page = context.new_page()
        page.route("**/de.json", lambda route: route.abort())
        page.goto("/")
        page.get_by_text("2 models").wait_for()
        context.close()


@pytest.mark.parametrize(
    ("address", "is_seen"),
    [("/", True), ("/#watch", True), ("/#bet/seed=1", False), ("/#inspect", False)],
)
def test_first_view_is_seen_only_if_it_is_asked_for(
    site: Site, address: str, is_seen: bool
) -> None:
    """Before any module has run, an address that names another view does not show it."""
    held = Held(site.page, "**/js/main.js")
    site.page.goto(address, wait_until="commit")
    site.page.wait_for_function(
        "() => document.querySelector('#view-draw .easel > canvas') && "
        "document.styleSheets.length === document.querySelectorAll('link[rel=stylesheet]').length"
    )
    state: Any = "visible" if is_seen else "hidden"
    site.page.locator(STAGE).wait_for(state=state)
    held.let_go()
    site.page.locator("#fleet[data-state=ready]").wait_for()
    site.page.locator(STAGE).wait_for(state=state)


@pytest.mark.parametrize("view", ["bet", "real", "ink"])
def test_view_says_that_the_service_starts(site: Site, view: str) -> None:
    """Until somebody knows which models there are."""
    held = Held(site.page, "**/models")
    site.page.goto(f"/#{view}")
    site.view.get_by_text("Starting…").first.wait_for()
    held.let_go()
    site.view.get_by_text("Starting…").first.wait_for(state="hidden")


def test_link_that_says_too_little_is_no_riddle(site: Site) -> None:
    """The page says that a part of it is missing or unknown, until the reader goes elsewhere."""
    too_little = "This link does not say what is to be drawn"
    for link, said in (
        ("sample?model=grey&n=2", too_little),
        ("sample?seed=1", too_little),
        ("bet/seed=abc", too_little),
        ("what?", "There is no “what” on this page."),
    ):
        site.page.goto("about:blank")
        site.page.goto(f"/#{link}")
        notice = site.page.locator("#notice", has_text=said)
        notice.wait_for()
        site.page.get_by_role("link", name="Draw", exact=True).click()
        notice.wait_for(state="hidden")


def test_model_that_comes_later_is_missed_only_until_then(site: Any) -> None:
    """A reload while a service starts finds some of its models, or none."""
    worker: HandWorker = site.service.worker
    site.open("sample")
    site.choose_model("grey")
    site.submit()
    site.wait_for_standing("Waiting")
    worker.draw()
    site.wait_for_standing("Done")
    worker.announce(COLOUR)
    site.page.reload()
    assert "grey, which no worker here has" in site.trouble("model")
    worker.announce(GREY, COLOUR)
    site.view.locator("[data-field=model] .trouble").wait_for(state="hidden")
    assert site.view.locator(".card input[value=grey]").is_checked()


def test_trainer_that_looks_at_the_pictures_is_not_waited_for(
    browser: Any, redis_url: str, tmp_path: Path
) -> None:
    """Its stream says nothing before the first progress: the page asks."""
    settings = {"training": True, "added_dir": tmp_path}
    with moved_by_hand(browser, redis_url, **settings) as site:
        site.open("teach")
        site.view.get_by_role("button", name="Take 200 emoji").click()
        site.view.get_by_text("“emoji.zip”").wait_for()
        site.submit()
        site.wait_for_standing("It waits for a trainer")
        HandWorker(redis_url, "trainer", TRAIN_QUEUE).take()
        site.wait_for_standing("It looks at the pictures")


def test_signal_forgets_who_waited_for_its_first_value(site: Site) -> None:
    """Each job that is opened would else leave a watcher behind."""
    site.page.goto("/")
    seen = site.page.evaluate(
        """async () => {
          const { Signal } = await import("/playground/js/signal.js");
          const signal = new Signal(null);
          const seen = [];
          const first = signal.first().then((value) => seen.push(value));
          signal.watch((value) => seen.push(`watched ${value}`));
          signal.value = 1;
          await first;
          signal.value = 2;
          seen.push(await signal.first());
          return seen;
        }"""
    )
    assert seen == ["watched null", "watched 1", 1, "watched 2", 2]


def test_chance_that_is_nearly_one_is_not_one_in_one(site: Site) -> None:
    """Blank paper costs nearly nothing."""
    site.page.goto("/")
    said = site.page.evaluate(
        """async () => {
          const { likelihood } = await import("/playground/js/service/words.js");
          return [0, 0.01, 0.5, 1, 10].map(likelihood);
        }"""
    )
    assert said == ["nearly 1", "nearly 1", "nearly 1", "1 in 2", "1 in 1,000"]


def test_icons_are_drawn_for_a_training(site: Site) -> None:
    """An SVG becomes 32 x 32 pixels; one that cannot be drawn stays as it is."""
    site.page.goto("/")
    found = site.page.evaluate(
        """async () => {
          const { packFiles } = await import("/playground/js/views/teach_view.js");
          const path = '<path d="M0 0h2v1H0z" fill="red"/>';
          const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1">${path}</svg>`;
          const files = [["a/red.svg", new File([svg], "red.svg")], ["b.svg", new File(["no"], "b.svg")]];
          const bytes = new Uint8Array(await (await packFiles(files)).arrayBuffer());
          return [...bytes];
        }"""
    )
    archive = zipfile.ZipFile(io.BytesIO(bytes(found)))
    assert sorted(archive.namelist()) == ["a/red.png", "b.svg"]
    icon = Image.open(io.BytesIO(archive.read("a/red.png")))
    assert icon.size == (32, 32)
    assert icon.getpixel((16, 16)) == (255, 0, 0, 255)
    assert icon.getpixel((16, 2))[3] == 0  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]


def test_view_that_is_gone_leaves_its_settings(site: Site) -> None:
    """The call that does the same is named, and the form of new images has the seed."""
    for address, seed in (
        ("compare/by=models&models=grey&n=3&seed=41&temperature=1", "41"),
        ("panorama/model=grey&width=96&seed=42&temperature=1", "42"),
        ("upsample", ""),
    ):
        site.page.goto("about:blank")
        site.page.goto(f"/#{address}")
        site.page.locator("#notice", has_text="POST /").wait_for()
        site.view.locator("[data-field=seed] input").first.wait_for()
        if seed:
            site.page.wait_for_function(
                "(seed) => document.querySelector('section.view:not([hidden]) [data-field=seed] input').value === seed",
                arg=seed,
            )


EARLIER_ADDRESSES = {
    "watch": "draw",
    "ink": "draw",
    "bet": "bet",
    "bet/seed=7&of=10&bits=9.1&model=grey": "bet",
    "real": "real",
    "complete": "complete",
    "inspect": "inspect",
    "sight": "inspect",
    "sample": "sample",
    "sample?model=grey&n=2&seed=3&temperature=1": "sample",
    "model=grey&n=2&seed=3&temperature=1": "sample",
    "history": "sample",
    "teach": "teach",
}
"""Addresses of 0.4.0, and the views that they show now; those of views that are gone have a test of their own."""
ROOMS = {
    "draw": "Draw",
    "bet": "Game",
    "real": "Game",
    "inspect": "Look inside",
    "teach": "Teach",
}


def test_address_of_an_earlier_version_leads_to_its_room(site: Site) -> None:
    for address, shown in EARLIER_ADDRESSES.items():
        site.page.goto("about:blank")
        site.page.goto(f"/#{address}")
        site.page.locator(f"#view-{shown}:visible").wait_for()
        assert site.page.locator("section.view:visible").count() == 1
        current = site.page.locator("header [aria-current]").inner_text().strip()
        assert current == ROOMS.get(shown, "API")
