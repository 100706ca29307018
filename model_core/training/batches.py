"""The images of an update. They depend on the seed and the iteration alone, so that a
resumed run sees the same ones."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_core.data.crops import Crops
from model_core.data.labels import Numbers, expect_one_each
from model_core.data.originals import draw_pixels
from model_core.data.splits import Pixels, Values
from model_core.errors import ConfigError
from model_core.orientation import Orientation, turn


class Batch(NamedTuple):
    """The images of an update that one process computes, and their labels.
    `Batches.batch_at` returns it.

    values: (B, C, H, W), int64, in the network's orientation. The tensor is overwritten
        after the next call of `batch_at`.
    labels: (B,), int64; None if there are none.
    """

    values: Tensor
    labels: Tensor | None

    def parts(self, count: int) -> list["Batch"]:
        """Return `count` equal parts, in order; values and labels are views.

        count: a divisor of B.
        """
        values = self.values.tensor_split(count)
        if self.labels is None:
            return [Batch(each, None) for each in values]
        labels = self.labels.tensor_split(count)
        return [Batch(*each) for each in zip(values, labels, strict=True)]


class Batches:
    """Shuffled batches of one training split, turned to the network's orientation. Each
    batch has equal shares, which several processes divide among themselves.

    Images at the end of an epoch that do not fill a batch are left out; the next epoch
    has another order. While one batch is trained on, a thread reads the next one, so
    that images on a slow disk cost no time.
    """

    def __init__(
        self,
        values: Values | Pixels | Crops,
        batch: int,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        orientation: Orientation = "none",
        redraw: bool = False,
        labels: Numbers | None = None,
        shares: int = 0,
    ) -> None:
        """values: images (N, C, H, W), upright, in 0..V-1; or grey pictures, from which
        binary images are drawn again for every batch, if `redraw`; or crops, which have
        another place in every epoch.
        batch: images of an update, in all processes together.
        seed: decides the order, the draws and the places of crops.
        rank: this process, of `processes`, from 0.
        orientation: to which images are turned.
        redraw: True to draw binary images from grey ones.
        labels: (N,), those of the images.
        shares: equal parts of each batch. Default: one for each process.

        Raises ConfigError if a batch is larger than the training split, or cannot be
        divided into equal shares; DataError if there is not one label for each image.
        """
        shares = shares or processes
        if labels is not None:
            expect_one_each(labels, values, "the training images")
        if batch % shares:
            raise ConfigError(
                f"training.batch = {batch} cannot be divided into {shares} equal shares: "
                "expected another training.shares, or another number of --processes"
            )
        if batch > len(values):
            raise ConfigError(
                f"training.batch = {batch} is more than the {len(values)} training "
                "images"
            )
        self._values = values
        self._batch = batch
        self._seed = seed
        self._orientation: Orientation = orientation
        self._redraw = redraw
        # Numbers of the shares that this process computes.
        self._shares = range(rank, shares, processes)
        self._size = batch // shares
        self._epoch = -1
        self._order = np.empty(0, np.int64)
        images = len(self._shares) * self._size
        self._bytes = np.empty((images, *values.shape[1:]), np.uint8)
        # Two, because one batch is used while the next one is read.
        self._tensors = [
            torch.empty(self._bytes.shape, dtype=torch.int64) for _ in range(2)
        ]
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._labels = None if labels is None else torch.from_numpy(labels)
        self._next: tuple[int, Future[Batch]] | None = None

    @property
    def per_epoch(self) -> int:
        """Number of updates in one pass over the images, rounded down: an incomplete
        last batch is left out."""
        return len(self._values) // self._batch

    def at(self, iteration: int) -> Tensor:
        """Return the images of `batch_at`, without labels."""
        return self.batch_at(iteration).values

    def batch_at(self, iteration: int) -> Batch:
        """Return this process's part of the batch of update number `iteration` (from
        0), and begin to read the next batch. The result is valid until the next call,
        which overwrites it."""
        if self._next is None or self._next[0] != iteration:
            self._next = (iteration, self._reader.submit(self._read, iteration))
        batch = self._next[1].result()
        self._next = (iteration + 1, self._reader.submit(self._read, iteration + 1))
        return batch

    def _read(self, iteration: int) -> Batch:
        """Read a batch into the buffer of even or odd iterations. Runs in the reader's
        thread only."""
        epoch, position = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([self._seed, epoch]).permutation(
                len(self._values)
            )
        whole = self._order[position * self._batch : (position + 1) * self._batch]
        values = self._tensors[iteration % 2]
        chosen = [
            whole[share * self._size : (share + 1) * self._size]
            for share in self._shares
        ]
        for place, share in enumerate(self._shares):
            # A share's random numbers do not depend on the process that reads it.
            generator = np.random.default_rng([self._seed, iteration, share])
            part = slice(place * self._size, (place + 1) * self._size)
            images = self._images(chosen[place], self._bytes[part], generator)
            values[part].copy_(turn(torch.from_numpy(images), self._orientation))

        labels = None
        if self._labels is not None:
            labels = self._labels[torch.from_numpy(np.concatenate(chosen))]
        return Batch(values, labels)

    def _images(
        self,
        chosen: npt.NDArray[np.int64],
        buffer: npt.NDArray[np.uint8],
        generator: np.random.Generator,
    ) -> npt.NDArray[np.uint8]:
        """Return the images with these indices (B,), upright: (B, C, H, W).

        buffer: of their shape; the result may be in it.
        """
        if isinstance(self._values, Crops):
            images = self._values.at_random(chosen, generator)
        else:
            # The only mode in which `take` needs no buffer of its own.
            images = np.take(self._values, chosen, axis=0, out=buffer, mode="clip")
        if self._redraw:
            images = draw_pixels(images, generator)
        return images
