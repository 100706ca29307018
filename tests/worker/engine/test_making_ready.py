"""The order in which models are made ready."""

import shutil
from pathlib import Path

import pytest

from model_core import load_model, save_model, untrained
from model_core.compiled import keeping
from tests.worker.engine.bad_models import SIZE
from worker.engine.compiling import COMPILER_BYTES, compilers_at_once, make_ready
from worker.engine.model_pool import ModelPool
from worker.engine.slot_plan import SlotPlan


def test_model_that_a_job_waits_for_is_made_ready_before_the_others(
    tmp_path: Path,
) -> None:
    """By its identity or by the sha256 of its weights; which one a job names is seen when the next model is chosen."""
    for seed, name in enumerate("abcd"):
        save_model(untrained("mnist-pixelcnn", seed=seed, **SIZE), tmp_path / name)
    models = {name: load_model(tmp_path / name) for name in "abcd"}
    pool, ready = ModelPool(models, SlotPlan(1, 0, slot_memory_mib=64)), []

    def tell(name: str) -> None:
        ready.append(name)
        if name == "a":
            assert not pool.prioritise("d", models["c"].card.identity)
            assert pool.prioritise("d", models["d"].card.identity)
            assert pool.prioritise("c", models["c"].card.sha256)

    make_ready(pool, {name: tmp_path / name for name in models}, (), tell)
    assert ready == ["a", "c", "d", "b"]


def test_all_models_draw_before_loops_that_score_are_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier start that ended early has kept the loops that draw, and none that score."""
    without = shutil.ignore_patterns("scans-*")
    shutil.copytree(keeping.root, tmp_path / keeping.root.name, ignore=without)
    monkeypatch.setattr(keeping, "root", tmp_path / keeping.root.name)
    names = "mnist-row-lstm", "mnist-pixelcnn"
    for name in names:
        save_model(untrained(name, **SIZE), tmp_path / name)
    models = {name: load_model(tmp_path / name) for name in names}
    pool, steps = ModelPool(models, SlotPlan(1, 0, slot_memory_mib=64)), []
    score = pool.score_blank
    monkeypatch.setattr(
        pool, "score_blank", lambda name: (steps.append(f"score {name}"), score(name))
    )
    assert not any(pool.is_cold(name) for name in names)
    assert [pool.has_cold_scores(name) for name in names] == [True, False]

    make_ready(pool, {name: tmp_path / name for name in names}, (), steps.append)
    assert steps == [
        "score mnist-pixelcnn",
        "mnist-pixelcnn",
        "mnist-row-lstm",
        "score mnist-row-lstm",
    ]


@pytest.mark.parametrize(
    ("kinds", "processors", "memory", "processes"),
    [
        (3, 16, 400, 6),  # one for each function
        (3, 4, 400, 4),
        (3, 16, 12, 3),  # a quarter of the memory
        (1, 16, 400, 2),
        (3, 1, 400, 2),  # a kind is ready when both its functions are
        (3, 16, 1, 2),
    ],
)
def test_as_many_processes_compile_as_processors_and_memory_allow(
    kinds: int, processors: int, memory: int, processes: int
) -> None:
    """memory: that of so many compilers."""
    found = compilers_at_once(kinds, processors, memory * COMPILER_BYTES)
    assert found == processes
