"""Whole runs: the same curve however often they are stopped, and by however many processes they are made."""

import json
import resource
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model_core.card import Card
from model_core.errors import ConfigError, DataError, ModelError
from model_core.training import files as run_files
from model_core.training.checkpoint import read_checkpoint, write_checkpoint
from model_core.training.display import Display
from model_core.training.launch import train_with
from model_core.training.memory import OutOfMemoryError, explained_memory
from model_core.training.publish import publish
from model_core.training.ranks import Ranks
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, prepare, train
from model_core.training.state import TrainState
from model_core.training.step import DivergedError
from tests.client.by_command import run as invoke
from tests.nursery import ended

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
        return loop.run(stop, Display(leads=False, iteration=0, total=1))
    finally:
        assert files is not None
        files.journal.close()


def curve(directory: Path) -> list[dict[str, Any]]:
    """The log without what the clock says."""
    lines = (
        json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()
    )
    return [
        {name: value for name, value in line.items() if name not in CLOCK}
        for line in lines
    ]


def same_curve(directory: Path, expected: Path) -> None:
    """The same events at the same iterations, numbers up to rounding."""
    for ours, theirs in zip(curve(directory), curve(expected), strict=True):
        assert ours.pop("event") == theirs.pop("event")
        assert ours == pytest.approx(theirs, rel=1e-3)


def test_a_training_takes_the_smallest_numbers_for_zero(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which are slow; nothing else in the process does so."""
    found = []

    def tiny() -> float:
        return float(torch.full((64,), 1e-30).mul(1e-10).sum())

    monkeypatch.setattr(
        "model_core.training.loop.Loop.run", lambda *_: found.append(tiny())
    )
    train(RunRequest(recipe, tmp_path / "stripes"))
    assert found == [0]
    assert tiny() > 0


def test_training_learns_and_logs(recipe: Recipe, tmp_path: Path) -> None:
    """Stripes are learned: 30 binary pixels cost far less than their 20.8 nats; every epoch is validated."""
    result = train(RunRequest(recipe, tmp_path / "run"))
    assert result.finished
    assert (result.iteration, result.epochs) == (12, 2)
    epochs = [line for line in curve(tmp_path / "run") if line["event"] == "epoch"]
    assert [line["iteration"] for line in epochs] == [6, 12]
    assert epochs[1]["valid_nats"] < epochs[0]["valid_nats"] < 30 * 0.6931
    assert result.best_nats == min(line["valid_nats_average"] for line in epochs)


def test_the_curve_is_the_same_when_stopped_anywhere_and_resumed(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Stopped after 1, 5, ... questions, in an epoch, at its end, in validation: bits and log are those of one run."""
    stopped_and_resumed(recipe, tmp_path, (1, 5, 6, 7, 8, 9, 10))


def test_the_curve_of_muon_is_the_same_when_resumed(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Its momentum and squares are in the checkpoint."""
    muon = recipe.training.model_copy(update={"rule": "muon", "momentum": 0.9})
    stopped_and_resumed(recipe.model_copy(update={"training": muon}), tmp_path, (5,))


def test_a_stable_run_is_the_same_when_resumed_and_can_be_longer_before_its_decay(
    recipe_file: Path, tmp_path: Path
) -> None:
    """Of 12 updates 9 are constant. A run that was begun with 2 epochs and goes on with 3 equals one of 3."""
    stable = ["training.schedule=stable"]
    recipe = Recipe.load(recipe_file, stable)
    stopped_and_resumed(recipe, tmp_path, (5, 11))
    longer = Recipe.load(recipe_file, [*stable, "training.epochs=3"])
    assert run(RunRequest(longer, tmp_path / "longer"), never)
    early = tmp_path / "early"
    assert not run(RunRequest(recipe, early), stop_at_question(9))
    assert run(RunRequest(longer, early, resume=True), never)
    assert curve(early) == curve(tmp_path / "longer")
    late = tmp_path / "late"
    assert not run(RunRequest(recipe, late), stop_at_question(13))
    with pytest.raises(
        ConfigError, match=r"since update 9: expected training\.epochs = 2"
    ):
        run(RunRequest(longer, late, resume=True), never)


def test_the_card_says_when_the_decay_began(recipe_file: Path, tmp_path: Path) -> None:
    """Its command repeats the end of a run that was stopped at a constant rate."""
    stable = "training.schedule=stable"
    recipe = Recipe.load(recipe_file, [stable])
    assert not run(RunRequest(recipe, tmp_path / "stripes"), stop_at_question(9))
    places = ("--runs-dir", tmp_path, "--publish", tmp_path / "models")
    end = ("--resume", "--decay-from-here", 3)
    assert invoke("train", recipe_file, "--set", stable, *places, *end).exit_code == 0
    command = Card.read(tmp_path / "models" / "stripes" / "card.json").training[
        "command"
    ]
    assert command.endswith(f"--set {stable} --resume --decay-from-here 3")


def test_the_decay_of_a_stopped_run_can_begin_at_once(
    recipe_file: Path, tmp_path: Path
) -> None:
    """After 7 of 12 updates, over 3: 10 in all, however often the run is stopped; and once only."""
    recipe = Recipe.load(recipe_file, ["training.schedule=stable"])
    directory = tmp_path / "run"
    assert not run(RunRequest(recipe, directory), stop_at_question(9))
    cosine = Recipe.load(recipe_file, ["training.schedule=cosine"])
    with pytest.raises(ConfigError, match="is for the schedule stable"):
        run(RunRequest(cosine, directory, resume=True, decay_updates=3), never)
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    begin = RunRequest(recipe, directory, resume=True, decay_updates=3)
    assert run(begin, never)
    assert not run(
        RunRequest(recipe, copy, resume=True, decay_updates=3), stop_at_question(2)
    )
    with pytest.raises(ConfigError, match=r"since update 7 already.* with update 10"):
        run(RunRequest(recipe, copy, resume=True, decay_updates=3), never)
    assert run(RunRequest(recipe, copy, resume=True), never)
    assert curve(copy) == curve(directory)
    rates = [
        line["learning_rate"] for line in curve(directory) if line["event"] == "train"
    ]
    assert rates[-2:] == pytest.approx([1e-2, 1e-2 / 3])
    model = publish(directory / "best.safetensors", tmp_path / "models")
    assert Card.read(model / "card.json").training["valid_nats"] is not None


def test_a_run_can_begin_with_all_that_another_run_holds(
    recipe_file: Path, tmp_path: Path
) -> None:
    """Raw weights, average and the optimiser's state: no warmup, the next update equals that of the run itself."""
    constant = ["training.schedule=constant", "training.rule=muon", "training.epochs=1"]
    first = tmp_path / "first"
    assert train(RunRequest(Recipe.load(recipe_file, constant), first)).finished
    start = f"training.start={first}"
    second = tmp_path / "second"
    assert train(
        RunRequest(Recipe.load(recipe_file, [*constant, start]), second)
    ).finished
    rates = [
        line["learning_rate"] for line in curve(second) if line["event"] == "train"
    ]
    assert rates == [1e-2] * 3
    facts = read_checkpoint(second / "last.safetensors")[1]
    assert TrainState.from_dict(facts["state"]).age == 12
    with pytest.raises(
        ModelError, match="optimiser's state of another network or rule"
    ):
        train(
            RunRequest(
                Recipe.load(recipe_file, [start, "training.centered=true"]),
                tmp_path / "third",
            )
        )
    assert not (tmp_path / "third" / "last.safetensors").exists()


def stopped_and_resumed(recipe: Recipe, tmp_path: Path, numbers: Sequence[int]) -> None:
    """Bits and log are those of one run, when it is stopped after each of these numbers of questions."""
    whole = RunRequest(recipe, tmp_path / "whole")
    assert run(whole, never)
    expected, _ = read_checkpoint(whole.directory / "last.safetensors")
    for number in numbers:
        directory = tmp_path / f"stopped-{number}"
        assert not run(RunRequest(recipe, directory), stop_at_question(number))
        assert not run(RunRequest(recipe, directory, resume=True), stop_at_question(3))
        assert run(RunRequest(recipe, directory, resume=True), never)
        tensors, _ = read_checkpoint(directory / "last.safetensors")
        assert all(
            torch.equal(tensors[name], expected[name]) for name in expected | tensors
        )
        assert curve(directory) == curve(whole.directory)


def test_the_log_has_no_line_twice_when_a_crash_lost_updates(
    recipe: Recipe, tmp_path: Path
) -> None:
    """What was logged after the last checkpoint, and half a line, is dropped on resume."""
    whole, broken = (
        RunRequest(recipe, tmp_path / "whole"),
        RunRequest(recipe, tmp_path / "broken", resume=True),
    )
    assert run(whole, never)
    assert not run(RunRequest(recipe, broken.directory), stop_at_question(5))
    with (broken.directory / "log.jsonl").open("a") as log:
        log.write('{"event": "train", "iteration": 6, "nats": 1.0}\n{"event": "tr')
    assert run(broken, never)
    assert curve(broken.directory) == curve(whole.directory)


def test_two_processes_draw_the_curve_of_one(
    recipe: Recipe, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Averaged gradients of half batches are those of the batch, up to rounding; validation is shared too. One of them
    says how long it will take."""
    one, two = tmp_path / "one", tmp_path / "two"
    train(RunRequest(recipe, one))
    capfd.readouterr()
    assert train_with(RunRequest(recipe, two), processes=2).finished
    assert capfd.readouterr().err.count("here: 12 updates of 8 images, ") == 1
    same_curve(two, one)


def test_the_curve_goes_on_when_resumed_by_another_number_of_processes(
    recipe: Recipe, recipe_file: Path, tmp_path: Path
) -> None:
    """The batch belongs to the run, not to a process: two take over from one in mid-epoch, and one from two."""
    train(RunRequest(recipe, tmp_path / "whole"))
    assert not run(RunRequest(recipe, tmp_path / "grown"), stop_at_question(4))
    assert train_with(
        RunRequest(recipe, tmp_path / "grown", resume=True), processes=2
    ).finished
    same_curve(tmp_path / "grown", tmp_path / "whole")
    constant = Recipe.load(recipe_file, ["training.schedule=constant"])
    train(RunRequest(constant, tmp_path / "whole-2"))
    half = Recipe.load(recipe_file, ["training.schedule=constant", "training.epochs=1"])
    assert train_with(RunRequest(half, tmp_path / "shrunk"), processes=2).finished
    assert train(RunRequest(constant, tmp_path / "shrunk", resume=True)).finished
    same_curve(tmp_path / "shrunk", tmp_path / "whole-2")


def test_the_curve_is_the_same_when_a_batch_is_computed_in_parts(
    recipe: Recipe, recipe_file: Path, tmp_path: Path
) -> None:
    """Three images at once, of a batch of eight: only rounding differs."""
    train(RunRequest(recipe, tmp_path / "whole"))
    train(
        RunRequest(
            Recipe.load(recipe_file, ["training.micro_batch=3"]), tmp_path / "parts"
        )
    )
    same_curve(tmp_path / "parts", tmp_path / "whole")


def test_running_out_of_memory_names_the_checkpoint_and_a_way_out(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Allocations that really fail, torch's and numpy's; other errors pass."""
    assert not run(RunRequest(recipe, tmp_path), stop_at_question(1))
    for allocate in (torch.empty, np.empty):
        with (
            pytest.raises(
                OutOfMemoryError,
                match=r"8 images at once: .*last\.safetensors is .*micro_batch below 8",
            ),
            explained_memory(recipe.training, tmp_path),
        ):
            allocate(2**50)
    alone = recipe.training.model_copy(update={"micro_batch": 1})
    with (
        pytest.raises(
            OutOfMemoryError,
            match=r"1 image at once: no checkpoint .* smaller network, and start again",
        ),
        explained_memory(alone, tmp_path / "new"),
    ):
        torch.empty(2**50)
    with (
        pytest.raises(RuntimeError, match="shape"),
        explained_memory(recipe.training, tmp_path),
    ):
        torch.empty(3).view(2)


def test_running_out_of_memory_ends_the_command_in_one_line(
    recipe_file: Path, tmp_path: Path
) -> None:
    """A network of 13 GB in 8 GB: exit code 2."""
    words = [
        "pixelrnn",
        "train",
        recipe_file,
        "--runs-dir",
        tmp_path,
        "--set",
        "network.hidden=40000",
    ]
    done = ended(*words, limits={resource.RLIMIT_AS: 8_000_000 * 1024})
    assert done.returncode == 2
    assert "out of memory on cpu" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_is_refused_when_it_would_overwrite_or_has_nothing_to_resume(
    recipe: Recipe, tmp_path: Path
) -> None:
    """A night of training is not lost to a repeated command."""
    request = RunRequest(recipe, tmp_path / "run")
    with pytest.raises(ConfigError, match="nothing to resume"):
        train(RunRequest(recipe, request.directory, resume=True))
    assert not run(request, stop_at_question(1))
    with pytest.raises(ConfigError, match="--resume"):
        train(request)


def test_a_resumed_run_publishes_what_earlier_sittings_did_not(
    recipe: Recipe, tmp_path: Path
) -> None:
    """The best epoch so far, if the directory has no such model: it may be another one
    than before. A model that is there stays as it is."""
    directory = tmp_path / "run"
    first = train(RunRequest(recipe, directory))
    assert first.finished
    models = tmp_path / "models"
    train(RunRequest(recipe, directory, resume=True, publish_to=models))
    card = models / "run" / "card.json"
    training = json.loads(card.read_text(encoding="utf-8"))["training"]
    assert training["valid_nats"] == first.best_nats
    assert training["images"] == first.best_epoch * 48
    before = card.stat()
    train(RunRequest(recipe, directory, resume=True, publish_to=models))
    assert card.stat() == before


def test_a_resumed_run_publishes_a_best_epoch_that_could_not_be(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full when it was to be published; no later epoch is better."""
    directory, models = tmp_path / "run", tmp_path / "models"
    real = run_files.publish
    published: list[Path] = []

    def publish(checkpoint: Path, models_dir: Path, **options: Any) -> Path:
        if published:
            raise ModelError("cannot write the model: no space left on device")
        published.append(real(checkpoint, models_dir, **options))
        return published[0]

    monkeypatch.setattr(run_files, "publish", publish)
    with pytest.raises(ModelError, match="no space"):
        train(RunRequest(recipe, directory, publish_to=models))
    monkeypatch.setattr(run_files, "publish", real)
    result = train(RunRequest(recipe, directory, resume=True, publish_to=models))
    assert result.finished
    assert result.best_epoch == 2
    card = Card.read(models / "run" / "card.json")
    assert card.training["valid_nats"] == result.best_nats


def test_a_download_is_tried_only_when_asked_and_nothing_is_there(
    recipe_file: Path, tmp_path: Path
) -> None:
    """A missing directory without a known name is refused by name; what is there is used as it is."""
    missing = ["data.download=true", f"data.path={tmp_path / 'cats'}"]
    with pytest.raises(
        DataError, match="cannot fetch 'cats': there is binarized-mnist, cifar10, mnist"
    ):
        train(RunRequest(Recipe.load(recipe_file, missing), tmp_path / "run"))
    assert train(
        RunRequest(Recipe.load(recipe_file, ["data.download=true"]), tmp_path / "run")
    ).finished


def test_resuming_is_refused_when_network_optimiser_or_batches_are_others(
    recipe: Recipe, recipe_file: Path, stripes: Path, tmp_path: Path
) -> None:
    """A checkpoint is only for the network, rule, batches and images that wrote it; it says what differs."""
    rule = ["training.momentum=0.9"]
    assert not run(
        RunRequest(Recipe.load(recipe_file, rule), tmp_path / "run"),
        stop_at_question(1),
    )
    shutil.copytree(stripes, tmp_path / "others")
    np.save(
        tmp_path / "others.npy", np.arange(60 * 30, dtype=np.uint8).reshape(60, 6, 5)
    )
    went_on = {
        "network.hidden=6": "started with network.hidden = 5: it cannot go on with 6",
        "training.rule=muon": "started with training.rule = rmsprop: it cannot go on with muon",
        "training.batch=10": "started with training.batch = 8: it cannot go on with 10",
        "training.seed=1": "started with training.seed = 0: it cannot go on with 1",
        "data.train_images=49": "started with training images = 50: it cannot go on with 49",
        "data.valid_images=9": "started with validation images = 10: it cannot go on with 9",
        f"data.path={tmp_path / 'others.npy'}": "started with data = MNIST, bytes .* go on with others.npy, bytes",
    }
    for change, words in went_on.items():
        with pytest.raises(ConfigError, match=words):
            train(
                RunRequest(
                    Recipe.load(recipe_file, [*rule, change]),
                    tmp_path / "run",
                    resume=True,
                )
            )
    with pytest.raises(ModelError, match="optimiser"):
        train(
            RunRequest(
                Recipe.load(recipe_file, [*rule, "training.centered=true"]),
                tmp_path / "run",
                resume=True,
            )
        )
    moved = [
        *rule,
        f"data.path={tmp_path / 'others'}",
        "data.title=stripes",
        "training.learning_rate=1e-3",
    ]
    assert train(
        RunRequest(Recipe.load(recipe_file, moved), tmp_path / "run", resume=True)
    ).finished


def test_a_checkpoint_of_an_earlier_version_is_resumed(
    recipe: Recipe, recipe_file: Path, tmp_path: Path
) -> None:
    """What it did not say yet is taken as it was then: the rule was RMSProp, and any number of images will do."""
    assert not run(RunRequest(recipe, tmp_path / "run"), stop_at_question(1))
    tensors, facts = read_checkpoint(tmp_path / "run" / "last.safetensors")
    del facts["train_images"], facts["recipe"]["training"]["rule"]
    write_checkpoint(tmp_path / "run" / "last.safetensors", tensors, facts)
    with pytest.raises(
        ConfigError,
        match=r"started with training.rule = rmsprop: it cannot go on with muon",
    ):
        train(
            RunRequest(
                Recipe.load(recipe_file, ["training.rule=muon"]),
                tmp_path / "run",
                resume=True,
            )
        )
    assert train(RunRequest(recipe, tmp_path / "run", resume=True)).finished


def test_training_stops_with_good_weights_when_the_loss_is_not_finite(
    recipe_file: Path, tmp_path: Path
) -> None:
    """The error says where the last good checkpoint is, and that one is finite."""
    changes = [
        "training.learning_rate=1e30",
        "training.schedule=constant",
        "output.checkpoint_every=1",
    ]
    with pytest.raises(
        DivergedError,
        match=r"last\.safetensors is the last good checkpoint.*learning_rate",
    ):
        train(RunRequest(Recipe.load(recipe_file, changes), tmp_path / "run"))
    with pytest.raises(
        DivergedError, match=r"no checkpoint was written yet; .*, and start again"
    ):
        train(RunRequest(Recipe.load(recipe_file, changes[:2]), tmp_path / "early"))
    tensors, _ = read_checkpoint(tmp_path / "run" / "last.safetensors")
    assert all(
        tensor.isfinite().all()
        for name, tensor in tensors.items()
        if name.startswith("weights/")
    )


def test_tensorboard_and_sample_grids_are_written_when_asked(
    recipe_file: Path, tmp_path: Path
) -> None:
    """One event file; one picture an epoch."""
    changed = Recipe.load(
        recipe_file,
        ["output.tensorboard=true", "output.samples=4", "training.epochs=1"],
    )
    assert train(RunRequest(changed, tmp_path / "run")).finished
    assert [path.name for path in (tmp_path / "run" / "samples").iterdir()] == [
        "epoch-0001.png"
    ]
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"hello", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_checkpoint_is_refused_when_it_is_not_one(
    tmp_path: Path, content: bytes
) -> None:
    """Damaged files and safetensors of others are ModelErrors."""
    path = tmp_path / "last.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"last\.safetensors"):
        read_checkpoint(path)
