"""What an island needs of whatever draws its particles, and the class that draws them
in a stage."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.networks.pixel_network import PixelNetwork
from model_core.posterior.island import Parents
from model_core.posterior.plan import Stop
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.compiled.threaded import ThreadedStage
from model_core.sampling.compiled.threads import threads_in_use
from model_core.sampling.compiled.weights import prepared
from model_core.sampling.main_memory import in_main_memory
from model_core.sampling.stage import Drawing
from model_core.sampling.stages import new_stage, stage_for

SWEEPS_AT_ONCE = 2
"""Sweeps that are drawn at the same time: those of the two chains of an image."""


@dataclass(frozen=True)
class Particle:
    """What one particle is drawn from. A particle is one of several unfinished images
    that are drawn side by side; each has a weight. Arrays are in the orientation of the
    network that draws.

    noise: (H, W, C), in [0, 1).
    known, keep: values (C, H, W), and bool (H, W), True for given pixels.
    label: index of its label, in a network with labels; otherwise None.
    """

    noise: NDArray[np.float64]
    known: NDArray[np.int64]
    keep: NDArray[np.bool_]
    label: int | None = None


class Particles(Protocol):
    """Draws the images of several particles, unfinished images, side by side from stop
    to stop, so that all are at the same pixel. StageParticles draws them with a
    network; tests use others."""

    def begin(
        self, particles: list[Particle], weighed: NDArray[np.bool_], temperature: float
    ) -> None:
        """Drop what was drawn before, and begin at least one particle; they are
        numbered 0, 1, ... Rows that are given whole may be computed already, once for
        all particles of a label: rows before the first weighed or missing pixel must be
        equal in all of them. The last particle has the given pixels that all share; one
        before it may be a whole image that is retained.

        weighed: bool (H, W), True for given pixels whose ln p `advance` returns.
        temperature: divides the logits.
        """
        ...

    def advance(self, stop: Stop) -> NDArray[np.float64]:
        """Draw every image up to a stop. Return (N,): for each particle, ln p of the
        weighed pixels since the previous stop, each given all pixels before it."""
        ...

    def copy(self, parents: Parents) -> None:
        """Give image i the state of image parents[i], for each i.

        parents: (N,); a particle that is copied keeps its own place:
            parents[parents[i]] = parents[i].
        """
        ...

    def narrow(self, left: NDArray[np.int64]) -> None:
        """Continue with only the images with these indices, in this order, which become
        images 0, 1, ..."""
        ...

    def images(self) -> NDArray[np.int64]:
        """Return the values (N, C, H, W) of all images, as a copy; pixels that are not
        drawn yet have any value."""
        ...


class StageParticles:
    """Particles in the slots of a stage (sampling/stage.py), which draws with one
    network; the protocol `Particles` describes the methods. Rows that are given to all
    particles of a label are computed only once.

    size: maximum number of particles.
    """

    def __init__(
        self,
        network: PixelNetwork,
        size: int,
        threads: int | None = None,
        stage: ThreadedStage | None = None,
    ) -> None:
        """Make the stage, without a particle.

        network: draws the particles.
        size: maximum number of particles.
        threads: maximum number of threads that draw, which only compiled code uses.
            Default: the number that the calling thread passed to `use_threads`, else 1.
        stage: with at least `size` slots; None for a new one.
        """
        self.size = size
        # No slot is spare: particles begin together and end together.
        self._stage = stage or new_stage(network, size, threads, spare=0)
        self._width = network.config.width
        self._slots = list(range(size))
        self._log_p = np.zeros(size)
        self._first_weighed = 0
        """The first row with a weighed pixel; 0 if there is none."""

    def begin(
        self, particles: list[Particle], weighed: NDArray[np.bool_], temperature: float
    ) -> None:
        with torch.inference_mode():
            if isinstance(self._stage, ThreadedStage):
                self._stage.close_all()
            else:
                for slot in self._slots:
                    self._stage.close(slot)
            self._slots = list(range(len(particles)))
            self._log_p = np.zeros(len(particles))
            self._first_weighed = int(weighed.any(1).argmax())
            self._open(_drawings(particles, weighed, temperature))

    def _open(self, drawings: list[Drawing]) -> None:
        """Work through the rows before the hole in the last slot of each label, which
        has no retained image; the other slots take over its state."""
        rows = drawings[-1].given_rows
        waiting = {
            slot
            for slot, drawing in enumerate(drawings)
            if rows and drawing.given_rows == rows
        }
        leaders = {drawings[slot].label: slot for slot in sorted(waiting)}
        for slot in leaders.values():
            self._stage.open(slot, drawings[slot])
        if leaders:
            self._stage.advance(list(leaders.values()), rows - 1, self._width)

        # Slots that begin alike, by their given pixels and the slot whose state they
        # take over, are begun together.
        alike: dict[tuple[int, int | None], list[int]] = {}
        for slot, drawing in enumerate(drawings):
            leader = leaders[drawing.label] if slot in waiting else None
            if slot != leader:
                alike.setdefault((id(drawing.keep), leader), []).append(slot)
        for (_, leader), slots in alike.items():
            of_slots = [drawings[slot] for slot in slots]
            if leader is None:
                self._stage.open_all(slots, of_slots)
            else:
                self._stage.fork_all(leader, slots, of_slots)

    def advance(self, stop: Stop) -> NDArray[np.float64]:
        with torch.inference_mode():
            log_p = self._stage.advance(self._slots, stop.y, stop.x)
        # ln p of the other rows is 0: they have no weighed pixel, or none was passed.
        rows = log_p[:, self._first_weighed : stop.y + 1].tolist()
        total = np.array([math.fsum(of_image) for of_image in rows])
        passed, self._log_p = total - self._log_p, total
        return passed

    def copy(self, parents: Parents) -> None:
        copies = np.flatnonzero(parents != np.arange(len(parents)))
        if len(copies):
            slots = np.array(self._slots)
            with torch.inference_mode():
                self._stage.copy(slots[parents[copies]], slots[copies])

    def narrow(self, left: NDArray[np.int64]) -> None:
        slots = [self._slots[i] for i in left]
        for slot in set(self._slots) - set(slots):
            self._stage.close(slot)
        self._slots, self._log_p = slots, self._log_p[left]

    def images(self) -> NDArray[np.int64]:
        return self._stage.images(self._slots)


class Stages:
    """Makes and keeps the StageParticles that draw a model's particles, one set for
    each network. They are made when first needed, and made again when more particles
    are needed: that frees the memory of the former ones, which must not be used any
    more.

    Two sweeps (draws of particles through a hole) may run at the same time, one by
    `of_sweep(0)` and one by `of_sweep(1)`, each with half of the threads: Python's
    bookkeeping for one then runs while the other draws. Meanwhile nothing may be drawn
    by `of`, which uses the same slots.
    """

    def __init__(
        self, threads: int | None = None, sweeps: int = SWEEPS_AT_ONCE
    ) -> None:
        """Make no stage yet.

        threads: maximum number of threads of all stages of a network together; default:
            the number that the calling thread passed to `use_threads`, else 1.
        sweeps: number of sweeps that may run at the same time, 1 or 2, if there are at
            least as many threads. Two take twice the memory for particles.
        """
        self._threads = threads or threads_in_use()
        self._sweeps = sweeps if self._threads >= sweeps else 1
        self._made: dict[PixelNetwork, list[StageParticles]] = {}
        self._making = Lock()

    def sweeps_at_once(self, networks: Iterable[PixelNetwork]) -> int:
        """Return how many sweeps of these networks may run at the same time: 2 if there
        are enough threads, `sweeps` allows it, and compiled loops draw all the networks
        on the CPU; otherwise 1."""
        compiled = all(stage_for(each) is CompiledStage for each in networks)
        return self._sweeps if compiled else 1

    def of(self, network: PixelNetwork, size: int) -> StageParticles:
        """Return what draws up to `size` particles of a network, with all threads. Each
        call returns the same object until more particles are needed, so only one sweep
        may use it at a time."""
        return self._of(network, size)[0]

    def of_sweep(self, number: int) -> Callable[[PixelNetwork, int], StageParticles]:
        """Return a function (network, size) -> StageParticles that takes the place of
        `of` for sweep `number`, 0 or 1, of two at the same time. Use it only if
        `sweeps_at_once` returns 2 for the network."""
        return lambda network, size: self._of(network, size)[1 + number]

    def _of(self, network: PixelNetwork, size: int) -> list[StageParticles]:
        with self._making:
            if network not in self._made or self._made[network][0].size < size:
                self._made.pop(network, None)  # first, so that its memory is free
                self._made[network] = self._new(network, size)
            return self._made[network]

    def _new(self, network: PixelNetwork, size: int) -> list[StageParticles]:
        if self.sweeps_at_once([network]) == 1:
            return [StageParticles(network, size, self._threads)]
        # The loops cannot read weights on a GPU, so arrays are made from the copy.
        readable = in_main_memory(network)
        stages = [
            CompiledStage(readable, slots, prepared(readable))
            for slots in slots_of_sweeps(size, self._threads)
        ]
        each = len(stages) // self._sweeps
        parts = [stages[first : first + each] for first in range(0, len(stages), each)]
        return [
            StageParticles(
                network, size, stage=ThreadedStage(readable, size, stages=part)
            )
            for part in (stages, *parts)
        ]


def slots_of_sweeps(size: int, threads: int) -> list[int]:
    """Return the number of slots for each drawing thread if two sweeps of `size`
    particles run at the same time: one number per thread that draws, first those of
    sweep 0, then as many of sweep 1. All numbers are equal; those of one sweep add up
    to at least `size`. With an odd number of threads, one thread has no entry.

    threads: at least 2.
    """
    of_each = threads // SWEEPS_AT_ONCE
    return [-(-size // of_each)] * (of_each * SWEEPS_AT_ONCE)


def _drawings(
    particles: Sequence[Particle], weighed: NDArray[np.bool_], temperature: float
) -> list[Drawing]:
    found: list[Drawing] = []
    # Nearly all particles have the same given pixels, whose tensors are made once.
    first: dict[tuple[int, int], Drawing] = {}
    for particle in particles:
        given = id(particle.known), id(particle.keep)
        noise = torch.from_numpy(particle.noise)
        if given not in first:
            first[given] = Drawing(
                noise,
                temperature,
                torch.from_numpy(particle.known),
                torch.from_numpy(particle.keep),
                weighed=torch.from_numpy(weighed),
            )
        found.append(first[given].with_noise(noise, particle.label))
    return found
