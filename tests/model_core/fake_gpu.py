"""A GPU that is made of this machine's processors: it runs the block programs there.

with fake_gpu():
    sample(model, 4)  # drawn by BlockStage
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model_core.sampling.blocks import gpus
from model_core.sampling.blocks.drivers import Driver, Launch, ProcessorDriver
from model_core.sampling.blocks.gpus import Check, Gpu

PROCESSORS = torch.device("cpu")


@contextmanager
def fake_gpu(
    driver: Driver | None = None, check: Check = lambda network, driver: None
) -> Iterator[Gpu]:
    """Let a GPU draw from the networks in main memory. It passes the check unless
    another one is given."""
    gpu = Gpu(driver or ProcessorDriver(37, 64), check)
    gpus.use(PROCESSORS, gpu)
    try:
        yield gpu
    finally:
        gpus.forget(PROCESSORS)


class OneBitOff(ProcessorDriver):
    """Flips the last bit of one weight, in the blocks from `first` on. every: of all
    weights, of which some always matter."""

    def __init__(self, first: int = 0, blocks: int = 4, every: bool = False) -> None:
        super().__init__(blocks=blocks)
        self._first = first
        self._every = every

    def launch(self, launch: Launch) -> None:
        wrong = launch.weights.clone()
        nonzero = wrong.nonzero()[:, 0]
        changed = nonzero if self._every else nonzero[len(nonzero) // 2]
        wrong.view(torch.int32)[changed] ^= 1
        for block in range(launch.blocks):
            super().launch(
                Launch(
                    launch.kind,
                    1,
                    launch.steps,
                    launch.record,
                    wrong if block >= self._first else launch.weights,
                    launch.states[block : block + 1],
                    launch.images[block : block + 1],
                )
            )
