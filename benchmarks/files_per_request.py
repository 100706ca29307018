"""Count the files and functions of the project that one request runs through.

    python benchmarks/files_per_request.py [--list]

Starts `pixelrnn up` with a profiler in each process (API, worker and engine), sends each
request three times, and counts what the last one executes, from the HTTP request to the
picture. Files that idle processes execute are left out: what runs in the two seconds
before the request does not count, nor what the supervisor and the compiler of the
browser's modules do meanwhile. `--list` prints the names.

The profiler is a `sitecustomize` module on PYTHONPATH, which Python imports when a process
starts. It records calls while a flag file exists.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.stack import Stack

ROOT = Path(__file__).resolve().parents[1]
MODEL = "mnist-diagonal-bilstm"
WAIT_S = 60
IDLE_S = 2.0
POLL_S = 0.02
"""How often each process looks for the flag."""

PROFILER = """
import json, os, sys, threading, time

PLACE = os.environ["COUNT_PLACE"]
ROOT = os.environ["COUNT_ROOT"] + "/"
FLAG = PLACE + "/flag"
is_recording = False
called = set()


def profile(frame, event, argument):
    if is_recording and event == "call":
        file = frame.f_code.co_filename
        if file.startswith(ROOT) and "/.venv/" not in file:
            called.add((file[len(ROOT):], frame.f_code.co_qualname))


def watch():
    global is_recording, called
    while True:
        time.sleep(0.02)
        label = ""
        try:
            with open(FLAG) as flag:
                label = flag.read()
        except OSError:
            pass
        if label and not is_recording:
            called = set()
            is_recording = True
        elif is_recording and not label:
            is_recording = False
            # Named by process; the label is the last one that was seen.
            target = f"{PLACE}/{last}-{os.getpid()}.json"
            with open(target + ".draft", "w") as out:
                json.dump([" ".join(sys.orig_argv), sorted(called)], out)
            os.replace(target + ".draft", target)
        if label:
            last = label


def start():
    sys.setprofile(profile)
    threading.setprofile(profile)
    threading.Thread(target=watch, daemon=True).start()


start()
os.register_at_fork(after_in_child=start)
"""

Call = tuple[str, str]
"""Path below the repository, and qualified name of the function."""


_WAITING = {"Prefer": "wait=30", "Accept": "image/png"}


def main() -> None:
    """Count each request and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="print names of the files")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "sitecustomize.py").write_text(PROFILER, encoding="utf-8")
        profiled = {
            "PYTHONPATH": f"{place}{os.pathsep}{ROOT}",
            "COUNT_PLACE": str(place),
            "COUNT_ROOT": str(ROOT),
        }
        print("| request | files | functions | API | worker | engine |")
        print("| --- | --- | --- | --- | --- | --- |")
        with (
            Stack(MODEL, 1, **profiled) as stack,
            httpx.Client(timeout=WAIT_S) as client,
        ):
            requests = {
                "POST /sample": lambda: _sample(client, stack.url),
                "POST /complete": lambda: _complete(client, stack.url),
            }
            for name, send in requests.items():
                _report(name, _counted(place, send), arguments.list)


def _sample(client: httpx.Client, url: str) -> None:
    """Draw one digit, and fetch its picture."""
    body = {"model": MODEL, "seed": 1}
    _expect_picture(client.post(f"{url}/sample", json=body, headers=_WAITING))


def _complete(client: httpx.Client, url: str) -> None:
    """Draw the upper half of a digit, by particles and the model's guide."""
    digit = (ROOT / "docs" / "img" / "digit.png").read_bytes()
    lower_half = Image.open(ROOT / "docs" / "img" / "lower-half.png").convert("L")
    mask = io.BytesIO()
    ImageOps.invert(lower_half).save(mask, "PNG")
    files = {"image": digit, "mask": mask.getvalue()}
    data = {"model": MODEL, "seed": "1"}
    answer = client.post(f"{url}/complete", data=data, files=files, headers=_WAITING)
    _expect_picture(answer)


def _expect_picture(answer: httpx.Response) -> None:
    if answer.headers["Content-Type"] != "image/png":
        raise RuntimeError(f"expected a picture, received {answer.text}")


def _counted(place: Path, send: Callable[[], None]) -> dict[str, set[Call]]:
    """Return what each process executes for a request, beyond what it executes when idle.

    The key is "API", "worker" or "engine".
    """
    for _ in range(2):
        send()  # caches are filled, and code that runs only once has run
    time.sleep(IDLE_S)
    idle = _recorded(place, "idle", lambda: time.sleep(IDLE_S))
    busy = _recorded(place, "busy", send)
    found: dict[str, set[Call]] = {"API": set(), "worker": set(), "engine": set()}
    for command, calls in busy.items():
        role = _role(command)
        if role is None:
            continue
        while_idle = {file for file, _ in idle.get(command, set())}
        found[role] |= {call for call in calls if call[0] not in while_idle}
    return found


def _recorded(
    place: Path, label: str, action: Callable[[], None]
) -> dict[str, set[Call]]:
    """Return the calls that each process executes during an action, by its command line."""
    flag = place / "flag"
    draft = place / "flag.draft"
    draft.write_text(label, encoding="utf-8")
    draft.replace(flag)
    time.sleep(10 * POLL_S)
    action()
    time.sleep(10 * POLL_S)  # the worker and the engine still settle the job
    flag.unlink()
    time.sleep(50 * POLL_S)
    found = {}
    for file in place.glob(f"{label}-*.json"):
        command, calls = json.loads(file.read_text(encoding="utf-8"))
        found[command] = {(path, function) for path, function in calls}
    return found


def _role(command: str) -> str | None:
    """Return which process this is, by its command line; None for one that does not
    take part in a request."""
    if "worker.engine.start" in command:
        return "engine"
    if "worker.start" in command:
        return "worker"
    return "API" if " api " in command else None


def _report(name: str, found: dict[str, set[Call]], is_listed: bool) -> None:
    """Print a row of the table and, if asked, the names of the files."""
    calls = set().union(*found.values())
    files = {file for file, _ in calls}
    each = [str(len({file for file, _ in found[role]})) for role in found]
    print(f"| {name} | {len(files)} | {len(calls)} | {' | '.join(each)} |", flush=True)
    if is_listed:
        print("\n".join(sorted(files)))


if __name__ == "__main__":
    main()
