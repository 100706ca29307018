"""One update of one network, the only part of training that runs more than once a
second."""

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from model_core.errors import PixelRNNError
from model_core.float32 import tf32
from model_core.measures.likelihood import nats_per_image
from model_core.networks import Network
from model_core.training.batches import Batch, Batches
from model_core.training.flat import FlatParameters
from model_core.training.learning_rate import learning_rate
from model_core.training.optimiser import Average, Optimiser
from model_core.training.ranks import Ranks
from model_core.training.recipe import TrainingSection
from model_core.training.state import Decay


class DivergedError(PixelRNNError):
    """The loss or its gradient is not finite any more; the weights are those before the
    update."""


@dataclass(frozen=True)
class StepReport:
    """Figures of one update, over all processes; `Learner.advance` returns it."""

    nats: float
    """Mean nats per image, before the update."""
    gradient_norm: float
    """Norm of the gradient of nats per dimension, before clipping."""
    rate: float
    """The learning rate."""
    stop: bool
    """True if any process was asked to stop."""


class Learner:
    """A network, its optimiser and its average, which are advanced one batch at a time.

    The loss is nats per dimension, so that learning rates and clip norms have the same
    meaning for every image size.

    network: its parameters are views of `parameters`.
    optimiser: the recipe's rule.
    average: moving average of the weights; None if the recipe has none.
    per_epoch: updates of an epoch.
    decay: the last part of the run, once it has begun (schedule `stable`).
    earlier_updates: updates before iteration 0 that optimiser and average have seen.
    """

    def __init__(
        self,
        network: Network,
        batches: Batches,
        training: TrainingSection,
        ranks: Ranks,
    ) -> None:
        """Move the network's parameters into one buffer (FlatParameters).

        batches: the training images.
        training: of the recipe.
        ranks: the group of processes.
        """
        self.network = network
        self.parameters = FlatParameters(network, extra=2)
        self.optimiser = Optimiser(self.parameters, training)
        self.average = Average(self.parameters, training.ema) if training.ema else None
        self.per_epoch = training.epoch_updates or batches.per_epoch
        self._batches = batches
        self._nats_per_image = (
            torch.compile(nats_per_image) if training.compile else nats_per_image
        )
        self._training = training
        self._ranks = ranks
        self.decay: Decay | None = None
        self.earlier_updates = 0

    def advance(self, iteration: int, stop: bool) -> StepReport:
        """Make update number `iteration` (from 0), in all processes together, and
        report it.

        stop: True if this process was asked to stop; the report says whether any was.

        Raises DivergedError, without changing the weights, if the loss is not finite.
        """
        batch = self._batches.batch_at(iteration)
        mean_nats, stops = self._mean_over_shares(batch, stop)
        norm = self.optimiser.clip()
        if not (math.isfinite(mean_nats) and math.isfinite(norm)):
            raise DivergedError(
                f"training diverged at iteration {iteration + 1}: the loss is no "
                "longer finite"
            )
        rate = learning_rate(
            self._training, iteration, self.per_epoch, self.decay, self.earlier_updates
        )
        self.optimiser.step(rate)
        if self.average is not None:
            self.average.update(iteration + self.earlier_updates)
        return StepReport(mean_nats, norm, rate, stops > 0)

    def _mean_over_shares(self, batch: Batch, stop: bool) -> tuple[float, float]:
        """Put the mean of all shares' gradients into the buffer, and return the means
        of their nats and of the requests to stop, which are sent in the same message.

        batch: the shares of this process, in order.
        """
        message = self.parameters.message
        own_shares = self._ranks.own_shares
        parts = dict(zip(own_shares, batch.parts(len(own_shares)), strict=True))

        def compute(share: int) -> Tensor:
            message.zero_()
            part = parts[share]
            self.parameters.extra[0] = self._add_gradients(part.values, part.labels)
            self.parameters.extra[1] = float(stop)
            return message

        message.copy_(self._ranks.add_shares(compute))
        if self._ranks.shares > 1:
            message.div_(self._ranks.shares)
        mean_nats, stops = self.parameters.extra.tolist()
        return mean_nats, stops

    def _add_gradients(self, values: Tensor, labels: Tensor | None) -> Tensor:
        """Add the gradients of a share's images, in parts that fit into memory, and
        return their mean nats: values (B, C, H, W), labels (B,) -> ()."""
        device = self.parameters.weights.device
        precision = self._training.precision
        values = values.to(device)
        condition = self._condition(labels)
        size = self._training.micro_batch or len(values)
        total = torch.zeros((), device=device)
        for first in range(0, len(values), size):
            part = values[first : first + size]
            of_part = None if condition is None else condition[first : first + size]
            # The backward pass uses TF32 too; autocast is for the forward pass only.
            with tf32(allowed=precision == "tf32"):
                with torch.autocast(
                    values.device.type, torch.bfloat16, enabled=precision == "bf16"
                ):
                    per_image = self._nats_per_image(self.network, part, of_part)
                    nats = per_image.sum() / len(values)
                (nats / values[0].numel()).backward()
            total += nats.detach()
        return total

    def _condition(self, labels: Tensor | None) -> Tensor | None:
        if labels is None:
            return None
        return self.network.of_labels(labels.to(self.parameters.weights.device))

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors of a checkpoint by name, `kind/parameter`: weights,
        average and buffers of the optimiser. They are views, not copies."""
        return {
            f"{kind}/{name}": view
            for kind, flat in self._flats()
            for name, view in self.parameters.views(flat)
        }

    def digest(self) -> bytes:
        """Return the SHA-256 of the weights, their average and the optimiser's
        state."""
        digest = hashlib.sha256()
        for _, flat in self._flats():
            digest.update(flat.cpu().numpy().data)
        return digest.digest()

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Copy a checkpoint's tensors into the network, the average and the optimiser.
        Raises KeyError or RuntimeError if they are of another network or optimiser;
        some may have been copied then."""
        for kind, flat in self._flats():
            named = {
                name.partition("/")[2]: t
                for name, t in tensors.items()
                if name.partition("/")[0] == kind
            }
            self.parameters.fill(flat, named)
        self.parameters.mark_changed()

    def _flats(self) -> list[tuple[str, Tensor]]:
        """Return the flat buffers of a checkpoint, with the kind of each."""
        average = [] if self.average is None else [("average", self.average.weights)]
        return [
            ("weights", self.parameters.weights),
            *average,
            *self.optimiser.state.items(),
        ]
