"""`pixelrnn upsample` and `pixelrnn score`: a picture in, pictures and numbers out."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model_core import load_model, log_likelihood, save_model, untrained, upsample
from model_core.data.images import cut
from model_core.data.pixels import nearest_values, values_to_pixels
from model_core.errors import DataError
from model_core.measures.picture_score import PictureScore, score_picture
from tests.client.by_command import run


@pytest.fixture(scope="module")
def scales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Multi-Scale model, 4 x 2 first and then 8 x 4, of 4 values."""
    directory = tmp_path_factory.mktemp("scales") / "tiny-scales"
    size = {
        "layers": 2,
        "hidden": 5,
        "head": 8,
        "height": 8,
        "width": 4,
        "values": 4,
        "conditioning": 5,
        "factor": 2,
    }
    save_model(untrained("cifar10-multi-scale", seed=4, **size), directory)
    return directory


def write(values: torch.Tensor, path: Path) -> Path:
    """Values (3, H, W) of 4 levels as a PNG."""
    Image.fromarray(values_to_pixels(values.numpy(), 4).transpose(1, 2, 0)).save(path)
    return path


def random_values(height: int, width: int) -> torch.Tensor:
    return torch.randint(
        0, 4, (3, height, width), generator=torch.Generator().manual_seed(1)
    )


def test_upsample_draws_from_the_small_image(scales: Path, tmp_path: Path) -> None:
    """The picture holds what upsample() draws, and the JSON says how to get it again."""
    small, out = random_values(4, 2), tmp_path / "out.png"
    result = run(
        "upsample",
        scales,
        write(small, tmp_path / "s.png"),
        "--n",
        2,
        "--seed",
        3,
        "--out",
        out,
        "--json",
    )
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout.splitlines()[-1])
    assert (facts["model"], facts["n"], facts["seed"], facts["temperature"]) == (
        "tiny-scales",
        2,
        3,
        1.0,
    )
    drawn = values_to_pixels(upsample(load_model(scales), small, 2, seed=3).numpy(), 4)
    with Image.open(out) as opened:
        picture = np.asarray(opened)
    np.testing.assert_array_equal(picture[:, :4], drawn[0].transpose(1, 2, 0))
    np.testing.assert_array_equal(picture[:, 5:], drawn[1].transpose(1, 2, 0))


def test_upsample_is_refused_when_the_input_does_not_fit(
    scales: Path, models_dir: Path, tmp_path: Path
) -> None:
    """A model of one scale; the large size instead of the small; no image at all."""
    large = write(random_values(8, 4), tmp_path / "large.png")
    for model, image, words in (
        (models_dir / "tiny-rgb", large, "one scale"),
        (scales, large, "4x8, but the model takes 2x4"),
        (scales, tmp_path / "nothing.png", "cannot read"),
    ):
        error = run("upsample", model, image).exception
        assert isinstance(error, DataError)
        assert words in str(error)


def test_score_is_the_likelihood(scales: Path, tmp_path: Path) -> None:
    """Nats, bits/dim and colours as log_likelihood has them; a map of one pixel a pixel, enlarged when asked."""
    values, heat = random_values(8, 4), tmp_path / "heat.png"
    image = write(values, tmp_path / "image.png")
    result = run("score", scales, image, "--map", heat, "--scale", 3, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout.splitlines()[-1])
    nats = -float(log_likelihood(load_model(scales), values[None])[0])
    assert facts["nats"] == pytest.approx(nats, rel=1e-5)
    assert facts["bits_per_dim"] == pytest.approx(nats / math.log(2) / 96, rel=1e-5)
    assert np.mean(facts["per_colour_bits"]) == pytest.approx(facts["bits_per_dim"])
    assert (facts["quantised_pixels"], facts["uniform_bits"]) == (0, 6.0)
    with Image.open(heat) as picture:
        assert picture.size == (12, 24)
    assert "nats" in result.stderr


def test_score_counts_the_pixels_it_moved(models_dir: Path, tmp_path: Path) -> None:
    """A binary model reads grey as black or white, and says so."""
    Image.new("L", (5, 6), 100).save(tmp_path / "grey.png")
    result = run("score", models_dir / "tiny-cnn", tmp_path / "grey.png", "--json")
    assert json.loads(result.stdout)["quantised_pixels"] == 30
    assert "30 pixels were moved" in result.stderr


def test_score_is_refused_when_the_input_does_not_fit(
    models_dir: Path, tmp_path: Path
) -> None:
    """Another size, a file that is no image, a map that cannot be written."""
    Image.new("L", (6, 5)).save(tmp_path / "turned.png")
    Image.new("L", (5, 6)).save(tmp_path / "right.png")
    (tmp_path / "text.png").write_text("no image")
    for arguments, words in (
        (["turned.png"], "6x5, but the model takes 5x6"),
        (["text.png"], "is not an image"),
        (["right.png", "--map", tmp_path / "text.png" / "map.png"], "cannot write"),
    ):
        image, *options = arguments
        error = run(
            "score", models_dir / "tiny-cnn", tmp_path / str(image), *options
        ).exception
        assert isinstance(error, DataError)
        assert words in str(error)


def test_bits_are_those_of_a_uniform_guess_when_the_network_knows_nothing() -> None:
    """Zero logits: log2 V bits for every variable, and a heat map that is white throughout."""
    model = untrained(
        "mnist-pixelcnn",
        layers=1,
        hidden=3,
        head=3,
        height=3,
        width=2,
        channels=3,
        values=4,
    )
    for parameter in model.network.parameters():
        parameter.zero_()
    score = score_picture(model, np.zeros((3, 3, 2), np.uint8))
    np.testing.assert_allclose(score.bits, 2.0, rtol=1e-6)
    assert (score.bits_per_dim, score.uniform_bits) == (pytest.approx(2.0), 6.0)
    assert score.heat.min() >= 254


def test_heat_goes_from_black_over_red_and_yellow_to_white() -> None:
    """Thirds of what a uniform guess costs; above it stays white."""
    bits = np.array([[[0.0, 1.0, 2.0, 3.0, 9.0]]], np.float32)
    heat = PictureScore(bits, 0.0, "none", None, 0.0, 0.0, [0.0], uniform_bits=3.0).heat
    assert heat.tolist() == [
        [[0, 0, 0], [255, 0, 0], [255, 255, 0], [255, 255, 255], [255, 255, 255]]
    ]


def test_score_raises_when_the_likelihood_is_not_finite() -> None:
    """Never a number that is none."""
    model = untrained("mnist-pixelcnn", layers=1, hidden=2, head=2, height=3, width=2)
    for parameter in model.network.parameters():
        parameter.fill_(float("nan"))
    with pytest.raises(FloatingPointError):
        score_picture(model, np.zeros((1, 3, 2), np.uint8))


def test_quantising_changes_nothing_when_all_values_are_known() -> None:
    """256 values are the bytes themselves."""
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    values, moved = nearest_values(pixels, 256)
    assert moved == 0
    np.testing.assert_array_equal(values, pixels)


def test_picture_goes_to_stdout_when_its_name_is_a_dash(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that a file would have; with JSON there is no place for both."""
    monkeypatch.chdir(tmp_path)
    assert (
        run(
            "sample", models_dir / "tiny-cnn", "--seed", 7, "--out", "one.png"
        ).exit_code
        == 0
    )
    result = run("sample", models_dir / "tiny-cnn", "--seed", 7, "--out", "-")
    assert result.stdout_bytes == Path("one.png").read_bytes()
    refused = run("sample", models_dir / "tiny-cnn", "--out", "-", "--json")
    assert "cannot both go to stdout" in refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["one.png"]


def test_completions_are_ranked_and_fitted_as_the_service_does(
    models_dir: Path, tmp_path: Path
) -> None:
    """`--rank` names the likeliest first, by the score of each whole image; `--fit resize` takes any size."""
    Image.new("L", (10, 12), 255).save(tmp_path / "image.png")
    Image.fromarray(np.uint8([[0] * 10] * 6 + [[255] * 10] * 6)).save(
        tmp_path / "mask.png"
    )
    model, out = models_dir / "tiny-cnn", tmp_path / "out.png"
    asked = (
        "complete",
        model,
        tmp_path / "image.png",
        tmp_path / "mask.png",
        "--n",
        3,
        "--rank",
        "--seed",
        1,
    )
    assert "give that size, or --fit resize" in str(run(*asked, "--out", out).exception)
    result = run(*asked, "--out", out, "--fit", "resize", "--json")
    assert result.exit_code == 0, result.output
    ranking = json.loads(result.stdout)["ranking"]
    with Image.open(out) as picture:
        pixels = cut(np.atleast_3d(np.asarray(picture)), 3, 6, 5).images
    loaded = load_model(model)
    nats = [score_picture(loaded, nearest_values(image, 2)[0]).nats for image in pixels]
    assert [each["sample"] for each in ranking] == list(np.argsort(nats))
    assert [each["nats"] for each in ranking] == pytest.approx(sorted(nats))


def test_score_says_what_was_expected_of_a_pixel(
    models_dir: Path, tmp_path: Path
) -> None:
    """With --x and --y, and not with one of them or one outside."""
    Image.new("L", (5, 6)).save(tmp_path / "image.png")
    asked = "score", models_dir / "tiny-cnn", tmp_path / "image.png"
    (colour,) = json.loads(run(*asked, "--x", 4, "--y", 2, "--json").stdout)["pixel"][
        "colours"
    ]
    assert sum(colour["probabilities"]) == pytest.approx(1)
    assert colour["bits"] == pytest.approx(-math.log2(colour["probabilities"][0]))
    assert "(4, 2) is 0, of which p was" in run(*asked, "--x", 4, "--y", 2).stderr
    assert "name a pixel together" in run(*asked, "--x", 4).output
    assert "there is no pixel (5, 2)" in str(run(*asked, "--x", 5, "--y", 2).exception)


def test_score_says_what_mattered_for_a_pixel(models_dir: Path, tmp_path: Path) -> None:
    """With --influence: a slope for each pixel, and in words the largest; the first pixel depends on nothing."""
    Image.new("L", (5, 6)).save(tmp_path / "image.png")
    asked = "score", models_dir / "tiny-cnn", tmp_path / "image.png", "--influence"
    answer = run(*asked, "--x", 4, "--y", 2, "--json")
    slopes = np.array(json.loads(answer.stdout)["pixel"]["influence"])
    assert slopes.shape == (6, 5)
    assert not slopes.ravel()[2 * 5 + 4 :].any()
    y, x = np.unravel_index(abs(slopes).argmax(), slopes.shape)
    assert f"({x}, {y}) mattered most: the brightness" in answer.stderr
    assert f"by {slopes[y, x]:+.4g} with it" in answer.stderr
    assert "no earlier pixel mattered there" in run(*asked, "--x", 0, "--y", 0).stderr
    assert "it needs --x and --y" in run(*asked).output
