"""How many images of a model are drawn at once, in how many threads, and how many
particles: computed from the memory for slots."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from model_core.errors import ModelError
from model_core.measures.picture_score import pass_bytes
from model_core.models import Model
from model_core.posterior.chain import sizes_of
from model_core.posterior.islands import CHAINS
from model_core.posterior.particles import SWEEPS_AT_ONCE
from model_core.sampling.stages import (
    draws_in_threads,
    guide_bytes,
    guide_scratch_bytes,
    scratch_bytes,
    seats,
    slot_bytes,
)
from worker.contract.kinds.complete import MAX_PARTICLES

MIB = 2**20
KEPT_STATES = 4
"""States that are kept after the given rows of completed pictures: more completions of
the same picture begin after them."""

FEWEST_EACH = 4
"""A model uses fewer threads rather than fewer slots than this in each, because four
pixels are computed as fast as one."""

LEAST_OF_PARTICLES = 3 / 4
"""Several threads must leave this part of the particles that one thread allows;
otherwise fewer threads are used."""
PART_FOR_PARTICLES = 4
"""Particles may have one in so many bytes of a model's share; slots have the rest."""
PART_FOR_PASSES = 8
"""Pictures that further threads score may have one in so many bytes, or what slots and
particles leave."""
PART_FOR_SWEEPS = 2
"""The same of particles of which two sweeps are drawn at the same time."""


@dataclass(frozen=True)
class SlotPlan:
    """How many images of one model are drawn at once, and in how many threads.

    The worker's settings make a plan for all models; `fitted` adapts it to one model.
    """

    slots: int
    """Slots for images of any job; in a plan for all models, 0 stands for as many as
    each model draws fastest."""
    express: int
    """Further slots for the first images of jobs (Settings.express_slots)."""
    slot_memory_mib: int
    """MiB of memory for the slots of all models together."""
    particles: int = 0
    """Most particles of one image, in addition to the slots; 0 for a model without
    `posterior`."""
    kept: int = 0
    """States after given rows that fit into the remaining memory."""
    threads: int = 1
    """Most threads in which one model is drawn."""
    particle_threads: int = 1
    """Threads in which its particles are."""
    particle_sweeps: int = 1
    """Sweeps of particles that are drawn at the same time."""
    passes: int = 1
    """Pictures that are scored at the same time."""

    def share(self, models: int) -> int:
        """Return the bytes for the slots of each model, if there are this many."""
        return self.slot_memory_mib * MIB // models

    def fitted(
        self,
        slot_bytes: int,
        share: int,
        particle_bytes: int = 0,
        begun_again: int = 0,
        scratch_bytes: int = 0,
        particle_scratch: int = 0,
        pass_bytes: int = 0,
    ) -> "SlotPlan":
        """Return the plan for a model: as many particles as a quarter of its share
        holds, and as many slots as the rest does.

        slot_bytes, particle_bytes, pass_bytes: of one slot, of one particle, and of one
            picture that is scored.
        share: bytes for all of these.
        begun_again: particles for which there must be room.
        scratch_bytes: of the arrays of a thread beside those of its slots.
        particle_scratch: the same of the networks that draw particles. That of their
            first thread, and the pass_bytes of the first picture, count as the worker's
            other memory.
        """
        planned = _Particles()
        if particle_bytes:
            planned = _planned_particles(
                share, particle_bytes, begun_again, particle_scratch, self.threads
            )
        particles, threads = planned.most, planned.threads
        rest = share
        if particles:
            its_bytes = particle_bytes * planned.sweeps
            rest -= max(particles, begun_again) * its_bytes + planned.beside
        passes, of_passes = 1, 0
        if pass_bytes and self.threads > 1:
            room = max(share // PART_FOR_PASSES, rest - share // 2)
            passes = min(self.threads, 1 + room // pass_bytes)
            of_passes = (passes - 1) * pass_bytes
        memory = max(slot_bytes, max(share // 2, rest) - of_passes)
        room = most_slots(memory, slot_bytes, scratch_bytes, self.threads)
        fit = min(self.slots + self.express, room)
        express = min(self.express, fit - 1)
        return replace(
            self,
            slots=fit - express,
            express=express,
            particles=particles,
            kept=min(KEPT_STATES, room - fit),
            particle_threads=threads,
            particle_sweeps=planned.sweeps,
            passes=passes,
        )


def plan_for(name: str, model: Model, plan: SlotPlan, share: int) -> SlotPlan:
    """Return the plan for one model. Raises ModelError if one of its images needs more
    than `share`.

    plan: for all models.
    share: bytes that this model may take.
    """
    size = slot_bytes(model)
    if size > share:
        raise ModelError(
            f"one image of {name} takes {size / MIB:.1f} MiB while it is drawn, "
            f"and its share is {share / MIB:.1f}: "
            "raise PIXELRNN_SLOT_MEMORY_MIB, or serve fewer models"
        )
    particle_bytes = (
        0 if model.config.multi_scale else (size + guide_bytes(model)) // CHAINS
    )
    most = sizes_of(1, len(model.members), model.config.dimensions)[-1]
    scratch = scratch_bytes(model)
    of_model = size, share, particle_bytes, CHAINS * most, scratch
    particle_scratch = scratch + guide_scratch_bytes(model)
    threads = plan.threads if draws_in_threads(model) else 1
    of_pass = pass_bytes(model)
    while True:
        slots = plan.slots or seats(model) * threads
        wanted = replace(plan, slots=slots, threads=min(threads, slots + plan.express))
        fitted = wanted.fitted(*of_model, particle_scratch, of_pass)
        enough = min(FEWEST_EACH * threads, slots + plan.express)
        if threads == 1 or fitted.slots + fitted.express >= enough:
            return fitted
        threads -= 1


def most_slots(
    memory: int, slot_bytes: int, scratch_bytes: int, threads: int = 1
) -> int:
    """Return how many slots fit into `memory` bytes, at least one.

    scratch_bytes: of each thread, however many slots it has.
    """
    slots = (memory - threads * scratch_bytes) // slot_bytes
    if threads > 1:
        slots -= threads
    return max(1, slots)


class _Particles(NamedTuple):
    """How a model's particles are drawn."""

    most: int = 0
    threads: int = 1
    sweeps: int = 1
    """Sweeps that are drawn at the same time, each by half of the particles: as many times
    the memory."""
    beside: int = 0
    """Bytes beside those of the particles, in threads other than the first."""


def _planned_particles(
    share: int, particle_bytes: int, begun_again: int, scratch: int, threads: int
) -> _Particles:
    """Return how particles are drawn in at most so many threads. See SlotPlan.fitted."""
    most = _most_particles(share // PART_FOR_PARTICLES, particle_bytes)
    least = most * LEAST_OF_PARTICLES
    of_both = particle_bytes * SWEEPS_AT_ONCE
    for several in range(threads - threads % SWEEPS_AT_ONCE, 1, -SWEEPS_AT_ONCE):
        # Each thread may have a slot more than its share (particles.slots_of_sweeps).
        beside = (several - 1) * scratch
        beside += (several - SWEEPS_AT_ONCE) * particle_bytes * CHAINS
        part = share // PART_FOR_SWEEPS - beside
        particles = min(most, _most_particles(part, of_both))
        if particles >= least and begun_again * of_both <= part:
            return _Particles(particles, several, SWEEPS_AT_ONCE, beside)
    for several in range(threads, 1, -1):
        beside = (several - 1) * scratch
        part = share // PART_FOR_PARTICLES - beside
        particles = _most_particles(part, particle_bytes)
        if particles >= least:
            return _Particles(particles, several, 1, beside)
    return _Particles(most)


def _most_particles(memory: int, particle_bytes: int) -> int:
    return min(MAX_PARTICLES, max(0, memory // particle_bytes))
