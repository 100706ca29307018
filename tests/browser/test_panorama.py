"""A picture that goes on below for as long as one scrolls."""

import io

import httpx
from PIL import Image

from tests.browser.site import Site


def reds(site: Site, rows: int) -> list[int]:
    """Of the picture's first rows."""
    return site.view.locator(".panorama canvas").evaluate(
        """(canvas, rows) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, rows);
          return [...data].filter((_, i) => i % 4 === 0);
        }""",
        rows,
    )


def test_a_panorama_that_was_left_while_it_was_drawn_goes_on(site: Site) -> None:
    """By its tab, and from its first row that was missing; a link to a model that is not here says its name."""
    site.open("panorama")
    site.view.get_by_label("Width").select_option("256")
    site.submit()
    site.wait_for_standing("[1-9][0-9]* of at most 256 rows")
    site.page.locator(".tabs").get_by_role("link", name="Bet").click()
    site.page.locator("#view-bet:visible").wait_for()
    rows = int(site.page.locator("#view-panorama .standing").inner_text().split()[0])
    assert rows < 96
    site.page.locator(".tabs").get_by_role("link", name="Workbench").click()
    site.wait_for_standing("96 of at most 256 rows")
    assert not site.view.locator("[data-field=model]").is_visible()  # there is but one
    site.page.goto("/#panorama/model=nobody&width=256&seed=1&temperature=1")
    assert "nobody, which no worker" in site.trouble("form")
    site.page.goto("/#panorama/model=tiny-rgb&width=97&seed=1&temperature=1")
    site.view.get_by_text("does not say what is to be drawn").wait_for()


def test_a_panorama_goes_on_as_one_scrolls_and_its_address_opens_it_again(
    site: Site,
) -> None:
    """Rows come as they are drawn, further ones of the same field at its end, up to the server's bound; by models whose
    card says `field` alone."""
    site.open("panorama")
    model = site.view.get_by_label("Model", exact=True)
    model.locator("option").first.wait_for(state="attached")
    assert model.locator("option").all_inner_texts() == ["tiny-rgb"]
    site.view.get_by_label("Width").select_option("160")
    site.fill("seed", "3")
    site.submit()
    site.wait_for_standing("[1-9][0-9]* of at most 409 rows")
    site.page.wait_for_function(
        """() => {
          document.querySelector(".panorama-end").scrollIntoView();
          return document.querySelector("#view-panorama .standing").textContent.startsWith("409 of");
        }"""
    )
    job = site.service.post(
        "/sample", {"model": "tiny-rgb", "seed": 3, "size": "160x409"}
    )
    site.service.get(f"/jobs/{job['id']}?wait=20")
    drawn = Image.open(
        io.BytesIO(
            httpx.get(f"{site.service.url}/jobs/{job['id']}/image", timeout=60).content
        )
    )
    expected = list(drawn.convert("RGB").getchannel("R").tobytes())
    assert reds(site, 409) == expected
    site.page.reload()
    site.wait_for_standing("(9[6-9]|[1-4][0-9][0-9]) of at most 409 rows")
    assert reds(site, 96) == expected[: 160 * 96]
