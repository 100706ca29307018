"""A request for one image, in words that need no torch: a process that only plans images stays small."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from model_core.windows import Windows


class Ways(TypedDict, total=False):
    """Further options of how an image is drawn, under the names of a job's options.

    A field here is also a field of `ImageRequest`; then samples, verifications and the
    verbs that draw without a service pass it on.
    """


def ways_of(options: Mapping[str, Any]) -> Ways:
    """Pick the fields of `Ways` from the options of a job."""
    return Ways(
        **{name: options[name] for name in Ways.__annotations__ if name in options}
    )  # type: ignore[typeddict-item]


@dataclass(frozen=True)
class ImageRequest:
    """One image: noise of (seed, sample); `known` (C, H, W) values are taken where `keep` (H, W) is True.

    small: the (C, s, s) first image of a Multi-Scale model, where it is given and not to be drawn.
    known_small: (C, k, s), the first k rows of that image, where those are given.
    member: which of the model's networks draws it; None: the image's noise chooses one.
    label: the number of its label; None: where the model has labels, the image's noise chooses one by the prior, or of
    an image that is completed by p(label | the first pixels up to the hole), label_from (H, W) being where pixels were
    given when it was asked for. A Multi-Scale model's first pixels are those of its small image.
    weighed: whether ln p of the whole image is asked for, at its temperature, given pixels included.
    windows: of a field, whose rows they count; an engine of its width draws it.
    """

    seed: int
    sample: int
    temperature: float = 1.0
    known: NDArray[np.integer] | None = None
    keep: NDArray[np.bool_] | None = None
    small: NDArray[np.integer] | None = None
    known_small: NDArray[np.integer] | None = None
    member: int | None = None
    label: int | None = None
    label_from: NDArray[np.bool_] | None = None
    windows: Windows | None = None
    weighed: bool = False
