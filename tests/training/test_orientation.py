"""Training on turned images: what is turned, what is said of it, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model_core import log_likelihood
from model_core.data.datasets import read_dataset
from model_core.errors import ConfigError
from model_core.mixing import mix
from model_core.models import Model, load_model
from model_core.orientation import (
    ORIENTATIONS,
    Orientation,
    check_orientation,
    turn,
    turn_back,
)
from model_core.training.checkpoint import read_checkpoint
from model_core.training.evaluate import evaluate
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from model_core.training.scoring import score_model

TURNED: Orientation = "rotate_180"  # the stripes' images are not square


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_orientation_is_pillow_s_transpose_of_this_name(
    orientation: Orientation,
) -> None:
    """For arrays and tensors, any shape in front, not square; and turn_back undoes it."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5)).astype(np.uint8)
    for image, turned in zip(
        pixels.reshape(6, 4, 5), turn(pixels, orientation).reshape(6, -1), strict=True
    ):
        picture = Image.fromarray(image)
        expected = (
            picture
            if orientation == "none"
            else picture.transpose(Image.Transpose[orientation.upper()])
        )
        assert (turned == np.asarray(expected).ravel()).all()
    assert (
        turn(torch.from_numpy(pixels), orientation).numpy() == turn(pixels, orientation)
    ).all()
    assert (turn_back(turn(pixels, orientation), orientation) == pixels).all()


def test_an_orientation_that_does_not_exist_or_fit_is_named() -> None:
    """The words list what would do."""
    with pytest.raises(
        ConfigError,
        match="unknown orientation 'upside_down': expected one of none, flip_left_right,",
    ):
        check_orientation("upside_down", 4, 4)
    with pytest.raises(
        ConfigError,
        match=r"transpose exchanges rows and columns, and images of 5x4 are not square",
    ):
        check_orientation("transpose", 4, 5)
    for orientation in ("none", "flip_left_right", "flip_top_bottom", "rotate_180"):
        assert check_orientation(orientation, 4, 5) == orientation


@pytest.fixture
def turned(recipe_file: Path, tmp_path: Path) -> Model:
    """A model that was trained on stripes turned by 180 degrees."""
    recipe = Recipe.load(
        recipe_file, [f"data.orientation={TURNED}", "output.samples=4"]
    )
    train(RunRequest(recipe, tmp_path / "turned", publish_to=tmp_path / "models"))
    return load_model("turned", models_dir=tmp_path / "models")


def test_a_model_of_turned_images_says_so_and_is_scored_on_turned_images(
    turned: Model, stripes: Path
) -> None:
    """Its card names the orientation; evaluate and log_likelihood take images as they are, and turn them."""
    assert [member.orientation for member in turned.card.members] == [TURNED]
    values = read_dataset(stripes, "valid", turned.config)
    expected = evaluate(turned.network, np.ascontiguousarray(turn(values, TURNED))).nats
    assert turned.card.members[0].valid_nats == turned.card.training["valid_nats"]
    assert turned.card.training["valid_nats"] == pytest.approx(expected, rel=1e-5)
    assert turned.card.training["valid_images"] == len(values)
    assert score_model(turned, stripes, "valid").nats == pytest.approx(
        expected, rel=1e-5
    )
    log_p = log_likelihood(turned, torch.from_numpy(values.astype(np.int64)))
    assert -float(log_p.double().mean()) == pytest.approx(expected, rel=1e-5)


def test_its_training_images_are_turned(
    recipe_file: Path, tmp_path: Path, stripes: Path
) -> None:
    """The weights are those of a run on a copy of the data that was turned beforehand."""
    recipe = Recipe.load(recipe_file)
    arrays = {
        split: read_dataset(stripes, split, recipe.network.config())
        for split in ("train", "valid")
    }
    archive = {
        split: (turn(values, TURNED)[:, 0] * 255).astype(np.uint8)
        for split, values in arrays.items()
    }
    np.savez(tmp_path / "turned.npz", **archive)  # pyright: ignore[reportArgumentType]
    train(
        RunRequest(
            Recipe.load(recipe_file, [f"data.orientation={TURNED}"]),
            tmp_path / "a",
            publish_to=tmp_path,
        )
    )
    train(
        RunRequest(
            Recipe.load(recipe_file, [f"data.path={tmp_path}/turned.npz"]),
            tmp_path / "b",
            publish_to=tmp_path,
        )
    )
    ours, theirs = (load_model(tmp_path / name).network.state_dict() for name in "ab")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_run_goes_on_in_its_own_orientation_only(
    turned: Model, recipe_file: Path, tmp_path: Path
) -> None:
    """Another one is refused before anything is trained."""
    other = Recipe.load(recipe_file, ["training.epochs=3"])
    with pytest.raises(
        ConfigError,
        match=r"started with data.orientation = rotate_180: it cannot go on with none",
    ):
        train(RunRequest(other, tmp_path / "turned", resume=True))


def test_a_start_of_another_orientation_is_taken_only_when_the_recipe_says_so(
    turned: Model, recipe_file: Path, tmp_path: Path
) -> None:
    """The refusal names the switch, and with the switch the run begins."""
    start = f"training.start={tmp_path}/models/turned"
    with pytest.raises(
        ConfigError,
        match=r"turned by 'rotate_180', .* is 'none'; training.start_turned = true begins",
    ):
        train(RunRequest(Recipe.load(recipe_file, [start]), tmp_path / "upright"))
    switched = Recipe.load(
        recipe_file, [start, "training.start_turned=true", "training.epochs=1"]
    )
    assert train(RunRequest(switched, tmp_path / "upright")).finished


def test_a_run_may_begin_with_the_member_of_a_mixture_that_is_turned_as_it_is(
    turned: Model, recipe_file: Path, tmp_path: Path
) -> None:
    """Its weights and its history are that member's; in an orientation that no member has it is refused."""
    train(
        RunRequest(
            Recipe.load(recipe_file),
            tmp_path / "upright",
            publish_to=tmp_path / "models",
        )
    )
    mix(
        [load_model(tmp_path / "models" / name) for name in ("upright", "turned")],
        tmp_path / "models" / "both",
    )
    start = f"training.start={tmp_path}/models/both"
    recipe = Recipe.load(
        recipe_file,
        [start, f"data.orientation={TURNED}", "training.learning_rate=1e-30"],
    )
    train(RunRequest(recipe, tmp_path / "again"))
    tensors, facts = read_checkpoint(tmp_path / "again" / "last.safetensors")
    expected = turned.network.state_dict()
    assert all(
        torch.allclose(tensors[f"weights/{name}"], expected[name], rtol=0, atol=1e-20)
        for name in expected
    )
    history = facts["state"]["start"]["history"]
    assert [sitting["images"] for sitting in history] == [
        s["images"] for s in turned.card.training["history"]
    ]
    with pytest.raises(
        ConfigError,
        match=r"in the orientations none, rotate_180: expected one in 'flip_left_right'",
    ):
        train(
            RunRequest(
                Recipe.load(recipe_file, [start, "data.orientation=flip_left_right"]),
                tmp_path / "other",
            )
        )
