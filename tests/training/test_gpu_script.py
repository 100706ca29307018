"""benchmarks/gpu.py in its tiny form, on a CPU: what will be run where there is a GPU runs, is resumed, and is kept."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PRESET = "mnist-pixelcnn"

pytestmark = [pytest.mark.weekly, pytest.mark.timeout(900)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """CIFAR-10's official archive with a few images in each batch: one label byte, then the pixels."""
    directory = tmp_path / "cifar-10-batches-bin"
    directory.mkdir()
    random = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (directory / f"{name}.bin").write_bytes(
            random.integers(0, 10, 12 * 3073).astype(np.uint8).tobytes()
        )
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as packed:
        packed.add(directory, directory.name)
    return tmp_path / "cifar-10-binary.tar.gz"


def sit(out: Path, archive: Path, *words: str) -> tuple[int, str]:
    command = [
        sys.executable,
        "benchmarks/gpu.py",
        "--device",
        "cpu",
        "--tiny",
        "--out",
        out,
        "--data",
        archive,
        *words,
    ]
    ended = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stdout


def test_what_a_sitting_left_is_done_by_the_next(tmp_path: Path, archive: Path) -> None:
    """The first has time for nothing; the second does everything, from tests to a scored model; the third nothing."""
    out = tmp_path / "out"
    assert sit(out, archive, "--minutes", "0", "--only", "run")[0] == 3
    code, said = sit(out, archive, "--minutes", "12")
    assert (code, said.splitlines()[-1]) == (0, f"all done: {out / 'gpu.json'}")
    outcomes = json.loads((out / "gpu.json").read_text())
    names = [
        "check",
        "tests",
        f"drawing/{PRESET}/1",
        f"training/{PRESET}/float32",
        "run",
        "score/publish",
        "score/evaluate",
    ]
    assert list(outcomes) == names
    assert outcomes["check"]["facts"]["equal"]
    assert outcomes["check"]["facts"]["card"] is None
    assert outcomes[f"drawing/{PRESET}/1"]["facts"]["ratio"] > 0
    assert outcomes[f"training/{PRESET}/float32"]["facts"]["images_per_s"] > 0
    assert outcomes["score/evaluate"]["facts"]["images"] == 12
    assert (out / "models" / "cifar10-pixelcnn" / "card.json").is_file()
    assert sit(out, archive, "--minutes", "1") == (0, f"all done: {out / 'gpu.json'}\n")


def test_a_part_that_fails_is_told_and_tried_again(
    tmp_path: Path, archive: Path
) -> None:
    """Nothing was trained, so nothing can be published; its last lines say so, and the exit code too."""
    for _ in range(2):
        code, said = sit(tmp_path / "out", archive, "--only", "score")
        assert code == 1
        assert "score/publish: FAILED with 2" in said
        assert "failed: score/publish, score/evaluate" in said
