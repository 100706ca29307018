"""A network's weights as the compiled loop reads them, made once and kept while they
are valid."""

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from model_core.compiled.records import Shared
from model_core.kinds import part
from model_core.networks.pixel_network import PixelNetwork, WeightVersions
from model_core.sampling.compiled.colour_order import Maps
from model_core.sampling.compiled.kind import CompiledKind
from model_core.sampling.compiled.weights import shared_weights


class Prepared(NamedTuple):
    """Arrays that all stages of a network share and only read; `prepared` makes
    them."""

    kind: CompiledKind
    """The network's kind, with its loop."""
    maps: Maps
    """Layouts of its maps."""
    shared: Shared
    """What all kinds of loop read."""
    weights: dict[str, Any]
    """Fields of the kind's record `Layers` that hold weights, by name."""


_kept: WeakKeyDictionary[PixelNetwork, tuple[WeightVersions, Prepared]] = (
    WeakKeyDictionary()
)


def prepared(network: PixelNetwork) -> Prepared:
    """Return the arrays of a network in main memory.

    They are laid out again only after a parameter was written to
    (`PixelNetwork.weight_versions`), because that takes as long as drawing a single
    small image; each time for weights made in inference mode.
    """
    versions = network.weight_versions()
    if versions is None:
        return _prepare(network)
    kept = _kept.get(network)
    if kept is None or kept[0] != versions:
        kept = _kept[network] = versions, _prepare(network)
    return kept[1]


def _prepare(network: PixelNetwork) -> Prepared:
    kind, maps = part(network.config.kind.compiled), Maps(network)
    return Prepared(
        kind, maps, shared_weights(network, kind, maps), kind.weights(network, maps)
    )
