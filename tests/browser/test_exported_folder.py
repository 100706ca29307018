"""A folder that `pixelrnn export` wrote, on a bare web server: its page draws the bytes that Python draws."""

import shutil
from pathlib import Path
from typing import Any

from model_core import encode, load_model, sample
from tests.browser.site import LIMIT_MS
from tests.data.serving import serving
from tests.portable.exporting import export

EXAMPLE = Path(__file__).parents[2] / "examples" / "browser" / "index.html"


def test_page_draws_the_bytes_of_python(browser: Any, models_dir: Path, tmp_path: Path) -> None:
    """Under its own content security policy, in a worker; a link draws at once, a coded file is opened."""
    model = load_model("tiny-rgb", models_dir=models_dir)
    expected = sample(model, 3, 9007199254740995, temperature=0.5)
    done = export(tmp_path / "site", "tiny-rgb", "--models-dir", models_dir)
    assert done.returncode == 0, done.stderr
    context, complaints = browser.new_context(), []
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    with serving(tmp_path / "site") as url:
        page.on("request", lambda request: None if request.url.startswith(url) else complaints.append(request.url))
        page.goto(f"{url}/#model=tiny-rgb&seed=9007199254740995&n=3&temperature=0.5")
        drawn = page.wait_for_function("() => document.body.dataset.drawn", timeout=LIMIT_MS).json_value()
        standing = page.locator("#standing").inner_text()
        shown = page.evaluate("() => document.querySelectorAll('canvas').length")
        page.locator("#file").set_input_files({"name": "a.pxrn", "mimeType": "", "buffer": encode(model, expected)})
        page.get_by_text("3 pictures, without loss, decoded by tiny-rgb").wait_for(timeout=LIMIT_MS)
    context.close()
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
