"""A picture's score as it is stored: one teacher-forced pass, made in the engine's thread between two steps."""

import numpy as np
from numpy.typing import NDArray

from model_core.measures.picture_score import score_picture
from model_core.measures.pixel_belief import pixel_belief
from model_core.models import Model
from worker.contract.jobs import JobStatus, Pixel
from worker.contract.scores import ColourBelief, PixelBelief, RankSummary, ScoreSummary
from worker.engine.ranking import Ranking
from worker.orders.claims import Outcome, StoredScore
from worker.orders.orders import ScoreOrder


def passed(task: ScoreOrder | Ranking, model: Model) -> Outcome | None:
    """One pass; None while it needs more. Raises FloatingPointError as `scored` does."""
    if isinstance(task, ScoreOrder):
        return scored(task, model)
    task.nats.append(score_picture(model, task.images[len(task.nats)]).nats)
    if len(task.nats) < len(task.images):
        return None
    summary = RankSummary(sample_nats=tuple(task.nats))
    return Outcome(JobStatus.SUCCEEDED, ranking=summary.model_dump_json())


def scored(order: ScoreOrder, model: Model) -> Outcome:
    """Raises FloatingPointError when the network gives a likelihood that is not finite."""
    score = score_picture(model, order.values)
    _, H, W = order.values.shape
    summary = ScoreSummary(
        nats=score.nats,
        bits_per_dim=score.bits_per_dim,
        per_colour_bits=tuple(score.colour_bits),
        height=H,
        width=W,
        quantised_pixels=order.quantised_pixels,
        uniform_bits=score.uniform_bits,
        pixel=None if order.pixel is None else believed(order.values, order.pixel, model),
    )
    text = summary.model_dump_json(exclude_none=True)  # an earlier API knows no `pixel`
    bits = np.ascontiguousarray(score.bits.transpose(1, 2, 0), "<f4")  # (H, W, C)
    return Outcome(JobStatus.SUCCEEDED, score=StoredScore(text, bits.tobytes(), score.heat.tobytes()))


def believed(values: NDArray[np.integer], pixel: Pixel, model: Model) -> PixelBelief:
    """A second pass. Raises FloatingPointError when the network gives a probability that is not finite."""
    colours = tuple(
        ColourBelief(
            probabilities=tuple(belief.probabilities.tolist()),
            value=belief.value,
            bits=belief.bits,
            entropy_bits=belief.entropy_bits,
        )
        for belief in pixel_belief(model, values, pixel.y, pixel.x)
    )
    return PixelBelief(x=pixel.x, y=pixel.y, colours=colours)
