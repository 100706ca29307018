"""How many processes train on pictures: as many as make the updates faster."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from model_core.errors import ConfigError
from model_core.training import precision, process_count
from model_core.training.images import RunImages
from model_core.training.process_count import (
    ChosenProcesses,
    ProcessLimits,
    choose_processes,
)
from model_core.training.recipe import Recipe
from model_core.training.timing import TimingRequest
from pixelrnn.verbs import root

MIB = 2**20
NEED = 100 * MIB
"""Bytes that a process needs."""
TINY = ("preset=cifar10-pixelcnn", "layers=1", "hidden=6", "head=6")


class Timer:
    """Stands in for a group that is timed; an update takes 1 s by one process."""

    def __init__(self, update_s: dict[int, float]) -> None:
        self.update_s = update_s
        self.started: list[int] = []

    def time_with(
        self, request: TimingRequest, processes: int, *_: object
    ) -> tuple[dict[int, float], float]:
        assert request.updates == 4
        self.started.append(processes)
        return {count: self.update_s[count] for count in request.counts}, 5.0


Choose = Callable[..., ChosenProcesses]


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> Timer:
    there = Timer({2: 0.6, 3: 0.5, 4: 0.4, 8: 0.39})
    monkeypatch.setattr(process_count, "time_with", there.time_with)
    return there


@pytest.fixture
def choose(recipe_file: Path, tmp_path: Path, timer: Timer) -> Choose:
    """Choose for batches of 8 images."""

    def choose(
        of: ProcessLimits, *changes: str, minutes: float = 5, need: int = NEED
    ) -> ChosenProcesses:
        recipe = Recipe.load(recipe_file, changes)
        train, labels = RunImages(recipe, tmp_path / "run").train()
        timing = TimingRequest(recipe, tmp_path / "run")
        return choose_processes(
            timing, (train, labels), of, 1.0, need, minutes, lambda _: None
        )

    return choose


def test_the_fastest_number_that_divides_the_batch_is_chosen(
    choose: Choose, timer: Timer
) -> None:
    """Eight processes are hardly faster than four, and three do not divide it."""
    for most, expected in ((1, 1), (2, 2), (3, 2), (4, 4), (7, 4), (15, 4)):
        chosen = choose(ProcessLimits(most))
        assert (chosen.processes, chosen.shares) == (expected, expected)
    assert timer.started == [2, 2, 4, 4, 8]
    timer.update_s = {2: 0.97, 4: 1.5}
    slower = choose(ProcessLimits(4))
    assert (slower.processes, slower.shares, slower.update_s) == (1, 1, 1.0)


def test_what_timing_and_starting_takes_counts(choose: Choose, timer: Timer) -> None:
    """The start only if there are several processes to start again."""
    assert 5 <= choose(ProcessLimits(4)).spent_s < 6
    timer.update_s = {2: 1.0}
    assert 0 < choose(ProcessLimits(2)).spent_s < 1
    assert choose(ProcessLimits(1)) == ChosenProcesses(1, 1, 1.0)


def test_a_short_training_has_one_process(choose: Choose, timer: Timer) -> None:
    """Starting others would take most of its time; the user may know better."""
    assert choose(ProcessLimits(4), minutes=0.4).processes == 1
    assert timer.started == []
    assert choose(ProcessLimits(4, wanted=2), minutes=0.4).processes == 2


def test_the_user_decides(choose: Choose, timer: Timer) -> None:
    """On the processes, even more than there are processors, and on the shares."""
    timer.update_s = {4: 3.0, 3: 0.5}
    wanted = choose(ProcessLimits(1, wanted=4))
    assert (wanted.processes, wanted.shares, wanted.update_s) == (4, 4, 3.0)
    assert choose(ProcessLimits(4, wanted=1)).shares == 1
    fixed = choose(ProcessLimits(3), "training.shares=4")
    assert (fixed.processes, fixed.shares, fixed.update_s) == (3, 4, 0.5)
    assert choose(ProcessLimits(1), "training.shares=4") == ChosenProcesses(1, 4, 1.0)


def test_each_process_has_its_part_of_the_memory(choose: Choose) -> None:
    """Twice what it needs; so there are fewer where it is little."""
    divided: list[int] = []
    for mib, expected in ((800, 4), (799, 2), (399, 1), (10, 1)):
        of = ProcessLimits(4, memory=mib * MIB, divide_memory=divided.append)
        assert choose(of).processes == expected
    # Before so many are timed, and before the chosen ones start.
    assert divided == [4, 4, 2, 2]
    assert choose(ProcessLimits(4, memory=MIB), need=0).processes == 4, (
        "where nobody knows"
    )


def test_a_gpu_has_no_shares(choose: Choose) -> None:
    """Its processes are started by torchrun."""
    assert choose(ProcessLimits(4), "training.device=cuda").shares == 0


def test_two_processes_train_on_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real ones, which are timed first; the card names the shares."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(precision, "_path", lambda: tmp_path / precision.FILE)
    Path("icons").mkdir()
    for i in range(24):
        pixels = np.random.default_rng(i).integers(0, 256, (6, 6, 3), np.uint8)
        Image.fromarray(pixels).save(f"icons/{i}.png")
    changes = [f"network.{change}" for change in TINY]
    changes += ["training.start=", "training.epochs=2", "training.epoch_updates=3"]
    words = ["train", "icons", *(word for each in changes for word in ("--set", each))]
    words.append("--publish-anyway")
    done = CliRunner().invoke(root, [*words, "--processes", "2"])
    assert done.exit_code == 0, done.output
    assert "by 2 processes for at most 5 minutes" in done.stderr
    card = json.loads(Path("my-models/icons/card.json").read_text())["training"]
    assert card["recipe"]["shares"] == 2
    assert card["command"].endswith("--processes 2")
    assert card["hardware"].startswith("2 x ")
    refused = CliRunner().invoke(root, [*words, "--name", "b", "--processes", "3"])
    assert isinstance(refused.exception, ConfigError)
    assert "cannot be divided into 3 equal shares" in str(refused.exception)
    words += ["--name", "c", "--set", "training.shares=1"]
    fewer = CliRunner().invoke(root, [*words, "--processes", "2"])
    assert "1 of 2 processes train: one for each share of this run" in fewer.stderr
