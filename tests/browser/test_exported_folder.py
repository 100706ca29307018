"""A folder that `pixelrnn export` wrote, on a bare web server: its page draws the bytes that Python draws."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import torch

from model_core import Model, complete, load_model, sample, save_model
from model_core.data.pixels import values_to_pixels
from tests.browser.bare_server import DRAWN, opened
from tests.browser.site import LIMIT_MS
from tests.client.by_command import ended
from tests.data.serving import serving
from tests.labelled_models import labelled
from tests.portable.completions import assert_same
from tests.portable.exporting import export

COMPLETE = """
async (request) => {
  const { loadInWorker } = await import(new URL("engine/in_worker.js", location.href));
  const model = await loadInWorker("models/tiny-rgb/");
  const done = await model.complete({ ...request, n: 2, seed: 5 });
  const images = done.images.map(({ values }) => ({ values: [...values] }));
  return { ...done, images, mean: [...done.mean], entropyBits: [...done.entropyBits] };
}
"""
ENDED = """
async () => {
  const made = [];
  window.Worker = class extends Worker { constructor(...given) { super(...given); made.push(this); } };
  const { loadInWorker } = await import(new URL("engine/in_worker.js", location.href));
  const ours = made.length;  // the page may have made some of its own
  const broken = await loadInWorker("models/tiny-rgb/"), closed = await loadInWorker("models/tiny-rgb/");
  const message = (call) => call.then(() => "an answer", (error) => error.message);
  const waiting = message(broken.sample({ seed: 1, n: 1000 }));
  made[ours].dispatchEvent(new Event("error"));
  const later = message(broken.sample({ seed: 2 }));
  closed.close();
  return Promise.all([waiting, later, message(closed.sample({ seed: 3 }))]);
}
"""
PASTE = """
([bytes, name]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name));
  const pasted = new Event("paste", {bubbles: true, cancelable: true});
  Object.defineProperty(pasted, "clipboardData", {value: transfer});
  document.body.dispatchEvent(pasted);
}
"""
EXAMPLE = Path(__file__).parents[2] / "examples" / "browser" / "index.html"


@pytest.fixture(scope="module")
def colours(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `tiny-rgb`."""
    site = tmp_path_factory.mktemp("colours") / "site"
    done = export(site, "tiny-rgb", "--models-dir", models_dir)
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture(scope="module")
def shipped_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two models that ship."""
    site = tmp_path_factory.mktemp("shipped") / "site"
    done = export(site, "mnist-diagonal-bilstm", "characters")
    assert done.returncode == 0, done.stderr
    return site


def test_page_draws_the_bytes_of_python(
    browser: Any, models_dir: Path, colours: Path
) -> None:
    """By its own security policy, in a worker: a link draws, a hole is filled; a coded file needs a service."""
    model = load_model("tiny-rgb", models_dir=models_dir)
    expected = sample(model, 3, 77, temperature=0.5)
    keep = torch.ones(expected.shape[2:], dtype=torch.bool)
    keep[1:3, 1:3] = False
    with opened(browser, colours) as (page, url):
        read = list[str]()
        page.on("request", lambda request: read.append(request.url))
        page.goto(f"{url}/#model=tiny-rgb&seed=77&n=3&temperature=0.5")
        page.get_by_text("Done: 3 images").wait_for()
        drawn = page.evaluate(DRAWN)
        assert not any("/posterior/" in name for name in read), (
            "a page that completes nothing reads nothing of it"
        )
        page.evaluate(PASTE, [[1], "a.pxrn"])
        page.locator("#notice", has_text="pixelrnn decode FILE").wait_for()
        found = page.evaluate(
            COMPLETE,
            {"known": expected[0].ravel().tolist(), "keep": keep.ravel().tolist()},
        )
    assert_same(found, complete(model, expected[0], keep, 2, seed=5))
    pixels = values_to_pixels(expected.numpy(), model.config.values)
    assert [bytes(each) for each in drawn] == [
        each.transpose(1, 2, 0).tobytes() for each in pixels
    ]


@pytest.mark.parametrize("language", ["en", "de"])
def test_words_outside_folds_are_plain(
    browser: Any, shipped_models: Path, language: str
) -> None:
    """No name that a program has for a model, no nats and no particles, neither at rest nor when something is done.
    What needs a service is not offered."""
    with opened(browser, shipped_models, locale=language) as (page, url):
        shown = {
            "watch": ".next:not(:empty)",
            "bet": "form:visible",
            "real": ".glyph",
            "inspect": ".belief",
        }
        shown |= {
            "ink": ".sentence:not(:empty)",
            "complete": "canvas",
        }
        shown |= {
            "sample?model=mnist-diagonal-bilstm&seed=7&n=2&temperature=1": ".afterwards:visible"
        }
        for place, selector in shown.items():
            page.goto("about:blank")
            page.goto(f"{url}/#{place}")
            page.locator(f"section.view:visible {selector}").first.wait_for()
            text = page.locator("body").inner_text()
            found = re.findall(
                r"mnist-\w+|(?i:\bnats?\b|partic|partikel|bits/dim)", text
            )
            assert not found, (place, text)
        assert page.locator(".tabs a:visible").count() == 3
        page.locator("button.tile").first.click()
        page.get_by_role("dialog").get_by_text(
            re.compile(r"\d Bits?|\d bits")
        ).wait_for()


def test_labels_of_any_script_are_drawn_and_verified(
    browser: Any, tmp_path: Path
) -> None:
    """A picture of such a label, drawn by the command, is drawn again and compared."""
    model = labelled(height=6, width=5, layers=2)
    name = "it's 漢"
    labels = tuple(
        replace(label, name=name if label.name == "b" else label.name)
        for label in model.card.labels
    )
    save_model(
        Model(model.members, replace(model.card, labels=labels)),
        tmp_path / "models" / "tiny-named",
    )
    done = export(tmp_path / "site", "--models-dir", tmp_path / "models")
    assert done.returncode == 0, done.stderr
    picture = tmp_path / "drawn.png"
    asked = ("tiny-named", "--label", name, "--n", "1", "--seed", "3", "--out", picture)
    drawn = ended("sample", *asked, "--models-dir", tmp_path / "models")
    assert drawn.returncode == 0, drawn.stderr
    with opened(browser, tmp_path / "site") as (page, url):
        page.goto(
            f"{url}/#sample?model=tiny-named&seed=3&n=1&temperature=1&label={quote(name)}"
        )
        page.get_by_text("Done: 1 image").wait_for()
        page.evaluate(PASTE, [list(picture.read_bytes()), "drawn.png"])
        page.locator(
            "#notice", has_text="Drawn again in this browser: every pixel is the same."
        ).wait_for()


def test_copied_link_leads_to_the_folder(browser: Any, colours: Path) -> None:
    """It has no preview, which only a service can make, and draws the same images."""
    allowed = ["clipboard-read", "clipboard-write"]
    with opened(browser, colours, permissions=allowed) as (page, url):
        page.goto(f"{url}/#model=tiny-rgb&seed=77&n=3&temperature=0.5")
        page.get_by_text("Done: 3 images").wait_for()
        drawn = page.evaluate(DRAWN)
        page.get_by_role("button", name="Copy link").click()
        page.get_by_role("button", name="Copied.").wait_for()
        link = page.evaluate("navigator.clipboard.readText()")
        assert link.startswith(f"{url}/#")
        page.goto("about:blank")
        page.goto(link)
        page.get_by_text("Done: 3 images").wait_for()
        assert page.evaluate(DRAWN) == drawn


def test_calls_end_with_their_worker(browser: Any, colours: Path) -> None:
    """After its worker has failed, or the model was closed, every call is refused in a sentence."""
    page = browser.new_context().new_page()
    with serving(colours) as url:
        page.goto(url)
        said = page.evaluate(ENDED)
    page.context.close()
    assert said == ["the engine's worker cannot run"] * 2 + ["the model was closed"]


def test_example_draws_a_digit(browser: Any, shipped_models: Path) -> None:
    """examples/browser as its comment says: the shipped model's bytes."""
    shutil.copyfile(EXAMPLE, shipped_models / "digit.html")
    context = browser.new_context()
    page = context.new_page()
    with serving(shipped_models) as url:
        page.goto(f"{url}/digit.html#2016")
        page.get_by_text("Seed 2016: the same as pixelrnn sample").wait_for(
            timeout=LIMIT_MS
        )
        reds = page.evaluate(
            "() => [...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 28, 28).data]"
        )[::4]
    context.close()
    assert (
        reds
        == (255 * sample(load_model("mnist-diagonal-bilstm"), 1, 2016)).ravel().tolist()
    )
