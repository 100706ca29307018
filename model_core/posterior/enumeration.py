"""Completions of a small hole: every filling is scored, so that all answers are exact.

Scoring a few hundred images takes about as long as the chains of one completion
(chain.py), and further images take no time. Draws, marginals and p(given) are then
exact for any given picture, temperature and label, however improbable the given pixels
are.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from model_core.elementary import log_sum, shares
from model_core.posterior.chain import chosen
from model_core.posterior.exact import ExactRun, is_drawn_last
from model_core.posterior.islands import CHAINS, IslandsRun, way_of
from model_core.posterior.marginals import Marginals, SoFar, Weighted
from model_core.posterior.mixture import Images, Mixture, Way
from model_core.posterior.particles import Stages
from model_core.posterior.plan import first_hole
from model_core.posterior.receipt import Receipt
from model_core.posterior.targets import Target
from model_core.sampling.noise import choice_noise

CHOICE = 0
"""Number, among the sweeps of an image, of the noise that chooses its filling."""


class EnumeratedRun:
    """Draws the images of a completion of a hole with few fillings, one after the
    other, exactly: all fillings are scored once, and each image is one of them, chosen
    by its probability. It has the methods of an IslandsRun, `steps`, `draw`,
    `expected_so_far` and `receipt`, but here `draw` takes only the number of the
    image."""

    def __init__(
        self,
        target: Target,
        seed: int,
        particles: int,
        stages: Stages | None = None,
    ) -> None:
        """Make all fillings, and score nothing yet.

        target: what is completed; `has_few_fillings` is True for it.
        seed: of all images.
        particles: half of this number of fillings, at least 2, are scored side by
            side, each with one label. The result does not depend on it.
        stages: score the images; nothing else may use them meanwhile. Default: stages
            of its own. The result does not depend on them.

        Raises AssertionError for a Multi-Scale model. For weights on a card it may open
        and check the card, which raises torch.AcceleratorError or RuntimeError if the
        card fails, FloatingPointError if a network gives logits that are not finite.
        """
        self._target = target
        self._seed = seed
        size = max(2, particles // CHAINS)
        of_network = (stages or Stages()).of
        ways = [way_of(each, size, of_network) for each in target.of_members]
        self._mixture = Mixture(ways)
        self._fillings = fillings(target)
        self._log_p: NDArray[np.float64] | None = None
        """(M * K, N): ln of each component's prior and of its p of each filling."""
        self._drawn: list[int] = []
        self._so_far = SoFar(target.known, target.keep, target.categories)

    def draw(self, i: int) -> NDArray[np.int64]:
        """Return image i, (C, H, W), upright, as a copy. The first call scores all
        fillings. Raises the errors of `steps`."""
        *_, image = self.steps(i)
        assert isinstance(image, np.ndarray)
        return image

    def steps(self, i: int) -> Iterator[float | NDArray[np.int64]]:
        """Draw image i in steps: yield after each step except the last how much is
        done, 0 to 1; with the last step yield the image, (C, H, W), upright. The first
        image scores all fillings; the others have one step. Nothing is done until it is
        iterated.

        Raises FloatingPointError if logits are not finite, torch.AcceleratorError if a
        card that draws fails.
        """
        if self._log_p is None:
            yield from self._scored()
        (uniform,) = choice_noise(self._seed, i, CHOICE, 0, 0, 1)
        drawn = chosen(self._whole, float(uniform))
        self._drawn.append(drawn)
        yield self._fillings[drawn].copy()

    def expected_so_far(self) -> NDArray[np.float64] | None:
        """Return the expected value (C, H, W) of each variable, of categories the
        likeliest one, and of given pixels their value; None if it has been returned
        before, or if the fillings are not scored yet."""
        return self._so_far.news()

    def receipt(self) -> tuple[Receipt, Marginals]:
        """Return the receipt of all images that were drawn, and the exact marginals.
        Raises AssertionError if the fillings are not scored yet, IndexError if they are
        but no image was drawn."""
        assert self._log_p is not None, "no image was drawn"
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
        told = self._target.no_shares()
        told.add(self._draws, ~self._target.keep)
        return found, told.drawn_alone()

    def _scored(self) -> Iterator[float]:
        """Score all fillings by each member, some in each step."""
        found: list[NDArray[np.float64]] = []
        ways = self._mixture.ways
        for number, way in enumerate(ways):
            parts: list[NDArray[np.float64]] = []
            together = max(1, way.most // len(way.labels))
            for first in range(0, len(self._fillings), together):
                images = self._fillings[first : first + together]
                parts.append(self._behind(way, images))
                done = min(1.0, (first + together) / len(self._fillings))
                yield (number + done) / len(ways)
            # Rows before the hole are the same in all fillings and scored once.
            before = way.log_p_before(self._target.given(self._seed))
            found.append(np.concatenate(parts, 1) + before[:, None])
        self._log_p = np.concatenate(found)
        self._so_far.add(self._draws, ~self._target.keep)

    def _behind(self, way: Way, images: Images) -> NDArray[np.float64]:
        """Return ln p of the pixels of images (N, C, H, W) from the hole's first one on
        in a member's order, given each label: (K, N)."""
        keep = way.turned(self._target.keep)
        places = np.arange(keep.size).reshape(keep.shape)
        return way.log_p(images, self._target.temperature, places >= first_hole(keep))

    @property
    def _whole(self) -> NDArray[np.float64]:
        """ln p of each filling under the model, (N,)."""
        assert self._log_p is not None, "the fillings are not scored yet"
        return self._mixture.whole(self._log_p)

    @property
    def _draws(self) -> Weighted:
        """All fillings with their probabilities given the rest of the picture."""
        return Weighted(self._fillings, shares(self._whole))


def fillings(target: Target) -> Images:
    """Return every image (N, C, H, W) that agrees with the given pixels of a target,
    upright. N is V^(missing variables), so the target must have few of them
    (`Target.has_few_fillings`).

    The last variable of the hole changes fastest; variables are ordered by colour, then
    row by row.
    """
    hole = ~target.keep
    channels = len(target.known)
    missing = channels * int(np.count_nonzero(hole))
    values = np.array(
        list(itertools.product(range(target.values), repeat=missing)), np.int64
    )
    images = np.repeat(target.known[None], len(values), 0)
    images[:, :, hole] = values.reshape(len(values), channels, -1)
    return images


def run_of(
    target: Target,
    seed: int,
    particles: int,
    sweeps: int,
    stages: Stages | None = None,
    enumerates: bool = True,
) -> IslandsRun | EnumeratedRun | ExactRun:
    """Return what draws the images of a completion for which `target.needs_particles`
    is True: an EnumeratedRun if the hole has few fillings; else an ExactRun if several
    members all draw the hole after the given pixels; else an IslandsRun. Nothing is
    drawn yet.

    enumerates: False: always an IslandsRun.
    seed, particles, sweeps, stages: as for IslandsRun, whose errors are raised, too.
    """
    if enumerates and target.has_few_fillings:
        return EnumeratedRun(target, seed, particles, stages)
    # A single network draws such a hole without a run.
    if enumerates and len(target.of_members) > 1 and is_drawn_last(target):
        return ExactRun(target, seed, particles, stages.of if stages else None)
    return IslandsRun(target, seed, particles, sweeps, stages)
