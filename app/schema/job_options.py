"""A request to draw, once it is read: what app.services.submission takes."""

from dataclasses import dataclass

from worker.contract.jobs import PARTICLES, Pixel, Priority
from worker.contract.kinds import Method


@dataclass(frozen=True)
class JobOptions:
    """What a client may say of a job, beside its kind, its model and its pictures."""

    seed: int | None = None
    """None: one is drawn."""
    n: int = 1
    temperature: float = 1.0
    priority: Priority | None = None
    rank: bool = False
    method: Method = Method.CLAMP
    particles: int = PARTICLES
    sweeps: int = 0
    pixel: Pixel | None = None
    influence: bool = False
    sample: int = 0
    drawn_with: str = ""
    members: int = 1
    webhook: str = ""
    """Where the job's end is told; empty = nowhere."""
