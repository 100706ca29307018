"""What a GPU needs on this machine, and which of it is missing."""

import ctypes
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class GPUSupport:
    """What torch and the system know about GPUs."""

    toolkit: tuple[int, int] | None
    """Version of CUDA that torch was built with; None: a build for processors."""
    driver: tuple[int, int] | None
    """Newest version of CUDA that the driver supports; None: there is no driver."""
    count: int
    """Number of GPUs that torch can use."""

    def missing(self, index: int) -> str | None:
        """Return what the GPU of this index lacks; None if it can be used."""
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
    """Return what this process finds."""
    toolkit = None
    if torch.version.cuda is not None:
        major, minor = torch.version.cuda.split(".")[:2]
        toolkit = int(major), int(minor)
    return GPUSupport(toolkit, _driver(), torch.cuda.device_count())


def _driver() -> tuple[int, int] | None:
    """Return the version of CUDA that the driver supports; None without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    # cuDriverGetVersion needs no cuInit; 12080 stands for 12.8.
    version = ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    return version.value // 1000, version.value % 1000 // 10


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
