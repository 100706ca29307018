"""The first view: a picture that is drawn before the reader's eyes."""

import re

from tests.browser.site import Held, Site


def _canvas(site: Site, x: int, y: int) -> list[int]:
    """Red, green and blue of a pixel of the picture, of 5 by 6."""
    return site.view.locator("canvas").first.evaluate(
        """(node, [x, y]) => [...node.getContext("2d")
          .getImageData((x + 0.5) * node.width / 5, (y + 0.5) * node.height / 6, 1, 1).data].slice(0, 3)""",
        [x, y],
    )


def _point(site: Site, x: int, y: int) -> None:
    """Point at a pixel of the picture, of 5 by 6."""
    box = site.view.locator(".easel canvas").bounding_box()
    across, down = (x + 0.5) / 5, (y + 0.5) / 6
    site.page.mouse.move(
        box["x"] + across * box["width"], box["y"] + down * box["height"]
    )


def test_another_kind_begins_by_itself_unless_it_is_stopped(site: Site) -> None:
    """Some seconds after a picture is finished; Pause keeps it, and so does whoever points at one of its pixels."""
    site.page.goto("/")
    site.wait_for_drawing()
    chosen = "() => document.querySelector('#view-draw .kinds :checked').value"
    site.view.get_by_label("Speed").fill("3")
    note = site.view.locator(".screen .pixel-note")
    _point(site, 2, 3)  # it speaks as soon as the cost of that pixel is known
    note.wait_for()
    site.view.get_by_text("Finished: all").wait_for()
    first = site.page.evaluate(chosen)
    for place in range(6):
        _point(site, place % 2, 3)
        site.page.wait_for_timeout(1000)
    assert site.page.evaluate(chosen) == first
    site.page.mouse.move(1, 1)
    site.page.wait_for_function(
        "first => document.querySelector('#view-draw .kinds :checked').value !== first",
        arg=first,
    )
    # In the page, since a busy machine may be slower than the seconds that a picture stays.
    site.page.evaluate(
        """() => new Promise((resolve) => {
          const [play, line] = ["[data-act=play]", ".next"].map(one => document.querySelector(`#view-draw ${one}`));
          new MutationObserver((_, watched) => {
            if (!line.textContent.startsWith("Finished") || play.textContent !== "Pause") return;
            watched.disconnect();
            play.click();
            resolve();
          }).observe(document.querySelector("#view-draw"), { childList: true, subtree: true, characterData: true });
        })"""
    )
    assert site.view.get_by_role("button", name="Once more").is_visible()
    second = site.page.evaluate(chosen)
    site.page.wait_for_timeout(5000)
    assert site.page.evaluate(chosen) == second
    assert site.view.get_by_role("button", name="Once more").is_visible()


def test_picture_is_drawn_as_the_page_opens(site: Site) -> None:
    """Pixel by pixel, with the chance of white and the surprise so far, which is the score's in the end."""
    scores, samples = [], []
    site.page.on(
        "response",
        lambda answer: scores.append(answer) if answer.url.endswith("/score") else None,
    )
    site.page.on(
        "response",
        lambda answer: (
            samples.append(answer) if answer.url.endswith("/sample") else None
        ),
    )
    site.page.goto("/")
    site.wait_for_drawing()
    place = site.view.get_by_label("Pixel", exact=True)
    site.view.get_by_role("button", name="Pause").click()
    place.fill("7")
    bits = [
        cost
        for row in site.service.get(f"/jobs/{scores[0].json()['id']}/score-map")["bits"]
        for [cost] in row
    ]
    assert (
        site.view.locator("[data-bits]")
        .inner_text()
        .startswith(f"{sum(bits[:7]):.1f} bits")
    )
    site.view.get_by_role("button", name="Step").click()
    assert place.input_value() == "8"
    said = site.view.locator(".next").inner_text()
    chance = (
        float(re.fullmatch(r"Next, row 2, column 4: .+ \(white: ([\d.]+)%\)", said)[1])
        / 100
    )  # pyright: ignore
    assert min(abs(chance - 2 ** -bits[8]), abs(1 - chance - 2 ** -bits[8])) < 0.001
    site.view.get_by_label("Speed").fill("3")
    site.view.get_by_role("button", name="Go on").click()
    site.view.get_by_text("Finished: all 30 pixels").wait_for()
    site.view.get_by_role("button", name="Pause").click()  # no other one begins
    assert (
        site.view.locator("[data-bits]")
        .inner_text()
        .startswith(f"{sum(bits):.1f} bits")
    )
    _point(site, 3, 2)
    at = 2 * 5 + 3
    colour = "White" if _canvas(site, 3, 2) == [255, 255, 255] else "Black"
    said = site.view.locator(".screen .pixel-note").inner_text()
    assert re.fullmatch(rf"{colour} had .*% here: {bits[at]:.1f} bits", said)
    site.page.mouse.move(1, 1)
    site.view.locator(".screen .pixel-note").wait_for(state="hidden")
    colours = [_canvas(site, i % 5, i // 5) for i in range(30)]
    assert all(colour in ([0, 0, 0], [255, 255, 255]) for colour in colours)
    with site.page.expect_response("**/sample"):
        site.view.get_by_role("button", name="Draw another").click()
    seeds = {
        job["seed"] for job in (answer.json() for answer in samples) if job["n"] == 1
    }
    assert len(seeds) == 2


def test_frame_that_began_before_it_was_asked_for_shows_nothing_of_what_comes(
    site: Site,
) -> None:
    """A frame's time is that of its begin, which on a busy machine is earlier: no picture is whole for a moment."""
    site.page.add_init_script(
        """const now = performance.now.bind(performance); performance.now = () => now() + 500; window.said = [];
        const hear = () => said.push(document.querySelector("#view-draw .next").textContent);
        addEventListener("DOMContentLoaded", () =>
          new MutationObserver(hear).observe(document.body, {subtree: true, childList: true}));
        """
    )
    site.page.goto("/")
    site.wait_for_drawing()
    assert not [
        line
        for line in site.page.evaluate("said")
        if re.search("row 0|column -|NaN", line)
    ]


def test_whoever_wants_no_motion_sees_the_whole_picture(site: Site) -> None:
    """And steps through it at will."""
    site.page.emulate_media(reduced_motion="reduce")
    site.page.goto("/")
    site.view.get_by_text("Finished: all 30 pixels").wait_for()
    assert site.view.get_by_role("button", name="Once more").is_visible()


def test_what_the_first_view_says_is_true_of_any_model(site: Site) -> None:
    """It names the one that draws, and what that has seen: no word of digits where there may be none."""
    site.page.goto("/")
    site.wait_for_drawing()
    drawing = site.view.inner_text()
    name = site.view.locator(".origin").get_attribute("title")
    card = next(
        card for card in site.service.get("/models")["models"] if card["name"] == name
    )
    assert f"trained on {card['data'].split(' (')[0]}." in drawing
    assert "igit" not in drawing


def test_words_are_of_the_picture_that_is_shown(site: Site) -> None:
    """Another kind is chosen: until its picture is there, the one that is seen keeps its author."""
    site.page.goto("/")
    site.wait_for_drawing()
    author = site.view.locator(".origin").get_attribute("title")
    held = Held(site.page, "**/sample")
    other = site.view.locator(".kinds input:not(:checked)").first
    name = other.get_attribute("value")
    with site.page.expect_request("**/sample"):
        other.check(force=True)
    site.page.wait_for_function(
        "() => document.querySelector('#view-draw .origin').textContent.startsWith('By ')"
    )
    assert site.view.locator(".origin").get_attribute("title") == author != name
    held.let_go()
    site.view.locator(f".origin[title={name}]").wait_for()


def test_nothing_moves_as_the_page_comes_alive(site: Site) -> None:
    """The picture stands where it will stand before any module has run."""
    modules = Held(site.page, "**/js/main.js")
    site.page.goto("/", wait_until="commit")
    canvas = site.view.locator("canvas").first
    canvas.wait_for()
    where = ("x", "y", "width")
    before = canvas.bounding_box()
    modules.let_go()
    site.wait_for_drawing()
    after = canvas.bounding_box()
    assert [after[part] for part in where] == [before[part] for part in where]


def test_fog_is_what_can_still_come_and_another_end_is_rolled(site: Site) -> None:
    """What is not drawn is the mean of endings from there; rolled again, the picture keeps what stands above."""
    site.page.goto("/")
    site.wait_for_drawing()
    site.view.locator("[data-act=play]", has_text="Pause").click()
    with site.page.expect_response(re.compile("grid=true")) as fog:
        site.view.get_by_label("Pixel", exact=True).fill("15")
    site.view.get_by_text("It could still become").wait_for()
    assert fog.value.ok
    shared = "() => new Set([...document.querySelectorAll('.futures canvas')].map(TOP)).size".replace(
        "TOP", "node => String(node.getContext('2d').getImageData(0, 0, 5, 3).data)"
    )
    site.page.wait_for_function(
        f"() => ({shared})() === 1"
    )  # all three begin as the picture does
    before = [
        _canvas(site, i % 5, i // 5)[0] > 127 for i in range(15)
    ]  # the next pixel's glow falls on them
    assert _canvas(site, 2, 5) not in ([0, 0, 0], [255, 255, 255])
    with site.page.expect_response("**/complete") as rolled:
        site.view.get_by_role("button", name="Roll again from here").click()
    assert rolled.value.json()["filled_pixels"] == 15
    site.view.get_by_text("Finished: all 30 pixels").wait_for()
    assert [_canvas(site, i % 5, i // 5)[0] > 127 for i in range(15)] == before


def test_picture_of_another_kind_is_one_press_away(site: Site) -> None:
    """A model of colours is watched too: what each colour cost is said, and there is no bar of white."""
    site.page.goto("/")
    site.wait_for_drawing()
    site.view.get_by_role("radio", name="tiny-rgb").check(force=True)
    site.view.get_by_text("a colour of which the chance was 1 in").wait_for()
    assert not site.view.locator(".chance").is_visible()
    assert site.view.get_by_role("button", name="Draw on it yourself").is_disabled()


FRAMES = """
(() => {
  const look = () => {
    requestAnimationFrame(look);
    const view = document.querySelector("#view-draw");
    const place = view?.querySelector(".place input");
    if (!place || place.disabled) return;
    const isFog = !view.querySelector(".could").hidden;
    (window.frames_ ??= []).push([view.dataset.live, Number(place.value), Number(place.max), isFog]);
  };
  requestAnimationFrame(look);
})();
"""
"""Keeps, of each frame, whether the picture is live, how much of it is there, and whether endings are shown."""


def test_film_goes_on_to_its_end_before_the_first_picture_begins(site: Site) -> None:
    """However far it is when that picture is drawn; and the picture begins with its fog."""
    site.page.add_init_script(FRAMES)
    held = Held(site.page, "**/models")
    site.page.goto("/")
    site.page.wait_for_function("() => window.frames_?.some(([, at]) => at > 20)")
    held.let_go()
    site.wait_for_drawing()
    frames = site.page.evaluate("window.frames_")
    begins = next(i for i, (live, *_) in enumerate(frames) if live == "true")
    _, at, whole, _ = frames[begins - 1]
    assert at == whole > 30, "a film has more pixels than the models of the tests"
    assert frames[begins][3], "endings are shown with its first pixels"
