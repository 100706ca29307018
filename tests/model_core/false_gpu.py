"""A device that only pretends to be a GPU: its tensors lie on the CPU, and what would go wrong on a GPU raises.

Operations that mix it with the CPU raise; so does everything that waits for the device, or reads the host's memory,
while a graph is captured. Outside of a capture waits, and copies to the device, are counted. A graph is recorded
without a trace in the tensors that are there, and replayed at the same addresses. It knows nothing of rounding, of
cuBLAS's choices or of speed.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, Self
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
"""Its name: a torch that was built without CUDA guards no device of that name."""
NON_DETERMINISTIC = {
    "aten::cumsum",
    "aten::scatter_add",
    "aten::index_add",
    "aten::put_",
    "aten::histc",
    "aten::bincount",
}
"""Operations that torch lists as non-deterministic on CUDA, as far as a network may use them."""
WAITS = {
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::masked_select",
    "aten::equal",
}


class WrongOnAGPUError(AssertionError):
    """The operation would fail on a GPU, in a captured graph, or would not promise its bytes."""


class OnGPU(torch.Tensor):
    """A tensor that says it is on the GPU; `held` has its numbers."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "OnGPU":
        place = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        outer = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, **place, dtype=held.dtype, device=DEVICE
        )  # type: ignore[attr-defined]
        outer.held = held
        return outer

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        raise WrongOnAGPUError(f"{func} of a tensor whose GPU is gone")


class _Stream:
    def __init__(self, gpu: "FalseGPU") -> None:
        self._gpu = gpu

    def wait_stream(self, _other: "_Stream") -> None: ...

    def synchronize(self) -> None:
        self._gpu.waits("synchronize")


class Graph:
    """Calls, with the tensors that they read and fill."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def replay(self) -> None:
        for func, args, kwargs, outs in self.calls:
            again = func(*args, **kwargs)
            for out, new in zip(tree_leaves(outs), tree_leaves(again), strict=True):
                if out is not new:
                    out.copy_(new)


class FalseGPU(TorchDispatchMode):
    """One device, whose streams do nothing, and which captures graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        """waits: of the host for the device; copies: from the host's memory to the device."""
        self._graph: Graph | None = None

    @contextmanager
    def there(self) -> Iterator[Self]:
        """Within, the device is there, and what `torch.cuda` says of streams and graphs is about it."""
        stream = _Stream(self)
        stand_ins = {
            "device": lambda _device: nullcontext(),
            "Stream": lambda: stream,
            "current_stream": lambda: stream,
            "stream": lambda _stream: nullcontext(),
            "CUDAGraph": Graph,
            "graph": self._capture,
        }
        with ExitStack() as patches, self:
            for name, stands_in in stand_ins.items():
                patches.enter_context(mock.patch.object(torch.cuda, name, stands_in))
            yield self

    @contextmanager
    def _capture(
        self, graph: Graph, stream: _Stream, capture_error_mode: str
    ) -> Iterator[None]:
        assert (stream, capture_error_mode) != (None, "global")
        self._graph = graph
        try:
            yield
        finally:
            self._graph = None

    def waits(self, what: str) -> None:
        """The host waits until the device is done."""
        if self._graph is not None:
            raise WrongOnAGPUError(
                f"{what} waits for the device while a graph is captured"
            )
        self.counts["waits"] += 1

    def _copies(self, what: str) -> None:
        if self._graph is not None:
            raise WrongOnAGPUError(
                f"{what} reads the host's memory while a graph is captured"
            )
        self.counts["copies"] += 1

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func is torch.ops.aten._has_compatible_shallow_copy_type.default:
            return type(args[0]) is type(
                args[1]
            )  # a parameter does not become one of another device in its place
        if func._can_decompose():
            with self:
                return func.decompose(*args, **(kwargs or {}))
        kwargs, name = dict(kwargs or {}), func._schema.name
        tensors = [
            leaf
            for leaf in tree_leaves((args, kwargs))
            if isinstance(leaf, torch.Tensor)
        ]
        from_gpu = any(isinstance(tensor, OnGPU) for tensor in tensors)
        from_host = any(
            not isinstance(tensor, OnGPU) and tensor.dim() for tensor in tensors
        )
        target, kwargs = (
            kwargs.get("device"),
            {**kwargs, **({"device": "cpu"} if kwargs.get("device") else {})},
        )
        kwargs.pop("pin_memory", None)
        to_gpu = (
            from_gpu if target is None else torch.device(target).type == DEVICE.type
        )
        is_blocking = True
        if name == "aten::copy_":
            to_gpu, is_blocking = isinstance(args[0], OnGPU), args[2:] != (True,)
        self._check(name, from_gpu, from_host, to_gpu, is_blocking)
        own = {
            id(tensor.held): tensor for tensor in tensors if isinstance(tensor, OnGPU)
        }
        args, kwargs = tree_map(
            lambda leaf: leaf.held if isinstance(leaf, OnGPU) else leaf, (args, kwargs)
        )
        out = self._run(func, args, kwargs) if to_gpu else func(*args, **kwargs)
        if not to_gpu:
            return out

        def wrapped(leaf: Any) -> Any:
            return (
                own[id(leaf)]
                if id(leaf) in own
                else OnGPU(leaf)
                if isinstance(leaf, torch.Tensor)
                else leaf
            )

        return tree_map(wrapped, out)

    def _check(
        self,
        name: str,
        from_gpu: bool,
        from_host: bool,
        to_gpu: bool,
        is_blocking: bool,
    ) -> None:
        if name in ("aten::copy_", "aten::_to_copy"):
            if from_gpu and not to_gpu and is_blocking:
                self.waits(name)
            if from_host and to_gpu:
                self._copies(name)
        elif from_gpu and from_host:
            raise WrongOnAGPUError(
                f"{name} mixes tensors of the GPU with those of the host"
            )
        elif from_gpu and name in WAITS:
            self.waits(name)
        elif from_gpu and name in NON_DETERMINISTIC:
            raise WrongOnAGPUError(f"{name} is not deterministic on CUDA")

    def _run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run it; or, while a graph is captured, all of it that leaves no trace: what is written to stays as it is."""
        if self._graph is None:
            return func(*args, **kwargs)
        returns = [each.alias_info for each in func._schema.returns]
        if any(alias is not None and alias.is_write for alias in returns):
            out = kwargs.get("out", args[0])
        else:
            out = func(*args, **kwargs)
        if not any(alias is not None and not alias.is_write for alias in returns):
            self._graph.calls.append((func, args, kwargs, out))
        return out
