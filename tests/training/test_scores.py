"""Scores mean what they say, and reach the card of what is published."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_core.card import Card, CardLabel
from model_core.config import preset
from model_core.errors import ModelError
from model_core.measures.likelihood import nats_per_image
from model_core.models import load_model, save_model, untrained
from model_core.networks import PixelNetwork, build_network
from model_core.training.checkpoint import read_checkpoint, write_checkpoint
from model_core.training.evaluate import EvaluationStoppedError, evaluate
from model_core.training.publish import model_from_checkpoint, publish
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from model_core.training.scoring import (
    _labelled_images,
    keep_score,
    score_model,
    writable_directory,
)

CONFIG = preset("mnist-pixelcnn").with_overrides(
    height=4, width=3, layers=2, hidden=5, head=6, channels=3, values=4
)


def test_uniform_logits_cost_log2_v_bits() -> None:
    """A network of zeros knows nothing: 2 bits for each of 4 values, no spread."""
    network = build_network(CONFIG)
    for parameter in network.parameters():
        parameter.data.zero_()
    score = evaluate(
        network,
        np.random.default_rng(0).integers(0, 4, (7, 3, 4, 3)).astype(np.uint8),
        batch=3,
    )
    assert score.bits_per_dim == pytest.approx(2.0)
    assert score.nats == pytest.approx(36 * math.log(4))
    assert score.standard_error == pytest.approx(0.0, abs=1e-3)
    assert score.colour_bits == pytest.approx([2.0] * 3)
    assert score.images == 7


def test_the_score_is_the_mean_whatever_the_batch() -> None:
    """Batches, also a short last one, weigh by their images; the error is that of the mean."""
    torch.manual_seed(0)
    network = build_network(CONFIG)
    values = np.random.default_rng(0).integers(0, 4, (7, 3, 4, 3)).astype(np.uint8)
    nats = nats_per_image(network, torch.from_numpy(values)).detach().double()
    for batch in (1, 3, 7, 50):
        score = evaluate(network, values, batch)
        assert score.nats == pytest.approx(float(nats.mean()), rel=1e-5)
        assert score.standard_error == pytest.approx(
            float(nats.std(correction=1)) / math.sqrt(7), rel=1e-3
        )


def test_one_image_has_no_standard_error() -> None:
    """One number says nothing of its spread: no field is better than 0."""
    network = build_network(CONFIG)
    score = evaluate(network, np.zeros((1, 3, 4, 3), np.uint8))
    assert (score.standard_error, score.bits_standard_error) == (None, None)
    assert not {"standard_error", "bits_standard_error"} & set(score.to_dict())


def test_evaluation_ends_early_when_asked() -> None:
    """Ctrl-C need not wait for ten thousand images."""
    with pytest.raises(EvaluationStoppedError):
        evaluate(
            build_network(CONFIG),
            np.zeros((7, 3, 4, 3), np.uint8),
            batch=1,
            stop=lambda: True,
        )


def test_a_run_publishes_its_averaged_weights(
    recipe: Recipe, tmp_path: Path, stripes: Path
) -> None:
    """What load_model gives scores on the validation images what the log says of the average."""
    result = train(
        RunRequest(recipe, tmp_path / "stripes", publish_to=tmp_path / "models")
    )
    model = load_model("stripes", models_dir=tmp_path / "models")
    assert score_model(model, stripes, "valid").nats == pytest.approx(result.best_nats)
    assert model.card.training["images"] == result.best_epoch * 48
    assert "MNIST" in model.card.data
    assert model.card.parameters > 0


def test_a_record_is_found_by_its_name_where_its_score_is_to_be_kept(
    tmp_path: Path,
) -> None:
    """As it is found to be scored."""
    record = tmp_path / "records" / "tiny"
    save_model(untrained("mnist-pixelcnn", layers=1, hidden=4, head=4), record)
    assert load_model("tiny", models_dir=tmp_path).card.name == "tiny"
    assert writable_directory("tiny", tmp_path) == record


def test_only_the_best_weights_have_the_best_score(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Any checkpoint may be published; the run knows the score of one."""
    run = tmp_path / "stripes"
    result = train(RunRequest(recipe, run))
    best = model_from_checkpoint(run / "best.safetensors").card.training
    assert best["valid_nats"] == result.best_nats is not None
    tensors, facts = read_checkpoint(run / "last.safetensors")
    facts["state"]["iteration"] += 1
    facts["state"]["epoch"] = {"total": 40.0, "images": 8}
    write_checkpoint(tmp_path / "later.safetensors", tensors, facts)
    later = model_from_checkpoint(tmp_path / "later.safetensors").card.training
    assert later["valid_nats"] is None


def test_a_score_is_kept_in_the_card_and_the_weights_stay(
    recipe: Recipe, tmp_path: Path, stripes: Path
) -> None:
    """The card gains its scores, and keeps the one of the model's own draws; the model still
    loads, with the same digest."""
    train(RunRequest(recipe, tmp_path / "stripes"))
    directory = publish(tmp_path / "stripes" / "best.safetensors", tmp_path / "models")
    before = Card.read(directory / "card.json")
    score = score_model(load_model(directory), stripes, "test", limit=5)
    keep_score(directory, "test", score)
    scores = Card.read(directory / "card.json").scores
    replace(before, scores={**scores, "draws": {"nats": 9.5}}).keep(directory)
    keep_score(directory, "test", score)
    after = load_model(directory).card
    assert after.sha256 == before.sha256
    assert after.scores["images"] == 5
    assert after.scores["nats"] == score.nats
    assert after.scores["draws"] == {"nats": 9.5}
    assert (
        json.loads((directory / "card.json").read_text())["scores"]["split"] == "test"
    )


def test_publishing_is_refused_when_the_file_is_of_another_network(
    recipe: Recipe, tmp_path: Path
) -> None:
    """Weights that do not fit are an error, not a model."""
    train(RunRequest(recipe, tmp_path / "stripes"))
    tensors, facts = read_checkpoint(tmp_path / "stripes" / "best.safetensors")
    facts["network"]["hidden"] = 6
    write_checkpoint(tmp_path / "other.safetensors", tensors, facts)
    with pytest.raises(ModelError, match="does not contain the network"):
        publish(tmp_path / "other.safetensors", tmp_path / "models")


def test_each_colour_has_its_own_bits() -> None:
    """A network that is sure of blue only: 2 bits for red and green, none for blue; their mean is bits/dim."""
    network = build_network(CONFIG)
    for parameter in network.parameters():
        parameter.data.zero_()
    assert isinstance(network, PixelNetwork)
    network.head.output.bias.data.view(3, 4)[2, 1] = 100.0
    values = np.ones((5, 3, 4, 3), np.uint8)
    score = evaluate(network, values)
    assert score.colour_bits == pytest.approx([2.0, 2.0, 0.0], abs=1e-6)
    assert score.bits_per_dim == pytest.approx(sum(score.colour_bits) / 3)


def see_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks that let every colour see itself, also in the first layer."""
    monkeypatch.setattr(
        "model_core.layers.masked_conv.allowed",
        lambda out, into, see_own: torch.ones(len(out), len(into)),
    )


def test_publishing_and_scoring_are_refused_when_the_network_is_not_causal(
    recipe: Recipe, tmp_path: Path, stripes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was measured of the network decides, not how good its score is; nothing is written."""
    see_themselves(monkeypatch)
    train(RunRequest(recipe, tmp_path / "stripes"))
    checkpoint = tmp_path / "stripes" / "best.safetensors"
    with pytest.raises(
        ModelError,
        match=r"not causal: the logits of .* moved when their own value changed",
    ):
        publish(checkpoint, tmp_path / "models")
    assert not (tmp_path / "models").exists()
    save_model(model_from_checkpoint(checkpoint), tmp_path / "models" / "stripes")
    with pytest.raises(ModelError, match="not causal"):
        score_model(load_model(tmp_path / "models" / "stripes"), stripes, "valid")


def test_what_was_measured_of_the_network_is_said(
    recipe: Recipe, tmp_path: Path, stripes: Path
) -> None:
    """Before a card is published, and when a model is evaluated."""
    said: list[str] = []
    train(RunRequest(recipe, tmp_path / "stripes"))
    model = load_model(
        publish(
            tmp_path / "stripes" / "best.safetensors", tmp_path / "models", said.append
        )
    )
    score_model(model, stripes, "valid", say=said.append)
    assert [sentence.split(" of ")[0] for sentence in said] == ["causal: none"] * 2


def test_a_checkpoint_and_a_card_of_before_are_still_read(
    recipe: Recipe, tmp_path: Path
) -> None:
    """They say whether the images were natural, which nobody asks any more."""
    train(RunRequest(recipe, tmp_path / "stripes"))
    tensors, facts = read_checkpoint(tmp_path / "stripes" / "best.safetensors")
    write_checkpoint(
        tmp_path / "old.safetensors", tensors, {**facts, "natural_images": True}
    )
    directory = publish(tmp_path / "old.safetensors", tmp_path / "models")
    card = json.loads((directory / "card.json").read_text())
    assert "natural_images" not in card["training"]
    card["training"]["natural_images"] = True
    (directory / "card.json").write_text(json.dumps(card))
    assert load_model(directory).card.training["natural_images"]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [(("b", "a"), [1, 1, 0]), (("a", "c"), None), (("0", "1"), None)],
)
def test_labels_of_data_are_those_of_the_model_by_name(
    tmp_path: Path, names: tuple[str, str], numbers: list[int] | None
) -> None:
    """Whatever their order; never by index, as a person may name one. Data with another
    label is scored without labels, which is said."""
    model = untrained("mnist-pixelcnn", height=4, width=3, layers=1, hidden=3, labels=2)
    labels = CardLabel("a", 0.5), CardLabel("b", 0.5)
    model = replace(model, card=replace(model.card, labels=labels))
    images = np.zeros((3, 4, 3), np.uint8)
    splits = dict.fromkeys(("train", "valid", "test"), images)
    truth = {f"{split}_labels": [0, 0, 1] for split in splits}
    np.savez(tmp_path / "data.npz", label_names=names, **splits, **truth)
    said: list[str] = []
    values, found = _labelled_images(
        model, tmp_path / "data.npz", "test", 0, None, said.append
    )
    assert len(values) == 3
    assert (None if found is None else found.tolist()) == numbers
    assert bool(said) is (numbers is None)
