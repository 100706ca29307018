"""Looking at what the network expects, pixel by pixel."""

from playwright.sync_api import Route

from tests.browser.site import Site


def _inspect(site: Site, model: str) -> None:
    site.open("inspect")
    site.choose_model(model)
    site.submit()
    site.view.locator(".belief").first.wait_for()


def test_heat_map_shows_the_bits_of_every_pixel(site: Site) -> None:
    """The numbers are the score's, and each pixel's are said when it is looked at."""
    _inspect(site, "tiny-rgb")
    result = site.service.get(f"/jobs/{site.job_id}")["result"]
    assert f"{result['nats']:.2f}" in site.view.locator(".facts").text_content()
    bits = site.service.get(f"/jobs/{site.job_id}/score-map")["bits"]
    canvas = site.view.locator(".scored-picture canvas")
    canvas.evaluate("node => node.scrollIntoView({block: 'center'})")
    box = canvas.bounding_box()
    site.page.mouse.move(
        box["x"] + 1.5 * box["width"] / 4, box["y"] + 3.5 * box["height"] / 5
    )
    said = site.view.locator(".looked-at").inner_text()
    assert said.startswith(f"Row 4, column 2: {sum(bits[3][1]):.2f} bits")
    assert (
        site.view.locator(".readout").inner_text().startswith("Row 4, column 3: ")
    )  # the most surprising one


def test_pixel_that_is_clicked_shows_a_distribution_for_each_colour(site: Site) -> None:
    """One plot for red, green and blue: a bar for each value, the entropy, and the true value marked."""
    _inspect(site, "tiny-rgb")
    plots = site.view.locator(".belief")
    with site.page.expect_response("**/score") as asked:
        site.view.locator(".scored-picture canvas").click()
    colours = asked.value.json()["result"]["pixel"]["colours"]
    site.view.locator(".beliefs:not([aria-busy])").wait_for()
    assert plots.count() == 3
    for plot, colour in zip(plots.all(), colours, strict=True):
        assert (
            plot.locator(".bars").get_attribute("d").count("M")
            == len(colour["probabilities"])
            == 4
        )
        assert plot.locator(".true-value").inner_text() == str(colour["value"])
        text = plot.inner_text()
        assert f"unsure by {colour['entropy_bits']:.2f} bits" in text
        assert f"It was {colour['value']} (" in text
        assert f"{colour['bits']:.2f} bits)" in text


def test_black_and_white_model_shows_two_bars(site: Site) -> None:
    """How likely black was, and white."""
    _inspect(site, "tiny-cnn")
    assert site.view.locator(".belief .bars").get_attribute("d").count("M") == 2
    assert "black" in site.view.locator(".belief .axis").inner_text()


def test_pixels_are_chosen_by_keyboard(site: Site) -> None:
    """Arrows move, Enter asks; what is under the cursor is said aloud."""
    _inspect(site, "tiny-cnn")
    canvas = site.view.locator(".scored-picture canvas")
    canvas.focus()
    for _ in range(6):
        site.page.keyboard.press("ArrowUp")
        site.page.keyboard.press("ArrowLeft")
    assert site.page.locator("#announcer").inner_text().startswith("Row 1, column 1")
    with site.page.expect_response("**/score") as asked:
        site.page.keyboard.press("Enter")
    pixel = asked.value.json()["result"]["pixel"]
    assert (pixel["x"], pixel["y"]) == (0, 0)
    site.view.locator(".belief").first.wait_for()


def test_rows_below_are_drawn_again_from_the_chosen_pixel(site: Site) -> None:
    """What stands before the pixel is kept in every redrawn image."""
    _inspect(site, "tiny-cnn")
    canvas = site.view.locator(".scored-picture canvas")
    canvas.evaluate("node => node.scrollIntoView({block: 'center'})")
    box = canvas.bounding_box()
    site.page.mouse.click(
        box["x"] + 0.5 * box["width"] / 5, box["y"] + 3.5 * box["height"] / 6
    )
    with site.page.expect_response("**/complete") as made:
        site.view.get_by_role("button", name="Redraw from here down").click()
    assert made.value.json()["filled_pixels"] == 15
    site.wait_for_standing("Done")
    tops = [site.pixels(i)[:15] for i in range(8)]
    assert all(top == tops[0] for top in tops)
    site.page.reload()
    site.wait_for_standing("Done")
    assert [site.pixels(i)[:15] for i in range(8)] == tops
    site.view.locator(".belief").wait_for()


def test_pixels_can_be_asked_if_the_score_arrives_before_the_models(site: Site) -> None:
    """When a page with a score is loaded, nothing says which answer of the service comes first."""
    _inspect(site, "tiny-cnn")
    waiting: list[Route] = []
    site.page.route("**/models", lambda route: waiting.append(route))
    with site.page.expect_response("**/score-map"):
        site.page.reload()
    site.page.wait_for_timeout(500)
    for route in waiting:
        route.continue_()
    site.page.unroute("**/models")
    site.view.locator(".belief").first.wait_for()


def test_layers_show_the_picture_the_heat_or_both(site: Site) -> None:
    """Three different pictures, each its own again when it is chosen again."""
    _inspect(site, "tiny-cnn")
    canvas = site.view.locator(".scored-picture canvas")
    seen = []
    for layer in ("Both", "Picture", "Heat", "Both"):
        site.view.locator(".layers label", has_text=layer).click()
        seen.append(canvas.evaluate("node => node.toDataURL()"))
    assert len(set(seen)) == 3
    assert seen[0] == seen[3]
