"""A small picture is painted on the page, and enlarged as it is."""

from typing import Any

from tests.browser.site import Site

GIVEN = """node => {
  const {data} = node.getContext("2d").getImageData(0, 0, node.width, node.height);
  return Array.from({length: data.length / 4}, (_, i) => [...data.slice(4 * i, 4 * i + 3)]);
}"""
EDITED_AGAIN = """async () => {
  const {Pad} = await import("/playground/js/parts/pad.js");
  const doodle = new Pad();
  const picture = new ImageData(Uint8ClampedArray.from({length: 24}, (_, i) => i % 4 < 3 ? 9 * i : 255), 2);
  const seen = () => [...doodle.picture.data];
  const states = [];
  doodle.sketch(picture);
  states.push(seen());
  doodle.element.querySelector("[data-rule=clear]").click();
  doodle.sketch(picture);
  states.push(seen());
  doodle.sketch(new ImageData(2, 3));
  states.push(seen());
  doodle.element.querySelector("[data-rule=undo]").click();
  states.push(seen());
  return {picture: [...picture.data], states};
}"""


def _as_four_values(colour: str) -> list[int]:
    return [85 * round(part / 85) for part in bytes.fromhex(colour)]


def test_doodle_is_enlarged_as_it_was_painted(site: Site) -> None:
    """By pointer and keyboard, in colours of the palette and another one, with the way back: the network is given the
    picture that is seen, in the nearest of its values."""
    site.open("upsample")
    site.choose_model("tiny-scales")
    paper = site.view.get_by_role("application")
    site.view.locator(".pad:not([inert])").wait_for()
    site.view.get_by_role("button", name="Clear").click()
    site.view.get_by_role("button", name="Red", exact=True).click()
    site.click_pixel(paper, 1, 0, (2, 3))
    site.view.get_by_role("button", name="Blue", exact=True).click()
    paper.focus()
    site.page.keyboard.press("ArrowDown")
    site.page.keyboard.press("Space")
    assert site.page.locator("#announcer").inner_text() == "Row 2, column 2: Blue"
    site.page.keyboard.press("Control+z")
    site.page.keyboard.press("ArrowLeft")
    assert site.page.locator("#announcer").inner_text() == "Row 2, column 1: White"
    site.page.keyboard.press("ArrowRight")
    assert site.page.locator("#announcer").inner_text() == "Row 2, column 2: White"
    site.page.keyboard.press("Control+y")
    site.view.get_by_label("Any colour").fill("#12a0f7")
    assert site.view.locator(".palette [aria-pressed=true]").count() == 0
    site.click_pixel(paper, 0, 2, (2, 3))
    site.fill("n", "1")
    site.submit()
    site.wait_for_standing("Done")
    assert site.service.get(f"/jobs/{site.job_id}")["temperature"] == 0.7
    given = site.view.locator(".tile.original canvas").evaluate(GIVEN)
    painted = ["ffffff", "ee2233", "ffffff", "3388ee", "12a0f7", "ffffff"]
    assert given == [_as_four_values(colour) for colour in painted]


def test_doodle_lasts_until_another_picture_is_chosen(site: Site) -> None:
    """The picture that it began with may come again, as when models are listed anew; another one can be taken back."""
    site.page.goto("/#upsample")
    found = site.page.evaluate(EDITED_AGAIN)
    white, transparent = [255] * 24, [0, 0, 0, 255] * 6
    assert found["states"] == [found["picture"], white, transparent, white]


def test_emoji_come_first_and_begin_with_doodles(site: Site) -> None:
    """Where there is a model of emoji it is the one that is chosen, and the examples are as small as what it takes."""
    _claim(
        site,
        "tiny-scales",
        {"tiny-scales": "CIFAR-10 (a part)", "emoji": "emoji of six open sets (...)"},
    )
    site.open("upsample")
    assert site.view.locator(".card input:checked").get_attribute("value") == "emoji"
    site.view.get_by_label("Heart").wait_for()
    site.view.locator(".card", has_text="Photographs").click()
    site.view.get_by_label("Boat").wait_for()


def test_examples_are_what_the_model_knows(site: Site) -> None:
    """A photograph says nothing of a model of emoji, a digit nothing of one of floor plans."""
    _claim(
        site,
        "tiny-rgb",
        {
            "plans": "floor plans by rules (...)",
            "emoji": "emoji of six open sets (...)",
        },
    )
    site.open("complete")
    for kind, example in (("Floor plans", "Floor plan 1"), ("Emoji", "Mushroom")):
        site.view.locator(".card", has_text=kind).click()
        site.view.get_by_label(example).wait_for()


def test_settings_are_folded_until_they_are_wanted(site: Site) -> None:
    """The pad, its examples and the button are seen; the fold names the model, and opens where a field is wrong."""
    site.page.goto("/#complete")
    fold = site.view.get_by_text("Settings: ")
    fold.wait_for()
    number = site.view.locator("[data-field=n] input")
    assert not number.is_visible()
    assert site.view.locator("canvas.paper").is_visible()
    number.evaluate("node => (node.value = '')")
    site.submit()
    site.trouble("n")
    assert number.is_visible()


def _claim(site: Site, model: str, data: dict[str, str]) -> None:
    """Let the page believe in copies of one model, by their names, that were trained on other data."""

    def told_otherwise(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        (real,) = [one for one in told["models"] if one["name"] == model]
        route.fulfill(
            response=answer,
            json=told
            | {"models": [real | {"name": k, "data": v} for k, v in data.items()]},
        )

    site.page.route("**/models", told_otherwise)
