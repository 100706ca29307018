"""A kind of job is one record."""

import pytest

from tests.app.hand_worker import SCORER
from worker.contract.cards import Label
from worker.contract.jobs import JobSpec
from worker.contract.kinds import ALL_KINDS, KINDS
from worker.contract.kinds.classify import ClassifyOptions
from worker.contract.options import BadOptionError, Options
from worker.engine.kinds import OF_FILES, OF_PICTURES
from worker.orders.build import BUILDERS

H, W, C = 6, 4, 3
SMALL_H, SMALL_W = 3, 2


def spec(kind: str, **changes: object) -> JobSpec:
    fields = {
        "model": "m",
        "digest": "d",
        "seed": 1,
        "n": 2,
        "temperature": 1.0,
        "height": H,
        "width": W,
        "channels": C,
    }
    return JobSpec.model_validate({"id": "a", "kind": kind, **fields} | changes)


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_complete_when_it_is_declared(kind: str) -> None:
    """It has its record, and a way to become an order; a job that draws nothing has a result instead."""
    assert kind in BUILDERS
    assert KINDS[kind].draws or kind in {**OF_PICTURES, **OF_FILES}
    assert spec(kind).work > 0
    assert spec(kind).rows_total > 0 or KINDS[kind].summary is not None


def test_kind_combines_what_several_of_its_bases_define(
    subtests: pytest.Subtests,
) -> None:
    """No base calls the next one, so a method that two of them define is the kind's
    own."""
    for kind in ALL_KINDS:
        for method in ["for_model", "fits", "job_fields"]:
            with subtests.test(kind=kind, method=method):
                options = ALL_KINDS[kind].options
                bases = [
                    base
                    for base in options.__mro__[1:]
                    if method in vars(base) and base is not Options
                ]
                most_derived = [
                    base
                    for base in bases
                    if not any(
                        issubclass(other, base) for other in bases if other is not base
                    )
                ]
                assert len(most_derived) < 2 or method in vars(options)


@pytest.mark.parametrize(
    ("kind", "changes", "rows", "work"),
    [
        ("sample", {}, 2 * H, 2 * H * W * C),
        ("complete", {"filled_pixels": 5}, 2 * H, 2 * 5 * C),
        ("complete", {"filled_pixels": 5, "method": "posterior"}, 2 * H, 2 * 5 * C),
        (
            "complete",
            {
                "filled_pixels": 5,
                "method": "posterior",
                "given_behind": 1,
                "particles": 8,
                "sweeps": 2,
            },
            2 * H,
            int(
                2
                * (5 + 1)
                * C
                * 8
                * (1 + 2 * (1 + (1 + 4 * (5 / (H * W)) ** 0.5) ** 2 / 3))
            ),
        ),
        ("score", {"n": 1}, 0, W * C),
        ("score", {"n": 1, "options": {"x": 0, "y": 0}}, 0, 2 * W * C),
        ("encode", {"members": 3}, 0, 3 * 2 * H * W * C),
        ("decode", {}, 2 * H, 2 * H * W * C),
    ],
)
def test_job_costs_what_is_computed_one_after_the_other(
    kind: str, changes: dict[str, object], rows: int, work: int
) -> None:
    """A value for each colour of a pixel that is drawn, or that a particle passes; a pass over a picture counts as one
    row."""
    assert (spec(kind, **changes).rows_total, spec(kind, **changes).work) == (
        rows,
        work,
    )


@pytest.mark.parametrize(
    ("kind", "small_is_drawn"),
    [("sample", True), ("complete", True), ("upsample", False)],
)
def test_small_image_counts_when_the_model_draws_it(
    kind: str, small_is_drawn: bool
) -> None:
    """Of a Multi-Scale model, unless it is given."""
    asked = spec(kind, small_height=SMALL_H, small_width=SMALL_W)
    assert asked.draws_small == small_is_drawn
    assert asked.rows_total == 2 * (H + SMALL_H * small_is_drawn)
    assert asked.work == 2 * C * (H * W + SMALL_H * SMALL_W * small_is_drawn)


def test_particles_of_a_classification_are_bounded_over_all_labels_together() -> None:
    """A hundred labels have twenty each, where ten may have 204; more are refused, and the usual number is cut."""
    card = SCORER.model_copy(update={"max_particles": 256})
    hundred = card.model_copy(
        update={"labels": tuple(Label(name=str(i), prior=0.01) for i in range(100))}
    )
    ten = card.model_copy(
        update={"labels": tuple(Label(name=str(i), prior=0.1) for i in range(10))}
    )
    assert ClassifyOptions().for_model(hundred, 1).particles == 20
    assert ClassifyOptions().for_model(ten, 1).particles == 32
    assert ClassifyOptions(particles=204).for_model(ten, 1).particles == 204
    for model, particles in ((hundred, 21), (ten, 205)):
        with pytest.raises(BadOptionError, match="expected at most"):
            ClassifyOptions(particles=particles).for_model(model, 1)
