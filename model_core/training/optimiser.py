"""The update rules, RMSProp of section 5.2 and Muon, and the running average of the weights.

The paper trained with the Torch toolbox, whose `optim.rmsprop` is the plain rule: divide by the root of a decaying mean
of squared gradients. torch.optim.RMSprop is its descendant with the same defaults (alpha 0.99, epsilon 1e-8). Graves's
variant, centred and with momentum, is two switches of the recipe.

Muon (Jordan, 2024, https://kellerjordan.github.io/posts/muon/) moves matrices by their momentum made orthogonal, so
that no direction is left behind because its gradients are small. It wants fewer images than RMSProp for the same nats:
configs/mnist-pixelcnn.toml has figures. torch.optim.Muon takes matrices only, one after the other; the kernels here are
sixty small convolutions, so those of one shape are moved together.

Shape alone decides which weights are matrices: kernels of 8 output and 8 input features or more, each as one matrix of
(outputs, inputs x taps), masked taps counted in its size. These are convolutions inside blocks, both hidden layers of
the head, and its output layer where it has 8 outputs or more. Adam's rule, without its correction of young means, moves
the rest: the first layer, biases, first states, an output layer of two values, and all recurrent matrices, because
`state_to_state` is (taps, 4h, h) and has two or three taps. Jordan would leave every output layer to Adam's rule: here
colour lost 0.09 bits/dim by that, and recurrent matrices by Muon gained nothing (docs/internals/performance.md).
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from model_core.training.flat import FlatParameters
from model_core.training.recipe import TrainingSection

_POLYNOMIAL = (3.4445, -4.7750, 2.0315)
"""Coefficients of one Newton-Schulz step (Jordan, 2024): five of them bring all singular values near 1."""
_LEAST_FEATURES = 8
"""Fewest output and input features of a kernel that is moved as a matrix; pixels and two values are fewer."""
_SIZE_OF_A_STEP = 0.2
"""Root mean square of a matrix's update at rate 1, which is about Adam's (Liu et al., 2025, arXiv:2502.16982, 2.2)."""


class Rule(Protocol):
    """One way to move P weights by their gradients."""

    state: dict[str, Tensor]
    """Buffers (P), all there from the first step on, so that a checkpoint always has the same tensors."""

    def step(self, rate: float) -> None:
        """Move the weights by the gradients in the buffer."""
        ...


class Optimiser:
    """The recipe's rule on the flat buffer of P parameters, gradients clipped by their norm."""

    def __init__(self, parameters: FlatParameters, training: TrainingSection) -> None:
        self._parameters = parameters
        self._clip = training.clip
        self._rule: Rule = (Muon if training.rule == "muon" else RMSProp)(
            parameters, training
        )
        self.state = self._rule.state

    def step(self, rate: float) -> None:
        """One update of the weights from the gradients that are in the buffer, which is then zeroed."""
        self._rule.step(rate)
        self._parameters.touched()
        self._parameters.message.zero_()

    def clip(self) -> float:
        """Scale the gradients down to the largest norm allowed; returns the norm before."""
        norm = float(self._parameters.gradients.norm())
        if self._clip and norm > self._clip:
            self._parameters.gradients.mul_(self._clip / norm)
        return norm


class RMSProp:
    """Section 5.2's rule, by torch."""

    def __init__(self, parameters: FlatParameters, training: TrainingSection) -> None:
        weights = torch.nn.Parameter(parameters.weights)
        weights.grad = parameters.gradients
        self._rule = torch.optim.RMSprop(
            [weights],
            lr=0.0,  # each step says its own
            alpha=training.alpha,
            eps=training.epsilon,
            momentum=training.momentum,
            centered=training.centered,
            foreach=False,
        )
        self.state: dict[str, Tensor] = {
            "square_avg": torch.zeros_like(parameters.weights)
        }
        if training.momentum:
            self.state["momentum_buffer"] = torch.zeros_like(parameters.weights)
        if training.centered:
            self.state["grad_avg"] = torch.zeros_like(parameters.weights)
        self._rule.state[weights] = {"step": torch.zeros(()), **self.state}

    def step(self, rate: float) -> None:
        """Move the weights by the gradients in the buffer."""
        self._rule.param_groups[0]["lr"] = rate
        self._rule.step()


class Muon:
    """Kernels move by their orthogonal momentum, all other weights, recurrent matrices among them, by Adam's rule; both
    with Nesterov's momentum."""

    def __init__(self, parameters: FlatParameters, training: TrainingSection) -> None:
        self._weights, self._gradients = parameters.weights, parameters.gradients
        self._momentum, self._alpha, self._epsilon = (
            training.momentum,
            training.alpha,
            training.epsilon,
        )
        self._weight_decay = training.weight_decay
        self._matrices, self._others = _by_shape(parameters)
        self.state = {
            name: torch.zeros_like(parameters.weights)
            for name in ("momentum_buffer", "square_avg")
        }

    def step(self, rate: float) -> None:
        """Move the weights by the gradients in the buffer."""
        momentum, squares = self.state["momentum_buffer"], self.state["square_avg"]
        momentum.lerp_(self._gradients, 1 - self._momentum)
        squares.mul_(self._alpha).addcmul_(
            self._gradients, self._gradients, value=1 - self._alpha
        )
        ahead = self._gradients.lerp(momentum, self._momentum)
        for (rows, columns), where in self._matrices.items():
            is_moved = (
                squares[where] > 0
            )  # masked weights never have a gradient, and stay
            update = (
                orthogonal(ahead[where].view(-1, rows, columns)).flatten() * is_moved
            )
            if self._weight_decay:
                self._weights[where] *= 1 - rate * self._weight_decay
            self._weights[where] -= (
                rate * _SIZE_OF_A_STEP * math.sqrt(max(rows, columns)) * update
            )
        others = self._others
        self._weights[others] -= (
            rate * ahead[others] / (squares[others].sqrt() + self._epsilon)
        )


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (N, R, C) whose singular vectors stay and whose singular values come near 1 (0.7 to 1.2), by five
    Newton-Schulz steps; zeros stay zero."""
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT).mT
    x = matrices / (
        matrices.flatten(1).norm(dim=1)[:, None, None]
        + torch.finfo(matrices.dtype).tiny
    )
    a, b, c = _POLYNOMIAL
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x


def moves_as_matrix(weight: Tensor) -> bool:
    """True of a kernel (outputs, inputs, ...) with features enough of both."""
    return weight.ndim >= 2 and min(weight.shape[:2]) >= _LEAST_FEATURES


def _by_shape(
    parameters: FlatParameters,
) -> tuple[dict[tuple[int, int], Tensor], Tensor]:
    """Places in the buffer of matrices, those of one shape (rows, columns) together, and of the rest."""
    places = torch.arange(parameters.size)
    matrices: dict[tuple[int, int], list[Tensor]] = {}
    others: list[Tensor] = []
    for _, weight in parameters.views(places):
        if moves_as_matrix(weight):
            matrices.setdefault((len(weight), weight[0].numel()), []).append(
                weight.flatten()
            )
        else:
            others.append(weight.flatten())
    device = parameters.weights.device
    return {
        shape: torch.cat(found).to(device) for shape, found in matrices.items()
    }, torch.cat(others).to(device)


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
