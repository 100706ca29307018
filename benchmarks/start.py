"""How long a start takes: `python benchmarks/start.py`.

Runs `pixelrnn up` on an empty directory, cold (nothing compiled is kept) and then warm, and says after how many seconds
the page answers, the first model and all models are ready, the first digit is drawn, and how many pieces of code were
compiled and kept; then what the quick verbs take. Of an installed wheel: by its Python, in any other folder.
Seconds are of this machine and of what else it does: compare two checkouts by alternating them.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODEL = "mnist-diagonal-bilstm"
LIMIT_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs",
        type=int,
        default=1,
        help="cold and warm starts; the best of each is printed",
    )
    runs = parser.parse_args().runs
    cold, warm = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as place:
            cold.append(start(Path(place)))
            warm.append(start(Path(place)))
    for name, found in (("cold", cold), ("warm", warm)):
        print(
            json.dumps(
                {
                    "start": name,
                    **{key: min(run[key] for run in found) for key in found[0]},
                }
            )
        )
    verbs = {
        verb: min(seconds(verb) for _ in range(3)) for verb in ("--version", "models")
    }
    print(json.dumps({"verbs": verbs}))


def start(place: Path) -> dict[str, float]:
    """Seconds from the command until each thing is so, and what was compiled."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(place / "compiled")}
    command = [
        sys.executable,
        "-m",
        "pixelrnn",
        "up",
        "--port",
        str(port),
        "--data-dir",
        str(place / "data"),
    ]
    began = time.monotonic()
    up = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:

        def after(condition: Callable[[], bool]) -> float:
            while not condition():
                if up.poll() is not None or time.monotonic() - began > LIMIT_S:
                    raise SystemExit(f"up ended with {up.poll()}")
                time.sleep(0.02)
            return round(time.monotonic() - began, 2)

        return {
            "page_s": after(lambda: ask(f"{url}/") is not None),
            "ready_s": after(lambda: ask(f"{url}/readyz") is not None),
            "digit_s": after(lambda: draw(url)),
            "all_ready_s": after(lambda: all_ready(url)),
            "compiled": len([*(place / "compiled").rglob("*.nbc")]),
        }
    finally:
        up.terminate()
        up.wait()


def ask(url: str, body: object = None) -> Any:
    """The answer; None while there is none, or a refusal."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url,
        data,
        {"Content-Type": "application/json", "Prefer": "wait=30"} if data else {},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return (
                json.loads(text) if "json" in answer.headers["Content-Type"] else text
            )
    except (OSError, urllib.error.URLError):
        return None


def draw(url: str) -> bool:
    """True if a digit was drawn."""
    job = ask(f"{url}/sample", {"model": MODEL, "seed": 7})
    return job is not None and job["status"] == "succeeded"


def all_ready(url: str) -> bool:
    listed = ask(f"{url}/models")
    return listed is not None and not any(
        model.get("compiling") for model in listed["models"]
    )


def seconds(verb: str) -> float:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "pixelrnn", verb], check=False, capture_output=True
    )
    return round(time.monotonic() - began, 2)


if __name__ == "__main__":
    main()
