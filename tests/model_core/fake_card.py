"""A card that is made of this machine's processors: it runs the block programs there.

with fake_card():
    sample(model, 4)  # drawn by BlockStage
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model_core.sampling.blocks import cards
from model_core.sampling.blocks.cards import Card, Check
from model_core.sampling.blocks.drivers import Driver, Launch, ProcessorDriver

PROCESSORS = torch.device("cpu")


@contextmanager
def fake_card(
    driver: Driver | None = None, check: Check = lambda network, driver: None
) -> Iterator[Card]:
    """Let a card draw from the networks in main memory. It passes the check unless
    another one is given."""
    card = Card(driver or ProcessorDriver(37, 64), check)
    cards.use(PROCESSORS, card)
    try:
        yield card
    finally:
        cards.forget(PROCESSORS)


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
