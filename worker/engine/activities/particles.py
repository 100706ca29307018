"""Images that are drawn by particles: one image of each model at a time, a row of all its particles in a turn."""

import time
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from model_core.posterior.island import ImpossibleError
from worker.contract.events import estimate_entry
from worker.engine.activities.activity import Surroundings
from worker.engine.activities.whole_image import hand_on_image
from worker.engine.assessment import Assessment
from worker.engine.islands import IslandError, Islands, Stepped
from worker.orders.claims import failed
from worker.orders.faults import drawing_failed, impossible_picture
from worker.orders.kinds.complete import ParticleOrder

PARTICLES_OF = "particles of "
"""Stands before the name of a model, among those that take turns."""


class ByParticles:
    """assess: what is done with the images of a job once they are drawn."""

    orders: ClassVar[tuple[type, ...]] = (ParticleOrder,)

    def __init__(self, around: Surroundings, islands: Islands, assess: Callable[[Assessment], None]) -> None:
        self._around = around
        self._islands = islands
        self._assess = assess

    def busy(self) -> list[str]:
        return [PARTICLES_OF + name for name in self._islands.models]

    def accept(self, order: ParticleOrder) -> None:
        self._islands.add(order)

    def orders_under(self, name: str) -> list[ParticleOrder]:
        return self._islands.orders_of(name.removeprefix(PARTICLES_OF))

    def forget(self, token: str) -> None:
        self._islands.forget(token)

    def rest(self, model: str) -> None:
        """Free the memory of a model's particles, where it has no work."""
        self._islands.rest(model)

    def turn(self, name: str) -> None:
        """One step of one image: at most a row of each particle."""
        self._step(name)
        if (model := name.removeprefix(PARTICLES_OF)) not in self._around.served:
            self.rest(model)

    def _step(self, name: str) -> None:
        model, began = name.removeprefix(PARTICLES_OF), time.perf_counter()
        next_order = self._islands.order(model)
        self._around.deadlines.begin(name, next_order.particles, next_order.claim.deaths)
        try:
            stepped = self._islands.step(model)
        except IslandError as error:
            self._failed(error.order, error.reason)
            return
        rows = 0 if stepped.image is None else stepped.image.shape[1]
        took_s, left = time.perf_counter() - began, int(stepped.image is not None)
        self._around.usage[model].step(took_s, 1, rows, left=left)
        self._around.pause()
        self._hand_on(stepped)

    def _hand_on(self, stepped: Stepped) -> None:
        order, token = stepped.order, stepped.order.claim.token
        if stepped.image is not None:
            hand_on_image(self._around, order, stepped.sample, stepped.image)
        if stepped.share is not None:
            self._around.outlet.progress(token, stepped.share, _estimate(stepped))
        if stepped.images is not None:
            images, found = stepped.images, stepped.found
            told = {"label": order.hole.label, "found": found, "values": order.values}
            self._assess(Assessment(order.claim, order.model, images, order.rank, **told))

    def _failed(self, order: ParticleOrder, error: Exception) -> None:
        if isinstance(error, ImpossibleError):
            self._around.outlet.end(order.claim.token, failed(impossible_picture(error)))
            return
        self._around.broke_off(order, error, drawing_failed)


def _estimate(stepped: Stepped) -> str:
    """The expectation so far as readers of the job get it; empty where it is no news."""
    if stepped.expected is None or stepped.share is None:
        return ""
    pixels = np.rint(stepped.expected * (255 / (stepped.order.values - 1))).astype(np.uint8)
    return estimate_entry(stepped.sample, stepped.share, pixels.transpose(1, 2, 0).tobytes())
