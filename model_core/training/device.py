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
    """The recipe's device; of several GPUs, each process on a host takes the one of its LOCAL_RANK.

    cpu_has_bf16: whether this processor multiplies bf16 numbers. Raises ConfigError when the device is not there, or
    cannot do the recipe's precision or compilation.
    """
    device = device_of(training.device, "training.device: ")
    if device.type == "cuda":
        return _gpu(device, training)
    if training.precision == "tf32":
        raise ConfigError(
            f"training.precision = tf32 needs a CUDA device, but training.device is {training.device}"
        )
    if training.compile:
        raise ConfigError(
            f"training.compile = true needs a CUDA device, but training.device is {training.device}"
        )
    if training.precision == "bf16" and not cpu_has_bf16:
        raise ConfigError(
            "training.precision = bf16 needs a processor with AVX512-BF16, which this one is not, or a CUDA device; "
            "--set training.precision=float32 trains without"
        )
    return training.device


def _gpu(device: torch.device, training: TrainingSection) -> str:
    if device.index is not None and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            f"training.device = {training.device} is one GPU for several processes: expected cuda"
        )
    count = torch.cuda.device_count()
    index = (
        int(os.environ.get("LOCAL_RANK", "0")) if device.index is None else device.index
    )
    if index >= count:
        raise ConfigError(
            f"training.device = {training.device} asks for GPU {index}, but this machine has {count or 'none'}; "
            "--set training.device=cpu --set training.precision=float32 trains without"
        )
    if training.precision == "bf16" and not torch.cuda.is_bf16_supported():
        raise ConfigError(
            f"training.precision = bf16: {torch.cuda.get_device_name(index)} cannot compute in bf16"
        )
    torch.cuda.set_device(index)
    return f"cuda:{index}"


def describe_hardware(device: str, processes: int) -> str:
    """The machine's line in a card: `2 x AMD EPYC 9R14, 1 thread each`."""
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    else:
        threads = torch.get_num_threads()
        name = f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"
    return name if processes == 1 else f"{processes} x {name}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    found = (
        re.search(r"^model name\s*:\s*(.+)$", facts.read_text(), re.MULTILINE)
        if facts.is_file()
        else None
    )
    return found[1].strip() if found else platform.processor() or platform.machine()
