"""The group of processes that train one network together, and sums over the shares of a
batch. A single process is a group of one.

Each batch is divided into shares. On CPUs their gradients are added one by one, in the
order of their numbers, because float addition is not associative: then the sum has the
same bits for every number of processes. `all_reduce` promises no order, and the partial
sums of processes would be another one.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from datetime import timedelta
from typing import Self

import torch
import torch.distributed as dist
from torch import Tensor

from model_core.errors import PixelRNNError

MEETING = "RANKS_MEETING"
"""Environment variable: path of the file in which the processes of one machine find each
other. Without it, torchrun's MASTER_ADDR and MASTER_PORT say where."""
_PATIENCE = timedelta(minutes=30)
"""Maximum time that GPU processes wait for each other."""
_ENDLESS = timedelta(days=7)
"""Maximum time that CPU processes wait for each other: a signal may stop them for
hours, and the connection to one that has died is closed at once."""


_JOINING = timedelta(minutes=5)
"""Maximum time from the first process that is ready to join a group to the last one. One
that dies before it has joined closes no connection."""


class LostProcessError(PixelRNNError):
    """One of several training processes has died."""


class UnequalProcessesError(PixelRNNError):
    """Processes that should have computed the same weights have different ones."""


class Ranks:
    """This process's place in the group of processes that train one network, and sums
    over the group. Every process must make the same calls in the same order. They raise
    LostProcessError if another process has died.

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
        self._group: dist.ProcessGroup | None = None  # all processes

    def with_shares(self, shares: int) -> Self:
        """Return the same place in the group, with another number of shares."""
        other = copy(self)
        other.shares = shares
        return other

    def first(self, count: int) -> Self | None:
        """Return this process's place in the group of the first `count` processes, with
        one share for each; None if it is not one of them. Every process must call
        it."""
        other = copy(self)
        other.count = count
        other.shares = count
        if count < self.count:
            with _expecting_all():
                group = dist.new_group([*range(count)])
            # Processes outside get a number instead.
            other._group = group if isinstance(group, dist.ProcessGroup) else None
        return other if self.rank < count else None

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

        On CPUs the order of addition does not depend on the number of processes. On
        several GPUs, which have one share each, it is that of `all_reduce`.
        """
        # In each round every process contributes one tensor, with consecutive
        # numbers; after it every process has added the same ones, in the same order.
        if self.shares == 1:
            return compute(0)
        if self.count > 1 and self._device != "cpu":
            own = compute(self.rank).to(self._device)
            with _expecting_all():
                dist.all_reduce(own, group=self._group)
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
        """Return the tensors of all processes, by rank."""
        if self.count == 1:
            return [tensor]
        gathered = [torch.empty_like(tensor) for _ in range(self.count)]
        with _expecting_all():
            dist.all_gather(gathered, tensor, self._group)
        return gathered

    def expect_equal(self, digest: bytes) -> None:
        """Raise UnequalProcessesError, in all processes, unless they all pass the same
        digest. On several GPUs nothing is compared."""
        # Nothing promises equal weights on several GPUs.
        if self.count == 1 or self._device != "cpu":
            return
        digests = self.gather(torch.frombuffer(bytearray(digest), dtype=torch.uint8))
        unequal = [
            rank for rank, one in enumerate(digests) if not torch.equal(one, digests[0])
        ]
        if unequal:
            raise UnequalProcessesError(
                f"of {self.count} training processes, those with the ranks "
                f"{', '.join(map(str, unequal))} have other weights than rank 0, though "
                "all of them made the same updates: this machine does not compute "
                "reliably. The last checkpoint was written before"
            )

    def any(self, flag: bool) -> bool:
        """Return True if the flag is true in at least one process."""
        if self.count == 1:
            return flag
        number = torch.tensor(float(flag), device=self._device)
        with _expecting_all():
            dist.all_reduce(number, group=self._group)
        return bool(number > 0)


@contextmanager
def _expecting_all() -> Iterator[None]:
    """Raise LostProcessError if a call that needs all processes fails within the
    context. torch raises a RuntimeError, in words that depend on its version."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise LostProcessError(
            "another process of this training has ended; go on with --resume"
        ) from error


@contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """Context manager that joins the group that the environment variables of torchrun
    or launch.py describe, and yields this process's place in it; a group of one if
    there are none. The group is left at the end."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    rank = int(os.environ["RANK"])
    with _expecting_all():
        store = _meeting_of_all(rank, count)
    # Without a store, torch finds torchrun's.
    if device.startswith("cuda"):
        # A long timeout, because the leader draws samples and writes files while the
        # others wait. Without device_id, NCCL guesses the GPU from the rank.
        dist.init_process_group(
            "nccl",
            timeout=_PATIENCE,
            world_size=count,
            rank=rank,
            store=store,
            device_id=torch.device(device),
        )
    else:
        with _expecting_all():
            dist.init_process_group(
                "gloo", timeout=_ENDLESS, world_size=count, rank=rank, store=store
            )
    try:
        yield Ranks(dist.get_rank(), count, device)
    finally:
        dist.destroy_process_group()


def _meeting_of_all(rank: int, count: int) -> dist.Store | None:  # pyright: ignore[reportPrivateImportUsage]
    """Return the store through which the processes of launch.py find each other, once
    all of them have opened it; None if launch.py did not start them. Raises torch's
    RuntimeError if one of them does not come."""
    path = os.environ.get(MEETING)
    if path is None:
        return None
    store = dist.FileStore(path, count)  # pyright: ignore[reportPrivateImportUsage]
    store.set(f"here/{rank}", "")
    store.wait([f"here/{other}" for other in range(count)], _JOINING)
    return store
