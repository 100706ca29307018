"""The device that this process trains on, its precision, and the machine's name."""

import os
import platform
import re
from pathlib import Path

import torch

from model_core.compiled.vector_code import HAS_BF16
from model_core.errors import ConfigError
from model_core.models import device_of
from model_core.training.recipe import TrainingSection


def training_device(training: TrainingSection, cpu_has_bf16: bool = HAS_BF16) -> str:
    """Return the name of the device on which this process trains, such as cpu. With
    several GPUs, each process on a host gets the one with the index LOCAL_RANK, such as
    cuda:1. Changes this process: its GPU becomes torch's current one, and TF32 is
    disabled.

    cpu_has_bf16: True if this CPU multiplies bfloat16 numbers. Default: whether it
        does.

    Raises ConfigError if the device does not exist, or does not support the recipe's
    precision or compilation.
    """
    device = device_of(training.device, "training.device: ")
    if device.type == "cuda":
        return _gpu(device, training)
    if training.precision == "tf32":
        raise ConfigError(
            "training.precision = tf32 needs a CUDA device, but training.device is "
            f"{training.device}"
        )
    if training.compile:
        raise ConfigError(
            "training.compile = true needs a CUDA device, but training.device is "
            f"{training.device}"
        )
    if training.precision == "bf16" and not cpu_has_bf16:
        raise ConfigError(
            "training.precision = bf16 needs a processor with AVX512-BF16, which this "
            "one is not, or a CUDA device; --set training.precision=float32 trains "
            "without"
        )
    return training.device


def _gpu(device: torch.device, training: TrainingSection) -> str:
    """Make a GPU this process's current one, and return its name. Raise ConfigError if
    it does not exist or does not support the recipe's precision."""
    if device.index is not None and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            f"training.device = {training.device} is one GPU for several processes: "
            "expected cuda"
        )
    count = torch.cuda.device_count()
    index = device.index
    if index is None:
        index = int(os.environ.get("LOCAL_RANK", "0"))
    if index >= count:
        raise ConfigError(
            f"training.device = {training.device} asks for GPU {index}, but this "
            f"machine has {count or 'none'}; --set training.device=cpu --set "
            "training.precision=float32 trains without"
        )
    if training.precision == "bf16" and not torch.cuda.is_bf16_supported():
        raise ConfigError(
            f"training.precision = bf16: {torch.cuda.get_device_name(index)} cannot "
            "compute in bf16"
        )
    torch.cuda.set_device(index)
    return f"cuda:{index}"


def describe_hardware(device: str, processes: int) -> str:
    """Return what a card says of the machine, such as `2 x AMD EPYC 9R14, 1 thread`.

    device: name of the device.
    processes: the number before the x; it is left out for one.
    """
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    else:
        threads = torch.get_num_threads()
        name = f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"
    return name if processes == 1 else f"{processes} x {name}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        pattern = r"^model name\s*:\s*(.+)$"
        found = re.search(pattern, facts.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
