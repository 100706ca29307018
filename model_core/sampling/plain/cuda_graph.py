"""A step as a CUDA graph: captured once, then replayed with one launch. It only exists where there is a CUDA device."""

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3
"""Runs before the capture: libraries make their workspaces in the first, and none may be made while capturing."""


class ReplayedStep:
    """The same work as `step`, at the same addresses; a call returns what the step does, copied to the host.

    step: static shapes, no word of the host; it is run a few times first, so nothing may hang on how often.
    """

    def __init__(self, step: Callable[[], Tensor], device: torch.device) -> None:
        self._device = device
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.device(device):
            before, aside = torch.cuda.current_stream(), torch.cuda.Stream()
            aside.wait_stream(before)
            with torch.cuda.stream(aside):
                for _ in range(WARM_UP):
                    step()
            before.wait_stream(aside)
            # thread_local: other threads may load or score a model meanwhile.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._report = step()
        self._host_report = torch.empty_like(self._report, device="cpu", pin_memory=True)

    def __call__(self) -> Tensor:
        with torch.cuda.device(self._device):
            self._graph.replay()
            self._host_report.copy_(self._report, non_blocking=True)
            torch.cuda.current_stream().synchronize()
        return self._host_report
