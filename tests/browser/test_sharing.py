"""Links that draw the same images anywhere, and archives of all images."""

import io
import re
import zipfile

import pytest
from PIL import Image

from tests.browser.site import Site
from tests.house.running import Up


@pytest.mark.parametrize("view", ["sample", "complete"])
def test_link_is_a_recipe_and_its_bytes_are_verified(site: Site, view: str) -> None:
    """It needs no job: given pixels stand in it. Whoever opens it is told whether the same bytes came out."""
    site.open(view)
    site.choose_model("tiny-cnn")
    site.fill("n", "2")
    site.fill("temperature", "1.25")
    site.submit()
    site.wait_for_standing("Done")
    drawn = [site.pixels(i) for i in range(2)]
    link = site.copied_link()
    assert site.job_id not in link
    with site.elsewhere(link) as other:
        other.view.get_by_text("drawn again here: the same bytes").wait_for()
        assert [other.pixels(i) for i in range(2)] == drawn
    with site.elsewhere(re.sub(r"seed=\d+", "seed=1234567", link)) as other:
        other.view.get_by_text("not the bytes of the link").wait_for()


@pytest.mark.parametrize(
    "how",
    [
        {"method": "posterior", "particles": 5, "sweeps": 1},
        {"method": "clamp", "particles": None, "sweeps": None},
    ],
    ids=["posterior", "clamp"],
)
def test_link_of_a_completion_says_how_it_is_filled(
    site: Site, service: Up, how: dict[str, str | int | None]
) -> None:
    """Method, particles and sweeps stand in it, in the form that it opens, and in the job that is drawn from it."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.get_by_role("button", name="Right half").click()
    site.fill("n", "2")
    site.view.get_by_text("How it is filled").click()
    site.view.get_by_label("Method").select_option(str(how["method"]))
    if how["particles"]:
        site.fill("particles", str(how["particles"]))
        site.fill("sweeps", str(how["sweeps"]))
    site.submit()
    site.wait_for_standing("Done")
    first, drawn = site.job_id, [site.pixels(i) for i in range(2)]
    with site.elsewhere(site.copied_link()) as other:
        other.view.get_by_text("drawn again here: the same bytes").wait_for()
        assert [other.pixels(i) for i in range(2)] == drawn
        assert other.view.get_by_label("Method").input_value() == how["method"]
        assert other.job_id != first
        for job in (first, other.job_id):
            found = service.get(f"/jobs/{job}")
            assert {name: found[name] for name in how} == how
        for name in ("particles", "sweeps") if how["particles"] else ():
            assert other.view.locator(
                f"[data-field={name}] input"
            ).input_value() == str(how[name])


def test_field_that_is_folded_away_opens_when_it_is_wrong(site: Site) -> None:
    """Words of trouble are seen beside it, and nothing is asked of the server."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.get_by_text("How it is filled").click()
    site.fill("particles", "many")
    site.view.get_by_text("How it is filled").click()
    assert not site.view.get_by_label("Particles").is_visible()
    site.submit()
    assert site.trouble("particles") == "Particles are a whole number from 1."


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
        assert archive.namelist() == ["00.png", "01.png", "02.png"]
        last = Image.open(io.BytesIO(archive.read("02.png")))
        assert last.text["seed"] == "5"  # pyright: ignore[reportAttributeAccessIssue]
        assert list(last.tobytes()) == site.pixels(2)


def test_picture_of_a_name_is_shown_with_the_line_that_embeds_it(site: Site) -> None:
    """Its address is the service's; a name that has none is said to have none."""
    site.open("draw")
    site.page.wait_for_selector("[data-act=another]:enabled")
    form = site.page.locator(".named")
    form.get_by_label("Your name").fill("Zoë")
    form.get_by_role("button").click()
    image = form.locator("img[alt=Zoë]")
    image.wait_for()
    address = image.get_attribute("src") or ""
    assert re.fullmatch(
        rf"{site.service.url}/p/[a-z-]+/Zo%C3%AB\.png\?scale=8", address
    )
    assert form.locator("code").inner_text() == f'<img src="{address}">'
    form.get_by_label("Your name").fill("a/b")
    form.get_by_role("button").click()
    form.get_by_text("There is no address for this name").wait_for()
    assert site.complaints == []
