"""Compare the pictures of names. Prints a line of JSON for each comparison: how many
names, and how many bytes of pixels or files differ.

    python benchmarks/addresses.py            1,000 names, 3 models: levels of CPUs, and
                                              1 and 4 threads
    python benchmarks/addresses.py --engines  100 names in Node and Chromium
    python benchmarks/addresses.py --url URL  files of a service

`--names N` takes fewer names, and `--models A,B` others. Each side draws in a process of
its own; code for another level of CPUs is compiled first, which takes minutes.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
from PIL import Image

from model_core.levels import LEVELS
from model_core.shipped import ENGINE

MODELS = "characters,sprites,maps"
SCRIPTS = {
    "Latin": "Łukaszéñß",
    "Greek": "Ελένημώς",
    "Cyrillic": "Наташаёй",
    "Hebrew": "שלוםרחל",
    "Arabic": "محمدليلى",
    "Devanagari": "प्रियाकि",
    "Thai": "สมชายนี้",
    "Han": "李小龍王芳",
    "Kana": "さくらガギ",
    "Hangul": "김민수하나",
    "emoji": "😀👩‍🚀🏳️‍🌈👍🏽",
}
WAYS = {"v4, 1 thread": (0, 1), "v3, 1 thread": (1, 1), "v4, 4 threads": (0, 4)}
"""Index of the level of CPUs, and threads, of each way to draw."""
ON_PAGE = """
async ([folder, names]) => {
  const { load, drawAddressed } = await import(new URL("engine/index.js", location.href));
  const model = await load(folder);
  const pictures = [];
  for (const name of names) pictures.push([...(await drawAddressed(model, name)).values]);
  return pictures.flat();
}
"""


def names(count: int) -> list[str]:
    """Return this many different names: of each script in turn, of 2 to 200
    characters."""
    found = []
    for i in range(count):
        letters = [*SCRIPTS.values()][i % len(SCRIPTS)]
        length = 200 if i % 50 == 49 else 2 + i % 29
        numbered = f"{i}{letters * 200}"
        found.append(numbered[:length] if length > len(str(i)) else str(i))
    assert len(set(found)) == count
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare pictures of names.")
    parser.add_argument("--names", type=int)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--engines", action="store_true")
    parser.add_argument("--url")
    parser.add_argument("--draw", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.draw:
        _draw(given.draw, given.names, given.threads)
        return
    for model in given.models.split(","):
        if given.url:
            _compare_files(model, given.names or 1000, given.url)
        elif given.engines:
            _compare_engines(model, given.names or 100)
        else:
            _compare_ways(model, given.names or 1000)


def _draw(model_name: str, count: int, threads: int) -> None:
    """Write the pixels of the names to stdout: with one thread one name after the
    other, from the files of `addressed`; else side by side."""
    from model_core import load_model
    from model_core.data.pixels import values_to_pixels
    from model_core.image_request import ImageRequest
    from model_core.sampling.compiled.threads import use_threads
    from model_core.sampling.offline import draw
    from pixelrnn.addressed import addressed
    from worker.contract.addresses import seed_of

    use_threads(threads)
    model = load_model(model_name)
    if threads == 1:
        for name in names(count):
            sys.stdout.buffer.write(_pixels(addressed(model, name)))
        return
    values = draw(model, [ImageRequest(seed_of(name), 0, 1.0) for name in names(count)])
    pixels = values_to_pixels(values.numpy(), model.config.levels)
    sys.stdout.buffer.write(pixels.transpose(0, 2, 3, 1).tobytes())


def _pixels(file: bytes) -> bytes:
    """Return the bytes of a picture's pixels, which are indices of its palette if it
    has one."""
    with Image.open(io.BytesIO(file)) as picture:
        return picture.tobytes()


def _drawn_here(model: str, count: int, way: str) -> bytes:
    level, threads = WAYS[way]
    command = [sys.executable, __file__, "--draw", model]
    command += ["--names", str(count), "--threads", str(threads)]
    environment = {**os.environ, **LEVELS[level].environment}
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    return done.stdout


def _compare_ways(model: str, count: int) -> None:
    found = {way: _drawn_here(model, count, way) for way in WAYS}
    first, *others = found
    for way in others:
        _report(model, count, f"{first} / {way}", _differing(found[first], found[way]))


def _compare_engines(model: str, count: int) -> None:
    from model_core import load_model
    from model_core.data.pixels import values_to_pixels

    drawn = _drawn_here(model, count, "v4, 1 thread")
    config = load_model(model).config
    shape = count, config.channels, config.height, config.width
    for engine, values in _drawn_in_javascript(model, names(count)):
        pixels = values_to_pixels(
            np.frombuffer(values, np.uint8).reshape(shape), config.levels
        )
        there = pixels.transpose(0, 2, 3, 1).tobytes()
        _report(model, count, f"command / {engine}", _differing(drawn, there))


def _drawn_in_javascript(model: str, asked: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield Node and Chromium, with the values of all names."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as site:
        export = [sys.executable, "-m", "pixelrnn", "export", site, model]
        subprocess.run(export, check=True, stderr=subprocess.DEVNULL)
        script = str(Path(__file__).with_suffix(".mjs"))
        node = ["node", script, str(ENGINE), f"{site}/models/{model}"]
        names_json = json.dumps(asked).encode()
        done = subprocess.run(
            node, input=names_json, stdout=subprocess.PIPE, check=True
        )
        yield "Node", done.stdout

        handler = partial(SimpleHTTPRequestHandler, directory=site)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as running:
            browser = running.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            values = page.evaluate(ON_PAGE, [f"models/{model}/", asked])
            yield "Chromium", bytes(values)
            browser.close()
        server.shutdown()


def _compare_files(model: str, count: int, url: str) -> None:
    """Compare the files of a service with those of `addressed`, in both formats."""
    from model_core import load_model
    from pixelrnn.addressed import addressed

    loaded = load_model(model)
    differing = 0
    digest = hashlib.sha256()
    for i, name in enumerate(names(count)):
        kind = "webp" if i % 4 == 3 else "png"
        address = f"{url}/p/{model}/{quote(name, safe='')}.{kind}"
        with urlopen(address) as answer:
            file = answer.read()
        digest.update(file)
        differing += file != addressed(loaded, name, kind)
    facts = {"files": count, "differ": differing, "sha256": digest.hexdigest()[:12]}
    print(json.dumps({"model": model, "sides": "service / command", **facts}))


def _differing(ours: bytes, theirs: bytes) -> int:
    assert len(ours) == len(theirs)
    both = np.frombuffer(ours, np.uint8) != np.frombuffer(theirs, np.uint8)
    return int(both.sum())


def _report(model: str, count: int, sides: str, differ: int) -> None:
    facts = {"model": model, "sides": sides, "names": count, "differing_bytes": differ}
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
