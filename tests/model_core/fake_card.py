"""A card that is made of this machine's processors: it runs the block programs there.

with fake_card():
    sample(model, 4)  # drawn by BlockStage
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model_core.sampling.blocks import cards
from model_core.sampling.blocks.cards import Card, Check
from model_core.sampling.blocks.drivers import Driver, ProcessorDriver

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
