"""Where a picture's score stands among validation images: p-value, typicality, bits over PNG."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from model_core import sample, untrained
from model_core.card import Card, Validation
from model_core.data.images import write_grid
from model_core.errors import DataError
from model_core.measures.likelihood import log_likelihood
from model_core.measures.standing import Standing, p_value, png_bits, validation_scores
from model_core.models import load_model, save_model
from model_core.models_directory import CARD
from pixelrnn.verbs import root


def test_p_values_of_fresh_images_are_uniform() -> None:
    """Kolmogorov-Smirnov against 2,000 others of the same model, below the 1% value."""
    model = untrained(
        "mnist-pixelcnn", seed=1, height=4, width=5, layers=2, hidden=8, head=8
    )
    known, fresh = (
        log_likelihood(model, sample(model, 2_000, seed=seed)).double().numpy()
        for seed in (1, 2)
    )
    validation = validation_scores(known)
    found = np.sort([p_value(-each, validation) for each in fresh])
    apart = np.abs(found - (np.arange(2_000) + 0.5) / 2_000).max()
    assert apart < 1.63 * math.sqrt(2 / 2_000)


def test_strange_and_strangely_plain_pictures_are_untypical() -> None:
    """An improbable one has a small p-value; one that is too probable has a large one, and is untypical as well."""
    validation = Validation(1000, tuple(np.linspace(80, 120, 201)))
    image = np.zeros((1, 4, 4), np.int64)
    strange, usual, plain = (
        Standing.of(image, nats, 2, validation) for nats in (200, 100, 20)
    )
    assert strange.p_value == 1 / 1000
    assert usual.p_value == pytest.approx(0.5)
    assert plain.p_value == 1
    assert strange.typicality is not None
    assert strange.typicality < 0.01
    assert usual.typicality == pytest.approx(1)
    assert plain.typicality is not None
    assert plain.typicality < 0.01


@pytest.mark.parametrize("off", [-4e-4, 0.0, 4e-4])
def test_copies_of_a_validation_image_are_as_improbable_as_it_is(off: float) -> None:
    """Two in five are the empty tile, whose nats a card rounds: it is likelier than all others, and typical."""
    nats = np.concatenate([np.full(40, 10.0), np.linspace(12, 60, 60)])
    validation = validation_scores(-nats)
    empty = Standing.of(np.zeros((1, 4, 4), np.int64), 10.0 + off, 2, validation)
    assert empty.p_value == 1
    assert empty.typicality == pytest.approx(2 * 0.4, abs=0.03)


def test_bits_over_png_grow_with_the_nats_and_fall_with_the_pictures_own_complexity() -> (
    None
):
    """Noise costs PNG more than a blank picture, in black and white and in colour."""
    noise = np.random.default_rng(1).integers(0, 2, (1, 16, 16))
    assert png_bits(noise, 2) > png_bits(np.zeros_like(noise), 2) > 0
    colour = np.random.default_rng(1).integers(0, 256, (3, 8, 8))
    assert png_bits(colour, 256) > 8 * colour.size
    low, high = (Standing.of(noise, nats, 2, None) for nats in (10, 20))
    assert high.bits_over_png - low.bits_over_png == pytest.approx(10 / math.log(2))
    assert low.p_value is None
    assert low.typicality is None


def test_png_of_categories_does_not_depend_on_their_numbers() -> None:
    """17 colours, one of them transparent, numbered in another order: the same bits;
    and a picture of two colours takes fewer than noise of 17."""
    palette = ("#00000000", *(f"#{16 * i:02x}40{255 - 16 * i:02x}" for i in range(16)))
    rng = np.random.default_rng(2)
    values = np.minimum(rng.integers(0, 17, (1, 12, 9)), 4 + np.arange(9))
    order = rng.permutation(17)
    renumbered = np.argsort(order)[values]
    other = tuple(palette[value] for value in order)
    bits = png_bits(values, 17, palette)
    assert bits == png_bits(renumbered, 17, other)
    assert bits > png_bits(values % 2, 17, palette) > 0
    same = [
        Standing.of(each, 20, 17, None, colours).bits_over_png
        for each, colours in ((values, palette), (renumbered, other))
    ]
    assert same[0] == same[1] == 20 / math.log(2) - bits


def test_calibrate_keeps_the_quantiles_in_the_card_and_score_tells_the_p_value(
    tmp_path: Path,
) -> None:
    """Validation images from an array; the card is read again, and other facts in it stay."""
    model = untrained(
        "mnist-pixelcnn", seed=1, height=4, width=5, layers=2, hidden=8, head=8
    )
    save_model(model, tmp_path / "models" / "tiny")
    images = sample(model, 50, seed=3)
    np.savez(tmp_path / "images.npz", valid=images[:, 0].numpy().astype(np.uint8))
    write_grid(images[:1].numpy(), model.config, tmp_path / "one.png")
    run, where = CliRunner(), ["--models-dir", str(tmp_path / "models")]
    assert (
        run.invoke(
            root, ["score", "tiny", str(tmp_path / "one.png"), *where, "--json"]
        ).exit_code
        == 0
    )
    done = run.invoke(
        root, ["calibrate", "tiny", "--data", str(tmp_path / "images.npz"), *where]
    )
    assert done.exit_code == 0, done.output
    card = Card.read(tmp_path / "models" / "tiny" / CARD)
    assert card.validation is not None
    assert card.validation.images == 50
    again = load_model("tiny", models_dir=tmp_path / "models")
    assert again.card.sha256 == card.sha256
    told = run.invoke(
        root, ["score", "tiny", str(tmp_path / "one.png"), *where, "--json"]
    )
    facts = json.loads(told.stdout.splitlines()[-1])
    nats = -float(log_likelihood(again, images[:1]))
    assert facts["p_value"] == pytest.approx(p_value(nats, card.validation), abs=1e-3)
    assert "of validation images are no more probable" in told.output


def test_too_few_validation_images_are_refused() -> None:
    """Nineteen say nothing of one in a hundred."""
    with pytest.raises(DataError, match="at least 20 validation images"):
        validation_scores(-torch.arange(19).double().numpy())
