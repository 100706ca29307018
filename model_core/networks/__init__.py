"""The networks, and the function that builds one from its config."""

from model_core.config import NetworkConfig
from model_core.networks.multi_scale import MultiScaleNetwork
from model_core.networks.pixel_network import PixelNetwork

Network = PixelNetwork | MultiScaleNetwork

__all__ = ["MultiScaleNetwork", "Network", "PixelNetwork", "build_network"]


def build_network(config: NetworkConfig) -> Network:
    """Return a network with random weights, drawn from torch's global generator."""
    if config.multi_scale:
        return MultiScaleNetwork(config)
    return PixelNetwork(config, config.labels)
