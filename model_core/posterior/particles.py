"""The words between an island and whatever draws its particles: pixels up to a stop, ln p of what is given, and
copies."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.networks.pixel_network import PixelNetwork
from model_core.posterior.island import Parents
from model_core.posterior.plan import Stop
from model_core.sampling.stage import Drawing
from model_core.sampling.stages import new_stage


@dataclass(frozen=True)
class Particle:
    """One of an island's particles: noise (H, W, C), known (C, H, W) values where keep (H, W) is True; its label."""

    noise: NDArray[np.float64]
    known: NDArray[np.int64]
    keep: NDArray[np.bool_]
    label: int | None = None


class Particles(Protocol):
    """Images of one network that are drawn side by side, from a first stop to the last: one island at a time."""

    def begin(
        self, particles: list[Particle], weighed: NDArray[np.bool_], temperature: float
    ) -> None:
        """Forget what was drawn before, and begin these. weighed (H, W): given pixels whose ln p is asked for."""
        ...

    def advance(self, stop: Stop) -> NDArray[np.float64]:
        """Draw every image up to the stop; returns ln p (N,) of the weighed pixels that were passed since the last."""
        ...

    def copy(self, parents: Parents) -> None:
        """Image i goes on from where image parents[i] is; parents keep their own places."""
        ...

    def narrow(self, left: NDArray[np.int64]) -> None:
        """Go on with these images alone, in this order."""
        ...

    def images(self) -> NDArray[np.int64]:
        """(N, C, H, W) values, as far as they are drawn."""
        ...


class StageParticles:
    """Particles in the slots of a stage. Rows that are given to all of one label are worked off once."""

    def __init__(
        self, network: PixelNetwork, size: int, threads: int | None = None
    ) -> None:
        """size: how many particles there may be. threads: see `stages.new_stage`."""
        self.size = size
        # No slot is spare: particles begin together and end together.
        self._stage = new_stage(network, size, threads, spare=0)
        self._width = network.config.width
        self._slots = list(range(size))
        self._log_p = np.zeros(size)

    def begin(
        self, particles: list[Particle], weighed: NDArray[np.bool_], temperature: float
    ) -> None:
        """See Particles.begin."""
        with torch.inference_mode():
            for slot in self._slots:
                self._stage.close(slot)
            self._slots = list(range(len(particles)))
            self._log_p = np.zeros(len(particles))
            self._open(
                [_drawing(particle, weighed, temperature) for particle in particles]
            )

    def _open(self, drawings: list[Drawing]) -> None:
        """Work off the rows before the hole in the last slot of each label, which retains no image; the others take
        them over."""
        rows = drawings[-1].given_rows
        waiting = [
            slot
            for slot, drawing in enumerate(drawings)
            if rows and drawing.given_rows == rows
        ]
        leaders = {drawings[slot].label: slot for slot in waiting}
        for slot in leaders.values():
            self._stage.open(slot, drawings[slot])
            self._stage.hold(slot, rows - 1, self._width)
        if leaders:
            self._go_on()
        for slot, drawing in enumerate(drawings):
            if slot not in waiting:
                self._stage.open(slot, drawing)
            elif slot != leaders[drawing.label]:
                self._stage.fork(leaders[drawing.label], slot, drawing)

    def _go_on(self) -> None:
        """Step until every image is held or ended."""
        while self._stage.step():
            pass

    def advance(self, stop: Stop) -> NDArray[np.float64]:
        """See Particles.advance."""
        with torch.inference_mode():
            for slot in self._slots:
                self._stage.hold(slot, stop.y, stop.x)
            self._go_on()
        total = np.array([math.fsum(self._stage.log_p(slot)) for slot in self._slots])
        passed, self._log_p = total - self._log_p, total
        return passed

    def copy(self, parents: Parents) -> None:
        """See Particles.copy."""
        with torch.inference_mode():
            for slot, parent in zip(self._slots, parents, strict=True):
                if slot != self._slots[parent]:
                    self._stage.copy(self._slots[parent], slot)

    def narrow(self, left: NDArray[np.int64]) -> None:
        """See Particles.narrow."""
        slots = [self._slots[i] for i in left]
        for slot in set(self._slots) - set(slots):
            self._stage.close(slot)
        self._slots, self._log_p = slots, self._log_p[left]

    def images(self) -> NDArray[np.int64]:
        """See Particles.images."""
        return np.stack([self._stage.image(slot).numpy() for slot in self._slots])


class Stages:
    """The stages on which a model's particles are drawn, one for each of its networks: made anew where more of them are
    asked for. threads: of each stage; see `stages.new_stage`."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._made: dict[PixelNetwork, StageParticles] = {}

    def of(self, network: PixelNetwork, size: int) -> StageParticles:
        """One on which so many can be drawn."""
        if network not in self._made or self._made[network].size < size:
            self._made.pop(network, None)  # first, so that its memory is free
            self._made[network] = StageParticles(network, size, self._threads)
        return self._made[network]


def _drawing(
    particle: Particle, weighed: NDArray[np.bool_], temperature: float
) -> Drawing:
    noise, known, keep = (
        torch.from_numpy(part)
        for part in (particle.noise, particle.known, particle.keep)
    )
    return Drawing(
        noise,
        temperature,
        known,
        keep,
        label=particle.label,
        weighed=torch.from_numpy(weighed),
    )
