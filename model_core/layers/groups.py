"""R|G|B groups: which colour each feature belongs to (section 3.4).

Every map of F features is split into C contiguous groups, one a colour, as equal as F allows: feature i belongs to
colour i * C // F. A feature of one colour may read features of the colours before it, and, past the first layer, of its
own. LSTM gates are four maps of h features, so they are grouped gate by gate.
"""

import torch
from torch import Tensor


def colour_of(features: int, colours: int, parts: int = 1) -> Tensor:
    """Colour of each feature, (parts * features,) int64: the same grouping repeated for each of `parts` maps."""
    assert features >= colours, "every colour needs a feature"
    return (torch.arange(features) * colours // features).repeat(parts)


def allowed(out_colour: Tensor, in_colour: Tensor, see_own: bool) -> Tensor:
    """(O, I) bool: may an output of this colour read an input of that colour at the same pixel?"""
    if see_own:
        return in_colour[None, :] <= out_colour[:, None]
    return in_colour[None, :] < out_colour[:, None]
