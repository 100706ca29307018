"""A folder that `pixelrnn export` wrote, on a bare web server: its page draws the bytes that Python draws."""

import shutil
from pathlib import Path
from typing import Any

import torch

from model_core import complete, encode, load_model, sample
from tests.browser.site import LIMIT_MS
from tests.data.serving import serving
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
EXAMPLE = Path(__file__).parents[2] / "examples" / "browser" / "index.html"


def test_page_draws_the_bytes_of_python(browser: Any, models_dir: Path, tmp_path: Path) -> None:
    """Under its own content security policy, in a worker: a link draws, a coded file is opened, a hole filled."""
    model = load_model("tiny-rgb", models_dir=models_dir)
    expected = sample(model, 3, 9007199254740995, temperature=0.5)
    done = export(tmp_path / "site", "tiny-rgb", "--models-dir", models_dir)
    assert done.returncode == 0, done.stderr
    keep = torch.ones(expected.shape[2:], dtype=torch.bool)
    keep[1:3, 1:3] = False
    context, complaints, read = browser.new_context(), list[str](), list[str]()
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    with serving(tmp_path / "site") as url:
        page.on("request", lambda request: (read if request.url.startswith(url) else complaints).append(request.url))
        page.goto(f"{url}/#model=tiny-rgb&seed=9007199254740995&n=3&temperature=0.5")
        drawn = page.wait_for_function("() => document.body.dataset.drawn", timeout=LIMIT_MS).json_value()
        standing = page.locator("#standing").inner_text()
        shown = page.evaluate("() => document.querySelectorAll('canvas').length")
        page.locator("#file").set_input_files({"name": "a.pxrn", "mimeType": "", "buffer": encode(model, expected)})
        page.get_by_text("3 pictures, without loss, decoded by tiny-rgb").wait_for(timeout=LIMIT_MS)
        assert not any("/posterior/" in name for name in read), "a page that completes nothing reads nothing of it"
        found = page.evaluate(COMPLETE, {"known": expected[0].ravel().tolist(), "keep": keep.ravel().tolist()})
    context.close()
    assert_same(found, complete(model, expected[0], keep, 2, seed=5))
    assert [bytes.fromhex(each) for each in drawn.split()] == [each.numpy().astype("u1").tobytes() for each in expected]
    assert (shown, complaints) == (3, [])
    assert standing.startswith("Drawn in this browser in ")


def test_example_draws_a_digit(browser: Any, tmp_path: Path) -> None:
    """examples/browser as its comment says: the shipped model's bytes."""
    done = export(tmp_path / "site", "mnist-diagonal-bilstm")
    assert done.returncode == 0, done.stderr
    shutil.copyfile(EXAMPLE, tmp_path / "site" / "digit.html")
    context = browser.new_context()
    page = context.new_page()
    with serving(tmp_path / "site") as url:
        page.goto(f"{url}/digit.html#2016")
        page.get_by_text("Seed 2016: the same as pixelrnn sample").wait_for(timeout=LIMIT_MS)
        reds = page.evaluate(
            "() => [...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 28, 28).data]"
        )[::4]
    context.close()
    assert reds == (255 * sample(load_model("mnist-diagonal-bilstm"), 1, 2016)).ravel().tolist()
