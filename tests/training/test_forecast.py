"""How long a run will take: said once, after its first updates, with what is to be done."""

from pathlib import Path

import pytest

from model_core.training.forecast import Forecast
from model_core.training.recipe import Recipe, TrainingSection
from model_core.training.run import RunRequest, train
from model_core.training.state import TrainState

TRAINING = TrainingSection(epochs=5, batch=16, ema=0)


def sentences(forecast: Forecast, seconds: list[float]) -> list[str]:
    """All that a forecast says after updates that took so long."""
    return [line for line in map(forecast.after_update, seconds) if line]


def test_a_run_says_once_how_long_it_will_take(
    recipe: Recipe,
    recipe_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the updates and validations to come; a resumed run says what is left; one that is over first, nothing."""
    short = train(
        RunRequest(Recipe.load(recipe_file, ["training.epochs=1"]), tmp_path / "run")
    )
    assert (short.finished, short.to_dict()["forecast_s"]) == (True, None)
    assert " here: " not in capsys.readouterr().err
    longer = Recipe.load(recipe_file, ["training.epochs=3"])
    resumed = train(RunRequest(longer, tmp_path / "run", resume=True))
    assert resumed.to_dict()["forecast_s"] > 0
    (line,) = (
        line for line in capsys.readouterr().err.splitlines() if " here: " in line
    )
    assert line.startswith("what is left takes about ")
    assert " here: 12 updates of 8 images, " in line
    assert line.endswith(" images/s, and a validation after each epoch, 2 in all")
    train(RunRequest(recipe, tmp_path / "another"))
    assert capsys.readouterr().err.count("this run takes about ") == 1


def test_a_forecast_counts_updates_by_their_median_and_validations_by_their_passes() -> (
    None
):
    """The first update, which loads kernels, and one that waited do not count; a scored image is a third of a trained
    one, for each label, and twice where the average is scored too."""
    times = [60.0, *([0.1] * 7), 9.0, 0.1, 0.1]
    plain = Forecast.of(
        TRAINING, TrainState.fresh(), per_epoch=2812, scored=5000, labels=0
    )
    (line,) = sentences(plain, times)
    assert line == (
        "this run takes about 24 minutes here: 14,060 updates of 16 images, 160 images/s, "
        "and a validation after each epoch, 5 in all"
    )
    assert plain.seconds == pytest.approx(0.1 * (14060 + 5 * 5000 / 3 / 16))
    averaged = TRAINING.model_copy(update={"ema": 0.999, "patience": 2})
    labelled = Forecast.of(
        averaged, TrainState.fresh(), per_epoch=2812, scored=5000, labels=10
    )
    (line,) = sentences(labelled, times)
    assert line.startswith("this run takes at most about 41 minutes here: ")
    assert labelled.seconds == pytest.approx(0.1 * (14060 + 5 * 20 * 5000 / 3 / 16))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1e-6, "2 seconds"),
        (0.1, "100 seconds"),
        (1, "17 minutes"),
        (86.4, "24 hours"),
        (432, "5 days"),
    ],
)
def test_a_forecast_is_told_in_units_of_people(seconds: float, words: str) -> None:
    """A thousand updates that take so long each. Two digits are told, and no slow network makes 0 images a second."""
    (line,) = sentences(
        Forecast.of(TRAINING, TrainState.fresh(), per_epoch=200, scored=0, labels=0),
        [seconds] * 9,
    )
    assert f"about {words} here: 1,000 updates" in line
    assert ", 0 images/s" not in line
