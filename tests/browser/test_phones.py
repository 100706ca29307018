"""The page on a phone, with as many kinds of models as are shipped."""

from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from tests.browser.by_hand import moved_by_hand
from tests.browser.site import Site
from tests.browser.views import KINDS, cards


@pytest.fixture
def site(browser: Any, redis_url: str) -> Iterator[Site]:
    with moved_by_hand(browser, redis_url) as opened:
        stack: Any = opened.service
        stack.worker.announce(*cards())
        yield opened


def test_seven_kinds_leave_the_page_as_wide_as_the_screen(site: Site) -> None:
    """They are one row that is moved by itself, once all of them are there."""
    for width in (360, 390):
        site.page.goto("about:blank")
        site.page.set_viewport_size({"width": width, "height": 640})
        site.page.goto("/#watch")
        site.view.locator(".kinds").get_by_role("button", name="More").click()
        site.view.locator(".kinds label").nth(len(KINDS) - 1).wait_for()
        assert site.view.locator(".kinds label").all_inner_texts() == list(KINDS)
        assert site.page.evaluate("document.documentElement.scrollWidth") == width
        kinds = site.view.locator(".kinds")
        assert kinds.evaluate("node => node.scrollWidth > node.clientWidth")


@pytest.mark.parametrize("size", [(390, 844), (360, 640)], ids=["tall", "small"])
def test_what_is_drawn_comes_first(
    browser: Any, site: Site, size: tuple[int, int]
) -> None:
    """Above it are one line and, in the Game, the row of games; the rooms are at the foot."""
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(
        base_url=site.service.url, viewport=viewport, has_touch=True, is_mobile=True
    )
    phone = Site(context, site.service)
    for view, drawn in (("watch", ".easel"), ("bet", ".easel"), ("ink", ".sheet")):
        phone.page.goto("about:blank")
        phone.page.goto(f"/#{view}")
        phone.page.locator("#fleet[data-state=ready]").wait_for()
        phone.page.locator("section.view:visible:not(.pending)").wait_for()
        canvas = phone.view.locator(f"{drawn} > canvas:visible")
        assert canvas.bounding_box()["y"] <= 150, view
        for tab in phone.page.locator(".tabs a").all():
            box = tab.bounding_box()
            assert 0 <= box["x"] <= size[0] - box["width"], view
            assert box["y"] + box["height"] <= size[1], view
        scrolled = phone.page.evaluate("document.documentElement.scrollWidth")
        assert scrolled == size[0], view
    context.close()
    assert phone.complaints == []


@pytest.fixture
def photograph(tmp_path: Any) -> Any:
    path = tmp_path / "photo.jpg"
    colours = [Image.linear_gradient("L").rotate(turn) for turn in (0, 90, 180)]
    Image.merge("RGB", colours).resize((3000, 2000)).save(path)
    return path


def test_photograph_chooses_the_model_for_photographs_and_stays_whole(
    site: Site, photograph: Any, tmp_path: Any
) -> None:
    """The page says so, and leads back; an icon in colours is for the first model that has colours."""
    site.open("complete")
    site.choose_model("m2")
    chosen = site.view.locator(".card:has(:checked) strong")
    assert chosen.inner_text() == "Digits"
    files = site.view.locator("input[type=file]")
    files.set_input_files(photograph)
    site.view.get_by_text(
        "Your picture has colours, and Digits knows none: Photographs was chosen for it."
    ).wait_for()
    assert chosen.inner_text() == "Photographs"
    site.view.locator(".pad.whole").wait_for()
    site.view.get_by_role("button", name="Back to Digits").click()
    site.view.get_by_role("button", name="Use Photographs").click()
    site.view.locator(".pad.whole").wait_for()
    site.choose_model("m0")
    icon = tmp_path / "icon.png"
    Image.new("RGB", (48, 48), "red").save(icon)
    files.set_input_files(icon)
    site.view.get_by_text(
        "Characters knows none: Sprites was chosen for it."
    ).wait_for()


def test_first_stroke_in_a_large_photograph_is_taken(
    site: Site, photograph: Any
) -> None:
    """The largest hole is an eighth of the picture's width or more, the nib is a third of it, and a box shows it."""
    site.open("complete")
    site.choose_model("m5")
    site.view.locator("input[type=file]").set_input_files(photograph)
    site.view.locator("[data-count]", has_text="of 10,880").wait_for()  # 128 x 85
    nib = site.view.locator(".size input")
    assert float(nib.input_value()) == 28 // 3
    paper = site.view.locator("canvas.paper")
    site.page.evaluate("scrollTo(0, 0)")
    box = paper.bounding_box()
    scale = box["width"] / 128
    x, y = box["x"] + 64 * scale, box["y"] + 42 * scale
    site.page.mouse.move(x, y)
    edge = """canvas => {
      const side = canvas.width / 128;
      const at = canvas.getContext("2d").getImageData((64 - 14) * side, 42 * side, 1, 1);
      return [...at.data].slice(0, 3);
    }"""
    site.page.wait_for_timeout(200)
    assert paper.evaluate(edge) == [0x6D, 0x8D, 0xFF]
    site.page.mouse.down()
    site.page.mouse.move(x + 40, y + 20, steps=4)
    site.page.mouse.up()
    with site.page.expect_response("**/complete") as asked:
        site.submit()
    assert asked.value.status == 202
    assert len(asked.value.json()["cutouts"]) == 1


def test_second_finger_draws_nothing(browser: Any, redis_url: str) -> None:
    """A palm on a tablet is a second touch: between it and the first one there is no ink."""
    with moved_by_hand(browser, redis_url) as site:
        stack: Any = site.service
        stack.worker.announce(*cards())
        context = browser.new_context(base_url=site.service.url, has_touch=True)
        page = context.new_page()
        page.goto("/#ink")
        paper = page.locator("canvas.paper")
        page.locator(".pad:not([inert])").wait_for()
        paper.evaluate("node => node.scrollIntoView({block: 'center'})")
        box = paper.bounding_box()
        send = context.new_cdp_session(page).send

        def touch(kind: str, *places: tuple[int, float, float]) -> None:
            points = [
                {
                    "id": finger,
                    "x": box["x"] + across * box["width"],
                    "y": box["y"] + down * box["height"],
                }
                for finger, across, down in places
            ]
            send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", (0, 0.2, 0.2))
        touch("touchStart", (0, 0.2, 0.2), (1, 0.8, 0.8))
        touch("touchMove", (0, 0.22, 0.2), (1, 0.8, 0.82))
        touch("touchMove", (0, 0.24, 0.2), (1, 0.8, 0.84))
        touch("touchEnd")
        page.wait_for_timeout(200)
        white = """node => {
          const brush = node.getContext("2d");
          const at = share => brush.getImageData(share * node.width, share * node.height, 1, 1).data;
          return [0.2, 0.5, 0.8].map(share => [...at(share)].slice(0, 3).join() === "255,255,255");
        }"""
        assert paper.evaluate(white) == [True, False, False]
        context.close()
