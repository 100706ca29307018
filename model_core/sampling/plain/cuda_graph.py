"""A step as a CUDA graph: captured once, then replayed with one launch. It only exists where there is a CUDA device."""

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3
"""Runs before the capture: libraries make their workspaces in the first, and none may be made while capturing."""


class ReplayedStep:
    """The same work as `step`, at the same addresses; a call returns what the step does, copied to the host.

    step: static shapes, no word of the host. It is not run: a graph that is captured does nothing yet, so the images
    that are under way stay where they are. twin: another such step, of nobody's images, that is run in its place so
    that the libraries are ready.
    """

    def __init__(
        self,
        step: Callable[[], Tensor],
        twin: Callable[[], Tensor],
        device: torch.device,
    ) -> None:
        self._device = device
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.device(device):
            before, aside = torch.cuda.current_stream(), torch.cuda.Stream()
            aside.wait_stream(before)
            with torch.cuda.stream(aside):
                for _ in range(WARM_UP):
                    twin()
            before.wait_stream(aside)
            # thread_local: other threads may load or score a model meanwhile. The stream: torch's own one for captures
            # belongs to the first device that had one.
            with torch.cuda.graph(
                self._graph, stream=aside, capture_error_mode="thread_local"
            ):
                self._report = step()
        self._host_report = torch.empty_like(
            self._report, device="cpu", pin_memory=True
        )

    def __call__(self) -> Tensor:
        with torch.cuda.device(self._device):
            self._graph.replay()
            self._host_report.copy_(self._report, non_blocking=True)
            torch.cuda.current_stream().synchronize()
        return self._host_report
