"""Completions of a small hole: every filling is scored, so that all answers are exact.

Further images take no time. Draws, marginals and p(given) are exact for any given
picture, temperature and label, however improbable the given pixels are.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from model_core.elementary import log_sum, shares
from model_core.posterior.chain import chosen
from model_core.posterior.exact import ExactRun, is_drawn_last
from model_core.posterior.islands import CHAINS, IslandsRun, way_of
from model_core.posterior.marginals import Marginals, Weighted
from model_core.posterior.mixture import Images, Mixture, Way
from model_core.posterior.particles import Stages
from model_core.posterior.plan import first_hole
from model_core.posterior.receipt import Receipt
from model_core.posterior.targets import FEW_SCORES, Target
from model_core.sampling.noise import choice_noise

CHOICE = 0
"""Number, among the sweeps of an image, of the noise that chooses its filling."""
PART = 256
"""Fillings that are in memory as images at the same time."""


class EnumeratedRun:
    """Draws the images of a completion of a hole with few fillings, exactly: all
    fillings are scored once, and each image is one of them, chosen by its probability.
    It has the methods of an IslandsRun; `draw` takes only the number of the image."""

    def __init__(
        self,
        target: Target,
        seed: int,
        particles: int,
        stages: Stages | None = None,
    ) -> None:
        """Score nothing yet.

        target: what is completed; `scores` is small for it.
        seed: of all images.
        particles: half of this number of fillings, at least 2, are scored side by
            side, each with one label. The result does not depend on it.
        stages: score the images; nothing else may use them meanwhile. Default: stages
            of its own. The result does not depend on them.
        """
        self._target = target
        self._seed = seed
        size = max(2, particles // CHAINS)
        of_network = (stages or Stages()).of
        ways = [way_of(each, size, of_network) for each in target.of_members]
        self._mixture = Mixture(ways)
        self._count = target.scores // len(target.components)
        self._log_p = np.zeros((0, 0))
        """(M * K, N): ln of each component's prior and of its p of each filling."""
        self._whole = np.zeros(0)
        """(N,): ln p of each filling under the model."""
        self._marginals: Marginals | None = None
        self._is_new = False
        self._drawn: list[int] = []

    def draw(self, i: int) -> NDArray[np.int64]:
        """Return image i, (C, H, W), upright, as a copy. The first call scores all
        fillings."""
        *_, image = self.steps(i)
        assert isinstance(image, np.ndarray)
        return image

    def steps(self, i: int) -> Iterator[float | NDArray[np.int64]]:
        """Draw image i in steps: yield after each step except the last how much is
        done, 0 to 1; with the last step yield the image, (C, H, W), upright. The first
        image scores all fillings; the others have one step."""
        if self._marginals is None:
            yield from self._score_all()
        (uniform,) = choice_noise(self._seed, i, CHOICE, 0, 0, 1)
        drawn = chosen(self._whole, float(uniform))
        self._drawn.append(drawn)
        yield fillings(self._target, drawn, drawn + 1)[0]

    def expected_so_far(self) -> NDArray[np.float64] | None:
        """Return the expected value of each variable if it is new, else None."""
        if self._marginals is None or not self._is_new:
            return None
        self._is_new = False
        return self._marginals.mean

    def receipt(self) -> tuple[Receipt, Marginals]:
        """Return the receipt of all images that were drawn, at least one, and the exact
        marginals."""
        assert self._marginals is not None, "no image was drawn"
        drawn = self._drawn
        last = self._target.components[int(self._log_p[:, drawn[-1]].argmax())]
        found = Receipt(
            True,
            last.orientation,
            "exact",
            tuple("exact" for _ in drawn),
            evidence_nats=-log_sum(self._whole),
            nats=tuple(-float(self._whole[each]) for each in drawn),
            label=last.label,
        )
        return found, self._marginals

    def _score_all(self) -> Iterator[float]:
        count = self._count
        found: list[NDArray[np.float64]] = []
        ways = self._mixture.ways
        for number, way in enumerate(ways):
            parts: list[NDArray[np.float64]] = []
            together = max(1, way.most // len(way.labels))
            for first in range(0, count, together):
                last = min(count, first + together)
                parts.append(self._behind(way, fillings(self._target, first, last)))
                yield (number + last / count) / len(ways)
            # Rows before the hole are the same in all fillings and scored once.
            before = way.log_p_before(self._target.given(self._seed))
            found.append(np.concatenate(parts, 1) + before[:, None])
        self._log_p = np.concatenate(found)

        wholes: list[NDArray[np.float64]] = []
        for first in range(0, count, PART):
            wholes.append(self._mixture.whole(self._log_p[:, first : first + PART]))
            yield 1.0
        self._whole = np.concatenate(wholes)

        weights = shares(self._whole)
        told = self._target.no_shares()
        for first in range(0, count, PART):
            last = min(count, first + PART)
            images = fillings(self._target, first, last)
            told.add_outcomes(Weighted(images, weights[first:last]), ~self._target.keep)
            yield 1.0
        self._marginals = told.of_outcomes()
        self._is_new = True

    def _behind(self, way: Way, images: Images) -> NDArray[np.float64]:
        """Return ln p of the pixels of images (N, C, H, W) from the hole's first one on
        in a member's order, given each label: (K, N)."""
        keep = way.turned(self._target.keep)
        places = np.arange(keep.size).reshape(keep.shape)
        return way.log_p(images, self._target.temperature, places >= first_hole(keep))


def fillings(target: Target, first: int, last: int) -> Images:
    """Return the images (N, C, H, W), upright, that agree with the given pixels of a
    target: those with the numbers first to last - 1 of all V^(missing variables).

    The last variable of the hole changes fastest; variables are ordered by colour, then
    row by row.
    """
    hole = ~target.keep
    channels = len(target.known)
    missing = channels * int(np.count_nonzero(hole))
    numbers = np.arange(first, last)
    values = np.zeros((len(numbers), missing), np.int64)
    for variable in reversed(range(missing)):
        numbers, values[:, variable] = np.divmod(numbers, target.values)
    images = np.repeat(target.known[None], len(values), 0)
    images[:, :, hole] = values.reshape(len(values), channels, -1)
    return images


def run_of(
    target: Target,
    seed: int,
    particles: int,
    sweeps: int,
    stages: Stages | None = None,
    most_scores: int | None = None,
) -> IslandsRun | EnumeratedRun | ExactRun:
    """Return what draws the images of a completion for which `target.needs_particles`
    is True. That is the first that suits: an EnumeratedRun for a hole with few
    fillings; an ExactRun if all of several members draw the hole last; an EnumeratedRun
    if the limit allows it; an IslandsRun. Nothing is drawn yet.

    most_scores: the limit. 0: always an IslandsRun. Default: the target's.
    seed, particles, sweeps, stages: as for IslandsRun.
    """
    limit = target.most_scores if most_scores is None else most_scores
    if target.scores <= min(limit, FEW_SCORES):
        return EnumeratedRun(target, seed, particles, stages)
    # A single network draws such a hole without a run.
    if limit and len(target.of_members) > 1 and is_drawn_last(target):
        return ExactRun(target, seed, particles, stages.of if stages else None)
    if target.scores <= limit:
        return EnumeratedRun(target, seed, particles, stages)
    return IslandsRun(target, seed, particles, sweeps, stages)
