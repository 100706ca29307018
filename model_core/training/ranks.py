"""The processes that train one network together: what they sum, and nothing else. One process is a group of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

_PATIENCE = timedelta(minutes=30)


class Ranks:
    """This process's place among all, and sums over them. Every process must make the same calls in the same order."""

    def __init__(self, rank: int = 0, count: int = 1, device: str = "cpu") -> None:
        self.rank = rank
        self.count = count
        self._device = device

    @property
    def leads(self) -> bool:
        """True if this process writes files and speaks to the user."""
        return self.rank == 0

    def mean_(self, tensor: Tensor) -> None:
        """Replace a tensor by its mean over processes."""
        if self.count > 1:
            dist.all_reduce(tensor)
            tensor.div_(self.count)

    def sum(self, *numbers: float) -> list[float]:
        """Each number summed over processes."""
        if self.count == 1:
            return list(numbers)
        tensor = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        dist.all_reduce(tensor)
        return tensor.tolist()

    def any(self, flag: bool) -> bool:
        """True if the flag is true in any process."""
        return self.sum(float(flag))[0] > 0


@contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """Join the group that torchrun's environment variables describe; alone when there are none."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    if device.startswith("cuda"):
        # The leader draws samples and writes files while the others wait; and NCCL would guess the GPU from the rank.
        dist.init_process_group(
            "nccl", timeout=_PATIENCE, device_id=torch.device(device)
        )
    else:
        dist.init_process_group("gloo")
    try:
        yield Ranks(dist.get_rank(), count, device)
    finally:
        dist.destroy_process_group()
