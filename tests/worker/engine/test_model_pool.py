"""How many images of each model are drawn at once."""

from dataclasses import replace

import pytest

from model_core import untrained
from model_core.errors import ModelError
from model_core.sampling.stages import scratch_bytes, slot_bytes, stage_bytes
from worker.contract.traits import Method
from worker.engine.model_pool import MOST_FURTHER, ModelPool
from worker.engine.slot_plan import MIB, SlotPlan

TINY = {"layers": 1, "hidden": 2, "head": 2, "height": 5, "width": 4}


def test_all_slots_are_there_when_the_memory_is_large() -> None:
    """Ordinary and express ones."""
    pool = ModelPool(
        {"m": untrained("mnist-pixelcnn", **TINY)}, SlotPlan(6, 2, slot_memory_mib=64)
    )
    assert (pool.plans["m"].slots, pool.plans["m"].express) == (6, 2)
    assert pool.engine("m").free == 8


@pytest.mark.parametrize(
    ("fit", "slots", "express", "kept"),
    [
        (1, 1, 0, 0),
        (2, 1, 1, 0),
        (3, 1, 2, 0),
        (7, 5, 2, 0),
        (8, 6, 2, 0),
        (10, 6, 2, 2),
        (100, 6, 2, 4),
    ],
)
def test_slots_are_fewer_when_the_share_is_small(
    fit: int, slots: int, express: int, kept: int
) -> None:
    """As many as it holds; a large job keeps one, express slots come next, then the others, and states that are kept
    for pictures to come take what is left."""
    plan = SlotPlan(6, 2, slot_memory_mib=1).fitted(
        slot_bytes=1000, share=1000 * fit + 999
    )
    assert (plan.slots, plan.express, plan.kept) == (slots, express, kept)


def test_model_is_refused_when_one_image_does_not_fit() -> None:
    """Before the engine is made, with the two sizes and what to do."""
    models = {
        f"m{i}": untrained("mnist-row-lstm", layers=7, hidden=32, head=2)
        for i in range(2)
    }
    need = slot_bytes(models["m0"])
    assert need > MIB // 2
    with pytest.raises(
        ModelError,
        match=rf"m0 takes {need / MIB:.1f} MiB .* share is 0.5: raise PIXELRNN_SLOT_MEMORY",
    ):
        ModelPool(models, SlotPlan(1, 0, slot_memory_mib=1))


def test_arithmetic_is_named_when_models_are_loaded() -> None:
    """What jobs say that they were drawn with: compiled in single precision on a CPU."""
    assert (
        ModelPool(
            {"m": untrained("mnist-row-lstm", **TINY)},
            SlotPlan(1, 0, slot_memory_mib=64),
        ).numerics
        == "cpu-compiled"
    )
    exact = untrained("mnist-row-lstm", **TINY)
    exact.network.double()
    assert (
        ModelPool({"m": exact}, SlotPlan(1, 0, slot_memory_mib=64)).numerics
        == "cpu-pass"
    )


def test_many_models_may_come_while_a_worker_runs() -> None:
    """Forty find room, in a quarter of the memory together; what one leaves is there for the next, which needs some."""
    model = untrained(
        "mnist-pixelcnn", seed=1, height=14, width=14, layers=2, hidden=8, head=8
    )
    size = slot_bytes(model)
    memory = -(-size * 4 * 2 * MOST_FURTHER // MIB)
    pool = ModelPool(
        {"begun": untrained("mnist-pixelcnn", **TINY)},
        SlotPlan(4, 0, slot_memory_mib=memory),
    )
    names = [f"m{k:02}" for k in range(MOST_FURTHER)]
    for name in names:
        pool.add(replace(model, card=replace(model.card, name=name, sha256=name)))
    taken = sum(
        (plan.slots + plan.kept) * size
        for called, plan in pool.plans.items()
        if called != "begun"
    )
    assert taken <= memory * MIB // 4 + size
    for name in names[:20]:
        pool.forget(name)
    assert (
        pool.add(
            replace(model, card=replace(model.card, name="late", sha256="late"))
        ).name
        == "late"
    )


@pytest.mark.parametrize(
    ("share", "particles", "slots"),
    [(40_000, 10, 8), (400_000, 100, 8), (8_000, 2, 6), (3000, 0, 3)],
)
def test_particles_have_a_quarter_of_the_share_when_a_model_has_any(
    share: int, particles: int, slots: int
) -> None:
    """Slots have the rest. With room for none, the model has no posterior."""
    plan = SlotPlan(6, 2, slot_memory_mib=1).fitted(1000, share, particle_bytes=1000)
    assert (plan.particles, plan.slots + plan.express) == (particles, slots)
    assert SlotPlan(6, 2, slot_memory_mib=1).fitted(1000, share).particles == 0


@pytest.mark.parametrize(("begun_again", "slots"), [(0, 6), (3, 5), (100, 4)])
def test_particles_that_begin_again_take_memory_from_slots(
    begun_again: int, slots: int
) -> None:
    """However few are asked for; half of the share is left."""
    plan = SlotPlan(6, 2, slot_memory_mib=1).fitted(1000, 8000, 1000, begun_again)
    assert (plan.particles, plan.slots + plan.express) == (2, slots)


def test_card_says_what_the_model_offers_when_it_is_loaded() -> None:
    """Title, members, methods and particles; a Multi-Scale model is clamped only."""
    scales = {
        "small_layers": 1,
        "small_hidden": 6,
        "conditioning": 4,
        "height": 6,
        "width": 4,
        "factor": 2,
    }
    sizes = {"layers": 1, "hidden": 6, "head": 4, "values": 4}
    models = {
        "one": untrained("mnist-pixelcnn", **TINY),
        "scales": untrained("cifar10-multi-scale", **sizes, **scales),
    }
    cards = ModelPool(models, SlotPlan(2, 0, slot_memory_mib=64)).cards
    assert (cards["one"].title, cards["one"].members) == ("PixelCNN", ("none",))
    assert (cards["one"].methods, cards["one"].max_particles) == (
        (Method.POSTERIOR, Method.CLAMP),
        256,
    )
    assert (cards["scales"].methods, cards["scales"].max_particles) == (
        (Method.CLAMP,),
        0,
    )


def test_without_a_number_each_model_has_the_slots_that_are_drawn_fastest() -> None:
    """Sixteen of a small network, and fewer of one whose state would fill the caches."""
    tiny = untrained("mnist-row-lstm", **TINY)
    wide = untrained(
        "mnist-pixelcnn", layers=6, hidden=16, head=16, height=96, width=96
    )
    pool = ModelPool({"tiny": tiny, "wide": wide}, SlotPlan(0, 2, slot_memory_mib=2048))
    assert pool.plans["tiny"].slots == 16
    assert (pool.plans["wide"].slots, pool.plans["wide"].express) == (4, 2)


def test_slots_are_those_of_each_thread_when_no_number_is_named() -> None:
    """Sixteen for each; express ones and kept states count once. A model that plain torch
    draws from stays on one thread."""
    exact = untrained("mnist-row-lstm", **TINY)
    exact.network.double()
    models = {"tiny": untrained("mnist-row-lstm", **TINY), "exact": exact}
    plans = ModelPool(models, SlotPlan(0, 2, 2048, threads=3)).plans
    tiny = plans["tiny"]
    assert (tiny.threads, tiny.slots, tiny.express, tiny.kept) == (3, 48, 2, 4)
    assert (plans["exact"].threads, plans["exact"].slots) == (1, 16)


@pytest.mark.parametrize(("fit", "threads"), [(100, 8), (20, 4), (9, 2), (3, 1)])
def test_threads_are_fewer_before_each_has_fewer_than_four_slots(
    fit: int, threads: int
) -> None:
    """The memory holds so many slots of one thread; each further thread takes some."""
    model = untrained(
        "mnist-pixelcnn", seed=1, height=28, width=28, layers=4, hidden=16, head=16
    )
    size, scratch = slot_bytes(model), scratch_bytes(model)
    memory = -(-(scratch + fit * size + 2 * size) // MIB)
    multi = SlotPlan(64, 0, slot_memory_mib=memory, threads=8)
    plan = ModelPool({"m": model}, multi).plans["m"]
    assert plan.threads <= threads
    assert plan.threads == 1 or plan.slots >= 4 * plan.threads
    taken = stage_bytes(model, plan.slots + plan.kept, plan.threads)
    assert taken <= memory * MIB


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 16])
def test_particles_are_drawn_in_fewer_threads_before_a_quarter_of_them_is_lost(
    threads: int,
) -> None:
    """What further threads take for themselves comes out of their memory."""
    share, scratch = 400_000, 15_000

    def plan(count: int) -> SlotPlan:
        multi = SlotPlan(6, 2, slot_memory_mib=1, threads=count)
        return multi.fitted(1000, share, 1000, particle_scratch=scratch)

    one, several = plan(1), plan(threads)
    assert several.particles >= 0.75 * one.particles
    further = (several.particle_threads - 1) * scratch
    # Two sweeps at the same time take the memory twice, of half of the share.
    taken = several.particles * 1000 * several.particle_sweeps + further
    assert taken <= share // (2 if several.particle_sweeps == 2 else 4)
    # More than four would leave too few of them, and each sweep has as many threads.
    assert several.particle_threads == {1: 1, 2: 2, 3: 2}.get(threads, 4)


@pytest.mark.parametrize(
    ("pass_bytes", "passes"), [(1000, 8), (25_000, 3), (80_000, 1)]
)
def test_pictures_scored_at_once_take_memory_from_slots(
    pass_bytes: int, passes: int
) -> None:
    """Only those of further threads: one thread's are left to the memory beside. No
    particle is lost to them."""

    def plan(threads: int, pass_bytes: int) -> SlotPlan:
        most = SlotPlan(900, 0, slot_memory_mib=1, threads=threads)
        return most.fitted(1000, 400_000, 1000, pass_bytes=pass_bytes)

    assert plan(1, pass_bytes) == plan(1, 0)
    several, without = plan(8, pass_bytes), plan(8, 0)
    assert several.passes == passes
    assert several.particles == without.particles
    taken = without.slots + without.kept - several.slots - several.kept
    assert taken * 1000 == (passes - 1) * pass_bytes
