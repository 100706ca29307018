"""Memory for particles is there while it is of use."""

import gc

import numpy as np

from model_core import untrained
from model_core.posterior.particles import StageParticles
from tests.fakes import Outlet
from worker.engine.activities.activity import Surroundings
from worker.engine.activities.particles import ByParticles
from worker.engine.deadlines import Deadlines
from worker.engine.model_pool import ModelPool
from worker.engine.slot_plan import SlotPlan
from worker.engine.usage_reports import UsageReports
from worker.orders.claims import Claim
from worker.orders.completion import ParticleOrder
from worker.orders.drawing import Hole
from worker.orders.images import GivenImage

HEIGHT, WIDTH = 8, 6
MODEL = untrained(
    "mnist-pixelcnn", seed=1, layers=1, hidden=2, head=2, height=HEIGHT, width=WIDTH
)
MODEL.network.double()  # drawn by plain code: nothing has to be compiled
KEEP = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 5 != 1
HOLE = Hole(GivenImage(np.ones((1, HEIGHT, WIDTH), np.int64), KEEP), 1.0, 3)


def order(token: str) -> ParticleOrder:
    return ParticleOrder(
        Claim(token, token, last_seq=0),
        "m",
        2,
        HOLE,
        particles=8,
        sweeps=0,
        published=(0,),
    )


def stages() -> int:
    gc.collect()
    return sum(type(thing) is StageParticles for thing in gc.get_objects())


def test_memory_for_particles_is_freed_when_weights_were_exchanged() -> None:
    """Once the last job of these weights is done; that of served ones stays for the next job."""
    served = ["m"]
    pool, outlet = ModelPool({"m": MODEL}, SlotPlan(1, 0, slot_memory_mib=64)), Outlet()
    around = Surroundings(
        outlet,
        Deadlines(),
        UsageReports(["m"], outlet.report_usage),
        lambda: None,
        served,
    )
    by_particles = ByParticles(
        around, lambda assessment: None, pool.islands, pool.free_particles
    )
    before = stages()

    def draw(token: str, retire: bool) -> None:
        by_particles.accept(order(token))
        for name in iter(lambda: next(iter(by_particles.busy()), None), None):
            by_particles.turn(name)
            if (
                retire and served and by_particles.busy()
            ):  # counting looks at all that there is, so once
                served.clear()
                by_particles.free_if_idle("m")
                assert stages() > before

    draw("first", retire=False)
    assert stages() > before
    draw("second", retire=True)
    assert stages() == before
    served.append("m")
    draw("third", retire=False)
    assert stages() > before
    by_particles.free_if_idle("m")
    assert stages() == before
