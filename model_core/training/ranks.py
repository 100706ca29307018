"""The group of processes that train one network together, and sums over the shares of
a batch. A single process is a group of one.

Each batch is divided into shares. On processors their gradients are added one by one, in
the order of their numbers, because float addition is not associative: then the sum has
the same bits for every number of processes. `all_reduce` promises no order, and the
partial sums of processes would be another one.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

_PATIENCE = timedelta(minutes=30)
"""Maximum time that GPU processes wait for each other."""


class Ranks:
    """This process's place in the group of processes that train one network, and sums
    over the group. Every process must make the same calls in the same order.

    rank: 0 to count - 1.
    count: number of processes.
    shares: number of parts of each batch, at least `count`.
    """

    def __init__(
        self, rank: int = 0, count: int = 1, device: str = "cpu", shares: int = 0
    ) -> None:
        """device: where sums are computed.
        shares: default: `count`.
        """
        self.rank = rank
        self.count = count
        self.shares = shares or count
        self._device = device

    def with_shares(self, shares: int) -> "Ranks":
        """Return the same place in the group, with another number of shares."""
        return Ranks(self.rank, self.count, self._device, shares)

    @property
    def leads(self) -> bool:
        """True if this process, of rank 0, writes files and prints messages for the
        user."""
        return self.rank == 0

    @property
    def own_shares(self) -> range:
        """Numbers of the shares that this process computes, in their order."""
        return range(self.rank, self.shares, self.count)

    def add_shares(self, compute: Callable[[int], Tensor]) -> Tensor:
        """Return the sum of compute(share) over the shares of all processes; the same
        tensor in each process. It may be one that `compute` returned.

        compute: called for each own share, in order. Its tensors have one shape and
            type in all processes; it may return the same tensor again, with other
            numbers.

        On processors the tensors of a round, one from each process, have consecutive
        numbers: after each round every process has added the same ones, in the same
        order. On several GPUs, which have one share each, the order is that of
        `all_reduce`. Raises RuntimeError if another process has died.
        """
        if self.shares == 1:
            return compute(0)
        if self.count > 1 and self._device != "cpu":
            own = compute(self.rank).to(self._device)
            dist.all_reduce(own)
            return own

        own = compute(self.rank)
        total = torch.zeros_like(own)
        for first in range(0, self.shares, self.count):
            share = first + self.rank
            if first > 0 and share < self.shares:
                own = compute(share)
            # In the last round some processes have no share, and send an old one.
            for part in self.gather(own)[: self.shares - first]:
                total += part
        return total

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors of all processes, by rank. Raises RuntimeError if another
        process has died."""
        if self.count == 1:
            return [tensor]
        gathered = [torch.empty_like(tensor) for _ in range(self.count)]
        dist.all_gather(gathered, tensor)
        return gathered

    def any(self, flag: bool) -> bool:
        """Return True if the flag is true in at least one process. Raises RuntimeError
        if another process has died."""
        if self.count == 1:
            return flag
        number = torch.tensor(float(flag), device=self._device)
        dist.all_reduce(number)
        return bool(number > 0)


@contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """Context manager that joins the group that torchrun's environment variables
    describe and yields this process's place in it; a group of one if there are none.
    The group is left at the end."""
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
