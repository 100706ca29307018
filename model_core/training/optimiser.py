"""The update rule of section 5.2, RMSProp, and the running average of the weights.

The paper trained with the Torch toolbox, whose `optim.rmsprop` is the plain rule: divide by the root of a decaying mean
of squared gradients. torch.optim.RMSprop is its descendant with the same defaults (alpha 0.99, epsilon 1e-8). Graves's
variant, centred and with momentum, is two switches of the recipe.
"""

import torch
from torch import Tensor

from model_core.training.flat import FlatParameters
from model_core.training.recipe import TrainingSection


class Optimiser:
    """RMSProp on the flat buffer of P parameters, gradients clipped by their norm."""

    def __init__(self, parameters: FlatParameters, training: TrainingSection) -> None:
        self._parameters = parameters
        self._clip = training.clip
        self._weights = torch.nn.Parameter(parameters.weights)
        self._weights.grad = parameters.gradients
        self._rule = torch.optim.RMSprop(
            [self._weights],
            lr=training.learning_rate,
            alpha=training.alpha,
            eps=training.epsilon,
            momentum=training.momentum,
            centered=training.centered,
            foreach=False,
        )
        # Allocated now and not at the first step, so that a checkpoint always has the same tensors.
        state: dict[str, Tensor] = {"square_avg": torch.zeros_like(parameters.weights)}
        if training.momentum:
            state["momentum_buffer"] = torch.zeros_like(parameters.weights)
        if training.centered:
            state["grad_avg"] = torch.zeros_like(parameters.weights)
        self.state = state
        self._rule.state[self._weights] = {"step": torch.zeros(()), **state}

    def step(self, rate: float) -> None:
        """One update of the weights from the gradients that are in the buffer, which is then zeroed."""
        self._rule.param_groups[0]["lr"] = rate
        self._rule.step()
        self._parameters.touched()
        self._parameters.message.zero_()

    def clip(self) -> float:
        """Scale the gradients down to the largest norm allowed; returns the norm before."""
        norm = float(self._parameters.gradients.norm())
        if self._clip and norm > self._clip:
            self._parameters.gradients.mul_(self._clip / norm)
        return norm


class Average:
    """Exponential moving average of the weights (P); young averages follow faster, so the random start fades."""

    def __init__(self, parameters: FlatParameters, decay: float) -> None:
        self._parameters = parameters
        self._decay = decay
        self.weights = parameters.weights.clone()

    def update(self, iteration: int) -> None:
        """Move towards the current weights, after update number `iteration` (from 0)."""
        decay = min(self._decay, (1 + iteration) / (10 + iteration))
        self.weights.lerp_(self._parameters.weights, 1 - decay)
