"""What one pixel costs: the state each network keeps, and one step of it for many images at once.

`Stepper.features` computes the features of one colour at a work list of pixels, reading only what was stored before;
`Stepper.ends` places values and gives logits.
"""

from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.plain.diagonal_bilstm import DiagonalStepper
from model_core.sampling.plain.pixel_cnn import ConvolutionStepper
from model_core.sampling.plain.row_lstm import RowStepper
from model_core.sampling.plain.stepper import Stepper

_STEPPERS = {"pixel-cnn": ConvolutionStepper, "row-lstm": RowStepper, "diagonal-bilstm": DiagonalStepper}

__all__ = ["Stepper", "stepper_for"]


def stepper_for(network: PixelNetwork, slots: int, places: int) -> Stepper:
    """The stepper of this network with room for `slots` images, of which `places` pixels are computed at once."""
    return _STEPPERS[network.config.network](network, slots, places)
