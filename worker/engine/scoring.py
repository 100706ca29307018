"""Scores and other findings about pictures, as they are stored: passes of the model, made in the engine's thread
between two steps."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from model_core.measures.picture_score import score_picture
from model_core.measures.pixel_belief import pixel_belief
from model_core.measures.pixel_influence import pixel_influence
from model_core.measures.standing import Standing
from model_core.measures.verification import changed_pixels
from model_core.models import Model
from model_core.orientation import Orientation
from model_core.posterior.completion import drawn_receipt_steps, plan
from model_core.sampling.stages import numerics_of
from worker.contract.jobs import JobStatus, Pixel
from worker.contract.recipe import RecipeError, expect_numerics
from worker.contract.scores import ColourBelief, CompletionSummary, PixelBelief, Receipt, ScoreSummary, VerifySummary
from worker.engine.assessment import Assessment, Found, Pass
from worker.orders.claims import Outcome, StoredResult, failed
from worker.orders.faults import not_verifiable
from worker.orders.orders import Hole, ScoreOrder, VerifyOrder

SLOPE_DIGITS = 4
"""Digits of an influence: as many as anybody reads."""
NAMED_PIXELS = 16
"""Changed pixels of a verification that are named, at most."""


def passed(task: Pass, model: Model) -> Outcome | None:
    """One pass; None while it needs more. Raises FloatingPointError as `scored` does."""
    if isinstance(task, ScoreOrder):
        return scored(task, model)
    if isinstance(task, VerifyOrder):
        return verified(task, model)
    if task.wants_receipt:
        assert task.hole is not None
        task.receipt_steps = task.receipt_steps or _receipt_steps(task.hole, task.images, model)
        task.found = next(task.receipt_steps)
    elif task.wants_scores:
        task.nats.append(score_picture(model, task.images[len(task.nats)]).nats)
    return assessed(task)


def assessed(task: Assessment) -> Outcome | None:
    """The job's end; None while something is still to be found."""
    if task.wants_receipt or task.wants_scores:
        return None
    receipt, maps = task.found or (None, None)
    summary = CompletionSummary(
        sample_nats=tuple(task.nats) if task.rank else None,
        posterior=None if receipt is None else Receipt(**receipt.to_dict()),
        values=None if maps is None else task.values,
    )
    pictures = {} if maps is None else {"mean": _stored(maps.mean), "entropy": _stored(maps.entropy_bits)}
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult(summary.model_dump_json(exclude_none=True), pictures))


def _receipt_steps(hole: Hole, images: NDArray[np.integer], model: Model) -> Iterator[Found | None]:
    given = hole.given
    assert given.values is not None
    assert given.keep is not None
    return drawn_receipt_steps(plan(model, given.values, given.keep, hole.temperature), images)


def _stored(variables: NDArray[np.floating]) -> bytes:
    """(C, H, W) numbers as they are kept: float32, little-endian, pixel by pixel."""
    return np.ascontiguousarray(variables.transpose(1, 2, 0), "<f4").tobytes()


def scored(order: ScoreOrder, model: Model) -> Outcome:
    """Raises FloatingPointError when the network gives a likelihood that is not finite."""
    score = score_picture(model, order.values)
    _, H, W = order.values.shape
    is_mixture = len(model.members) > 1
    summary = ScoreSummary(
        nats=score.nats,
        bits_per_dim=score.bits_per_dim,
        per_colour_bits=tuple(score.colour_bits),
        height=H,
        width=W,
        quantised_pixels=order.quantised_pixels,
        uniform_bits=score.uniform_bits,
        **asdict(Standing.of(order.values, score.nats, model.config.values, model.card.validation)),
        pixel=None if order.pixel is None else believed(order, order.pixel, model, score.member),
        member=score.member if is_mixture else None,
        member_nats=score.member_nats if is_mixture else None,
    )
    text = summary.model_dump_json(exclude_none=True)  # an earlier API knows no `pixel`
    pictures = {"bits": _stored(score.bits), "heat": score.heat.tobytes()}
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult(text, pictures))


def verified(order: VerifyOrder, model: Model) -> Outcome:
    """Draws the picture again. Raises FloatingPointError when the network gives logits that are not finite."""
    try:
        expect_numerics(order.drawn_with, numerics_of(model))
    except RecipeError as error:
        return failed(not_verifiable(error))
    (changed,) = changed_pixels(model, order.pixels[None], [order.sample], order.seed, order.temperature)
    places = [Pixel(x=int(x), y=int(y)) for y, x in np.argwhere(changed)]
    summary = VerifySummary(
        verified=not places, sample=order.sample, changed_pixels=len(places), changed=tuple(places[:NAMED_PIXELS])
    )
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult(summary.model_dump_json(), {}))


def believed(order: ScoreOrder, pixel: Pixel, model: Model, member: Orientation) -> PixelBelief:
    """A second pass, of the member of this orientation, and if asked a third there and back again.

    Raises FloatingPointError when the network gives a probability that is not finite.
    """
    colours = tuple(
        ColourBelief(
            probabilities=tuple(belief.probabilities.tolist()),
            value=belief.value,
            bits=belief.bits,
            entropy_bits=belief.entropy_bits,
        )
        for belief in pixel_belief(model, order.values, pixel.y, pixel.x, member)
    )
    influence = None
    if order.influence:
        slopes = pixel_influence(model, order.values, pixel.y, pixel.x, member)
        influence = tuple(tuple(float(f"{slope:.{SLOPE_DIGITS}g}") for slope in row) for row in slopes)
    return PixelBelief(x=pixel.x, y=pixel.y, colours=colours, influence=influence)
