"""Try a trained network as the even mixture with its mirror images, on the images that
validated it, and publish the best mixture if it is clearly better.

Icons, tiles and textures often have a direction in which they are symmetric, and so has
the distribution that they are drawn from. A mixture with the mirror image is then better
without any training. Its weights are stored once; a draw costs as much as before, and a
score takes one pass for each orientation.

A mixture completes exactly fewer holes than a network: p(hole | given) is known only if
every member draws the hole last. Mirrored left and right a network still draws lower
rows last; mirrored upside down it does not. A mixture that would make completions of
whole rows inexact is therefore tried and reported, but not published.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model_core.config import NetworkConfig
from model_core.data.splits import Values
from model_core.measures.likelihood import log_likelihood
from model_core.mixing import mix, turned_copies
from model_core.models import Model, load_model
from model_core.orientation import Orientation, turn
from model_core.posterior.plan import given_behind
from model_core.training.categories import categories_of
from model_core.training.images import RunImages
from model_core.training.recipe import Recipe

_REFLECTIONS: tuple[Orientation, ...] = (
    "flip_left_right",
    "flip_top_bottom",
    "transpose",
    "transverse",
)
"""The orientations that mirror an image. The last two need square images."""
LEAST_ERRORS = 3.0
"""Standard errors of the paired difference by which a mixture must be better. Two would
be too few, because the best of several mixtures is taken."""
LEAST_GAIN = 0.005
"""Share of the network's bits/dim by which a mixture must be better: a mixture of two
half-trained networks is nearly always a little better, whatever the symmetry."""
MOST_ASYMMETRY = 0.01
"""Share by which the network's bits/dim of mirrored images may differ from those of
plain ones, if the images are to count as symmetric."""
LEAST_UPDATES = 1000
"""Updates before which no mixture is tried: the network has not learned a direction
yet."""
LEAST_IMAGES = 10
"""Validation images that a mixture is judged by, at least: a standard error of fewer is
itself a guess."""
_BATCH = 50
"""Images that are scored in one pass."""


@dataclass(frozen=True)
class MirrorTrial:
    """The score of an even mixture of a network with one mirror image."""

    orientation: Orientation
    """That of the mirror image."""
    bits_per_dim: float
    """Mean of the mixture over the validation images."""
    gain: float
    """Bits/dim by which the mixture is better than the network; negative if it is
    worse."""
    gain_error: float
    """Standard error of `gain`, which is the mean of paired differences."""
    mirrored_bits_per_dim: float
    """Mean of the network alone over the mirrored validation images."""
    keeps_exact: bool
    """True if all holes of whole rows that the network completes exactly are also
    completed exactly by the mixture."""

    @property
    def is_better(self) -> bool:
        """True if the mixture is clearly better and the images are symmetric."""
        alone = self.bits_per_dim + self.gain
        least = max(LEAST_ERRORS * self.gain_error, LEAST_GAIN * alone)
        asymmetry = abs(self.mirrored_bits_per_dim - alone)
        return self.gain >= least and asymmetry <= MOST_ASYMMETRY * alone


@dataclass(frozen=True)
class Mirrors:
    """The mixtures that were tried, and which was published."""

    trials: tuple[MirrorTrial, ...]
    published: Orientation | None
    """The mirror image in the published mixture; None if the network was published
    alone."""
    nats: float
    """Mean -ln p of the validation images by what was published."""
    standard_error: float
    """Standard error of `nats`."""
    dimensions: int
    """Number of variables of an image."""

    @property
    def bits_per_dim(self) -> float:
        """`nats` in bits for each variable."""
        return self.nats / self.dimensions / math.log(2)

    def to_list(self) -> list[dict[str, Any]]:
        """Return the trials as JSON values, without `mirrored_bits_per_dim`. Their field
        `published` is true for the mirror image that was published."""
        trials = [asdict(trial) for trial in self.trials]
        for trial in trials:
            del trial["mirrored_bits_per_dim"]
            trial["published"] = trial["orientation"] == self.published
        return trials


def publish_mirrored(
    directory: Path, recipe: Recipe, run: Path, updates: int, cache: Path | None = None
) -> Mirrors | None:
    """Try the model in `directory` as a mixture with each of its mirror images. Write
    the best one in its place if it is clearly better, the images are symmetric, and the
    same holes of whole rows are completed exactly. Return the scores.

    Return None, and change nothing, if there is nothing to try: the network is
    Multi-Scale or was trained on turned images or in fewer than LEAST_UPDATES (1000)
    updates, or there are fewer than LEAST_IMAGES (10) validation images.

    recipe: the recipe by which the model was trained.
    run: the run's directory.
    updates: those of the training.
    cache: directory of decoded images. Default: `cache` beside the run.
    """
    model = load_model(directory)
    is_upright = [member.orientation for member in model.members] == ["none"]
    if model.config.multi_scale or not is_upright or updates < LEAST_UPDATES:
        return None
    categories = categories_of(recipe)
    images = RunImages(categories.recipe, run, categories.palette, cache)
    values, _ = images.valid()
    if len(values) < LEAST_IMAGES:
        return None

    alone = _nats(model, values)
    mirrored: dict[Orientation, npt.NDArray[np.float64]] = {
        orientation: _nats(_turned(model, orientation), values)
        for orientation in _fitting(model.config)
    }
    trials = tuple(
        _trial(orientation, alone, nats, model.config)
        for orientation, nats in mirrored.items()
    )
    best = best_of(trials)
    chosen = alone if best is None else _mixed(alone, mirrored[best.orientation])
    if best is not None:
        _write(model, best, float(chosen.mean()), trials, directory)
    return Mirrors(
        trials,
        None if best is None else best.orientation,
        float(chosen.mean()),
        _error(chosen),
        model.config.dimensions,
    )


def best_of(trials: Sequence[MirrorTrial]) -> MirrorTrial | None:
    """Return the trial with the lowest bits/dim among those that are better and keep
    completions exact; None if there is none."""
    good = [trial for trial in trials if trial.is_better and trial.keeps_exact]
    return min(good, key=lambda trial: trial.bits_per_dim, default=None)


def keeps_exact(orientation: Orientation, height: int, width: int) -> bool:
    """Return True if the mixture of an upright network with itself in this orientation
    completes each hole of the lower rows of an image exactly, as the network does.

    Holes that begin within a row are not counted: no mirror image draws such a hole
    last.
    """
    rows = np.arange(height)[:, None] + np.zeros((height, width), int)
    return not any(
        given_behind(turn(rows < first, orientation)) for first in range(1, height)
    )


def report(mirrors: Mirrors) -> str:
    """Return a line for the user on the mixtures that were tried."""
    tried = ", ".join(
        f"{trial.orientation} {-trial.gain:+.4f} +- {trial.gain_error:.4f}"
        for trial in mirrors.trials
    )
    if mirrors.published is not None:
        outcome = (
            f"the model is the mixture with {mirrors.published}, "
            f"{mirrors.bits_per_dim:.3f} bits/dim"
        )
    elif any(trial.is_better for trial in mirrors.trials):
        outcome = (
            "the model is the network alone, because the better mixtures would not "
            "complete lower rows exactly (`pixelrnn mix --also` makes them)"
        )
    else:
        outcome = "the model is the network alone"
    return f"mixed with its mirror image, bits/dim change by: {tried}; {outcome}"


def _fitting(config: NetworkConfig) -> tuple[Orientation, ...]:
    """Return the reflections that keep the shape of an image."""
    return _REFLECTIONS if config.height == config.width else _REFLECTIONS[:2]


def _turned(model: Model, orientation: Orientation) -> Model:
    (turned,) = turned_copies(model, [orientation])
    return turned


def _nats(model: Model, values: Values) -> npt.NDArray[np.float64]:
    """Return -ln p (N,) of upright images."""
    parts = [
        log_likelihood(model, torch.from_numpy(part.astype(np.int64)))
        for part in np.split(values, range(_BATCH, len(values), _BATCH))
    ]
    return -torch.cat(parts).double().cpu().numpy()


def _mixed(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return -ln p (N,) by the even mixture of two members with these."""
    return math.log(2) - np.logaddexp(-one, -other)


def _error(numbers: npt.NDArray[np.float64]) -> float:
    """Return the standard error of the mean."""
    return float(numbers.std(ddof=1)) / math.sqrt(len(numbers))


def _trial(
    orientation: Orientation,
    alone: npt.NDArray[np.float64],
    mirrored: npt.NDArray[np.float64],
    config: NetworkConfig,
) -> MirrorTrial:
    per_bit = config.dimensions * math.log(2)
    nats = _mixed(alone, mirrored)
    gains = (alone - nats) / per_bit
    return MirrorTrial(
        orientation,
        float(nats.mean()) / per_bit,
        float(gains.mean()),
        _error(gains),
        float(mirrored.mean()) / per_bit,
        keeps_exact(orientation, config.height, config.width),
    )


def _write(
    model: Model,
    best: MirrorTrial,
    nats: float,
    trials: Sequence[MirrorTrial],
    directory: Path,
) -> None:
    """Write the mixture over the network's model. Its card keeps the facts of the
    training, with the score of the mixture."""
    mirrored = _turned(model, best.orientation)
    card = mix([model, mirrored], directory)
    training = {
        **model.card.training,
        "valid_nats": nats,
        "mirrors": [asdict(trial) for trial in trials],
    }
    replace(card, training=training).keep(directory)
