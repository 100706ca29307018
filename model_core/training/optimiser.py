"""The update rules, RMSProp of section 5.2 and Muon, and the moving average of the
weights.

The paper trained with Torch, whose `optim.rmsprop` is the plain rule: divide by the
root of a decaying mean of squared gradients. torch.optim.RMSprop is its successor with
the same defaults (alpha 0.99, epsilon 1e-8). Graves's variant, centred and with
momentum, is two options of the recipe.

Muon (Jordan, 2024, https://kellerjordan.github.io/posts/muon/) moves a matrix by its
momentum made orthogonal, so that directions with small gradients are not neglected. It
needs fewer images than RMSProp for the same nats: configs/mnist-pixelcnn.toml has
figures. torch.optim.Muon processes one matrix after the other. The networks here have
sixty small convolutions, so this implementation moves all matrices of one shape
together.

The shape alone decides which weights are matrices: kernels with at least 8 output and 8
input features, each as a matrix (outputs, inputs x taps) that includes masked taps.
These are the convolutions inside blocks, both hidden layers of the head, and its output
layer if it has at least 8 outputs. Adam's rule, without its correction of young means,
moves all others: the first layer, biases, initial states, an output layer of two
values, and all recurrent matrices, because `state_to_state` is (taps, 4h, h) and has
two or three taps. Jordan recommends Adam's rule for every output layer. Here that cost
0.09 bits/dim on colour images, and Muon brought no gain for recurrent matrices
(docs/internals/performance.md).
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from model_core.training.flat import FlatParameters
from model_core.training.recipe import TrainingSection

_POLYNOMIAL = (3.4445, -4.7750, 2.0315)
"""Coefficients of one Newton-Schulz step (Jordan, 2024). Five steps bring all singular
values near 1."""
_LEAST_FEATURES = 8
"""Smallest number of output and of input features of a kernel that is moved as a
matrix. Pixels and two values are fewer."""
_SIZE_OF_A_STEP = 0.2
"""Root mean square of a matrix's update at rate 1, which is about that of Adam (Liu et
al., 2025, arXiv:2502.16982, 2.2)."""


class Rule(Protocol):
    """One way to change P weights by their gradients. RMSProp and Muon are the two."""

    state: dict[str, Tensor]
    """Buffers (P,) by name, which a checkpoint contains. All exist from the first step
    on, so that a checkpoint always has the same tensors."""

    def step(self, rate: float) -> None:
        """Change the weights by the gradients in the buffer.

        rate: the learning rate.
        """
        ...


class Optimiser:
    """The recipe's rule on the flat buffer of P parameters, with clipping of the
    gradients by their norm.

    state: the rule's buffers, (P,), by name.
    """

    def __init__(self, parameters: FlatParameters, training: TrainingSection) -> None:
        """parameters: whose weights and gradients it works on.
        training: the rule and its numbers.
        """
        self._parameters = parameters
        self._clip = training.clip
        rule = Muon if training.rule == "muon" else RMSProp
        self._rule: Rule = rule(parameters, training)
        self.state = self._rule.state

    def step(self, rate: float) -> None:
        """Change the weights by the gradients in the buffer, and set the whole message
        (gradients and extra numbers) to zero.

        rate: the learning rate.
        """
        self._rule.step(rate)
        self._parameters.mark_changed()
        self._parameters.message.zero_()

    def clip(self) -> float:
        """Scale the gradients in the buffer so that their norm is at most
        training.clip, if that is not 0. Return their norm before."""
        norm = float(self._parameters.gradients.norm())
        if self._clip and norm > self._clip:
            self._parameters.gradients.mul_(self._clip / norm)
        return norm


class RMSProp:
    """The rule of section 5.2, as torch implements it.

    state: its buffers, (P,), by name.
    """

    def __init__(self, parameters: FlatParameters, training: TrainingSection) -> None:
        """parameters: whose weights and gradients it works on.
        training: alpha, epsilon, momentum and centered count.
        """
        weights = torch.nn.Parameter(parameters.weights)
        weights.grad = parameters.gradients
        self._rule = torch.optim.RMSprop(
            [weights],
            lr=0.0,  # set in each step
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
        """Change the weights by the gradients in the buffer.

        rate: the learning rate.
        """
        self._rule.param_groups[0]["lr"] = rate
        self._rule.step()


class Muon:
    """Moves kernels by their orthogonal momentum, and all other weights, including
    recurrent matrices, by Adam's rule; both with Nesterov's momentum.

    state: its buffers, (P,), by name.
    """

    def __init__(self, parameters: FlatParameters, training: TrainingSection) -> None:
        """parameters: whose weights and gradients it works on.
        training: momentum, alpha, epsilon and weight_decay count.
        """
        self._weights = parameters.weights
        self._gradients = parameters.gradients
        self._momentum = training.momentum
        self._alpha = training.alpha
        self._epsilon = training.epsilon
        self._weight_decay = training.weight_decay
        self._matrices, self._others = _by_shape(parameters)
        self.state = {
            name: torch.zeros_like(parameters.weights)
            for name in ("momentum_buffer", "square_avg")
        }

    def step(self, rate: float) -> None:
        """Change the weights by the gradients in the buffer.

        rate: the learning rate.
        """
        momentum = self.state["momentum_buffer"]
        squares = self.state["square_avg"]
        momentum.lerp_(self._gradients, 1 - self._momentum)
        squares.mul_(self._alpha).addcmul_(
            self._gradients, self._gradients, value=1 - self._alpha
        )
        ahead = self._gradients.lerp(momentum, self._momentum)
        for (rows, columns), where in self._matrices.items():
            # Masked weights never have a gradient and must stay zero.
            is_moved = squares[where] > 0
            update = orthogonal(ahead[where].view(-1, rows, columns)).flatten()
            update = update * is_moved
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
    """Return matrices (N, R, C) with the same singular vectors and with singular values
    near 1 (0.7 to 1.2), by five Newton-Schulz steps. Zero matrices stay zero; very
    small singular values may stay smaller."""
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT).mT
    norms = matrices.flatten(1).norm(dim=1)[:, None, None]
    x = matrices / (norms + torch.finfo(matrices.dtype).tiny)
    a, b, c = _POLYNOMIAL
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x


def moves_as_matrix(weight: Tensor) -> bool:
    """Return True if Muon moves this weight as a matrix: if it is a kernel (outputs,
    inputs, ...) with at least 8 of both."""
    return weight.ndim >= 2 and min(weight.shape[:2]) >= _LEAST_FEATURES


def _by_shape(
    parameters: FlatParameters,
) -> tuple[dict[tuple[int, int], Tensor], Tensor]:
    """Return the indices in the buffer of all matrices, by shape (rows, columns), and
    those of all other weights."""
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
    joined = {shape: torch.cat(each).to(device) for shape, each in matrices.items()}
    return joined, torch.cat(others).to(device)


class Average:
    """Exponential moving average of the weights. At first it follows them faster, so
    that the random start has no effect later. `update` is called after each update.

    weights: (P,), the average.
    """

    def __init__(self, parameters: FlatParameters, decay: float) -> None:
        """Begin with the current weights.

        decay: share of the average that an update keeps, later on.
        """
        self._parameters = parameters
        self._decay = decay
        self.weights = parameters.weights.clone()

    def update(self, iteration: int) -> None:
        """Move the average towards the current weights, after update number `iteration`
        (from 0)."""
        decay = min(self._decay, (1 + iteration) / (10 + iteration))
        self.weights.lerp_(self._parameters.weights, 1 - decay)
