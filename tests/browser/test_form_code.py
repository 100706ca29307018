"""Code beside the forms: what it says, when it follows, and that it runs as it stands."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser.site import Site

NODE = shutil.which("node")
PROGRAMS = {
    "curl": ["bash", "-ec"],
    "python": [sys.executable, "-c"],
    "javascript": [str(NODE), "--input-type=module", "--eval"],
}
needs_node = pytest.mark.skipif(NODE is None, reason="needs node")


def _open_code(site: Site) -> Any:
    """The fold with the lines, once they are there."""
    fold = site.view.locator(".form-code")
    fold.locator("summary").click()
    fold.locator("pre").nth(2).wait_for()
    return fold


def _run(fold: Any, language: str, folder: Path) -> str:
    """What the lines print."""
    lines = fold.locator(f"[data-code={language}]").inner_text()
    done = subprocess.run(
        [*PROGRAMS[language], lines],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, (lines, done.stderr)
    return done.stdout


@needs_node
@pytest.mark.parametrize(
    ("view", "model", "files"),
    [
        ("sample", "tiny-rgb", []),
        ("complete", "tiny-cnn", ["given.png", "mask.png"]),
    ],
)
def test_lines_draw_what_the_form_draws(
    site: Site, tmp_path: Path, view: str, model: str, files: list[str]
) -> None:
    """In each language the same pictures, with the files that are offered beside the lines."""
    site.open(view)
    site.choose_model(model)
    site.fill("n", "3")
    site.fill("seed", "41")
    fold = _open_code(site)
    for name in files:
        with site.page.expect_download() as download:
            fold.get_by_role("link", name=name).click()
        download.value.save_as(tmp_path / name)
    drawn = {}
    for language in PROGRAMS:
        _run(fold, language, tmp_path)
        picture = tmp_path / "images.png"
        drawn[language] = list(Image.open(picture).convert("RGB").tobytes())
        picture.unlink()
    assert drawn["curl"] == drawn["python"] == drawn["javascript"]

    site.submit()
    site.wait_for_standing("Done: 3 images")
    job = site.service.get(f"/jobs/{site.job_id}")
    assert (job["seed"], job["n"], job["model"]) == (41, 3, model)
    response = site.page.request.get(f"/jobs/{job['id']}/image?grid=1")
    (tmp_path / "shown.png").write_bytes(response.body())
    shown = Image.open(tmp_path / "shown.png").convert("RGB").tobytes()
    assert list(shown) == drawn["curl"]


@needs_node
def test_lines_score_what_the_form_scores(site: Site, tmp_path: Path) -> None:
    """Each prints the result, in which the nats are the same."""
    site.open("inspect")
    site.choose_model("tiny-cnn")
    fold = _open_code(site)
    with site.page.expect_download() as download:
        fold.get_by_role("link", name="given.png").click()
    download.value.save_as(tmp_path / "given.png")
    by_curl = json.loads(_run(fold, "curl", tmp_path))["result"]["nats"]
    for language in ("python", "javascript"):
        printed = _run(fold, language, tmp_path)
        found = re.search(r"'?nats'?: ([\d.]+)", printed)
        assert found is not None, printed
        assert float(found[1]) == pytest.approx(by_curl)


def test_lines_follow_the_form(site: Site) -> None:
    """What is typed, the model that is chosen, and the seed that is thrown after a drawing.

    A wrong field says so, and a comparison, which is several calls, has no lines.
    """
    site.open("sample")
    site.choose_model("tiny-rgb")
    fold = _open_code(site)
    curl = fold.locator("[data-code=curl]")
    site.fill("seed", "123")
    curl.filter(has_text='"seed":123').wait_for()
    site.choose_model("tiny-cnn")
    curl.filter(has_text='"model":"tiny-cnn"').wait_for()
    site.view.get_by_label("New seed each time").check()
    site.submit()
    site.wait_for_standing("Done")
    fold.locator("[data-code=curl]:not(:has-text('\"seed\":123'))").wait_for()
    assert '"seed":' in curl.inner_text()

    site.fill("n", "0")
    fold.get_by_text("Choose 1 to").wait_for()
    assert fold.locator("pre").count() == 0


def test_lines_are_copied(site: Site) -> None:
    """One press for each language."""
    site.context.grant_permissions(["clipboard-read", "clipboard-write"])
    site.open("sample")
    fold = _open_code(site)
    for language in ("curl", "Python", "JavaScript"):
        fold.get_by_role("button", name=f"Copy {language}").click()
        fold.get_by_text("Copied.").wait_for()
        kept = site.page.evaluate("navigator.clipboard.readText()")
        assert kept == fold.locator(f"[data-code={language.lower()}]").inner_text()


@needs_node
def test_lines_for_a_server_with_keys_take_the_key_from_the_environment(
    site: Site,
) -> None:
    """All three, of forms with files and without; no line has the key itself."""
    site.open("history")
    lines = site.page.evaluate(
        """async () => {
          const { curlOf, javascriptOf, pythonOf } = await import("/playground/js/service/code_examples.js");
          const calls = [
            { kind: "sample", fields: { model: "m", n: 2, seed: 1 }, files: {} },
            { kind: "score", fields: { model: "m" }, files: { image: "given.png" } },
            { kind: "train", fields: { name: "mine", minutes: 5 }, files: { images: "pictures.zip" } },
          ];
          const place = { origin: "http://there", isGuarded: true };
          return calls.map((call) => [curlOf, pythonOf, javascriptOf].map((lines) => lines(call, place)));
        }"""
    )
    for curl, python, javascript in lines:
        assert curl.count('-H "Authorization: Bearer $PIXELRNN_KEY"') == 1
        compile(python, "lines", "exec")
        assert 'key=os.environ["PIXELRNN_KEY"]' in python
        assert "process.env.PIXELRNN_KEY" in javascript
        calls = javascript.count("await call(")
        assert javascript.count("...key") == calls
        checked = subprocess.run(
            [*PROGRAMS["javascript"][:2], "--check", "-"],
            input=javascript,
            text=True,
            capture_output=True,
        )
        assert checked.returncode == 0, checked.stderr
