"""Everything that waits for a GPU, in sittings of ten minutes: the same command goes on where the last ended.

    python benchmarks/gpu.py --data cifar-10-binary.tar.gz         what is not done yet; again until it says so
    python benchmarks/gpu.py --data DIRECTORY --only run           one stage: check, tests, drawing, ..., score
    python benchmarks/gpu.py --data tiny.npz --device cpu --tiny   see that it works where there is no GPU

    check      `pixelrnn gpu check --require-gpu`: the GPU draws the bytes of the processors from every model, and how
               many images a second
    tests      the tests that are marked `gpu`
    drawing    `pixelrnn bench sampling --device cuda`, every preset of CIFAR-10 and MNIST, 1, 16 and 64 images at once
    training   benchmarks/training.py on the GPU, in float32 and in bf16
    run        configs/cifar10-pixelcnn.toml: the paper's size, in bf16; stopped when the time is up, and resumed
    score      what the run made, published and scored on all test images; with --only, what it has made so far

Everything is kept in --out: gpu.json has the outcome of each part, the last lines of those that failed too. --data is a
directory of CIFAR-10, its official archive (which is unpacked there), or arrays. Needs nothing else, and no network.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STAGES = ("check", "tests", "drawing", "training", "run", "score")
PRESETS = (
    *("mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"),
    *(
        "cifar10-pixelcnn",
        "cifar10-row-lstm",
        "cifar10-diagonal-bilstm",
        "cifar10-multi-scale",
    ),
)
NAME = "cifar10-pixelcnn"
TINY = {
    "network.layers": 1,
    "network.hidden": 6,
    "network.head": 6,
    "training.epochs": 1,
    "training.warmup": 1,
}
PYTHON = (sys.executable, "-u")
TO_STOP_S = 60
"""Seconds that a run may take to write its checkpoint after it was asked to end."""


@dataclass(frozen=True)
class Part:
    """One command. When the time is up, a part that goes on is asked to end; others begin anew in the next sitting."""

    name: str
    command: tuple[str, ...]
    goes_on: bool = False


class Sitting:
    """Runs parts that are not done, as long as there is time, and keeps what came of them."""

    def __init__(self, out: Path, seconds: float) -> None:
        self._file = out / "gpu.json"
        self._ends = time.monotonic() + seconds
        self.outcomes: dict[str, dict[str, Any]] = (
            json.loads(self._file.read_text()) if self._file.exists() else {}
        )

    def is_done(self, part: Part) -> bool:
        """True if it ended well."""
        return self.outcomes.get(part.name, {}).get("rc") == 0

    def run(self, part: Part) -> bool:
        """Run one part; False when the time is up."""
        print(f"{part.name}: {' '.join(part.command[len(PYTHON) :])}", flush=True)
        started = time.monotonic()
        process = subprocess.Popen(
            part.command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=max(1.0, self._ends - started))
        except subprocess.TimeoutExpired:
            _end(process, part)
            print(f"{part.name}: not done when the time was up", flush=True)
            return False
        self._keep(part, process.returncode, output, time.monotonic() - started)
        return True

    def _keep(self, part: Part, code: int, output: str, seconds: float) -> None:
        lines = output.splitlines()
        facts = next(
            (json.loads(line) for line in reversed(lines) if line.startswith("{")), {}
        )
        outcome = {
            "rc": code,
            "seconds": round(seconds, 1),
            "facts": facts,
            "last_lines": lines[-20:],
        }
        self.outcomes[part.name] = outcome
        self._file.write_text(
            json.dumps(self.outcomes, indent=1) + "\n", encoding="utf-8"
        )
        print(
            f"{part.name}: {'done' if code == 0 else f'FAILED with {code}'} in {seconds:.0f} s",
            flush=True,
        )
        if code:
            print("\n".join(lines[-20:]), flush=True)


def _end(process: subprocess.Popen[str], part: Part) -> None:
    process.send_signal(signal.SIGTERM if part.goes_on else signal.SIGKILL)
    try:
        process.communicate(timeout=TO_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def main() -> int:
    """0 when all parts are done, 1 when one failed, 3 when there is more to do."""
    arguments = _arguments()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    data = unpacked(arguments.data.resolve(), out)
    sitting = Sitting(out, 60 * arguments.minutes)
    wanted = [
        part
        for part in parts(arguments.device, data, out, arguments.tiny)
        if _is_wanted(part, arguments.only)
    ]
    anew = arguments.only == "score"  # the run may have come further since
    for part in wanted:
        if (anew or not sitting.is_done(part)) and not sitting.run(part):
            return 3
    failed = [part.name for part in wanted if not sitting.is_done(part)]
    print(f"failed: {', '.join(failed)}" if failed else f"all done: {out / 'gpu.json'}")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/gpu"), help="where everything is kept"
    )
    parser.add_argument("--only", choices=STAGES, help="one stage")
    parser.add_argument(
        "--minutes",
        type=float,
        default=9.0,
        help="of one sitting; a minute more to stop a run",
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu")
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="see that it works: one small preset, a tiny network",
    )
    return parser.parse_args()


def _is_wanted(part: Part, stage: str | None) -> bool:
    return stage is None or part.name.partition("/")[0] == stage


def unpacked(data: Path, out: Path) -> Path:
    """A data set that pixelrnn reads; an archive is unpacked into `out`, once."""
    if not data.name.endswith((".tar.gz", ".tgz", ".tar", ".zip")):
        return data
    place = out / "data"
    if not place.exists():
        draft = out / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        if data.suffix != ".zip" and hasattr(
            tarfile, "data_filter"
        ):  # Python 3.11 has it since 3.11.4
            shutil.unpack_archive(data, draft, filter="data")
        else:
            shutil.unpack_archive(data, draft)
        draft.rename(place)
    return place


def parts(device: str, data: Path, out: Path, tiny: bool) -> Iterator[Part]:
    """All parts in the order of their worth."""
    # Without a GPU the programs are compared on the processors alone.
    of_gpu = ("mnist-pixelcnn",)
    if device != "cpu":
        of_gpu = ("--require-gpu", "--device", device)
    yield Part("check", _pixelrnn("gpu", "check", *of_gpu, "--json"))
    marked = [
        file
        for file in (ROOT / "tests").rglob("test_*.py")
        if "mark.gpu" in file.read_text("utf-8")
    ]
    yield Part(
        "tests",
        (
            *PYTHON,
            "-m",
            "pytest",
            "-m",
            "gpu",
            "-q",
            "-p",
            "no:cacheprovider",
            *map(str, marked),
        ),
    )
    presets, batches = (PRESETS[:1], (1,)) if tiny else (PRESETS, (1, 16, 64))
    for preset in presets:
        for batch in batches:
            words = (
                "--preset",
                preset,
                "--batch",
                str(batch),
                "--device",
                device,
                "--json",
            )
            yield Part(
                f"drawing/{preset}/{batch}", _pixelrnn("bench", "sampling", *words)
            )
    for preset in presets:
        for precision in ("float32",) if device == "cpu" else ("float32", "bf16"):
            words = (
                "--preset",
                preset,
                "--device",
                device,
                "--precision",
                precision,
                *(("--quick",) if tiny else ()),
            )
            yield Part(
                f"training/{preset}/{precision}",
                (*PYTHON, "benchmarks/training.py", *words),
            )
    yield Part("run", train_command(device, data, out, tiny), goes_on=True)
    models = str(out / "models")
    yield Part(
        "score/publish",
        _pixelrnn("publish", str(out / "runs" / NAME), "--models-dir", models),
    )
    scored = (
        "--data",
        str(data),
        "--split",
        "test",
        "--write-card",
        "--device",
        device,
        "--json",
    )
    yield Part(
        "score/evaluate", _pixelrnn("evaluate", NAME, "--models-dir", models, *scored)
    )


def train_command(device: str, data: Path, out: Path, tiny: bool) -> tuple[str, ...]:
    """The recipe on this device, from its last checkpoint if there is one; bf16 is the recipe's own."""
    changes: dict[str, object] = {
        "training.device": device,
        "output.tensorboard": "false",
    }
    changes |= {"training.precision": "float32"} if device == "cpu" else {}
    changes |= {**TINY, "output.samples": 0} if tiny else {}
    options = [
        word for key, value in changes.items() for word in ("--set", f"{key}={value}")
    ]
    resume = ["--resume"] if (out / "runs" / NAME / "last.safetensors").exists() else []
    places = ["--data", str(data), "--name", NAME, "--runs-dir", str(out / "runs")]
    return _pixelrnn(
        "train", "configs/cifar10-pixelcnn.toml", *places, *options, *resume, "--json"
    )


def _pixelrnn(*words: str) -> tuple[str, ...]:
    return (*PYTHON, "-m", "pixelrnn", *words)


if __name__ == "__main__":
    sys.exit(main())
