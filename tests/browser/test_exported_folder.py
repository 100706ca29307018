"""A folder that `pixelrnn export` wrote, on a bare web server: its page draws the bytes that Python draws."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch

from model_core import Model, complete, encode, load_model, sample, save_model
from tests.browser.site import LIMIT_MS
from tests.data.serving import serving
from tests.labelled_models import labelled
from tests.portable.completions import assert_same
from tests.portable.exporting import export, run

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


def test_labels_of_any_script_are_drawn_and_verified(browser: Any, tmp_path: Path) -> None:
    """A name with a quote stands in the command as a shell reads it; a picture of such a label is verified."""
    model = labelled(height=6, width=5, layers=2)
    name = "it's 漢"
    labels = tuple(replace(label, name=name if label.name == "b" else label.name) for label in model.card.labels)
    save_model(Model(model.members, replace(model.card, labels=labels)), tmp_path / "models" / "tiny-named")
    done = export(tmp_path / "site", "--models-dir", tmp_path / "models")
    assert done.returncode == 0, done.stderr
    page = browser.new_context().new_page()
    with serving(tmp_path / "site") as url:
        page.goto(f"{url}/#model=tiny-named&seed=3&n=1&temperature=1&label={quote(name)}")
        page.get_by_text("Drawn in this browser").wait_for(timeout=LIMIT_MS)
        command = shlex.split(page.locator("#same code").inner_text())
        drawn = run(*command[1:-1], tmp_path / "drawn.png", "--models-dir", tmp_path / "models")
        assert drawn.returncode == 0, drawn.stderr
        page.locator("#file").set_input_files(tmp_path / "drawn.png")
        page.get_by_text("Verified: tiny-named drew it with seed 3").wait_for(timeout=LIMIT_MS)
    page.context.close()


def test_calls_end_with_their_worker(browser: Any, models_dir: Path, tmp_path: Path) -> None:
    """After its worker has failed, or the model was closed, every call is refused in a sentence."""
    done = export(tmp_path / "site", "tiny-rgb", "--models-dir", models_dir)
    assert done.returncode == 0, done.stderr
    page = browser.new_context().new_page()
    with serving(tmp_path / "site") as url:
        page.goto(url)
        said = page.evaluate(ENDED)
    page.context.close()
    assert said == ["the engine's worker cannot run"] * 2 + ["the model was closed"]


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
