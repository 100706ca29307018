"""What goes wrong is said in words, beside the field that caused it."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.site import Site


def _refuse_with(
    site: Site, pattern: str, status: int, slug: str, retry_after: str = "0"
) -> None:
    """Answer as the server does when that is wrong with it."""
    body = {
        "type": f"urn:pixelrnn:problem:{slug}",
        "title": slug,
        "status": status,
        "detail": "in its own words",
    }

    def answer(route: Any) -> None:
        route.fulfill(status=status, json=body, headers={"Retry-After": retry_after})

    site.page.route(pattern, answer)


def test_seed_that_is_no_number_is_said_beside_it(site: Site) -> None:
    """The field is marked, has the focus, and is described by the words."""
    site.open("sample")
    site.fill("seed", "seven")
    site.submit()
    assert "whole number" in site.trouble("seed")
    seed = site.view.locator("[data-field=seed] input").first
    assert seed.get_attribute("aria-invalid") == "true"
    assert seed.evaluate("node => document.activeElement === node")
    described = seed.get_attribute("aria-describedby")
    assert "whole number" in site.page.locator(f"#{described}").inner_text()


def test_too_many_images_are_said_beside_the_number(site: Site) -> None:
    """The page knows the server's limit."""
    site.open("sample")
    site.fill("n", "65")
    site.submit()
    assert "1 to 64" in site.trouble("n")


def test_dropped_picture_from_elsewhere_is_no_riddle(site: Site) -> None:
    """Where no picture is asked for, one without settings is there to be completed; the words go when it is."""
    site.open("sample")
    site.drop("main", Path("docs/img/page-draw.webp"), "image/webp")
    notice = site.page.locator("#notice")
    notice.get_by_text("does not say how it was drawn").wait_for()
    site.page.locator("#view-complete").get_by_label("Your picture").wait_for()
    site.submit()
    notice.wait_for(state="hidden")


def test_words_of_the_server_stand_beside_the_field_that_they_are_about(
    site: Site,
) -> None:
    """A problem names its field, and the page puts it there."""
    site.open("sample")
    error = {"pointer": "#/temperature", "detail": "at most 2 here"}
    body = {
        "type": "urn:pixelrnn:problem:invalid",
        "title": "No",
        "status": 422,
        "detail": "no",
        "errors": [error],
    }
    site.page.route("**/sample", lambda route: route.fulfill(status=422, json=body))
    site.submit()
    assert site.trouble("temperature") == "At most 2 here."


def test_empty_hole_is_said_beside_the_mask(site: Site) -> None:
    """Nothing is sent when there is nothing to fill."""
    site.open("complete")
    site.view.get_by_role("button", name="Clear").click()
    site.submit()
    assert "Paint a hole" in site.trouble("mask")


def test_examples_that_were_lost_come_back(site: Site) -> None:
    """A strip of pictures that fails once is asked for again, in every view that shows it."""
    lost: list[Any] = []

    def lose(route: Any) -> None:
        lost.append(route)
        route.abort() if len(lost) < 3 else route.continue_()

    site.page.route("**/img/digits.png", lose)
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.locator(".example canvas").nth(7).wait_for()
    assert len(lost) >= 3


@pytest.mark.parametrize(
    ("status", "slug", "words"),
    [
        (503, "no-worker", "No worker is running"),
        (503, "queue-full", "The queue is full"),
        (503, "closed", "stopped new jobs"),
        (429, "too-many-open-jobs", "as many open jobs"),
        (503, "store-down", "job store"),
    ],
)
def test_server_that_cannot_take_a_job_says_so_plainly(
    site: Site, status: int, slug: str, words: str
) -> None:
    """Each reason has words of its own, and says when to come back."""
    site.open("sample")
    _refuse_with(site, "**/sample", status, slug, retry_after="7")
    site.submit()
    said = site.trouble("form")
    assert words in said
    assert "7 seconds" in said


def test_unknown_job_is_said_where_its_images_would_be(site: Site) -> None:
    """The real server's answer to an id that it never gave out."""
    site.open("sample")
    site.page.goto("/#sample/AAAAAAAAAAAAAAAAAAAAAA")
    assert "no such job" in site.wait_for_standing("no such job")


def test_answer_that_is_cut_off_is_no_answer(site: Site) -> None:
    """Half of the list of models: the page says that it is not connected, and that is all it says."""
    site.page.route(
        "**/models",
        lambda route: route.fulfill(
            content_type="application/json", body='{"models": [{"na'
        ),
    )
    site.page.goto("/#sample")
    fleet = site.page.get_by_text("Not connected")
    fleet.wait_for()
    assert "does not answer" in (fleet.get_attribute("title") or "")


def test_trouble_that_is_over_is_no_longer_said(site: Site) -> None:
    """A view whose code could not be fetched is opened when the server is back, and the notice goes."""
    site.open("sample")
    site.context.set_offline(True)
    site.page.evaluate("location.hash = 'teach'")
    notice = site.page.locator("#notice")
    notice.get_by_text("does not answer").wait_for()
    site.context.set_offline(False)
    notice.wait_for(state="hidden")
    site.view.get_by_text("Nothing is chosen yet.").wait_for(state="attached")


def test_images_of_the_picture_before_do_not_stand_beside_another(site: Site) -> None:
    """Whoever chooses another picture sees no completion of the former one."""
    site.open("complete")
    site.fill("n", "1")
    site.submit()
    site.wait_for_standing("Done")
    site.view.locator(".example input").nth(1).check(force=True)
    site.view.locator(".board").wait_for(state="hidden")
