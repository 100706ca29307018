"""A worker with a fake card: block programs draw for it, run on the processors.

`python -m tests.worker.fake_card_engine worker` is the worker. With FAKE_CARD=wrong the
last bits of the card's weights are other ones.
"""

import os
import sys

from model_core import levels


def use_fake_card() -> None:
    """Draw from all networks with the card, once it has passed the real check."""
    from model_core.sampling.blocks import cards
    from model_core.sampling.blocks.card_check import find_difference
    from model_core.sampling.blocks.drivers import ProcessorDriver
    from tests.model_core.fake_card import PROCESSORS, OneBitOff

    is_wrong = os.environ.get("FAKE_CARD") == "wrong"
    driver = OneBitOff(every=True) if is_wrong else ProcessorDriver()
    cards.use(PROCESSORS, cards.Card(driver, find_difference))


def main() -> None:
    """Be the worker, or its engine, whose arguments are two descriptors."""
    if sys.argv[1:] == ["worker"]:
        from worker import start
        from worker.engine_link import EngineLink

        EngineLink.PROGRAM = "tests.worker.fake_card_engine"
        sys.exit(start.main())
    levels.choose()  # before torch is imported, as the real program does
    use_fake_card()
    from worker.engine.start import main as engine_main

    engine_main()


if __name__ == "__main__":
    main()
