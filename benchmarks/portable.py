"""Shows that the engine in JavaScript draws the bytes of the compiled loop, and how fast: writes
docs/internals/portable.md.

    python benchmarks/portable.py                         1,000 seeds of every shipped model of one scale, in Node
    python benchmarks/portable.py --seeds 100 MODEL...    fewer, of some models; the others' figures stay as they are
    python benchmarks/portable.py --exact                 by the module that does not use the processor's multiply-add
    python benchmarks/portable.py --browser chromium      100 seeds each, on a page; so for firefox
    python benchmarks/portable.py --completions           the completions alone, in Node or, with --browser, on a page

Image 0 of each seed is drawn on both sides, and every value is compared; in Node also completions
(portable_completions.py). Kept in benchmarks/portable.json: the digest of all pictures
of each side, how many values differ, and processor milliseconds of a picture drawn alone. A model at a time; what an
earlier run found of the same weights stays.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from portable_completions import Request, compared
from sections import machine, table, weights_of, write_section

from model_core import load_model, sample
from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.models_directory import model_names
from model_core.portable.packed import unportable
from model_core.sampling.offline import draw

HERE = Path(__file__).parent
RELAXED = "--experimental-wasm-relaxed-simd"
FIGURES = Path(__file__).with_suffix(".json")
PAGE = HERE.parent / "docs" / "internals" / "portable.md"
SEEDS, IN_BROWSER, TIMED = 1000, 100, 20
AT_ONCE = 250
"""Seeds of one comparison, so that a run that is stopped has not drawn for nothing."""

BROWSERS = {
    "chromium": (
        "chromium",
        "chromium-browser",
        "--headless=new --no-sandbox --user-data-dir={profile}",
    ),
    "firefox": ("firefox-esr", "firefox", "--headless --no-remote --profile {profile}"),
}
"""Names of the program, and how it is started without a window."""

Values = NDArray[np.uint8]
Facts = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    names = arguments.models or [
        name for name in model_names() if not unportable(load_model(name))
    ]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pixelrnn", "export", folder, *names]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        if arguments.exact:
            _mistrust(Path(folder))
        for name in names:
            model = load_model(name)
            for found in _sides(arguments, model, Path(folder)):
                _keep(model, found)


def _sides(
    arguments: argparse.Namespace, model: Model, folder: Path
) -> Iterator[Facts]:
    """Yield each thing that is found of a model by what was asked for."""
    side = arguments.browser or ("node" if arguments.exact else "node_relaxed")
    if not arguments.completions:
        if arguments.browser:
            yield {side: in_browser(side, model, folder, arguments.seeds or IN_BROWSER)}
            return
        yield {side: in_node(model, folder, arguments.seeds or SEEDS)}
    ask = partial(_completed_on_page, side) if arguments.browser else _completed_in_node
    yield {f"{side}_completions": compared(model, partial(ask, model, folder))}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", help="default: all that can be exported")
    parser.add_argument(
        "--seeds", type=int, help=f"default: {SEEDS}, in a browser {IN_BROWSER}"
    )
    parser.add_argument(
        "--browser", choices=list(BROWSERS), help="on a page, instead of in Node"
    )
    parser.add_argument(
        "--completions", action="store_true", help="draw nothing, complete"
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="in Node, without the processor's multiply-add",
    )
    return parser.parse_args()


def _mistrust(folder: Path) -> None:
    """Let the engine find that this machine's multiply-add does not round once."""
    rounding = folder / "engine" / "rounding.js"
    rounding.write_text(rounding.read_text().replace("0xbdb96767", "0xbdb96766"))


def _keep(model: Model, found: Facts) -> None:
    name, weights = model.card.name, {"sha256": model.card.sha256}
    figures: dict[str, Facts] = (
        json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    )
    before = figures.get(name, {})
    figures[name] = (
        before if before.get("weights") == weights else {"weights": weights}
    ) | found
    FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    write_section("portable-equal", _lines(figures), PAGE)
    print(name, json.dumps(found), flush=True)


def in_node(model: Model, folder: Path, seeds: int) -> Facts:
    """Draw in Node, some hundred seeds a process, and compare."""
    pieces = [
        _node(model.card.name, folder, first, min(first + AT_ONCE, seeds))
        for first in range(0, seeds, AT_ONCE)
    ]
    facts = _compared(model, b"".join(values for values, _ in pieces), seeds)
    return facts | {
        "ms": pieces[0][1],
        "native_ms": _native_ms(model),
        "machine": machine(),
    }


def _node(name: str, folder: Path, first: int, end: int) -> tuple[bytes, Facts]:
    out = folder / f"{name}.values"
    script = [
        HERE / "portable.mjs",
        folder / "engine",
        folder / "models" / name,
        str(first),
        str(end),
        out,
    ]
    done = subprocess.run(
        ["node", *_options(), *script], check=True, capture_output=True, text=True
    )
    return out.read_bytes(), json.loads(done.stdout)


@cache
def _options() -> list[str]:
    """Options for versions of Node that take relaxed instructions only when they are told to."""
    known = subprocess.run(
        ["node", "--v8-options"], check=True, capture_output=True, text=True
    ).stdout
    return [RELAXED] if RELAXED in known else []


def _completed_in_node(
    model: Model, folder: Path, requests: Sequence[Request]
) -> Facts:
    script = [
        HERE / "portable_completions.mjs",
        folder / "engine",
        folder / "models" / model.card.name,
    ]
    asked = json.dumps(requests)
    done = subprocess.run(
        ["node", *_options(), *script],
        check=True,
        capture_output=True,
        text=True,
        input=asked,
    )
    return json.loads(done.stdout)


ON_PAGE = """<!doctype html><title>benchmark</title><script type="module">
  import { loadInWorker } from "./engine/in_worker.js";
  const [name, wanted] = location.hash.slice(1).split(",");
  const tell = (where, body) => fetch(where, { method: "POST", body });
  try {
    const model = await loadInWorker(`models/${name}/`);
    if (wanted === "completions") {
      const [completions, requests] = [[], await (await fetch("requests.json")).json()];
      for (const request of requests) completions.push(await model.complete(request));
      const plain = (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
      await tell("completions", JSON.stringify({ module: model.module, completions }, plain));
    } else {
      const values = [];
      for (let seed = 0; seed < Number(wanted); seed++) values.push(...(await model.sample({ seed }))[0].values);
      await tell(`values/${model.module}`, new Uint8Array(values));
    }
  } catch (error) {
    await tell("failed", String(error));
  }
</script>"""


def in_browser(browser: str, model: Model, folder: Path, seeds: int) -> Facts:
    """Draw on a page of the folder, in a worker, and compare."""
    where, values = _told_by_page(browser, folder, f"{model.card.name},{seeds}")
    return _compared(model, values, seeds) | {
        "version": _version(browser),
        "module": where.split("/")[-1],
    }


def _completed_on_page(
    browser: str, model: Model, folder: Path, requests: Sequence[Request]
) -> Facts:
    (folder / "requests.json").write_text(json.dumps(requests))
    return json.loads(
        _told_by_page(browser, folder, f"{model.card.name},completions")[1]
    )


def _told_by_page(browser: str, folder: Path, wanted: str) -> tuple[str, bytes]:
    """Open a page of the folder with its work behind the #; where and what it posts."""
    (folder / "benchmark.html").write_text(ON_PAGE)
    with (
        _listening(folder) as (url, told),
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        options = [
            option.format(profile=profile) for option in BROWSERS[browser][-1].split()
        ]
        address = f"{url}/benchmark.html#{wanted}"
        with subprocess.Popen(
            [_program(browser), *options, address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as run:
            where, values = told.get(timeout=3000)
            run.terminate()
    if where == "/failed":
        raise SystemExit(f"{browser}: {values.decode()}")
    return where, values


def _program(browser: str) -> str:
    return next(filter(None, map(shutil.which, BROWSERS[browser][:-1])))


def _version(browser: str) -> str:
    return subprocess.run(
        [_program(browser), "--version"], capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def _listening(folder: Path) -> Iterator[tuple[str, Queue[tuple[str, bytes]]]]:
    """A bare web server of a folder: its address, and what pages of it post."""
    told: Queue[tuple[str, bytes]] = Queue()

    class Handler(SimpleHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=str(folder))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", told
        server.shutdown()


def _compared(model: Model, drawn: bytes, seeds: int) -> Facts:
    """Both sides' digests, and how many values differ."""
    expected = (
        draw(model, [ImageRequest(seed, 0) for seed in range(seeds)])
        .numpy()
        .astype(np.uint8)
    )
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
        plain, fast = sides.get("node", {}), sides.get("node_relaxed", {})
        native = fast or plain
        rows.append(
            [
                weights_of(name, sides["weights"]["sha256"]),
                *map(_pictures, (plain, fast)),
                *(_pictures(sides.get(browser, {})) for browser in BROWSERS),
                _completions(sides),
                *map(_ms, (plain, fast)),
                f"{native['native_ms']:.1f} ms" if native else "",
            ]
        )
    heads = [
        "model",
        "Node, exact",
        "Node, relaxed",
        "Chromium",
        "Firefox",
        "completions",
    ]
    heads += ["a picture, exact", "relaxed", "compiled loop"]
    sides = [facts for each in figures.values() for facts in each.values()]
    machines = {facts["machine"] for facts in sides if "machine" in facts}
    browsers = {facts["version"] for facts in sides if "version" in facts}
    return [
        *table(heads, rows),
        "",
        f"{_SAID} {'; '.join([*sorted(browsers), *sorted(machines)])}.",
    ]


_SAID = (
    "Values that differ from the compiled loop's; `*`: by the relaxed module. Completions: images in holes of five "
    "shapes, and how many figures differ of pixels, receipts and marginals together. "
    "Processor time of one picture drawn alone in Node."
)


def _ms(facts: Facts) -> str:
    return f"{facts['ms']['median']:.0f} ms" if facts else ""


def _completions(sides: Facts) -> str:
    """How many were compared on each side, and how many figures differ."""
    names = {
        "node": "exact",
        "node_relaxed": "relaxed",
        "chromium": "Chromium",
        "firefox": "Firefox",
    }
    told = {
        name: sides[f"{side}_completions"]
        for side, name in names.items()
        if f"{side}_completions" in sides
    }
    return (
        "; ".join(
            f"{name} {facts['images']}: {_figures(facts)}"
            for name, facts in told.items()
        )
        or "not yet"
    )


def _figures(facts: Facts) -> int:
    return facts["differ"] + facts["receipts_differ"] + facts["marginals_differ"]


def _pictures(facts: Facts) -> str:
    star = "*" if "relaxed" in facts.get("module", "") else ""
    return (
        f"{facts['pictures']:,}: {facts['differ']} of {facts['values']:,}{star}"
        if facts
        else "not yet"
    )


if __name__ == "__main__":
    main()
