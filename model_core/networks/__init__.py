"""The networks, and the function that builds one from its config."""

from model_core.config import NetworkConfig
from model_core.networks.multi_scale import MultiScaleNetwork
from model_core.networks.pixel_network import PixelNetwork

Network = PixelNetwork | MultiScaleNetwork

__all__ = ["MultiScaleNetwork", "Network", "PixelNetwork", "build_network"]


def build_network(config: NetworkConfig) -> Network:
    """Return a new network for a config: a MultiScaleNetwork if its `factor` is above
    1, else a PixelNetwork, conditioned on a label if the config has labels. Its weights
    are random, drawn from torch's global generator, in torch's default dtype and on its
    default device."""
    if config.multi_scale:
        return MultiScaleNetwork(config)
    return PixelNetwork(config, config.labels)
