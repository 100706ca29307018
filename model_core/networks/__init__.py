"""The networks, built from their config."""

from model_core.config import NetworkConfig
from model_core.networks.multi_scale import MultiScaleNetwork
from model_core.networks.pixel_network import PixelNetwork

Network = PixelNetwork | MultiScaleNetwork

__all__ = ["MultiScaleNetwork", "Network", "PixelNetwork", "build_network"]


def build_network(config: NetworkConfig) -> Network:
    """A network with fresh random weights from torch's global generator."""
    return (
        MultiScaleNetwork(config)
        if config.multi_scale
        else PixelNetwork(config, config.labels)
    )
