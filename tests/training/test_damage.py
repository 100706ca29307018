"""Full disks and damaged files: one line that names the file, exit code 2, and what was good before stays good."""

import json
import random
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from docs.tools.make_results import render_records
from model_core.card import Card
from model_core.cli.list_models import describe_models, print_models
from model_core.errors import PixelRNNError
from model_core.models import load_model
from model_core.training.checkpoint import read_checkpoint
from model_core.training.files import RunFiles
from model_core.training.publish import publish
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from model_core.training.state import TrainState
from model_core.training.step import Learner
from tests.nursery import ended

SEED = 2016
CHANGES = 150
"""Of each kind of file."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, stripes: Path) -> Path:
    """A run of one epoch in runs/stripes, and its recipe; models/stripes is what it published."""
    directory = tmp_path_factory.mktemp("run")
    (directory / "recipe.toml").write_text(f"""
        [network]
        preset = "mnist-pixelcnn"
        height = 6
        width = 5
        layers = 2
        hidden = 5
        head = 8
        [data]
        path = "{stripes}"
        [training]
        epochs = 1
        batch = 8
        [output]
        samples = 0
        tensorboard = false
    """)
    recipe = Recipe.load(directory / "recipe.toml")
    train(
        RunRequest(
            recipe, directory / "runs" / "stripes", publish_to=directory / "models"
        )
    )
    return directory


def run_with_room_for(size: int, directory: Path, *words: object) -> tuple[int, str]:
    """`pixelrnn` where no file may grow beyond `size` bytes: exit code, and what it said last."""
    done = ended(
        "pixelrnn", *words, directory=directory, limits={resource.RLIMIT_FSIZE: size}
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[-1]


def test_the_last_checkpoint_stands_when_the_disk_fills(run: Path) -> None:
    """The file that cannot grow is a checkpoint; the way on is named, and the run can go on."""
    last = run / "runs" / "stripes" / "last.safetensors"
    before = last.read_bytes()
    words = (
        "train",
        "recipe.toml",
        "--name",
        "stripes",
        "--resume",
        "--set",
        "training.epochs=2",
    )
    code, said = run_with_room_for(len(before) // 2, run, *words)
    assert (code, last.read_bytes()) == (2, before)
    assert "cannot write into runs/stripes: file too large: " in said
    assert said.endswith(
        "last.safetensors is the last good checkpoint; make room, and use --resume"
    )
    assert not list(run.rglob("*.draft"))
    assert run_with_room_for(10 * len(before), run, *words)[0] == 0


@pytest.mark.parametrize("left_out", ["save", "keep_best"])
def test_best_checkpoint_is_the_one_that_is_named_when_a_run_died_between_two(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    """Behind the best and before the last one, or as an earlier version wrote them, the other way round."""
    recipe = Recipe.load(run / "recipe.toml", ["output.checkpoint_every=1"])
    whole = train(RunRequest(recipe, tmp_path / "whole"))
    write = getattr(RunFiles, left_out)

    def dies(files: RunFiles, learner: Learner, state: TrainState) -> None:
        """What was to be written when the epoch ended is not."""
        if state.epochs == 0:
            write(files, learner, state)

    with monkeypatch.context() as patch:
        patch.setattr(RunFiles, left_out, dies)
        train(RunRequest(recipe, tmp_path / "cut"))
    again = train(RunRequest(recipe, tmp_path / "cut", resume=True))
    assert (again.finished, again.best_epoch, again.best_nats) == (
        True,
        1,
        whole.best_nats,
    )
    expected, found = (
        load_file(tmp_path / name / "best.safetensors") for name in ("whole", "cut")
    )
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_new_run_has_no_best_checkpoint_of_one_that_failed_before(
    run: Path, tmp_path: Path
) -> None:
    """One whose first best epoch was written, and could not be published: it left no
    last checkpoint, and its directory is free."""
    recipe = Recipe.load(run / "recipe.toml")
    other = Recipe.load(run / "recipe.toml", ["network.hidden=3"])
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "again").write_text("in the way")
    request = RunRequest(other, tmp_path / "again", publish_to=tmp_path / "models")
    with pytest.raises((PixelRNNError, OSError)):
        train(request)
    assert (tmp_path / "again" / "best.safetensors").exists()
    assert not (tmp_path / "again" / "last.safetensors").exists()

    stopped = train(RunRequest(recipe, tmp_path / "again"), is_over=lambda: True)
    assert stopped.best_epoch == 0
    assert not (tmp_path / "again" / "best.safetensors").exists()


def test_a_run_says_so_when_not_even_its_first_checkpoint_can_be_written(
    run: Path,
) -> None:
    """There is nothing to go on from."""
    code, said = run_with_room_for(3000, run, "train", "recipe.toml", "--name", "early")
    assert code == 2
    assert said.endswith("no checkpoint was written yet; make room, and start again")


def test_a_published_model_stands_when_the_disk_fills(run: Path) -> None:
    """Weights and card are both the old ones, and still belong together."""
    model = run / "models" / "stripes"
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    words = ("publish", run / "runs" / "stripes", "--models-dir", run / "models")
    code, said = run_with_room_for(len(before["weights.safetensors"]) // 2, run, *words)
    assert code == 2
    assert said.endswith(f"cannot write the model {model}: File too large")
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    load_model(model)


def changed_tree(tree: Any, choose: random.Random) -> Any:
    """A JSON tree with one leaf or branch gone, or replaced by something that does not belong there."""
    odd = (
        None,
        -1,
        0,
        7,
        2.5,
        10**30,
        "",
        "word",
        [],
        [1],
        {},
        {"a": 1},
        True,
        float("inf"),
    )
    if isinstance(tree, dict) and tree and choose.random() < 0.9:
        key = choose.choice(list(tree))
        if choose.random() < 0.2:
            return {name: value for name, value in tree.items() if name != key}
        return {**tree, key: changed_tree(tree[key], choose)}
    if isinstance(tree, list) and tree and choose.random() < 0.5:
        place = choose.randrange(len(tree))
        return [*tree[:place], changed_tree(tree[place], choose), *tree[place + 1 :]]
    return choose.choice(odd)


def changed_bytes(data: bytes, choose: random.Random) -> bytes:
    """A file with some bytes changed, cut off, or doubled."""
    place, length = choose.randrange(len(data)), choose.randrange(1, 40)
    kind = choose.random()
    if kind < 0.2:
        return data[:place]
    if kind < 0.3:
        return data[:place] + data[place : place + length] + data[place:]
    near = choose.randrange(
        min(len(data), 3000)
    )  # headers are more telling than numbers
    return (
        data[:near] + choose.randbytes(min(length, 4)) + data[near + min(length, 4) :]
    )


DEEP = "[" * 100_000 + "]" * 100_000


def damaged(data: bytes, facts: Any, choose: random.Random) -> Iterator[bytes | str]:
    """Many damages of one file, whose readable part is facts: bytes of the file, or text in the place of the facts."""
    yield DEEP
    yield '{"config": ' + DEEP + "}"
    yield "9" * 5000
    for i in range(CHANGES):
        yield (
            changed_bytes(data, choose)
            if i % 3 == 0
            else json.dumps(changed_tree(facts, choose))
        )


def outcome(read: Callable[[], object]) -> str:
    """What reading a damaged file came to: nothing, or one line; anything else is a bug and is raised."""
    try:
        read()
    except PixelRNNError as error:
        return str(error) or "nothing was said"
    return ""


def test_every_damage_of_a_checkpoint_is_one_line(run: Path, tmp_path: Path) -> None:
    """Changed bytes, and changed facts in a file that is whole: refused, or without consequence."""
    good = run / "runs" / "stripes" / "best.safetensors"
    bad = tmp_path / "stripes" / "best.safetensors"
    bad.parent.mkdir()
    tensors, facts = load_file(good), read_checkpoint(good)[1]
    refused = 0
    for damage in damaged(good.read_bytes(), facts, random.Random(SEED)):
        if isinstance(damage, bytes):
            bad.write_bytes(damage)
        else:
            save_file(tensors, bad, {"format": "1", "facts": damage})
        line = outcome(lambda: publish(bad, tmp_path / "models"))
        refused += bool(line)
        assert not line or "best.safetensors" in line or "name" in line, line
    assert refused > CHANGES / 3


def test_a_damaged_checkpoint_is_not_resumed(run: Path, tmp_path: Path) -> None:
    """The same facts are read when a run goes on."""
    good = run / "runs" / "stripes" / "last.safetensors"
    tensors, facts = load_file(good), read_checkpoint(good)[1]
    (tmp_path / "stripes").mkdir()
    recipe = Recipe.load(run / "recipe.toml")
    choose = random.Random(SEED)
    for _ in range(40):
        text = json.dumps(changed_tree(facts, choose))
        save_file(
            tensors,
            tmp_path / "stripes" / "last.safetensors",
            {"format": "1", "facts": text},
        )
        outcome(lambda: train(RunRequest(recipe, tmp_path / "stripes", resume=True)))


def test_every_damage_of_a_model_is_one_line(run: Path, tmp_path: Path) -> None:
    """Of its card, which is read by whoever loads, lists or reports it, and of its weights."""
    directory = tmp_path / "stripes"
    directory.mkdir()
    files = {
        path.name: path.read_bytes() for path in (run / "models" / "stripes").iterdir()
    }
    card = json.loads(files["card.json"])
    card["scores"] = {
        "split": "test",
        "nats": 1.0,
        "bits_per_dim": 0.1,
        "images": 7,
        "colour_bits": [0.1],
    }
    choose = random.Random(SEED)
    refused = 0
    for name, facts in (("card.json", card), ("weights.safetensors", card)):
        for damage in damaged(files[name], facts, choose):
            for file, data in files.items():
                (directory / file).write_bytes(data)
            content = damage if isinstance(damage, bytes) else damage.encode()
            (directory / name).write_bytes(content)
            line = outcome(lambda: load_model(directory))
            assert not line or str(directory) in line, line
            refused += bool(line)
            outcome(lambda: print_models(describe_models(tmp_path)))
            outcome(lambda: render_records([Card.read(directory / "card.json")]))
    assert refused > CHANGES
