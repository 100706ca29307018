"""The slow truth of particles: a whole teacher-forced pass for every colour of every pixel of each."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.networks.pixel_network import PixelNetwork
from model_core.posterior.island import Parents
from model_core.posterior.particles import Particle
from model_core.posterior.plan import Stop


class ReferenceParticles:
    """Images of a network, as every fast way must draw and weigh them."""

    def __init__(self, network: PixelNetwork) -> None:
        self._network = network

    def begin(
        self, particles: list[Particle], weighed: NDArray[np.bool_], temperature: float
    ) -> None:
        """See Particles.begin."""
        self._noise = torch.from_numpy(
            np.stack([particle.noise for particle in particles])
        )
        self._known = torch.from_numpy(
            np.stack([particle.known for particle in particles])
        )
        self._keep = torch.from_numpy(
            np.stack([particle.keep for particle in particles])
        )
        self._labels = torch.tensor(
            [-1 if particle.label is None else particle.label for particle in particles]
        )
        self._weighed = weighed
        self._temperature = torch.full(
            (len(particles),), temperature, dtype=torch.float64
        )
        self._values = torch.zeros_like(self._known)
        self._at = 0

    def advance(self, stop: Stop) -> NDArray[np.float64]:
        """See Particles.advance."""
        log_p = torch.zeros(len(self._values), dtype=torch.float64)
        for y, x in self._places_until(stop):
            for c in range(self._values.shape[1]):
                with torch.inference_mode():
                    logits = self._logits()[:, :, c, y, x]  # (N, V)
                drawn = self._network.distribution.draw(
                    logits, self._noise[:, y, x, c], self._temperature
                )
                value = torch.where(self._keep[:, y, x], self._known[:, c, y, x], drawn)
                self._values[:, c, y, x] = value
                if self._weighed[y, x]:
                    log_p += self._network.distribution.log_p(
                        logits, value, self._temperature
                    )
        return log_p.numpy()

    def _logits(self) -> torch.Tensor:
        if (self._labels < 0).all():
            return self._network(self._values)
        return self._network(self._values, self._network.of_labels(self._labels))

    def _places_until(self, stop: Stop) -> Iterator[tuple[int, int]]:
        width = self._values.shape[3]
        end = stop.y * width + stop.x
        for place in range(self._at, end):
            yield divmod(place, width)
        self._at = end

    def copy(self, parents: Parents) -> None:
        """See Particles.copy."""
        self._values, self._labels = (
            self._values[torch.from_numpy(parents)],
            self._labels[torch.from_numpy(parents)],
        )

    def narrow(self, left: NDArray[np.int64]) -> None:
        """See Particles.narrow."""
        chosen = torch.from_numpy(left)
        self._noise, self._known, self._keep, self._values, self._labels = (
            part[chosen]
            for part in (
                self._noise,
                self._known,
                self._keep,
                self._values,
                self._labels,
            )
        )
        self._temperature = self._temperature[chosen]

    def images(self) -> NDArray[np.int64]:
        """See Particles.images."""
        return self._values.numpy()
