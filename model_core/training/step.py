"""One update of one network: the only part of training that runs more than once a second."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from model_core.errors import PixelRNNError
from model_core.float32 import tf32
from model_core.measures.likelihood import nats_per_image
from model_core.networks import Network
from model_core.training.batches import Batches
from model_core.training.flat import FlatParameters
from model_core.training.learning_rate import learning_rate
from model_core.training.optimiser import Average, Optimiser
from model_core.training.ranks import Ranks
from model_core.training.recipe import TrainingSection


class DivergedError(PixelRNNError):
    """The loss or its gradient is no longer a finite number; the weights are those of the update before."""


@dataclass(frozen=True)
class StepReport:
    """Figures of one update, over all processes."""

    nats: float
    """Per image, before the update."""
    gradient_norm: float
    """Norm of the gradient of nats per dimension, before clipping."""
    rate: float
    stop: bool
    """Set if any process was asked to stop."""


class Learner:
    """A network, its optimiser and its average, advanced one batch at a time.

    The optimised loss is nats per dimension, so that learning rates and clip norms mean the same at every image size.
    """

    def __init__(
        self,
        network: Network,
        batches: Batches,
        training: TrainingSection,
        ranks: Ranks,
    ) -> None:
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

    def advance(self, iteration: int, stop: bool) -> StepReport:
        """Make update number `iteration` (from 0); DivergedError leaves the weights as they were."""
        nats = self._add_gradients(*self._batches.labelled(iteration))
        mean_nats, stops = self._share(nats, stop)
        norm = self.optimiser.clip()
        if not (math.isfinite(mean_nats) and math.isfinite(norm)):
            raise DivergedError(
                f"training diverged at iteration {iteration + 1}: the loss is no longer finite"
            )
        rate = learning_rate(self._training, iteration, self.per_epoch)
        self.optimiser.step(rate)
        if self.average is not None:
            self.average.update(iteration)
        return StepReport(mean_nats, norm, rate, stops > 0)

    def _add_gradients(self, values: Tensor, labels: Tensor | None) -> Tensor:
        """Gradients of this process's images, as many at once as fit: values (B, C, H, W), labels (B,) -> their mean
        nats ()."""
        device, precision = self.parameters.weights.device, self._training.precision
        values, total = values.to(device), torch.zeros((), device=device)
        size, condition = (
            self._training.micro_batch or len(values),
            self._condition(labels),
        )
        for first in range(0, len(values), size):
            part = values[first : first + size]
            of_part = None if condition is None else condition[first : first + size]
            with tf32(allowed=precision == "tf32"):
                with torch.autocast(
                    values.device.type, torch.bfloat16, enabled=precision == "bf16"
                ):
                    nats = self._nats_per_image(
                        self.network, part, of_part
                    ).sum() / len(values)
                (nats / values[0].numel()).backward()
            total += nats.detach()
        return total

    def _condition(self, labels: Tensor | None) -> Tensor | None:
        if labels is None:
            return None
        return self.network.of_labels(labels.to(self.parameters.weights.device))

    def _share(self, nats: Tensor, stop: bool) -> tuple[float, float]:
        """Average the gradients over processes, and with them, in the same message, the loss and the wish to stop."""
        self.parameters.extra[0] = nats
        self.parameters.extra[1] = float(stop)
        self._ranks.mean_(self.parameters.message)
        mean_nats, stops = self.parameters.extra.tolist()
        return mean_nats, stops

    def tensors(self) -> dict[str, Tensor]:
        """Everything a checkpoint needs, as `kind/parameter`; views, not copies."""
        return {
            f"{kind}/{name}": view
            for kind, flat in self._flats()
            for name, view in self.parameters.views(flat)
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over a checkpoint's tensors; KeyError or RuntimeError when they are of another network or optimiser."""
        for kind, flat in self._flats():
            named = {
                name.partition("/")[2]: t
                for name, t in tensors.items()
                if name.partition("/")[0] == kind
            }
            self.parameters.fill(flat, named)
        self.parameters.touched()

    def _flats(self) -> list[tuple[str, Tensor]]:
        average = [] if self.average is None else [("average", self.average.weights)]
        return [
            ("weights", self.parameters.weights),
            *average,
            *self.optimiser.state.items(),
        ]
