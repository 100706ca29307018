"""What one pixel costs: the state each network keeps, and one step of it for many images at once.

A stepper holds the state of `slots` images and one scratch slot. `features` computes the features of one colour at a
work list of pixels, reading only what was stored before; `ends` places values and gives logits.
"""

from model_core.models import Model
from model_core.sampling.steppers.convolution import ConvolutionStepper
from model_core.sampling.steppers.diagonal import DiagonalStepper

Stepper = ConvolutionStepper | DiagonalStepper

_STEPPERS = {"pixel-cnn": ConvolutionStepper, "diagonal-bilstm": DiagonalStepper}


def stepper_for(model: Model, slots: int) -> Stepper:
    """The stepper of this model's network with room for `slots` images."""
    return _STEPPERS[model.config.network](model.network, slots)
