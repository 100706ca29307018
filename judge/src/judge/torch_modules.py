"""PyTorch modules that return logits, as functions that can be judged.

torch is imported when a module is wrapped, not when this file is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from judge.errors import CannotJudgeError

if TYPE_CHECKING:
    import torch


def nats_from_logits(
    module: torch.nn.Module,
    *,
    prepare: Callable[[torch.Tensor], Any] | None = None,
    start: int | None = None,
) -> LogitsNats:
    """Return a function for `judge` that asks a PyTorch module.

    The module is judged in the mode in which it is: after `module.eval()`, or in
    training mode, with dropout and batch norm as they are then. Buffers of layers in
    training mode are put back after each question, so that judging does not change
    them.

    Args:
        module: maps values to logits `(N, V, C, H, W)`, `(N, V, H, W)` or, of
            sequences, `(N, T, V)`.
        prepare: maps int64 values `(N, *shape)` to the module's input, for instance
            `lambda x: x.float() / 255`. Default: the values themselves.
        start: for sequence modules whose row t predicts the value at t + 1, as those
            of language models do: the value to put before the first one. The module
            is then called with `start, x[0], ..., x[T-2]`. Default: row t predicts
            the value at t.
    """
    return LogitsNats(module, prepare, start)


class LogitsNats:
    """See `nats_from_logits`, which makes it."""

    def __init__(
        self,
        module: torch.nn.Module,
        prepare: Callable[[torch.Tensor], Any] | None,
        start: int | None,
    ) -> None:
        self._module = module
        self._prepare = prepare
        self._start = start
        self._needs_two = _has_training_batch_norm(module)
        self.notes = list(_training_notes(module))
        """Remarks for the verdict: layers that are in training mode."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return -ln p of each variable of integers `(N, *shape)`, same shape."""
        import torch

        with torch.no_grad():
            nats = self._nats_of_every_value(x)
            index = torch.from_numpy(x).to(nats.device).unsqueeze(-1)
            return nats.gather(-1, index).squeeze(-1).double().cpu().numpy()

    def table(self, x: np.ndarray) -> np.ndarray:
        """Return -ln p of every value of integers `(N, *shape)`: `(N, *shape, V)`."""
        import torch

        with torch.no_grad():
            return self._nats_of_every_value(x).cpu().numpy()

    def _nats_of_every_value(self, x: np.ndarray) -> torch.Tensor:
        import torch

        logits = self._classes_last(self._logits(x), x.shape)
        # Half precision is normalised in single precision, as losses do it.
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        return -torch.log_softmax(logits, dim=-1)

    def _logits(self, x: np.ndarray) -> torch.Tensor:
        import torch

        device = next((each.device for each in self._module.parameters()), "cpu")
        values = torch.from_numpy(x).long().to(device)
        # Batch norm refuses one value per channel in training mode.
        if self._needs_two and len(values) == 1:
            values = values.repeat(2, *[1] * (values.ndim - 1))
        if self._start is not None:
            first = torch.full_like(values[:, :1], self._start)
            values = torch.cat([first, values[:, :-1]], dim=1)
        given = values if self._prepare is None else self._prepare(values)
        with _buffers_put_back(self._module):
            logits = self._module(given)
        if not isinstance(logits, torch.Tensor):
            raise CannotJudgeError(
                f"the module returned {type(logits).__name__}, expected a tensor of "
                "logits: wrap it in a module that returns them alone"
            )
        return logits[: len(x)]

    def _classes_last(
        self, logits: torch.Tensor, shape: tuple[int, ...]
    ) -> torch.Tensor:
        """Return logits of one of the known layouts as `(N, *shape, V)`."""
        inside = tuple(logits.shape[2:])
        one_colour = len(shape) == 4 and shape[1] == 1
        if logits.ndim in (4, 5) and inside == shape[1:]:
            return logits.movedim(1, -1)
        if logits.ndim == 4 and one_colour and inside == shape[2:]:
            return logits.movedim(1, -1).unsqueeze(1)
        if logits.ndim == 3 and tuple(logits.shape[:2]) == shape:
            return logits
        raise CannotJudgeError(
            f"the module returned logits {tuple(logits.shape)} for values {shape}; "
            "expected (N, V, C, H, W), (N, V, H, W) or (N, T, V)"
        )


def _training_layers(module: torch.nn.Module) -> Iterator[str]:
    """Yield the class of each layer that works differently in training mode."""
    for layer in module.modules():
        name = type(layer).__name__
        if layer.training and ("Dropout" in name or "BatchNorm" in name):
            yield name


def _has_training_batch_norm(module: torch.nn.Module) -> bool:
    return any("BatchNorm" in name for name in _training_layers(module))


def _training_notes(module: torch.nn.Module) -> Iterator[str]:
    counts = Counter(_training_layers(module))
    if counts:
        layers = ", ".join(f"{count} {name}" for name, count in counts.items())
        yield f"the module is in training mode, with {layers}"


@contextmanager
def _buffers_put_back(module: torch.nn.Module) -> Iterator[None]:
    """Undo what a call changes in layers in training mode, such as running means."""
    kept = [
        (buffer, buffer.clone())
        for layer in module.modules()
        if layer.training
        for buffer in layer.buffers(recurse=False)
    ]
    try:
        yield
    finally:
        for buffer, copy in kept:
            buffer.copy_(copy)
