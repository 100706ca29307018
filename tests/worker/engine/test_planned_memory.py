"""The memory that is planned for the shipped models holds what their engines and particles
take, in any number of threads."""

import subprocess
import sys

import pytest

from model_core import load_model
from model_core.measures.picture_score import pass_bytes
from model_core.models_directory import cards_in, default_models_dir
from model_core.networks import PixelNetwork
from model_core.posterior.islands import CHAINS
from model_core.posterior.particles import slots_of_sweeps
from model_core.sampling.compiled.stage import state_bytes
from model_core.sampling.compiled.threaded import threaded_bytes
from model_core.sampling.stages import networks_of, stage_bytes
from worker.engine.model_pool import ModelPool
from worker.engine.slot_plan import SlotPlan
from worker.settings import Settings

pytestmark = [pytest.mark.weekly, pytest.mark.timeout(1800)]

COUNTS = (1, 2, 8, 16)


def test_shipped_models_fit_into_their_shares() -> None:
    """Slots, kept states and particles together, but for what the first thread of
    particles has beside them; two threads leave three quarters of the particles."""
    places = [card.parent for card in cards_in(default_models_dir())]
    models = {place.name: load_model(place) for place in places}
    memory = Settings().slot_memory_mib
    most = dict.fromkeys(models, 0)
    for count in COUNTS:
        pool = ModelPool(models, SlotPlan(0, 4, memory, threads=count))
        share = SlotPlan(0, 4, memory).share(len(models))
        for name, model in models.items():
            plan = pool.plans[name]
            slots = plan.slots + plan.express + plan.kept
            taken = stage_bytes(model, slots, plan.threads)
            size, first = plan.particles // CHAINS, 0
            guides = [guide for guide in model.guides if guide not in model.members]
            for member in (*model.members, *guides) if plan.particles else ():
                for network in networks_of(member.network):
                    assert isinstance(network, PixelNetwork)
                    threads = plan.particle_threads
                    if plan.particle_sweeps == 1:
                        taken += threaded_bytes(network, size, threads, 0)
                    else:
                        slots_of = slots_of_sweeps(size, threads)
                        taken += sum(state_bytes(network, each) for each in slots_of)
                    first += threaded_bytes(network, 0, 1)
            taken += (plan.passes - 1) * pass_bytes(model)
            assert count < 2 or plan.passes >= 2, (name, count)
            assert taken <= share + first, (name, count)
            assert plan.threads == 1 or slots >= 4 * plan.threads, (name, count)
            most[name] = most[name] or plan.particles
            assert plan.particles >= 0.75 * most[name], (name, count)


MEASURE = """
import ctypes, sys
import numpy as np, torch
from model_core import load_model
from model_core.measures.picture_score import pass_bytes, score_picture

def kibibytes(word):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word))

torch.set_num_threads(1)
libc = ctypes.CDLL("libc.so.6")
libc.mallopt(-3, 65536)  # larger blocks go back to the system at once
for place in sys.argv[1:]:
    model = load_model(place)
    config = model.config
    shape = config.channels, config.height, config.width
    picture = np.random.default_rng(0).integers(0, config.values, shape)
    score_picture(model, picture)  # loads the code
    libc.malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # forget the peak
    before = kibibytes("VmRSS")
    score_picture(model, picture)
    print(place, 1024 * (kibibytes("VmHWM") - before), pass_bytes(model))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_pass_takes_no_more_memory_than_planned() -> None:
    """Of a picture of each shipped model, beside its weights."""
    places = [str(card.parent) for card in cards_in(default_models_dir())]
    command = [sys.executable, "-c", MEASURE, *places]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(places)
    for line in lines:
        place, taken, planned = line.rsplit(maxsplit=2)
        assert int(taken) <= int(planned), place
