"""ln p of drawn images, as the loops that draw add it up: the teacher-forced score."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model_core import load_model, untrained
from model_core.components import Member
from model_core.image_request import ImageRequest
from model_core.measures.likelihood import log_likelihood
from model_core.models import Model
from model_core.sampling.engine import DrawnRow, Engine
from model_core.sampling.offline import draw
from tests.labelled_models import labelled
from tests.weighed_draws import draw_weighed

TOLERANCE: dict[str, Any] = {"rel": 2e-5, "abs": 2e-5}
"""Of float32 logits in another order of sums."""


def requests(temperature: float, label: int | None = None) -> list[ImageRequest]:
    return [ImageRequest(5, sample, temperature, label=label) for sample in range(5)]


def tempered(model: Model, values: Tensor, temperature: float) -> Tensor:
    """ln p of images under a single network without labels, from its logits."""
    (member,) = model.members
    logits = member.network(values).double() / temperature  # (B, V, C, H, W)
    found = logits.log_softmax(1).gather(1, values[:, None])[:, 0]
    return found.sum((1, 2, 3))


@pytest.mark.parametrize("name", ["tiny-cnn", "tiny-diagonal", "tiny-rgb"])
@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.7])
def test_sum_of_the_draws_is_the_teacher_forced_score(
    models_dir: Path, name: str, temperature: float
) -> None:
    """At every temperature; and the values are those of draws that nobody weighs."""
    model = load_model(name, models_dir=models_dir)
    values, log_p = draw_weighed(model, requests(temperature))
    assert torch.equal(values, draw(model, requests(temperature)))
    with torch.inference_mode():
        expected = tempered(model, values, temperature)
    np.testing.assert_allclose(log_p, expected.numpy(), rtol=2e-5, atol=2e-5)


def test_row_lstm_and_float64_too() -> None:
    """The third loop, and plain torch."""
    small = {"layers": 2, "hidden": 5, "head": 8, "height": 6, "width": 5}
    model = untrained("mnist-row-lstm", seed=1, **small)
    for each in (model, _double(model)):
        values, log_p = draw_weighed(each, requests(0.8))
        with torch.inference_mode():
            expected = tempered(each, values, 0.8)
        np.testing.assert_allclose(log_p, expected.numpy(), rtol=2e-5, atol=2e-5)


def _double(model: Model) -> Model:
    for member in model.members:
        member.network.double()
    return model


def test_two_scales_are_one_distribution(all_models_dir: Path) -> None:
    """The small image and the large one given it, together."""
    model = load_model("tiny-scales", models_dir=all_models_dir)
    values, log_p = draw_weighed(model, requests(1.0))
    assert log_p == pytest.approx(log_likelihood(model, values).numpy(), **TOLERANCE)


def test_mixture_is_weighed_as_a_whole(models_dir: Path) -> None:
    """Members in other orientations score what one of them drew; alone, or together."""
    one = load_model("tiny-cnn", models_dir=models_dir)
    other = untrained(
        "mnist-pixelcnn", seed=7, height=6, width=5, layers=2, hidden=5, head=8
    )
    mirrored = Member(other.members[0].network, "flip_left_right")
    model = Model((*one.members, mirrored), one.card)
    values, log_p = draw_weighed(model, requests(1.0))
    assert log_p == pytest.approx(log_likelihood(model, values).numpy(), **TOLERANCE)
    (alone,), found = draw_weighed(model, requests(1.0)[3:4])
    assert torch.equal(alone, values[3])
    assert found[0] == pytest.approx(log_p[3], rel=1e-12)


@pytest.mark.parametrize("height", [6, 14], ids=["image", "field"])
def test_a_step_scores_one_image_by_one_component(
    monkeypatch: pytest.MonkeyPatch, height: int
) -> None:
    """Images that are drawn side by side end with the same step, whose time must not
    grow with their number, or with the windows of a field. Images that are withdrawn
    meanwhile are scored no further."""
    whole = labelled(height=6, width=5)
    model, windows = (whole, None) if height == 6 else whole.field(5, height)
    asked = [replace(each, weighed=True, windows=windows) for each in requests(1.0)]
    engine = Engine(model, slots=5)
    tickets = [engine.admit(each) for each in asked]
    steps = 0

    def count(scorer: Engine) -> list[DrawnRow]:
        nonlocal steps
        steps += scorer in engine._scorers.values()
        return step(scorer)

    step = Engine.step
    monkeypatch.setattr(Engine, "step", count)
    found: list[DrawnRow] = []
    while engine.busy:
        assert engine.load >= 1
        before = steps
        found += engine.step()
        assert steps - before <= 1
        if steps == 1 and before == 0:
            engine.withdraw(tickets[0])
            engine.withdraw(tickets[4])
    assert steps > 3 * (len(model.card.labels) - 1)
    last = {row.ticket: row.log_p for row in found if row.is_last}
    assert list(last) == [1, 2, 3]
    _, expected = draw_weighed(whole, requests(1.0), size=(5, height))
    assert last == {ticket: expected[ticket] for ticket in last}
    assert engine.free == 5


@pytest.mark.parametrize("label", [None, 0, 2])
def test_label_that_was_asked_for_is_given(label: int | None) -> None:
    """Otherwise ln p is that of the image, whatever its label."""
    model = labelled(height=6, width=5)
    values, log_p = draw_weighed(model, requests(1.0, label))
    expected = log_likelihood(model.given(label), values).numpy()
    assert log_p == pytest.approx(expected, **TOLERANCE)


def test_field_is_weighed_in_its_windows(models_dir: Path) -> None:
    """Every row once, in the window that draws it."""
    model = load_model("tiny-rgb", models_dir=models_dir)
    size = 7, 13
    values, log_p = draw_weighed(model, requests(1.0)[:2], size=size)
    expected = log_likelihood(model, values).numpy()
    assert log_p == pytest.approx(expected, **TOLERANCE)


@pytest.mark.parametrize("rows", [0, 2, 6])
def test_resumed_image_has_the_same_sum(models_dir: Path, rows: int) -> None:
    """Rows that are there already are weighed, also if all are."""
    model = load_model("tiny-cnn", models_dir=models_dir)
    values, log_p = draw_weighed(model, requests(0.7))
    keep = np.zeros((6, 5), np.bool_)
    keep[:rows] = True
    resumed = [
        ImageRequest(5, i, 0.7, known=image.numpy(), keep=keep)
        for i, image in enumerate(values)
    ]
    again, found = draw_weighed(model, resumed)
    assert torch.equal(again, values)
    np.testing.assert_array_equal(found, log_p)
