"""The page draws in the browser itself where the service keeps it waiting: the same bytes, and it says so."""

import base64
import json
import math
import os
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Locator

from model_core import load_model, sample
from model_core.data.pixels import values_to_pixels
from model_core.image_request import ImageRequest
from tests.browser.site import Site
from tests.house.processes import eventually
from tests.house.running import Up
from tests.weighed_draws import draw_weighed

MODEL = "tiny-cnn"
WIDTH = 5
HERE = "drawn in this browser: the same bytes"


@pytest.fixture(autouse=True)
def laid_out(service: Up) -> None:
    """The worker has laid the model out, which it does once all models are ready."""

    address = f"{service.url}/models/{MODEL}/portable"
    assert eventually(lambda: httpx.get(address).status_code == 200, 120, look_s=0.2)


def expected(models_dir: Path, n: int, seed: int) -> list[list[int]]:
    drawn = sample(load_model(MODEL, models_dir=models_dir), n=n, seed=seed)
    return values_to_pixels(np.asarray(drawn), 2)[:, 0].reshape(n, -1).tolist()


def ask(site: Site, seed: int, n: int = 2) -> None:
    site.choose_model(MODEL)
    site.fill("n", str(n))
    site.fill("seed", str(seed))
    site.submit()


def saved(site: Site, button: Locator) -> npt.NDArray[np.uint8]:
    """Click, and return the greys of the PNG that the browser downloads."""
    with site.page.expect_download() as download:
        button.click()
    with Image.open(download.value.path()) as picture:
        return np.asarray(picture.convert("L"))


def test_job_that_waits_is_drawn_here_and_then_there(
    site: Site, all_models_dir: Path
) -> None:
    """The service goes on where it was; its rows are those that are there already."""
    site.open()
    worker = site.service.children()["worker"]
    os.kill(worker, signal.SIGSTOP)
    try:
        ask(site, seed=11)
        site.view.locator(".origin", has_text=HERE).wait_for()
        whole = expected(all_models_dir, 2, 11)
        assert eventually(lambda: [site.pixels(0), site.pixels(1)] == whole)
        site.view.get_by_role("button", name="Replay").wait_for()
        assert site.view.get_by_role("button", name="Copy link").is_visible()
        assert not site.view.get_by_role("button", name="Zip").is_visible()
        grid = saved(site, site.view.get_by_role("button", name="Save all"))
        assert [
            grid[:, :WIDTH].ravel().tolist(),
            grid[:, -WIDTH:].ravel().tolist(),
        ] == whole
        assert set(grid[:, WIDTH].tolist()) == {128}, "a line of grey between them"
        dialog = site.open_large(0)
        large = saved(site, dialog.locator("[data-act=download]"))
        assert large[::8, ::8].ravel().tolist() == whole[0]
        dialog.locator("[data-act=close]").click()
        assert site.service.get(f"/jobs/{site.job_id}")["rows_done"] == 0
    finally:
        os.kill(worker, signal.SIGCONT)
    site.view.get_by_role("button", name="Zip").wait_for()
    site.wait_for_standing("Done")
    assert [site.pixels(0), site.pixels(1)] == whole


def as_drawn(site: Site, index: int) -> str:
    """What the large view of a tile says of how the image was drawn."""
    dialog = site.open_large(index)
    dialog.get_by_text("For those who know").click()
    term = dialog.locator("dt", has_text="As it was drawn")
    said = term.locator("xpath=following-sibling::dd[1]").inner_text()
    dialog.get_by_role("button", name="Close").click()
    return said


def probability(models_dir: Path, seed: int, sample: int) -> str:
    """The same of image `sample` of a seed, drawn and weighed in Python."""
    model = load_model(MODEL, models_dir=models_dir)
    values, (log_p,) = draw_weighed(model, [ImageRequest(seed, sample, 1.0)])
    bits = -log_p / math.log(2) / values.numel()
    return f"{bits:.3f} · {-log_p:.1f} nats"


def test_large_view_says_how_probable_an_image_was_when_it_was_drawn(
    site: Site, all_models_dir: Path
) -> None:
    """Whoever drew it: the service, this browser while the job waits there, or this
    browser while the service is away."""
    site.open()
    ask(site, seed=31)
    site.wait_for_standing("Done")
    result = site.service.get(f"/jobs/{site.job_id}")["result"]
    assert as_drawn(site, 1) == probability(all_models_dir, 31, 1)
    assert as_drawn(site, 1).endswith(f"{result['nats'][1]:.1f} nats")

    worker = site.service.children()["worker"]
    os.kill(worker, signal.SIGSTOP)
    try:
        ask(site, seed=32)
        site.view.locator(".origin", has_text=HERE).wait_for()
        site.view.get_by_role("button", name="Replay").wait_for()
        assert as_drawn(site, 0) == probability(all_models_dir, 32, 0)
        assert as_drawn(site, 1) == probability(all_models_dir, 32, 1)
    finally:
        os.kill(worker, signal.SIGCONT)
    site.view.get_by_role("button", name="Zip").wait_for()
    assert as_drawn(site, 1) == probability(all_models_dir, 32, 1)

    site.page.wait_for_load_state("networkidle")
    site.context.set_offline(True)
    ask(site, seed=33)
    site.view.locator(".origin", has_text=HERE).wait_for()
    site.wait_for_standing("Done: 2 images · The service is away.")
    assert as_drawn(site, 1) == probability(all_models_dir, 33, 1)
    site.context.set_offline(False)
    site.view.locator(".origin", has_text="the service draws the same bytes").wait_for()


def test_completion_that_waits_is_drawn_here_and_then_there(site: Site) -> None:
    """The service ranks what the browser has drawn already."""
    site.open("complete")
    site.choose_model(MODEL)
    site.fill("n", "2")
    worker = site.service.children()["worker"]
    os.kill(worker, signal.SIGSTOP)
    try:
        site.submit()
        site.view.locator(".origin", has_text=HERE).wait_for()
        site.wait_for_standing("Done: 2 images")
        drawn = [site.pixels(0), site.pixels(1)]
        assert -1 not in drawn[0] + drawn[1]
        assert site.service.get(f"/jobs/{site.job_id}")["rows_done"] == 0
    finally:
        os.kill(worker, signal.SIGCONT)
    site.view.locator("button.tile .caption", has_text="Likeliest").wait_for()
    ranked = [site.pixels(0), site.pixels(1)]
    assert sorted(ranked) == sorted(drawn)


def test_picture_is_drawn_here_when_the_service_is_away(
    site: Site, all_models_dir: Path
) -> None:
    """The page has fetched what it needs with the first picture; once the service is back, it draws the same."""
    site.open()
    ask(site, seed=12)
    site.wait_for_standing("Done")
    site.page.wait_for_load_state("networkidle")
    site.context.set_offline(True)
    ask(site, seed=13)
    site.view.locator(".origin", has_text=HERE).wait_for()
    whole = expected(all_models_dir, 2, 13)
    assert eventually(lambda: [site.pixels(0), site.pixels(1)] == whole)
    assert site.wait_for_standing("Done") == "Done: 2 images · The service is away."
    site.context.set_offline(False)
    site.view.locator(".origin", has_text="the service draws the same bytes").wait_for()
    assert site.wait_for_standing("Done") == "Done: 2 images"


def test_hole_is_filled_here_while_the_service_compiles(site: Site) -> None:
    """Nobody waits for a compiler if the browser can draw; and the service is not said to be away."""
    sent: list[str] = []
    site.page.on(
        "request",
        lambda request: sent.append(request.url) if request.method == "POST" else None,
    )

    def compile_again(route: Any) -> None:
        answer = route.fetch()
        listed = answer.json()
        for model in listed["models"]:
            model |= {"compiling": True, "state": "compiling"}
        route.fulfill(response=answer, json=listed)

    site.page.route("**/models", compile_again)
    site.open("complete")
    site.choose_model(MODEL)
    site.fill("n", "2")
    site.submit()
    assert "Done: 2 images" in (said := site.wait_for_standing("Done"))
    assert "away" not in said
    assert sent == []
    site.page.unroute_all(behavior="ignoreErrors")


def test_first_look_is_drawn_here(site: Site) -> None:
    """Beside the form stand pictures of its model that nobody asked the service for, and that no history keeps."""
    asked: list[str] = []
    site.page.on(
        "request",
        lambda request: asked.append(request.url) if request.method == "POST" else None,
    )
    site.page.add_init_script(f"localStorage.setItem('pixelrnn.model', '{MODEL}')")
    site.open()
    site.view.locator(".origin", has_text=HERE).wait_for()
    assert eventually(lambda: -1 not in site.pixels(15))
    assert asked == []
    assert site.view.locator(".history").is_hidden()


def test_picture_of_the_service_is_checked_here(site: Site) -> None:
    """Drawn again and compared: also where the service, or whoever stands before it, has changed a pixel."""
    site.open()
    ask(site, seed=14)
    site.wait_for_standing("Done")
    checked = [check(site, index) for index in (0, 1)]
    assert checked == ["Drawn again in this browser: all 30 pixels are the same."] * 2
    job = site.job_id
    site.context.route("**/events*", changed)
    site.page.goto("about:blank")
    site.page.goto(f"/#sample/{job}")
    site.wait_for_standing("Done")
    assert check(site, 0) == "Drawn again in this browser: it is not the same."


def check(site: Site, index: int) -> str:
    """What is said once the picture was drawn again."""
    dialog = site.open_large(index)
    dialog.get_by_role("button", name="Check here").click()
    said = dialog.locator("[data-note]", has_text="Drawn again")
    said.wait_for()
    text = said.inner_text()
    dialog.get_by_role("button", name="Close").click()
    return text


def changed(route: Any) -> None:
    """The first row of the first image, black and white exchanged."""

    def other(match: re.Match[str]) -> str:
        row = json.loads(match[1])
        if (row["sample"], row["y"]) == (0, 0):
            row["pixels"] = base64.b64encode(
                bytes(255 - byte for byte in base64.b64decode(row["pixels"]))
            ).decode()
        return f"data: {json.dumps(row)}"

    answer = route.fetch()
    route.fulfill(
        response=answer, body=re.sub(r'data: ({"type":"row".*})', other, answer.text())
    )
