"""Training on from the weights of a model: what is taken over, what is said of it, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model_core import shipped
from model_core.card import Card
from model_core.errors import ConfigError, ModelError
from model_core.models import load_model, save_model, untrained
from model_core.training.checkpoint import read_checkpoint
from model_core.training.files import draw_grid
from model_core.training.first_weights import (
    begin_with,
    named_model,
    origin_of,
    starting_model,
)
from model_core.training.launch import train_with
from model_core.training.publish import best_checkpoint, publish
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from model_core.training.state import Sitting

SIZES_OF_FEATURES = {"layers": 2, "hidden": 5, "head": 8}
SIZE = {"height": 6, "width": 5, **SIZES_OF_FEATURES}
STILL = ["training.epochs=1", "training.learning_rate=1e-30"]
"""A rate that moves weights by nothing but the last places of zero: what a run starts from is what it ends with."""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models directory with `older`, of the recipe's network, and `wider`, of another."""
    save_model(
        untrained("mnist-pixelcnn", seed=5, **SIZE), tmp_path / "models" / "older"
    )
    save_model(
        untrained("mnist-pixelcnn", seed=5, **{**SIZE, "hidden": 7}),
        tmp_path / "models" / "wider",
    )
    monkeypatch.setenv("PIXELRNN_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


def weights(directory: Path, kind: str = "weights") -> dict[str, Tensor]:
    tensors, _ = read_checkpoint(directory / "last.safetensors")
    return {
        name.partition("/")[2]: tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{kind}/")
    }


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(
        torch.allclose(found[name], expected[name], rtol=0, atol=1e-20)
        for name in expected
    )


@pytest.mark.parametrize("by", ["name", "path"])
def test_a_run_begins_with_the_weights_of_the_model_it_starts_from(
    models: Path, recipe_file: Path, tmp_path: Path, by: str
) -> None:
    """By name or by path, its weights and their average are the model's, not random ones."""
    start = "older" if by == "name" else str(models / "older")
    train(
        RunRequest(
            Recipe.load(recipe_file, [*STILL, f"training.start={start}"]),
            tmp_path / "run",
        )
    )
    older = load_model("older").network.state_dict()
    assert same(weights(tmp_path / "run"), older)
    assert same(weights(tmp_path / "run", "average"), older)


def test_run_and_card_say_what_was_started_from(
    models: Path, recipe_file: Path, tmp_path: Path
) -> None:
    """recipe.json keeps the key; the published card has the model and the digest of its weights. The first samples are
    what that model draws."""
    changes = ["training.start=older", "output.samples=4"]
    recipe = Recipe.load(recipe_file, changes)
    train(RunRequest(recipe, tmp_path / "newer", publish_to=models))
    assert (
        json.loads((tmp_path / "newer" / "recipe.json").read_text())["training"][
            "start"
        ]
        == "older"
    )
    draw_grid(load_model("older"), recipe.output.samples, tmp_path / "older.png")
    before = tmp_path / "newer" / "samples" / "epoch-0000.png"
    assert before.read_bytes() == (tmp_path / "older.png").read_bytes()
    facts = load_model("newer").card.training
    assert facts["start"] == {
        "model": "older",
        "sha256": load_model("older").card.sha256,
    }
    train(
        RunRequest(
            Recipe.load(recipe_file, STILL), tmp_path / "fresh", publish_to=models
        )
    )
    assert load_model("fresh").card.training["start"] is None


def test_start_is_ignored_when_a_run_is_resumed(
    models: Path, recipe_file: Path, tmp_path: Path
) -> None:
    """The checkpoint wins, whatever the recipe says by then and wherever the model has gone; the origin stays known."""
    request = RunRequest(
        Recipe.load(recipe_file, [*STILL, "training.start=older"]), tmp_path / "run"
    )
    train(request)
    before = weights(tmp_path / "run")
    (models / "older" / "card.json").unlink()
    again = Recipe.load(
        recipe_file, [*STILL, "training.epochs=2", "training.start=wider"]
    )
    assert train(RunRequest(again, tmp_path / "run", resume=True)).epochs == 2
    assert same(weights(tmp_path / "run"), before)
    _, facts = read_checkpoint(tmp_path / "run" / "last.safetensors")
    assert facts["state"]["start"]["model"] == "older"
    assert (
        json.loads((tmp_path / "run" / "recipe.json").read_text())["training"]["start"]
        == "older"
    )


def test_two_processes_start_from_the_same_weights(
    models: Path, recipe_file: Path, tmp_path: Path
) -> None:
    """Each reads them for itself."""
    recipe = Recipe.load(recipe_file, [*STILL, "training.start=older"])
    assert train_with(RunRequest(recipe, tmp_path / "run"), processes=2).finished
    assert same(weights(tmp_path / "run"), load_model("older").network.state_dict())


def test_a_start_is_the_bar_that_an_epoch_must_beat(
    models: Path, recipe_file: Path, tmp_path: Path
) -> None:
    """A good model is not replaced by a restart that makes it worse: nothing is called best, nothing is published."""
    train(RunRequest(Recipe.load(recipe_file), tmp_path / "good", publish_to=models))
    good = load_model("good").card
    worse = Recipe.load(
        recipe_file,
        ["training.start=good", "training.learning_rate=1", "training.epochs=1"],
    )
    result = train(RunRequest(worse, tmp_path / "good-again", publish_to=models))
    assert (result.best_epoch, result.best_nats) == (
        0,
        pytest.approx(good.training["valid_nats"]),
    )
    assert not (tmp_path / "good-again" / "best.safetensors").exists()
    assert not (models / "good-again").exists()
    with pytest.raises(
        ModelError,
        match=r"no epoch of .*good-again was better than the model that it began with",
    ):
        publish(best_checkpoint(tmp_path / "good-again"), models)


def test_a_shipped_record_is_found_beside_a_directory_of_own_models(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shipped model is."""
    place = models.parent / "shipped"
    for name in ("model", "records/record"):
        save_model(untrained("mnist-pixelcnn", **SIZE), place / name)
    monkeypatch.setattr(shipped, "MODELS", place)
    for name in ("older", "model", "record"):
        assert named_model(name).card.name == name


def test_a_history_need_not_say_everything(models: Path) -> None:
    """Anybody may write a card, and a later version may say more."""
    place = models / "told"
    save_model(untrained("mnist-pixelcnn", **SIZE), place)
    sitting = {"images": 48, "hours": 0.5, "weather": "fine"}
    training = {"images": 48, "epochs": 1.0, "hours": 0.5, "history": [sitting]}
    replace(Card.read(place / "card.json"), training=training).keep(place)
    origin = origin_of("told", load_model(place))
    assert origin.history == [Sitting("", "", 48, 0.0, 0.5)]


def test_a_card_tells_the_whole_history_of_its_weights(
    models: Path, recipe_file: Path, tmp_path: Path
) -> None:
    """Every sitting, also of a run that was resumed and of the model that it began with; the totals are their sums."""
    recipe = Recipe.load(recipe_file)
    train(
        RunRequest(recipe, tmp_path / "first", publish_to=models, command="the first")
    )
    longer = Recipe.load(recipe_file, ["training.epochs=3"])
    train(
        RunRequest(
            longer,
            tmp_path / "first",
            resume=True,
            publish_to=models,
            command="the first, resumed",
        )
    )
    again = Recipe.load(
        recipe_file,
        ["training.start=first", "training.epochs=1", "training.learning_rate=1e-4"],
    )
    train(
        RunRequest(again, tmp_path / "second", publish_to=models, command="the second")
    )
    training = load_model("second").card.training
    told = [
        (sitting["command"], sitting["images"], sitting["epochs"])
        for sitting in training["history"]
    ]
    assert told == [
        ("the first", 96, 2),
        ("the first, resumed", 48, 1),
        ("the second", 48, 1),
    ]
    assert (training["images"], training["epochs"]) == (192, 4)
    assert training["hours"] == pytest.approx(
        sum(sitting["hours"] for sitting in training["history"]), abs=1e-3
    )


LARGER = {"layers": 3, "hidden": 8, "head": 13}


@pytest.mark.parametrize("network", ["row-lstm", "diagonal-bilstm", "pixel-cnn"])
@pytest.mark.parametrize(
    "labels",
    [(0, 0), (0, 3), (3, 3)],
    ids=["no labels", "new labels", "the same labels"],
)
def test_a_larger_network_begins_as_the_smaller_one(
    network: str, labels: tuple[int, int]
) -> None:
    """Of any kind, in colour and with labels: more features and layers say the same of every variable, and each new
    weight that is read has a gradient, so that it will be used."""
    theirs, ours = labels
    size = {"network": network, "height": 6, "width": 5, "values": 4}
    small = untrained(
        "cifar10-row-lstm", seed=5, **size, **SIZES_OF_FEATURES, labels=theirs
    ).network
    large = untrained("cifar10-row-lstm", seed=6, **size, **LARGER, labels=ours).network
    begin_with(large, small)
    large.requires_grad_(requires_grad=True)
    images = torch.randint(
        0, 4, (3, 3, 6, 5), generator=torch.Generator().manual_seed(0)
    )
    told = torch.tensor([0, 1, 2])
    expected = small.nats_map(images, small.of_labels(told) if theirs else None)
    found = large.nats_map(images, large.of_labels(told) if ours else None)
    assert torch.allclose(found, expected, atol=1e-5)
    found.sum().backward()
    assert all(
        (weight.grad != 0).any()
        for name, weight in large.named_parameters()
        if ".up.weight" in name
    )


def test_a_run_may_begin_with_a_smaller_model(
    models: Path, recipe_file: Path, tmp_path: Path
) -> None:
    """The bar to beat is the smaller one's own score, and the card tells both its sitting and the new command."""
    train(
        RunRequest(
            Recipe.load(recipe_file),
            tmp_path / "good",
            publish_to=models,
            command="the smaller",
        )
    )
    good = load_model("good").card
    wider = [
        "training.start=good",
        "network.hidden=7",
        "training.epochs=1",
        "training.learning_rate=1e-6",
    ]
    train(
        RunRequest(
            Recipe.load(recipe_file, wider),
            tmp_path / "wide",
            publish_to=models,
            command="the wider",
        )
    )
    card = load_model("wide").card
    assert (good.config.hidden, card.config.hidden) == (5, 7)
    assert card.training["valid_nats"] == pytest.approx(
        good.training["valid_nats"], rel=1e-3
    )
    assert [sitting["command"] for sitting in card.training["history"]] == [
        "the smaller",
        "the wider",
    ]


def test_networks_that_would_not_begin_as_the_smaller_one_are_refused(
    models: Path, recipe_file: Path
) -> None:
    """Multi-Scale ones, and those without residual connections, through which a new layer passes its input on."""
    save_model(
        untrained("mnist-pixelcnn", seed=5, residual=False, **SIZE), models / "plain"
    )
    save_model(
        untrained(
            "cifar10-multi-scale", seed=5, hidden=6, small_hidden=6, conditioning=6
        ),
        models / "scales",
    )
    plain = Recipe.load(
        recipe_file,
        ["training.start=plain", "network.residual=false", "network.layers=3"],
    )
    path = Path(__file__).parents[2] / "configs" / "cifar10-multi-scale.toml"
    same = ["network.small_hidden=6", "network.conditioning=6", "training.start=scales"]
    for recipe, field in (
        (plain, "layers"),
        (Recipe.load(path, [*same, "network.hidden=9"]), "hidden"),
    ):
        with pytest.raises(ConfigError, match=f"is of another network: its {field} is"):
            starting_model(recipe)


@pytest.mark.parametrize(
    ("start", "error", "words"),
    [
        (
            "wider",
            ConfigError,
            r"start = wider is of another network: its hidden is 7, the recipe's .*hidden is 5",
        ),
        ("nothing", ModelError, "no model 'nothing' in .*: there is older, wider"),
        ("./nowhere", ModelError, "nowhere has no card.json"),
    ],
)
def test_a_start_is_refused_before_any_data_is_read(
    models: Path,
    recipe_file: Path,
    tmp_path: Path,
    start: str,
    error: type[Exception],
    words: str,
) -> None:
    """One line that says what differs, even where there is no data either; no run is begun."""
    recipe = Recipe.load(recipe_file, [f"training.start={start}", "data.path=nowhere"])
    with pytest.raises(error, match=words):
        train(RunRequest(recipe, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
