"""Whole runs: the same curve however often they are stopped, and by however many processes they are made."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model_core.errors import ConfigError, ModelError
from model_core.training.checkpoint import read_checkpoint
from model_core.training.display import Silent
from model_core.training.launch import train_with
from model_core.training.ranks import Ranks
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, prepare, train
from model_core.training.step import DivergedError

CLOCK = {"seconds", "images_per_s"}


def never() -> bool:
    return False


def stop_at_question(number: int) -> Callable[[], bool]:
    """True from the number-th time the loop asks."""
    asked = iter(range(1, 1_000_000))
    return lambda: next(asked) >= number


def run(request: RunRequest, stop: Callable[[], bool]) -> bool:
    loop, files = prepare(request, Ranks())
    try:
        return loop.run(stop, Silent())
    finally:
        assert files is not None
        files.journal.close()


def curve(directory: Path) -> list[dict[str, Any]]:
    """The log without what the clock says."""
    lines = (json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines())
    return [{name: value for name, value in line.items() if name not in CLOCK} for line in lines]


def test_training_learns_and_logs(recipe: Recipe, tmp_path: Path) -> None:
    """Stripes are learned: 30 binary pixels cost far less than their 20.8 nats; every epoch is validated."""
    result = train(RunRequest(recipe, tmp_path / "run"))
    assert result.finished
    assert (result.iteration, result.epochs) == (12, 2)
    epochs = [line for line in curve(tmp_path / "run") if line["event"] == "epoch"]
    assert [line["iteration"] for line in epochs] == [6, 12]
    assert epochs[1]["valid_nats"] < epochs[0]["valid_nats"] < 30 * 0.6931
    assert result.best_nats == min(line["valid_nats_average"] for line in epochs)


def test_the_curve_is_the_same_when_stopped_anywhere_and_resumed(recipe: Recipe, tmp_path: Path) -> None:
    """Stopped after 1, 5, ... questions, in an epoch, at its end, in validation: bits and log are those of one run."""
    whole = RunRequest(recipe, tmp_path / "whole")
    assert run(whole, never)
    expected, _ = read_checkpoint(whole.directory / "last.safetensors")
    for number in (1, 5, 6, 7, 8, 9, 10):
        directory = tmp_path / f"stopped-{number}"
        assert not run(RunRequest(recipe, directory), stop_at_question(number))
        assert not run(RunRequest(recipe, directory, resume=True), stop_at_question(3))
        assert run(RunRequest(recipe, directory, resume=True), never)
        tensors, _ = read_checkpoint(directory / "last.safetensors")
        assert all(torch.equal(tensors[name], expected[name]) for name in expected | tensors)
        assert curve(directory) == curve(whole.directory)


def test_the_log_has_no_line_twice_when_a_crash_lost_updates(recipe: Recipe, tmp_path: Path) -> None:
    """What was logged after the last checkpoint, and half a line, is dropped on resume."""
    whole, broken = RunRequest(recipe, tmp_path / "whole"), RunRequest(recipe, tmp_path / "broken", resume=True)
    assert run(whole, never)
    assert not run(RunRequest(recipe, broken.directory), stop_at_question(5))
    with (broken.directory / "log.jsonl").open("a") as log:
        log.write('{"event": "train", "iteration": 6, "nats": 1.0}\n{"event": "tr')
    assert run(broken, never)
    assert curve(broken.directory) == curve(whole.directory)


def test_two_processes_draw_the_curve_of_one(recipe: Recipe, tmp_path: Path) -> None:
    """Averaged gradients of half batches are those of the batch, up to rounding; validation is shared too."""
    one, two = tmp_path / "one", tmp_path / "two"
    train(RunRequest(recipe, one))
    assert train_with(RunRequest(recipe, two), processes=2).finished
    for ours, theirs in zip(curve(two), curve(one), strict=True):
        assert ours.pop("event") == theirs.pop("event")
        assert ours == pytest.approx(theirs, rel=1e-3)


def test_a_run_is_refused_when_it_would_overwrite_or_has_nothing_to_resume(recipe: Recipe, tmp_path: Path) -> None:
    """A night of training is not lost to a repeated command."""
    request = RunRequest(recipe, tmp_path / "run")
    with pytest.raises(ConfigError, match="nothing to resume"):
        train(RunRequest(recipe, request.directory, resume=True))
    assert not run(request, stop_at_question(1))
    with pytest.raises(ConfigError, match="--resume"):
        train(request)


def test_resuming_is_refused_when_the_network_or_optimiser_is_another(
    recipe: Recipe, recipe_file: Path, tmp_path: Path
) -> None:
    """A checkpoint is only for the network, and the kind of rule, that wrote it."""
    assert not run(RunRequest(recipe, tmp_path / "run"), stop_at_question(1))
    for change, error in (("network.hidden=6", ConfigError), ("training.momentum=0.9", ModelError)):
        with pytest.raises(error):
            train(RunRequest(Recipe.load(recipe_file, [change]), tmp_path / "run", resume=True))


def test_training_stops_with_good_weights_when_the_loss_is_not_finite(recipe_file: Path, tmp_path: Path) -> None:
    """The error says where the last good checkpoint is, and that one is finite."""
    changes = ["training.learning_rate=1e30", "training.schedule=constant", "output.checkpoint_every=1"]
    with pytest.raises(DivergedError, match=r"last\.safetensors is the last good checkpoint.*learning_rate"):
        train(RunRequest(Recipe.load(recipe_file, changes), tmp_path / "run"))
    tensors, _ = read_checkpoint(tmp_path / "run" / "last.safetensors")
    assert all(tensor.isfinite().all() for name, tensor in tensors.items() if name.startswith("weights/"))


def test_tensorboard_and_sample_grids_are_written_when_asked(recipe_file: Path, tmp_path: Path) -> None:
    """One event file; one picture an epoch."""
    changed = Recipe.load(recipe_file, ["output.tensorboard=true", "output.samples=4", "training.epochs=1"])
    assert train(RunRequest(changed, tmp_path / "run")).finished
    assert [path.name for path in (tmp_path / "run" / "samples").iterdir()] == ["epoch-0001.png"]
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"hello", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_checkpoint_is_refused_when_it_is_not_one(tmp_path: Path, content: bytes) -> None:
    """Damaged files and safetensors of others are ModelErrors."""
    path = tmp_path / "last.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"last\.safetensors"):
        read_checkpoint(path)
