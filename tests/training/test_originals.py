"""Training on binary images that are drawn anew from their grey originals."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from docs.tools.make_results import render_records
from model_core.card import Card
from model_core.data.originals import best_originals, draw_pixels, greys_to_redraw
from model_core.data.splits import Pixels, Values
from model_core.errors import ConfigError, DataError
from model_core.mixing import mix
from model_core.models import load_model
from model_core.training.batches import Batches
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from model_core.training.scoring import keep_score, score_model

NONE = np.zeros((0, 1, 16, 18), np.uint8)
GREYS = np.random.default_rng(0).integers(0, 256, (300, 1, 16, 18), np.uint8)
"""Pictures whose every pixel is of another grey, and 0 and 255 among them."""


def originals_of(values: Values, held_out: Values, originals: Pixels) -> Pixels:
    """As training asks for them."""
    return greys_to_redraw(
        values, best_originals(np.concatenate((values, held_out)), originals), originals
    )


def test_each_image_finds_the_picture_that_it_was_drawn_from() -> None:
    """Among others, in any order, and some of them twice."""
    chosen = np.random.default_rng(1).integers(0, len(GREYS), 1500)
    drawn = draw_pixels(GREYS[chosen], np.random.default_rng(2))
    assert set(np.unique(drawn)) == {0, 1}
    assert (originals_of(drawn, NONE, GREYS) == GREYS[chosen]).all()


def test_pictures_of_held_out_images_are_not_drawn_anew() -> None:
    """A training image that fits one of them stays the draw that it is; all others find their own."""
    drawn = draw_pixels(GREYS, np.random.default_rng(1))
    held_out = draw_pixels(GREYS[40:50], np.random.default_rng(2))
    expected = GREYS.copy()
    expected[40:50] = drawn[40:50] * np.uint8(255)
    assert (originals_of(drawn, held_out, GREYS) == expected).all()
    assert (
        draw_pixels(expected[40:50], np.random.default_rng(3)) == drawn[40:50]
    ).all()


def test_a_pixel_is_white_with_the_probability_of_its_grey() -> None:
    """0 never, 255 always, and the others within five standard errors."""
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 20_000, axis=1)
    white = draw_pixels(greys, np.random.default_rng(3)).mean(axis=1)
    expected = np.arange(256) / 255
    assert (white[0], white[255]) == (0, 1)
    assert (
        np.abs(white - expected) <= 5 * np.sqrt(expected * (1 - expected) / 20_000)
    ).all()


def test_images_that_are_no_draws_are_refused() -> None:
    """A white pixel where every picture is black; another shape; a network that is not binary."""
    greys = np.array([[[[200, 0]]], [[[100, 0]]]], np.uint8)
    with pytest.raises(
        DataError,
        match=r"^1 of 2 images are no draws of any picture in data.originals: expected the",
    ):
        originals_of(
            np.array([[[[1, 0]]], [[[1, 1]]]], np.uint8), NONE[..., :1, :2], greys
        )
    with pytest.raises(
        DataError, match=r"data.originals has images of 1x16x18 .*, the data of 1x18x16"
    ):
        best_originals(GREYS.reshape(300, 1, 18, 16) % 2, GREYS)


def test_every_epoch_draws_an_image_anew_and_a_resumed_run_draws_the_same() -> None:
    """A pure function of seed, update and process; turned as the recipe says."""
    first = Batches(GREYS, 100, seed=5, redraw=True)
    epochs = [
        np.concatenate([first.at(3 * epoch + i).clone() for i in range(3)])
        for epoch in range(2)
    ]
    orders = [np.random.default_rng([5, epoch]).permutation(300) for epoch in range(2)]
    seen = [
        values[np.argsort(order)] for values, order in zip(epochs, orders, strict=True)
    ]
    assert all(
        (originals_of(values.astype(np.uint8), NONE, GREYS) == GREYS).all()
        for values in seen
    )
    assert (
        0.2 < (seen[0] != seen[1]).mean() < 0.4
    )  # a third on average: of uniform p, the mean of 2 p (1 - p)
    resumed = Batches(GREYS, 100, seed=5, redraw=True)
    assert (resumed.at(4).numpy() == epochs[1][100:200]).all()
    turned = Batches(GREYS, 100, seed=5, orientation="rotate_180", redraw=True)
    assert torch.equal(turned.at(4), resumed.at(4).flip(2, 3))
    halves = [
        Batches(GREYS, 100, 5, rank, 2, redraw=True).at(4).numpy() for rank in (0, 1)
    ]
    assert not any((half == 0).all() or (half == 1).all() for half in halves)
    assert (halves[0] != halves[1]).any()


def test_a_run_on_originals_of_black_and_white_is_that_on_their_images(
    recipe_file: Path, tmp_path: Path
) -> None:
    """Such pictures have one draw only. The card says that the images are drawn anew."""
    recipe = Recipe.load(recipe_file)
    train(RunRequest(recipe, tmp_path / "fixed", publish_to=tmp_path / "models"))
    drawn = Recipe.load(recipe_file, [f"data.originals={recipe.data.path}"])
    train(RunRequest(drawn, tmp_path / "drawn", publish_to=tmp_path / "models"))
    ours, theirs = (
        load_model(name, models_dir=tmp_path / "models") for name in ("drawn", "fixed")
    )
    weights = theirs.network.state_dict()
    assert all(
        torch.equal(ours.network.state_dict()[name], weights[name]) for name in weights
    )
    assert (ours.card.drawn_anew, theirs.card.drawn_anew) == (True, False)
    assert ours.card.data == theirs.card.data


def test_the_card_and_the_results_remember_it_in_later_sittings(
    recipe_file: Path, tmp_path: Path, readme_table: ModuleType
) -> None:
    """Weights that were once trained so stay marked, alone and in a mixture."""
    models = tmp_path / "models"
    recipe = Recipe.load(recipe_file)
    first = Recipe.load(recipe_file, [f"data.originals={recipe.data.path}"])
    train(
        RunRequest(
            first, tmp_path / "first", publish_to=models, command="pixelrnn train first"
        )
    )
    second = Recipe.load(
        recipe_file,
        [
            f"training.start={models}/first",
            "data.orientation=rotate_180",
            "training.start_turned=true",
        ],
    )
    train(
        RunRequest(
            second,
            tmp_path / "second",
            publish_to=models,
            command="pixelrnn train second",
        )
    )
    card = load_model("second", models_dir=models).card
    assert [sitting.get("drawn_anew") for sitting in card.training["history"]] == [
        True,
        False,
    ]
    mixture = mix(
        [load_model(name, models_dir=models) for name in ("first", "second")],
        models / "both",
    )
    assert card.drawn_anew
    assert mixture.drawn_anew
    for name in ("first", "second", "both"):
        keep_score(
            models / name,
            "test",
            score_model(load_model(name, models_dir=models), recipe.data.path, "test"),
        )
    cards = [
        Card.read(models / name / "card.json") for name in ("first", "second", "both")
    ]
    page = render_records(cards)
    assert "- train with `pixelrnn train first`, on images drawn anew\n" in page
    assert (
        "- trained in 2 sittings: card.json beside its weights has the command of each\n"
        in page
    )
    assert [", drawn anew |" in line for line in readme_table.models_table(cards)] == [
        True,
        True,
        True,
    ]


def test_originals_need_a_binary_network(recipe_file: Path, tmp_path: Path) -> None:
    """A draw has two values."""
    recipe = Recipe.load(
        recipe_file, [f"data.originals={tmp_path}", "network.values=4"]
    )
    with pytest.raises(
        ConfigError, match=r"data.originals: expected a network of 2 values, not 4"
    ):
        train(RunRequest(recipe, tmp_path / "run"))
