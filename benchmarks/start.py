"""How long a start takes: `python benchmarks/start.py`.

Each way to start is measured from its first command until the first picture:

- `here`: `pixelrnn up` of the Python that runs this script.
- `checkout`: `make run` in a fresh clone with a new HOME, then in a second clone with
  the same HOME, whose caches of compiled code and of pip are full.
- `wheel`: `pixelrnn up` of a wheel that is built with its loops in such a clone.
- `image`: `docker compose up` with images that exist already. Containers of the project
  `pixelrnn-start` are made, and removed again.
- `train`: from `pixelrnn train FOLDER` until its first update.

"Empty" and "full" are the caches of compiled code. Seconds are of the clock; the
seconds of compiling are a processor's. They belong to this machine and to what else it
does: the load is printed beside them. Compare two checkouts by alternating them.
Needs the standard library only.
"""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Self

MODEL = "mnist-diagonal-bilstm"
LIMIT_S = 3600.0
"""Seconds for one step of a start. A busy machine may need minutes."""

LOOK_S = 0.05
WAYS = ("here", "checkout", "wheel", "image", "train")
CHECKOUT = Path(__file__).parents[1]
PICTURES = 200
"""Pictures for the training, each of 16x16 pixels: enough that it plans many updates."""

FIRST_UPDATE = re.compile(r"update 1 of \d+")
COLUMNS = (
    "start",
    "caches",
    "installed",
    "page",
    "first picture",
    "all models ready",
    "compiling (processor)",
    "examining",
    "first update",
    "load",
)

Facts = dict[str, str | float]


@dataclass
class Start:
    """A command, its directory and its environment."""

    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str]


class Running:
    """A running command, whose whole process group is ended with the block."""

    def __init__(self, start: Start) -> None:
        self.began = time.monotonic()
        self.lines: list[str] = []
        self._log = tempfile.TemporaryFile("w+b")  # noqa: SIM115 (__exit__ closes it)
        self._process = subprocess.Popen(
            start.command,
            cwd=start.directory,
            env=dict(start.environment),
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()

    def output(self) -> str:
        """Return what the command has printed."""
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(0)
        text = self._log.read(end)
        return text.decode(errors="replace")

    def after(self, condition: Callable[[], bool]) -> float:
        """Return the seconds from the command until the condition holds."""
        while not condition():
            is_late = time.monotonic() - self.began > LIMIT_S
            if self._process.poll() is not None or is_late:
                raise SystemExit(f"it did not start:\n{self.output()[-4000:]}")
            time.sleep(LOOK_S)
        return round(time.monotonic() - self.began, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ways", nargs="*", help=f"of {', '.join(WAYS)}; default: here")
    parser.add_argument(
        "--place", type=Path, help="directory for clones; default: a temporary one"
    )
    given = parser.parse_args()
    for way in given.ways:
        if way not in WAYS:
            parser.error(f"{way}: expected one of {', '.join(WAYS)}")
    with tempfile.TemporaryDirectory(dir=given.place) as place:
        rows = [
            facts
            for way in given.ways or ["here"]
            for facts in MEASURES[way](Path(place))
        ]
    print(f"{os.cpu_count()} cores, {platform.platform()}, commit {commit()}")
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"|{' --- |' * len(COLUMNS)}")
    for facts in rows:
        cells = (str(facts.get(column, "")) for column in COLUMNS)
        print(f"| {' | '.join(cells)} |")


def commit() -> str:
    command = ["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def report(way: str, caches: str, facts: Facts) -> Facts:
    """Print a start as soon as it is measured, and return it as a row of the table."""
    row: Facts = {"start": way, "caches": caches, **facts}
    row["load"] = round(os.getloadavg()[0], 1)
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def of_here(place: Path) -> list[Facts]:
    compiled = {"NUMBA_CACHE_DIR": str(place / "compiled")}
    kept = {"PIXELRNN_KEPT_DIR": str(place / "kept")}
    environment = {**os.environ, **compiled, **kept}
    command = [sys.executable, "-P", "-m", "pixelrnn", "up"]
    rows = []
    for caches in ("empty", "full"):
        data = place / f"data-{caches}"
        start = Start(command, Path.cwd(), environment)
        rows.append(report("here", caches, started(start, data)))
    return rows


def of_checkout(place: Path) -> list[Facts]:
    home = new_directory(place / "home")
    rows = []
    for caches in ("empty", "full"):
        clone = cloned(place / f"clone-{caches}")
        environment = {**bare_environment(home), "XDG_DATA_HOME": str(clone / "data")}
        port = free_port()
        start = Start(["make", "run", f"PORT={port}"], clone, environment)
        rows.append(report("checkout", caches, measured(start, port, clone)))
        shutil.rmtree(clone)
    return rows


def of_wheel(place: Path) -> list[Facts]:
    home = new_directory(place / "home-wheel")
    clone = cloned(place / "clone-wheel")
    environment = bare_environment(home)
    python = clone / ".venv" / "bin" / "python"
    run(["make", ".venv/installed-all"], clone, environment)
    run([str(python), "-m", "model_core.portable.native"], clone, environment)
    pip = [str(python), "-m", "pip"]
    run([*pip, "wheel", "--no-deps", "-w", str(place), "."], clone, environment)
    wheel = next(place.glob("pixelrnn-*.whl"))
    shutil.rmtree(clone)

    room = new_directory(place / "room")
    run([sys.executable, "-m", "venv", str(room / "venv")], room, environment)
    own = room / "venv" / "bin" / "python"
    began = time.monotonic()
    run([str(own), "-m", "pip", "install", f"{wheel}[all]"], room, environment)
    installed = round(time.monotonic() - began, 1)
    empty = new_directory(place / "home-of-user")
    environment = bare_environment(empty)
    rows = []
    for caches in ("empty", "full"):
        command = [str(room / "venv" / "bin" / "pixelrnn"), "up"]
        facts = started(Start(command, room, environment), room / f"data-{caches}")
        if caches == "empty":
            facts["installed"] = f"{installed}, not counted in the others"
        rows.append(report("wheel", caches, facts))
    shutil.rmtree(room)
    return rows


def of_image(place: Path) -> list[Facts]:
    clone = cloned(place / "clone-image")
    compose = ["docker", "compose", "-p", "pixelrnn-start"]
    images = subprocess.run(
        [*compose, "build"], cwd=clone, capture_output=True, text=True
    )
    if images.returncode:
        raise SystemExit(f"docker compose build: {images.stderr[-2000:]}")
    rows = []
    try:
        for caches in ("empty", "full"):
            port = 8000
            environment = dict(os.environ)
            start = Start([*compose, "up"], clone, environment)
            rows.append(report("image", caches, measured(start, port, None)))
    finally:
        subprocess.run([*compose, "down", "--volumes"], cwd=clone, check=False)
    return rows


def of_train(place: Path) -> list[Facts]:
    pictures = drawn_pictures(place / "icons")
    compiled = {"NUMBA_CACHE_DIR": str(place / "compiled-train")}
    home = {"HOME": str(new_directory(place / "home-train"))}
    rows = []
    for caches in ("empty", "full"):
        directory = new_directory(place / f"train-{caches}")
        command = [sys.executable, "-P", "-m", "pixelrnn", "train", str(pictures)]
        environment = {**os.environ, **compiled, **home}
        start = Start([*command, "--minutes", "1"], directory, environment)
        with Running(start) as training:

            def has_begun(training: Running = training) -> bool:
                return bool(FIRST_UPDATE.search(training.output()))

            facts: Facts = {"first update": training.after(has_begun)}
        rows.append(report("train", caches, facts))
    return rows


MEASURES: dict[str, Callable[[Path], list[Facts]]] = {
    "here": of_here,
    "checkout": of_checkout,
    "wheel": of_wheel,
    "image": of_image,
    "train": of_train,
}


def started(start: Start, data: Path) -> Facts:
    """Measure `pixelrnn up` with a data directory of its own."""
    port = free_port()
    where = ["--port", str(port), "--data-dir", str(data)]
    command = [*start.command, *where]
    return measured(Start(command, start.directory, start.environment), port, data)


def measured(start: Start, port: int, place: Path | None) -> Facts:
    """Measure one start of the service.

    place: a directory in which the logs of its workers lie, and, of a checkout, `.venv`.
    """
    url = f"http://127.0.0.1:{port}"
    facts: Facts = {}
    with Running(start) as service:
        is_checkout = start.command[0] == "make"
        if is_checkout and place is not None:
            mark = place / ".venv" / "installed-all"
            facts["installed"] = service.after(mark.exists)
        facts["page"] = service.after(lambda: ask(f"{url}/") is not None)
        facts["first picture"] = service.after(lambda: draw(url))
        facts["all models ready"] = service.after(lambda: all_ready(url))
    if place is not None:
        facts |= parts_of(place)
    return facts


def parts_of(place: Path) -> Facts:
    """Read how long loops were compiled and models examined from the logs of a start."""
    compiling_s = 0.0
    examining_s = 0.0
    for log in place.rglob("worker-*.log"):
        for line in log.read_text(errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            compiling_s += event.get("processor_s", 0.0)
            examining_s += event.get("examining_s", 0.0)
    ahead = place / ".venv" / "ahead.log"
    if ahead.exists():
        times = re.findall(r"([\d.]+) s of a processor", ahead.read_text())
        compiling_s += sum(map(float, times))
    return {
        "compiling (processor)": round(compiling_s, 1),
        "examining": round(examining_s, 1),
    }


def new_directory(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def cloned(clone: Path) -> Path:
    """Clone the commit of this checkout."""
    run(
        ["git", "clone", "--quiet", str(CHECKOUT), str(clone)], clone.parent, os.environ
    )
    return clone


def bare_environment(home: Path) -> dict[str, str]:
    """Return an environment with a new HOME, and with what pip needs on this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "PATH" or name.startswith("PIP_")
    }
    return {**kept, "HOME": str(home)}


def run(
    command: Sequence[str], directory: Path, environment: Mapping[str, str]
) -> None:
    done = subprocess.run(
        command,
        cwd=directory,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def drawn_pictures(folder: Path) -> Path:
    """Draw small pictures, each a rectangle on a ground, as files of one line's header."""
    random = Random(0)
    new_directory(folder)
    side = 16
    for number in range(PICTURES):
        ground = random.choice((b"\xf0\xe8\xd8", b"\x20\x28\x38"))
        colour = bytes(random.randrange(256) for _ in range(3))
        left = random.randrange(8)
        top = random.randrange(8)
        right = left + random.randrange(3, 8)
        bottom = top + random.randrange(3, 8)
        pixels = b"".join(
            colour if left <= x < right and top <= y < bottom else ground
            for y in range(side)
            for x in range(side)
        )
        header = f"P6 {side} {side} 255\n".encode()
        (folder / f"{number:03}.ppm").write_bytes(header + pixels)
    return folder


def ask(url: str, body: object = None) -> Any:
    """Return the answer, parsed if it is JSON; None if there is none, or a refusal."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Prefer": "wait=30"} if data else {}
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            is_json = "json" in answer.headers["Content-Type"]
            return json.loads(text) if is_json else text
    except (OSError, urllib.error.URLError):
        return None


def draw(url: str) -> bool:
    """Return True if a digit was drawn."""
    job = ask(f"{url}/sample", {"model": MODEL, "seed": 7})
    return job is not None and job["status"] == "succeeded"


def all_ready(url: str) -> bool:
    listed = ask(f"{url}/models")
    return listed is not None and not any(
        model.get("compiling") for model in listed["models"]
    )


if __name__ == "__main__":
    main()
