"""Every shipped model draws the same bytes in any number of threads, within the memory
that is planned for it."""

from pathlib import Path

import numpy as np
import pytest

from model_core import load_model, sample
from model_core.codec.codec import has_codec
from model_core.models_directory import cards_in, default_models_dir
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.compiled.threaded import ThreadedStage
from model_core.sampling.engine import Engine
from model_core.sampling.stages import stage_bytes
from tests.model_core.drawn import (
    COUNTS,
    arrays_of,
    by_particles,
    coded,
    drawn_in_company,
    expect_same,
    threads,
)

MODELS = sorted(card.parent for card in cards_in(default_models_dir()))
PARTICLES = 8

pytestmark = [pytest.mark.weekly, pytest.mark.timeout(1800)]


def _name(place: Path) -> str:
    return place.name


@pytest.mark.parametrize("place", MODELS, ids=_name)
def test_shipped_models_have_the_bytes_of_one_thread(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In company, weighed, resumed; encoded and decoded; by particles."""
    monkeypatch.setattr(ThreadedStage, "worth_s", 0.0)
    model = load_model(place)
    expected = drawn_in_company(model, 1)
    images = sample(model, 5, 3)
    has_particles = not model.config.multi_scale
    of_particles = by_particles(model, 1, PARTICLES) if has_particles else None
    file = coded(model, 1, images) if has_codec(model) else b""
    for count in COUNTS[1:]:
        with threads(count):
            expect_same(drawn_in_company(model, count), expected)
            assert (sample(model, 5, 3) == images).all()
        if has_codec(model):
            assert coded(model, count, images) == file
        if of_particles is not None:
            values, receipt, mean = by_particles(model, count, PARTICLES)
            np.testing.assert_array_equal(values, of_particles[0])
            assert receipt == of_particles[1]
            np.testing.assert_array_equal(mean, of_particles[2])


@pytest.mark.parametrize("place", MODELS, ids=_name)
@pytest.mark.parametrize("count", [1, 2, 8, 16])
def test_shipped_models_take_the_planned_memory(place: Path, count: int) -> None:
    """The bytes of all arrays of an engine are those of the plan."""
    model = load_model(place)
    engine = Engine(model, 16, threads=count)
    made = 0
    for part in (part for each in engine._members for part in each.stages):
        for stage in part._stages if isinstance(part, ThreadedStage) else [part]:
            assert isinstance(stage, CompiledStage)
            made += arrays_of(stage)
    assert stage_bytes(model, 16, count) == made
