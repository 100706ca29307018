"""A request for one image. This file does not import torch, so that a process that only
plans images stays small."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_core.windows import Windows


@dataclass(frozen=True)
class ImageRequest:
    """One image, drawn with the noise of (seed, sample) at a temperature.

    known, keep: values (C, H, W) and a map (H, W). A pixel with keep = True takes its
        value from `known` and is not drawn.
    small: the small image (C, s, s) of a Multi-Scale model, if it is given.
    known_small: the first k rows (C, k, s) of the small image, if only these are given.
    member: index of the network that draws the image; None: the noise chooses one.
    label: index of the label. None: the noise chooses one, with the priors, or with
        p(label | the pixels before the hole) for an image that is completed. A
        Multi-Scale model takes the label from its small image.
    label_from: the pixels (H, W) that were given with the request; they decide where
        the hole begins when the label is chosen.
    weighed: True if ln p of the whole image, including its given pixels, is to be
        reported, at this temperature.
    windows: the windows of a field; `known` and `keep` then have the field's rows. The
        engine must have been made for the field's width.
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
