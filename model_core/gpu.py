"""Find what is missing to use a GPU on this machine."""

import ctypes
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class GPUSupport:
    """What torch and the system report about GPUs."""

    toolkit: tuple[int, int] | None
    """CUDA version that torch was built with; None for a CPU-only build."""
    driver: tuple[int, int] | None
    """Newest CUDA version that the driver supports; None if there is no driver."""
    count: int
    """Number of GPUs that torch can use."""

    def missing(self, index: int) -> str | None:
        """Return a sentence that says what prevents the use of the GPU with this index;
        None if it can be used."""
        if self.toolkit is None:
            return (
                "this PyTorch is a build for processors; `make run TORCH=cu130` "
                "installs one for GPUs"
            )
        if self.driver is None:
            return "this machine has no NVIDIA driver (libcuda.so.1 is not found)"
        # Within one major version of CUDA, older drivers run newer builds.
        if self.driver[0] < self.toolkit[0]:
            return (
                f"the NVIDIA driver is too old: it supports CUDA {_text(self.driver)}, "
                f"and this PyTorch was built with {_text(self.toolkit)}"
            )
        if index >= self.count:
            plural = "" if self.count == 1 else "s"
            return f"this machine has {self.count or 'no'} GPU{plural}"
        return None


def gpu_support() -> GPUSupport:
    """Return what torch and the system report about GPUs to this process."""
    toolkit = None
    if torch.version.cuda is not None:
        major, minor = torch.version.cuda.split(".")[:2]
        toolkit = int(major), int(minor)
    return GPUSupport(toolkit, _driver(), torch.cuda.device_count())


def _driver() -> tuple[int, int] | None:
    """Return the CUDA version that the driver supports; None if there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    # cuDriverGetVersion works without cuInit. It reports 12.8 as 12080.
    version = ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    return version.value // 1000, version.value % 1000 // 10


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
