"""Shows that the engine in JavaScript draws the bytes of the compiled loop, and how fast: writes docs/anywhere.md.

    python benchmarks/portable.py                         1,000 seeds of every shipped model of one scale, in Node
    python benchmarks/portable.py --seeds 100 MODEL...    fewer, of some models; the others' figures stay as they are
    python benchmarks/portable.py --chromium              100 seeds each, on a page in Chromium

Image 0 of each seed is drawn on both sides, and every value is compared. Kept in benchmarks/portable.json: the digest
of all pictures of each side, how many values differ, and processor milliseconds of a picture drawn alone. A model at a
time; what an earlier run found stays.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from page import machine, table, write_section

from model_core import load_model, sample
from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.models_directory import model_names
from model_core.portable.packed import unportable
from model_core.sampling.offline import draw

HERE = Path(__file__).parent
FIGURES = Path(__file__).with_suffix(".json")
PAGE = HERE.parent / "docs" / "anywhere.md"
SEEDS, IN_CHROMIUM, TIMED = 1000, 100, 20
AT_ONCE = 250
"""Seeds of one comparison, so that a run that is stopped has not drawn for nothing."""

Values = NDArray[np.uint8]
Facts = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    names = arguments.models or [name for name in model_names() if not unportable(load_model(name))]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pixelrnn", "export", folder, *names]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        for name in names:
            side = in_chromium if arguments.chromium else in_node
            seeds = arguments.seeds or (IN_CHROMIUM if arguments.chromium else SEEDS)
            _keep(name, side(load_model(name), Path(folder), seeds))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="default: all that can be exported")
    parser.add_argument("--seeds", type=int, help=f"default: {SEEDS}, in Chromium {IN_CHROMIUM}")
    parser.add_argument("--chromium", action="store_true", help="on a page, instead of in Node")
    return parser.parse_args()


def _keep(name: str, found: Facts) -> None:
    figures: dict[str, Facts] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures[name] = figures.get(name, {}) | found
    FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    write_section("portable-equal", _lines(figures), PAGE)
    print(name, json.dumps(found), flush=True)


def in_node(model: Model, folder: Path, seeds: int) -> Facts:
    """Draw in Node, some hundred seeds a process, and compare."""
    pieces = [_node(model.card.name, folder, first, min(first + AT_ONCE, seeds)) for first in range(0, seeds, AT_ONCE)]
    facts = _compared(model, b"".join(values for values, _ in pieces), seeds)
    return {"node": facts | {"ms": pieces[0][1], "native_ms": _native_ms(model), "machine": machine()}}


def _node(name: str, folder: Path, first: int, end: int) -> tuple[bytes, Facts]:
    out = folder / f"{name}.values"
    script = [HERE / "portable.mjs", folder / "engine", folder / "models" / name, str(first), str(end), out]
    done = subprocess.run(["node", *script], check=True, capture_output=True, text=True)
    return out.read_bytes(), json.loads(done.stdout)


ON_PAGE = """async ([site, name, seeds]) => {
  const {loadInWorker} = await import(`${site}engine/in_worker.js`);
  const model = await loadInWorker(`${site}models/${name}/`);
  const values = [];
  for (let seed = 0; seed < seeds; seed++) values.push(...(await model.sample({seed}))[0].values);
  model.close();
  return values;
}"""


def in_chromium(model: Model, folder: Path, seeds: int) -> Facts:
    """Draw on the folder's page, served by http.server, in a worker, and compare."""
    from playwright.sync_api import sync_playwright

    executable = os.environ.get("PIXELRNN_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as running, _served(folder) as url:
        browser = running.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url + "engine/package.json")  # an origin without the page, which would draw too
        values = page.evaluate(ON_PAGE, [url, model.card.name, seeds])
        version = browser.version
        browser.close()
    return {"chromium": _compared(model, bytes(values), seeds) | {"version": version}}


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The address of a folder by `python -m http.server`."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split("(")[1].split(")")[0]
        server.terminate()


def _compared(model: Model, drawn: bytes, seeds: int) -> Facts:
    """Both sides' digests, and how many values differ."""
    expected = draw(model, [ImageRequest(seed, 0) for seed in range(seeds)]).numpy().astype(np.uint8)
    found = np.frombuffer(drawn, np.uint8).reshape(expected.shape)
    return {
        "pictures": seeds,
        "values": expected.size,
        "differ": int((found != expected).sum()),
        "digest": _digest(found),
        "native_digest": _digest(expected),
    }


def _digest(values: Values) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()


def _native_ms(model: Model) -> float:
    """Processor milliseconds of a picture drawn alone by the compiled loop: the median."""
    times = []
    for seed in range(TIMED):
        since = time.thread_time()
        sample(model, 1, seed)
        times.append(1000 * (time.thread_time() - since))
    return sorted(times)[TIMED // 2]


def _lines(figures: dict[str, Facts]) -> list[str]:
    rows = []
    for name, sides in figures.items():
        node, chromium = sides.get("node", {}), sides.get("chromium", {})
        ms = node.get("ms", {"first": 0, "median": 0})
        rows.append(
            [
                f"`{name}`",
                _pictures(node),
                _pictures(chromium),
                f"{node['digest'][:12]}" if node else "",
                f"{ms['median']:.0f} ms, first {ms['first']:.0f}" if node else "",
                f"{node['native_ms']:.1f} ms" if node else "",
            ]
        )
    heads = ["model", "in Node", "in Chromium", "sha256 of all", "a picture in Node", "compiled loop"]
    machines = {sides["node"]["machine"] for sides in figures.values() if "node" in sides}
    return [*table(heads, rows), "", f"Processor time of one picture drawn alone. {'; '.join(sorted(machines))}."]


def _pictures(facts: Facts) -> str:
    return f"{facts['pictures']:,}: {facts['differ']} of {facts['values']:,} values differ" if facts else "not yet"


if __name__ == "__main__":
    main()
