"""The networks, built from their config."""

from model_core.networks.pixel_network import PixelNetwork, build_network

__all__ = ["PixelNetwork", "build_network"]
