"""Trainings by several processes: the same bits as by one, and none is left alone."""

import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model_core.card import Card
from model_core.models_directory import CARD
from model_core.training import ranks
from model_core.training.checkpoint import read_checkpoint
from model_core.training.display import Display
from model_core.training.process_count import processes_for
from model_core.training.publish import publish
from model_core.training.ranks import LostProcessError, Ranks, UnequalProcessesError
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, prepare
from tests.house.processes import children_of, eventually, is_alive, is_stopped
from tests.nursery import Forked, ended

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's death"
)
MUON = ("training.rule=muon", "training.momentum=0.9")
FOUR = "training.shares=4"
LONG = ("training.epochs=8", "output.checkpoint_every=5")
ENDLESS = ("training.epochs=100000", "output.checkpoint_every=5")


def command(recipe: Path, runs: Path, processes: int, *changes: str) -> list[str]:
    """The words of a training of RUNS/run."""
    words = ["pixelrnn", "train", str(recipe), "--runs-dir", str(runs), "--name", "run"]
    words += ["--processes", str(processes)]
    return [*words, *(word for change in changes for word in ("--set", change))]


def train(
    recipe: Path, runs: Path, processes: int, *changes: str, resume: bool = False
) -> None:
    words = command(recipe, runs, processes, *changes)
    done = ended(*words, *(["--resume"] if resume else []))
    assert done.returncode == 0, done.stderr


def others_of(leader: int) -> list[int]:
    """The other processes of the group that this one leads."""
    found = children_of(leader)
    return [pid for pid, line in found.items() if "training.launched" in line]


@contextmanager
def group_of(words: Sequence[str], log: Path, others: int) -> Iterator[Forked]:
    """A training that has written a checkpoint, and its other processes."""
    last = Path(words[words.index("--runs-dir") + 1]) / "run" / "last.safetensors"
    leader = Forked(words, os.environ, log)
    try:
        eventually(lambda: last.exists() or leader.poll() is not None)
        assert last.exists(), log.read_text()
        assert len(others_of(leader.pid)) == others
        yield leader
    finally:
        leader.kill()
        leader.wait()


def outcome(runs: Path) -> tuple[dict[str, Tensor], str, list[dict[str, Any]]]:
    """The last checkpoint's tensors, SHA-256 of the published weights, and the scores
    of all epochs."""
    tensors, _ = read_checkpoint(runs / "run" / "last.safetensors")
    model = publish(runs / "run" / "best.safetensors", runs / "models")
    lines = (runs / "run" / "log.jsonl").read_text().splitlines()
    epochs = [line for line in map(json.loads, lines) if line["event"] == "epoch"]
    for epoch in epochs:
        del epoch["seconds"]
    return tensors, Card.read(model / CARD).sha256, epochs


@pytest.mark.parametrize("changes", [(), MUON], ids=["rmsprop", "muon"])
def test_a_killed_training_ends_with_the_same_bits_by_any_number_of_processes(
    recipe_file: Path, tmp_path: Path, changes: Sequence[str]
) -> None:
    """Weights, average, the optimiser's state and all scores are those of a training
    that two processes took to its end."""
    changes = (*changes, *LONG, FOUR)
    train(recipe_file, tmp_path / "whole", 2, *changes)
    expected, weights, epochs = outcome(tmp_path / "whole")
    assert {name.partition("/")[0] for name in expected} >= {"average", "square_avg"}

    killed = tmp_path / "killed"
    words = command(recipe_file, killed, 3, *changes)
    with group_of(words, tmp_path / "log", others=2):
        pass
    _, facts = read_checkpoint(killed / "run" / "last.safetensors")
    assert facts["state"]["epochs"] < 8
    for processes in (1, 2, 3, 4):
        runs = tmp_path / f"by-{processes}"
        shutil.copytree(killed, runs)
        train(recipe_file, runs, processes, *changes, resume=True)
        tensors, sha256, scores = outcome(runs)
        assert tensors.keys() == expected.keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, expected[name]), (processes, name)
        assert sha256 == weights
        assert scores == epochs


def test_the_number_of_processes_is_the_number_of_shares_of_a_run_that_begins(
    recipe_file: Path, tmp_path: Path
) -> None:
    """A checkpoint with shares keeps them; one without takes those that there are."""
    run = tmp_path / "run" / "last.safetensors"

    def shares() -> int:
        return read_checkpoint(run)[1]["recipe"]["training"]["shares"]

    train(recipe_file, tmp_path, 1, "training.epochs=1")
    assert shares() == 0
    train(recipe_file, tmp_path, 2, resume=True)
    assert shares() == 2
    words = command(recipe_file, tmp_path, 4, "training.epochs=3")
    done = ended(*words, "--resume")
    assert "2 of 4 processes train: one for each share of this run" in done.stderr
    assert (done.returncode, shares()) == (0, 2)


def test_a_recipe_has_as_many_processes_as_shares_where_there_are_processors(
    recipe_file: Path, tmp_path: Path
) -> None:
    """Without shares it has one, unless the user says otherwise."""

    def processes(shares: int, wanted: int | None = None, most: int = 3) -> int:
        recipe = Recipe.load(recipe_file, [f"training.shares={shares}"])
        return processes_for(RunRequest(recipe, tmp_path), wanted, most)

    assert [processes(shares) for shares in (0, 1, 2, 4)] == [1, 1, 2, 3]
    assert [processes(shares, 4) for shares in (0, 2, 8)] == [4, 2, 4]
    assert processes(4, most=1) == 1


class Unequal(Ranks):
    """Two processes, of which the other one sends something else than this one."""

    def gather(self, tensor: Tensor) -> list[Tensor]:
        return [tensor, tensor + 1]

    def any(self, flag: bool) -> bool:
        return flag


def test_processes_with_different_weights_write_no_checkpoint(
    recipe: Recipe, tmp_path: Path
) -> None:
    """A run that went on with them would train two networks."""
    loop, files = prepare(RunRequest(recipe, tmp_path), Unequal(0, 2))
    assert files is not None
    with pytest.raises(UnequalProcessesError, match="the ranks 1 have other weights"):
        loop.run(lambda: False, Display(leads=False, iteration=0, total=12))
    files.journal.close()
    assert not (tmp_path / "last.safetensors").exists()


def test_a_process_that_does_not_join_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no connection yet that could be closed."""
    monkeypatch.setattr(ranks, "_JOINING", timedelta(seconds=0.5))
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(ranks.MEETING, str(tmp_path / "meeting"))
    with pytest.raises(LostProcessError), ranks.joined_ranks("cpu"):
        pass


@on_linux
def test_a_lost_process_ends_the_group_and_the_run_goes_on(
    recipe_file: Path, tmp_path: Path
) -> None:
    """The command says which one was lost, and ends."""
    words = command(recipe_file, tmp_path, 3, FOUR, *ENDLESS)
    with group_of(words, tmp_path / "log", others=2) as leader:
        lost, other = others_of(leader.pid)
        os.kill(lost, signal.SIGKILL)
        assert leader.wait(60) == 2
        assert not is_alive(other)
    said = (tmp_path / "log").read_text()
    assert f"training process {lost} ended with -9: go on from" in said
    assert "Traceback" not in said
    assert not (tmp_path / "run" / "group").exists()
    train(recipe_file, tmp_path, 2, FOUR, resume=True)


@on_linux
def test_no_process_is_left_when_the_leader_of_a_stopped_group_dies(
    recipe_file: Path, tmp_path: Path
) -> None:
    """A stopped process could not notice by itself."""
    words = command(recipe_file, tmp_path, 3, FOUR, *ENDLESS)
    with group_of(words, tmp_path / "log", others=2) as leader:
        others = others_of(leader.pid)
        for pid in (leader.pid, *others):
            os.kill(pid, signal.SIGSTOP)
        assert eventually(lambda: all(map(is_stopped, others)))
    assert eventually(lambda: not any(map(is_alive, others)))


@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_group_that_is_told_to_stop_stops_after_the_same_update(
    recipe_file: Path, tmp_path: Path, number: int
) -> None:
    """Ctrl-C reaches all of its processes; others signal the leader alone."""
    words = command(recipe_file, tmp_path, 2, *ENDLESS)
    with group_of(words, tmp_path / "log", others=1) as leader:
        (other,) = others_of(leader.pid)
        if number == signal.SIGINT:
            os.kill(other, number)
        os.kill(leader.pid, number)
        assert leader.wait(60) == 0
        assert not is_alive(other)
    assert (
        "saved; the same command with --resume goes on"
        in (tmp_path / "log").read_text()
    )


@on_linux
def test_a_process_that_runs_out_of_memory_says_so(
    recipe_file: Path, tmp_path: Path
) -> None:
    """The whole group ends with its words."""
    words = command(recipe_file, tmp_path, 2, *ENDLESS, "training.batch=48")
    with group_of(words, tmp_path / "log", others=1) as leader:
        (other,) = others_of(leader.pid)
        resource.prlimit(other, resource.RLIMIT_DATA, (2**20, resource.RLIM_INFINITY))
        assert leader.wait(60) == 2
    assert "out of memory on cpu" in (tmp_path / "log").read_text()
