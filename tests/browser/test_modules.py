"""The page's modules: their types, and those that know no element, asked directly."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.browser.site import Site

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "app" / "playground"
ENGINE = HERE.parents[1] / "engine"
COMPILER = HERE / "node_modules" / "typescript" / "bin" / "tsc"
FORMATTER = HERE / "node_modules" / "prettier" / "bin" / "prettier.cjs"
GENERATOR = HERE / "node_modules" / ".bin" / "openapi-typescript"
needs_npm = pytest.mark.skipif(
    not (
        COMPILER.exists()
        and FORMATTER.exists()
        and GENERATOR.exists()
        and shutil.which("npm")
    ),
    reason="needs npm ci --prefix tests/browser",
)


@needs_npm
def test_types_agree() -> None:
    """The types that the modules state in comments fit together, and fit the answers that openapi.json describes."""
    by_npm("agree")


# Seven processor seconds, for a script of two lines that has not changed since it was
# written; test_types_agree runs it too.
@pytest.mark.weekly
@needs_npm
def test_types_are_whole_while_others_make_them() -> None:
    """Two runs at once, of two tests or of `make page` beside them, leave no moment with half a file."""
    by_npm("types")
    made = HERE / "openapi.d.ts"
    whole = made.read_text(encoding="utf-8")
    command = ["npm", "run", "--silent", "types"]
    running = [subprocess.Popen(command, cwd=HERE) for _ in range(2)]
    seen = set[str]()
    while any(each.poll() is None for each in running):
        seen.add(made.read_text(encoding="utf-8"))
    assert [each.returncode for each in running] == [0, 0]
    assert seen == {whole}
    assert not list(HERE.glob("openapi.*.d.ts"))


def by_npm(script: str) -> None:
    """A script of package.json, which must succeed; `make page` runs them too."""
    done = subprocess.run(
        ["npm", "run", "--silent", script], cwd=HERE, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _texts() -> set[str]:
    """All that the page says in English: what stands in it, and what its modules ask to be translated."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(
            self, tag: str, attrs: list[tuple[str, str | None]]
        ) -> None:
            found.extend(
                value or ""
                for name, value in attrs
                if name in ("aria-label", "title", "placeholder")
            )

        def handle_data(self, data: str) -> None:
            found.append(" ".join(data.split()))

    page = re.sub(
        r"(?s)<noscript>.*?</noscript>|<div id=\"late\".*?</div>",
        "",
        (PAGE / "index.html").read_text(encoding="utf-8"),
    )
    Reader().feed(page)
    for module in (PAGE / "js").rglob("*.js"):
        found += map(
            json.loads,
            re.findall(
                r'\bt\(\s*("(?:[^"\\]|\\.)*")', module.read_text(encoding="utf-8")
            ),
        )
    return {
        text
        for text in found
        if text and not re.fullmatch(r"pixelrnn|API|curl|Python|[\W\d]+", text)
    }


def test_every_text_has_a_translation() -> None:
    """Each language has all that the page says, and nothing else, with the same values to put in."""
    for file in (PAGE / "js" / "lang").glob("*.json"):
        texts = json.loads(file.read_text(encoding="utf-8"))
        assert set(texts) == _texts(), file.name
        for english, other in texts.items():
            assert sorted(re.findall(r"{\w+}", english)) == sorted(
                re.findall(r"{\w+}", other)
            ), english


@needs_npm
def test_modules_and_styles_are_formatted() -> None:
    """One look for all code of the page and of the engine."""
    by_npm("formatted")


KNOWN = {
    "": {"", "service", "pixels", "parts", "views"},
    "views": {"", "service", "pixels", "parts", "views"},
    "parts": {"", "service", "pixels", "parts"},
    "service": {"", "service", "pixels"},
    "pixels": {"", "pixels"},
}
"""Folders of the page's modules, and those that each may import from; "" are those that all know."""


def test_modules_import_in_one_direction() -> None:
    """Views know parts, parts know the service and pixels, the service knows pixels; nobody knows main.js, and the
    page that is one file alone knows the engine."""
    root = PAGE / "js"
    for module in root.rglob("*.js"):
        folder = module.parent.relative_to(root).as_posix().removeprefix(".")
        for name in re.findall(
            r'(?:from|import\()\s*"(\.[^"]+\.js)"', module.read_text(encoding="utf-8")
        ):
            path = (module.parent / name).resolve()
            if module.name == "one_file.js" and path.parent == ENGINE:
                continue  # that page has the engine in it
            target = path.relative_to(root)
            assert target.parent.as_posix().removeprefix(".") in KNOWN[folder], (
                module.name,
                name,
            )
            assert target.name != "main.js", module.name


def test_events_are_taken_apart_wherever_the_stream_is_cut(site: Site) -> None:
    """Comments are left out; an event may come in two pieces."""
    site.open("history")
    events = site.page.evaluate(
        """async () => {
          const {parse} = await import("/playground/js/service/events.js");
          const row = [": ping\\n\\nevent: row\\nid: 1-0\\nda", "ta: {\\"y\\": 3}\\n"];
          const pieces = [...row, "\\nevent: progress\\ndata: {}\\n\\n"];
          const body = new ReadableStream({start(controller) {
            pieces.forEach((piece) => controller.enqueue(new TextEncoder().encode(piece)));
            controller.close();
          }});
          const found = [];
          for await (const event of parse(body)) found.push(event);
          return found;
        }"""
    )
    assert events == [
        {"name": "row", "id": "1-0", "data": {"y": 3}},
        {"name": "progress", "id": None, "data": {}},
    ]


def test_nothing_is_read_from_what_is_no_whole_png(site: Site) -> None:
    """Cut files and other files have no words, and do no harm."""
    site.open("history")
    found = site.page.evaluate(
        """async () => {
          const {textOf} = await import("/playground/js/pixels/png_text.js");
          const {settingsOf} = await import("/playground/js/service/settings.js");
          const cut = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 99, 116, 69, 88, 116, 1, 2]);
          return [textOf(new ArrayBuffer(0)), textOf(cut.buffer), settingsOf({}), settingsOf({model: "m", seed: "x"})];
        }"""
    )
    assert found == [{}, {}, None, None]


def test_hole_is_filled_by_the_fittest_of_its_kind(site: Site) -> None:
    """From the top a network of one order, for which it is exact; else the mixture; what is compiled before what is
    not. Another kind of picture is never drawn."""
    site.open("history")
    found = site.page.evaluate(
        """async () => {
          const {similarModels, bestForHole} = await import("/playground/js/service/choice.js");
          const size = {width: 2, height: 2, compiling: false};
          const one = {...size, name: "one", data: "MNIST", members: ["none"], labels: []};
          const mixture = {...one, name: "mixture", members: ["none", "transpose"]};
          const labelled = {...one, name: "labelled", labels: [{name: "1", prior: 1}]};
          const cold = {...one, name: "cold", compiling: true};
          const models = [{...one, name: "other", data: "floor plans"}, cold, mixture, labelled, one];
          const holes = [[0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]].map((hole) => Uint8Array.from(hole));
          return holes.map((hole) => bestForHole(similarModels(models, mixture), hole).name);
        }"""
    )
    assert found == ["one", "mixture", "one"]


def test_colours_of_a_palette_have_words(site: Site) -> None:
    """Those of the sprites, for whoever cannot see them; equal words are told apart by their numbers."""
    site.open("history")
    palette = json.loads((PAGE.parents[1] / "models/sprites/card.json").read_text())[
        "palette"
    ]
    found = site.page.evaluate(
        """async (palette) => {
          const {colourName} = await import("/playground/js/service/words.js");
          const model = {palette, names: []};
          return palette.map((_, value) => colourName(model, value));
        }""",
        palette,
    )
    assert found[:6] == [
        "clear",
        "black",
        "dark pink",
        "dark blue",
        "dark grey",
        "brown",
    ]
    assert {"red", "blue", "orange", "green", "dark green", "yellow"} <= set(found)
    assert len(set(found)) == len(found)
    assert not any(name.startswith("#") for name in found)


def test_small_chances_have_an_end(site: Site) -> None:
    """A column has room for them."""
    site.open("history")
    found = site.page.evaluate(
        """async () => {
          const {percent} = await import("/playground/js/service/words.js");
          return [0, 5.6e-8, 0.00012, 0.23].map(percent);
        }"""
    )
    assert found == ["0%", "< 0.01%", "0.012%", "23%"]


def test_chance_is_told_with_its_spread_where_it_has_one(site: Site) -> None:
    """Both ends of it, and nothing of what is not to be relied on."""
    site.open("history")
    exact, good, poor = site.page.evaluate(
        """async () => {
          const {chanceOfGiven} = await import("/playground/js/service/words.js");
          const receipt = {evidence_nats: 32.24, evidence_sd: 3.85};
          return ["exact", "good", "poor"].map((word) => chanceOfGiven(receipt, word));
        }"""
    )
    assert exact == "What you gave has a chance of 1 in 10¹⁴."
    assert good == (
        "What you gave has a chance of about 1 in 10¹⁴; most estimates of it lie between 1 in 10¹⁶ and 1 in 10¹²."
    )
    assert poor == ""


def test_python_code_has_the_constants_of_python(site: Site) -> None:
    """A field that is true, false or null in a form is True, False or None in the code beside it."""
    site.open("history")
    python = site.page.evaluate(
        """async () => {
          const {pythonOf} = await import("/playground/js/service/code_examples.js");
          const fields = {model: "m", rank: false, weighed: true, label: null};
          return pythonOf({kind: "complete", fields, files: {}}, {origin: "http://there", isGuarded: false});
        }"""
    )
    compile(python, "code", "exec")
    assert "    rank=False,\n    weighed=True,\n    label=None,\n" in python
