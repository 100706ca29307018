"""Tiny networks and holes, what is true of them by enumeration, and chains that are run to their ends."""

import itertools
from collections import deque
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core import complete, untrained
from model_core.models import Member, Model
from model_core.networks.pixel_network import PixelNetwork
from model_core.orientation import Orientation, turn
from model_core.posterior.chain import Chain, Weighted, seat
from model_core.posterior.mixture import Given, Mixture, Way
from model_core.posterior.particles import Particles
from model_core.sampling.noise import choice_noise

by_particles = partial(complete, most_scores=0)
"""Completes small holes by particles, as it does those that are too large to enumerate."""
KINDS = ("mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm")


def awake(preset: str, seed: int = 1, **size: int) -> Model:
    """Random weights, and biases that make a difference."""
    model = untrained(
        preset, seed=seed, **{"layers": 2, "hidden": 6, "head": 6, **size}
    )
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.network.parameters():
        if parameter.dim() == 1:
            parameter.add_(0.6 * torch.randn(parameter.shape, generator=generator))
    return model


def network_of(model: Model) -> PixelNetwork:
    assert isinstance(model.network, PixelNetwork)
    return model.network


def mixture(*orientations: Orientation, side: int = 6, scale: float = 1) -> Model:
    models = [
        awake("mnist-row-lstm", seed, height=side, width=side)
        for seed in range(len(orientations))
    ]
    for parameter in (each for model in models for each in model.network.parameters()):
        parameter.mul_(scale)
    members = [
        Member(model.network, orientation)
        for model, orientation in zip(models, orientations, strict=True)
    ]
    return Model(tuple(members), models[0].card)


def mask(rows: str) -> NDArray[np.bool_]:
    """keep (H, W) from rows like "##. ..#": # is given."""
    return np.array([[pixel == "#" for pixel in row] for row in rows.split()])


SCATTERED = mask("######### .#.##.#.# #..##..## .#######. #.#.#.#.# ##..##..#")
LEFT = mask(" ".join(["....#####"] * 6))
CENTRE = mask("######### ######### ###...### ###...### ######### #########")
TINY = {
    "centre": mask("#### #..# #..# ####"),
    "scattered": mask(".##. #.#. .#.# ####"),
    "upper": mask(".... .... #### ####"),
}


@dataclass(frozen=True)
class Truth:
    """All outcomes of a hole of a tiny binary image, and their probabilities."""

    outcomes: NDArray[np.int64]
    """(M, C, H, W)"""
    p: NDArray[np.float64]
    """(M,) p(outcome | given)"""
    nats: float
    """-ln p(given)"""


def truth(
    model: Model, known: NDArray[np.int64], keep: NDArray[np.bool_], temperature: float
) -> Truth:
    """By enumeration, with the teacher-forced pass of every member in double precision."""
    holes, C = np.argwhere(~keep), len(known)
    fillings = np.array(
        list(itertools.product(range(model.config.values), repeat=C * len(holes)))
    )
    outcomes = np.repeat(known[None], len(fillings), 0)
    outcomes[:, :, holes[:, 0], holes[:, 1]] = fillings.reshape(-1, C, len(holes))
    members = np.stack(
        [
            _log_joint(member, torch.from_numpy(outcomes), temperature)
            for member in model.members
        ]
    )
    log_joint = np.logaddexp.reduce(members) - np.log(len(members))
    nats = -float(np.logaddexp.reduce(log_joint))
    return Truth(outcomes, np.exp(log_joint + nats), nats)


def _log_joint(
    member: Member, outcomes: Tensor, temperature: float
) -> NDArray[np.float64]:
    assert isinstance(member.network, PixelNetwork)
    found = []
    with torch.inference_mode():
        for images in turn(outcomes, member.orientation).split(64):
            logits = member.network(images).double() / temperature
            log_p = torch.log_softmax(logits, 1).gather(1, images[:, None])
            found.append(log_p.sum((1, 2, 3, 4)))
    return torch.cat(found).numpy()


def chi_square_excess(images: NDArray[np.int64], true: Truth) -> float:
    """How many standard deviations the chi-square of images (n, C, H, W) lies above its mean; rare ones pooled."""
    keys = {outcome.tobytes(): i for i, outcome in enumerate(true.outcomes)}
    counts = np.bincount(
        [keys[image.tobytes()] for image in images], minlength=len(true.p)
    ).astype(float)
    expected = len(images) * true.p
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    counts, expected = counts[expected > 0], expected[expected > 0]
    freedom = max(1, len(counts) - 1)
    return float(
        (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)
    )


@dataclass
class Run:
    """The chain of one network, at its end, and its last particles."""

    chain: Chain
    last: Weighted

    @property
    def image(self) -> NDArray[np.int64]:
        return self.chain.image

    @property
    def log_evidence(self) -> float:
        return self.chain.start.log_evidence


def finished(
    particles: Particles,
    given: Given,
    size: int,
    rounds: int = 0,
    within_rows: bool = True,
    moves: int = 0,
) -> Run:
    """One chain of one network, after so many rounds and moves of the whole hole."""
    mixture, heard = Mixture([Way("none", lambda size: particles, within_rows)]), []
    chain = Chain(
        mixture, given, size, [0], took=lambda draws, block: heard.append(draws)
    )
    deque(chain.begin(), maxlen=0)
    draws = seat(
        [chain], float(choice_noise(given.seed, given.sample, 1 << 30, 0, 0, 1)[0])
    )
    deque(chain.rounds(rounds), maxlen=0)
    for _ in range(moves):
        deque(chain.move(~given.keep), maxlen=0)
    return Run(chain, heard[-1] if heard else draws)
