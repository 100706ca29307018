"""The images of an update: a pure function of (seed, iteration), so that a resumed run sees the same ones."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model_core.data.crops import Crops
from model_core.data.labels import Numbers, expect_one_each
from model_core.data.originals import draw_pixels
from model_core.data.splits import Pixels, Values
from model_core.errors import ConfigError
from model_core.orientation import Orientation, turn


class Batch(NamedTuple):
    """Images (B, C, H, W), int64, and their labels (B,), if they have any."""

    values: Tensor
    labels: Tensor | None


class Batches:
    """Shuffled batches of one training split, turned; each process takes its share of every batch.

    Images are values, or, if `drawn`, greys of which every batch draws its binary images anew, or crops, each of them
    at another place in every epoch.

    The rest of an epoch that does not fill a batch is left out; another shuffle brings it in the next epoch. While one
    batch is trained on, a thread reads the next, so that images on a slow disk cost no time.
    """

    def __init__(
        self,
        values: Values | Pixels | Crops,
        batch: int,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        orientation: Orientation = "none",
        drawn: bool = False,
        labels: Numbers | None = None,
    ) -> None:
        """labels (N,): those of the images."""
        if labels is not None:
            expect_one_each(labels, values, "the training images")
        if batch % processes:
            raise ConfigError(
                f"training.batch = {batch} cannot be split evenly over {processes} processes"
            )
        if batch > len(values):
            raise ConfigError(
                f"training.batch = {batch} is more than the {len(values)} training images"
            )
        self._values = values
        self._batch = batch
        self._seed = seed
        self._orientation: Orientation = orientation
        self._drawn = drawn
        self._rank = rank
        self._share = slice(rank * batch // processes, (rank + 1) * batch // processes)
        self._epoch = -1
        self._order = np.empty(0, np.int64)
        self._bytes = np.empty((batch // processes, *values.shape[1:]), np.uint8)
        self._tensors = [
            torch.empty(self._bytes.shape, dtype=torch.int64) for _ in range(2)
        ]
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._labels = None if labels is None else torch.from_numpy(labels)
        self._next: tuple[int, Future[Batch]] | None = None

    @property
    def per_epoch(self) -> int:
        """Updates in one epoch."""
        return len(self._values) // self._batch

    def at(self, iteration: int) -> Tensor:
        """The images of update number `iteration`."""
        return self.labelled(iteration).values

    def labelled(self, iteration: int) -> Batch:
        """This process's part of the batch of update number `iteration`, until the next call."""
        if self._next is None or self._next[0] != iteration:
            self._next = (iteration, self._reader.submit(self._read, iteration))
        batch = self._next[1].result()
        self._next = (iteration + 1, self._reader.submit(self._read, iteration + 1))
        return batch

    def _read(self, iteration: int) -> Batch:
        """Fill the buffer of odd or even iterations; runs in the reader's thread only."""
        epoch, position = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([self._seed, epoch]).permutation(
                len(self._values)
            )
        chosen = self._order[position * self._batch : (position + 1) * self._batch][
            self._share
        ]
        images, generator = (
            self._bytes,
            np.random.default_rng([self._seed, iteration, self._rank]),
        )
        if isinstance(self._values, Crops):
            images = self._values.at_random(chosen, generator)
        else:
            np.take(
                self._values, chosen, axis=0, out=images, mode="clip"
            )  # the only mode that does not buffer
        if self._drawn:
            images = draw_pixels(images, generator)
        values = self._tensors[iteration % 2].copy_(
            turn(torch.from_numpy(images), self._orientation)
        )
        return Batch(
            values,
            None if self._labels is None else self._labels[torch.from_numpy(chosen)],
        )
