"""The group of processes that train one network together, and sums over it. A single
process is a group of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

_PATIENCE = timedelta(minutes=30)
"""How long GPU processes wait for each other, at most."""


class Ranks:
    """This process's place in the group, and sums over the group. Every process must
    make the same calls in the same order.

    rank: 0 to count - 1. count: number of processes. device: where sums are computed.
    """

    def __init__(self, rank: int = 0, count: int = 1, device: str = "cpu") -> None:
        self.rank = rank
        self.count = count
        self._device = device

    @property
    def leads(self) -> bool:
        """True if this process writes files and prints messages for the user."""
        return self.rank == 0

    def mean_(self, tensor: Tensor) -> None:
        """Replace a tensor by its mean over the processes."""
        if self.count > 1:
            dist.all_reduce(tensor)
            tensor.div_(self.count)

    def sum(self, *numbers: float) -> list[float]:
        """Return each number summed over the processes."""
        if self.count == 1:
            return list(numbers)
        tensor = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        dist.all_reduce(tensor)
        return tensor.tolist()

    def any(self, flag: bool) -> bool:
        """Return True if the flag is true in at least one process."""
        return self.sum(float(flag))[0] > 0


@contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """Join the group that torchrun's environment variables describe, for the context; a
    group of one if there are none."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    if device.startswith("cuda"):
        # A long timeout, because the leader draws samples and writes files while the
        # others wait. Without device_id, NCCL guesses the GPU from the rank.
        dist.init_process_group(
            "nccl", timeout=_PATIENCE, device_id=torch.device(device)
        )
    else:
        dist.init_process_group("gloo")
    try:
        yield Ranks(dist.get_rank(), count, device)
    finally:
        dist.destroy_process_group()
