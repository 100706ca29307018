"""What survives: reloading the page, and the end of the process that serves it."""

import os
import signal

from tests.browser.site import Site
from tests.house.processes import eventually


def _is_whole(site: Site) -> bool:
    """Every image on the page is drawn, and is the server's."""
    return all(-1 not in site.pixels(i) for i in (0, 31, 63))


def test_page_goes_on_when_it_is_reloaded_in_the_middle(site: Site) -> None:
    """The job's address is in the page's, so it is followed again from its first row."""
    with site.long_job() as job:
        site.page.reload()
        site.wait_for_standing("Drawing")
        assert not _is_whole(site)
    site.wait_for_standing("Done")
    assert site.job_id == job
    assert _is_whole(site)


def test_page_goes_on_when_the_api_is_killed_in_the_middle(site: Site) -> None:
    """The stream is resumed behind the last row; no row is missing at the end, and none was sent twice."""
    with site.long_job() as job:
        resumed = []
        site.page.on(
            "request",
            lambda request: (
                resumed.append(request) if "/events" in request.url else None
            ),
        )
        os.kill(site.service.children()["api"], signal.SIGKILL)
    site.wait_for_standing("Done")
    assert site.job_id == job
    # The last rows are painted with the next frame.
    assert eventually(lambda: _is_whole(site), 20)
    assert all("-0" in request.headers["last-event-id"] for request in resumed)
    site.service.wait_until_ready()


def test_history_opens_a_job_again_and_forgets_it(site: Site) -> None:
    """A finished completion is shown again with its original, and its hole in the form, until it is forgotten."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.get_by_role("button", name="Right half").click()
    site.fill("n", "2")
    site.submit()
    site.wait_for_standing("Done")
    before = site.pixels(0)
    site.page.goto("/#history")
    site.view.locator("li a").click()
    site.wait_for_standing("Done")
    assert site.view.locator(".tile.original").count() == 1
    assert site.pixels(0) == before
    site.page.reload()
    site.wait_for_standing("Done")
    assert site.pixels(0) == before
    assert site.view.locator(".card input[value=tiny-cnn]").is_checked()
    site.view.locator("[data-count]", has_text="12 pixels of 30").wait_for()
    site.page.goto("/#history")
    site.view.get_by_role("button", name="Forget this job").click()
    site.view.get_by_text("Forget all").wait_for(state="hidden")
