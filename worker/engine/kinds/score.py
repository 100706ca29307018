"""Scoring: the likelihood of a picture, and the prediction of one pixel."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import cast

import numpy as np
from numpy.typing import NDArray

from model_core.data.pixels import nearest_values
from model_core.measures.picture_score import PictureScore, score_picture, score_steps
from model_core.measures.pixel_belief import pixel_belief
from model_core.measures.pixel_influence import pixel_influence
from model_core.measures.standing import Standing
from model_core.models import Model
from model_core.orientation import Orientation
from worker.contract.kinds.score import (
    ColourBelief,
    PixelBelief,
    ScoreOptions,
    ScoreSummary,
    SecondScore,
)
from worker.engine.stored import map_bytes, success
from worker.orders.claims import Outcome
from worker.orders.pictures import PictureOrder

SLOPE_DIGITS = 4
"""Significant digits of an influence; more are not useful to a reader."""


def score(
    order: PictureOrder, model: Model, second: Model | None = None
) -> Outcome | Iterator[float | Outcome]:
    """Return the outcome of a score. A field is scored in steps: then return an
    iterator over the progress, 0 to 1, and at last the outcome.

    second: the model to compare with, if the job names one.
    """
    options = cast(ScoreOptions, order.job.options)
    values, moved = nearest_values(order.pixels, model.config.levels)
    model = model.given(options.label)
    if options.size is None:
        found = score_picture(model, values)
        return _outcome(found, values, moved, options, model, second)
    steps = score_steps(model, values)
    return (
        _outcome(step, values, moved, options, model)
        if isinstance(step, PictureScore)
        else step
        for step in steps
    )


def _outcome(
    score: PictureScore,
    values: NDArray[np.integer],
    moved: int,
    options: ScoreOptions,
    model: Model,
    second: Model | None = None,
) -> Outcome:
    _, H, W = values.shape
    # The validation scores are those of pictures of the model's size.
    validation = model.card.validation if options.size is None else None
    is_mixture = len(model.members) > 1
    is_sum = len(model.components) > 1
    summary = ScoreSummary(
        nats=score.nats,
        bits_per_dim=score.bits_per_dim,
        per_colour_bits=tuple(score.colour_bits),
        height=H,
        width=W,
        quantised_pixels=moved or options.moved_pixels,
        uniform_bits=score.uniform_bits,
        **asdict(
            Standing.of(
                values, score.nats, model.config.levels, validation, model.card.palette
            )
        ),
        pixel=predict_pixel(values, options, model, score.member, score.label),
        member=score.member if is_mixture else None,
        label=None if score.label is None else model.card.labels[score.label].name,
        member_nats=score.member_nats if is_sum else None,
        against=None if second is None else score_against(second, values, score.nats),
    )
    return success(summary, bits=map_bytes(score.bits), heat=score.heat.tobytes())


def score_against(
    model: Model, values: NDArray[np.integer], nats: float
) -> SecondScore:
    """Return the score of a picture by a second model.

    nats: its score by the first model.
    """
    found = score_picture(model, values).nats
    return SecondScore(
        model=model.card.name,
        sha256=model.card.sha256,
        nats=found,
        log_ratio=found - nats,
    )


def predict_pixel(
    values: NDArray[np.integer],
    options: ScoreOptions,
    model: Model,
    member: Orientation,
    label: int | None,
) -> PixelBelief | None:
    """Return the prediction of the pixel that the job names, or None if it names none.
    It takes another pass over the picture, and one forward and backward if
    `options.influence` asks for the map.

    values: of the picture.
    member, label: the component of the model that predicts.
    """
    pixel = options.pixel
    if pixel is None:
        return None
    colours = tuple(
        ColourBelief(
            probabilities=tuple(belief.probabilities.tolist()),
            value=belief.value,
            bits=belief.bits,
            entropy_bits=belief.entropy_bits,
        )
        for belief in pixel_belief(model, values, pixel.y, pixel.x, member, label)
    )
    influence = None
    if options.influence:
        slopes = pixel_influence(model, values, pixel.y, pixel.x, member, label)
        influence = tuple(
            tuple(float(f"{slope:.{SLOPE_DIGITS}g}") for slope in row) for row in slopes
        )
    return PixelBelief(x=pixel.x, y=pixel.y, colours=colours, influence=influence)
