"""A network's weights as the compiled loop reads them: made once, and kept for as long as they are true."""

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from model_core.compiled.records import Shared
from model_core.kinds import part
from model_core.networks.pixel_network import PixelNetwork, WeightVersions
from model_core.sampling.compiled.colour_order import Maps
from model_core.sampling.compiled.kind import CompiledKind
from model_core.sampling.compiled.weights import shared_weights


class Prepared(NamedTuple):
    """Arrays that all stages of a network share, and only read."""

    kind: CompiledKind
    maps: Maps
    shared: Shared
    weights: dict[str, Any]
    """Fields of the kind's record `Layers` that hold weights."""


_kept: WeakKeyDictionary[PixelNetwork, tuple[WeightVersions, Prepared]] = (
    WeakKeyDictionary()
)


def prepared(network: PixelNetwork) -> Prepared:
    """Laid out anew only when a parameter was written to: a single small image is drawn in the time that this takes."""
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
