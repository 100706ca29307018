"""Links that draw the same images anywhere, and archives of all images."""

import io
import re
import zipfile
from typing import Any

import pytest
from PIL import Image

from tests.browser.site import Site
from tests.house.running import Up


@pytest.mark.parametrize("view", ["sample", "complete"])
def test_link_is_a_recipe_and_its_bytes_are_verified(site: Site, browser: Any, service: Up, view: str) -> None:
    """It needs no job: given pixels stand in it. Whoever opens it is told whether the same bytes came out."""
    site.context.grant_permissions(["clipboard-read", "clipboard-write"])
    site.open(view)
    site.choose_model("tiny-cnn")
    site.fill("n", "2")
    site.fill("temperature", "1.25")
    site.submit()
    site.wait_for_standing("Done")
    drawn = [site.pixels(i) for i in range(2)]
    site.view.get_by_role("button", name="Copy link").click()
    site.view.get_by_role("button", name="Copied.").wait_for()
    link = site.page.evaluate("navigator.clipboard.readText()")
    assert site.job_id not in link
    context = browser.new_context(base_url=service.url)
    other = Site(context, service)
    other.page.goto(link)
    other.view.get_by_text("drawn again here: the same bytes").wait_for()
    assert [other.pixels(i) for i in range(2)] == drawn
    other.page.goto("about:blank")
    other.page.goto(re.sub(r"seed=\d+", "seed=1234567", link))
    other.view.get_by_text("not the bytes of the link").wait_for()
    context.close()
    assert other.complaints == []


def test_all_images_are_saved_as_files_in_one(site: Site) -> None:
    """Each is the server's own, with its settings inside."""
    site.open("sample")
    site.choose_model("tiny-cnn")
    site.fill("n", "3")
    site.fill("seed", "5")
    site.submit()
    site.wait_for_standing("Done")
    with site.page.expect_download() as download:
        site.view.get_by_role("button", name="Zip").click()
    assert download.value.suggested_filename == "tiny-cnn-5.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"tiny-cnn-5-image{number}.png" for number in (1, 2, 3)]
        last = Image.open(io.BytesIO(archive.read("tiny-cnn-5-image3.png")))
        assert last.text["seed"] == "5"  # pyright: ignore[reportAttributeAccessIssue]
        assert list(last.tobytes()) == site.pixels(2)
