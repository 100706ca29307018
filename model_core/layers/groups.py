"""Groups of features: each feature of a map belongs to one colour (section 3.4).

The F features of a map are split into C contiguous groups of nearly equal size: feature
i belongs to colour i * C // F. A feature may read the features of earlier colours and,
after the first layer, of its own colour. The gates of an LSTM are four maps of h
features, and each of the four is split in this way.
"""

import torch
from torch import Tensor


def colour_of(features: int, colours: int, parts: int = 1) -> Tensor:
    """Return the colour of each feature of a map, int64 (parts * features,), with 0 for
    the first colour. The features of a colour are adjacent, and each colour has nearly
    the same number: feature i has colour i * C // F.

    features: F, of each map.
    colours: C, at most F.
    parts: number of maps of F features that are concatenated; the grouping repeats for
        each of them, so the result is sorted only for 1.
    """
    assert features >= colours, "every colour needs a feature"
    return (torch.arange(features) * colours // features).repeat(parts)


def allowed(out_colour: Tensor, in_colour: Tensor, see_own: bool) -> Tensor:
    """Return which outputs may read which inputs at the same pixel: bool (O, I),
    [output, input].

    out_colour (O,), in_colour (I,): the colour of each feature.
    see_own: True if an output may read inputs of its own colour and of earlier ones
        (mask B), False if only of earlier ones (mask A).
    """
    if see_own:
        return in_colour[None, :] <= out_colour[:, None]
    return in_colour[None, :] < out_colour[:, None]
