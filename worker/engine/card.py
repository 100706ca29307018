"""The try that a GPU passes before its worker takes a job.

A card that has failed (failures.py) ended the process before. The new one lets another
process draw on it first, with small networks of every kind, in as many blocks as the
card runs at once. That shows a card that is dead or hangs. What it computes is compared
with the CPU's when models are loaded (model_core/sampling/blocks/card_check.py): if it
differs, the processors draw.
"""

import time
from collections.abc import Callable

import structlog
import torch

from model_core.errors import ModelError
from model_core.models import untrained
from model_core.networks import PixelNetwork
from model_core.sampling.blocks.card_check import find_difference, open_card
from model_core.sampling.blocks.cards import card_at
from worker.engine.examiner import Examiner
from worker.process.backoff import Backoff

FIRST_WAIT_S = 1.0
"""Seconds between the first try and the second; each further wait is twice as
long."""
LONGEST_WAIT_S = 300.0
"""Seconds; an operator who exchanges a card need not wait longer than this."""
LIMIT_S = 120.0
"""Seconds for a try, of a processor and by the clock: a driver that hangs uses none of
a processor. Importing torch and starting CUDA takes most of it."""

PRESETS = "mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"
SIZES = {"layers": 2, "hidden": 16, "head": 16, "height": 8, "width": 12}
"""Networks of every kind, with random weights."""


def wait_for_card(
    device: str,
    begin: Callable[[], None],
    usable: tuple[int, ...] = (),
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the card has drawn; pause 1 s, 2 s, ... 5 min in between.

    device: `cuda`, `cuda:0`, ...; begin() is called before each try, usable are the
    processors on which the try runs. Each try is a process of its own: one in
    which CUDA has failed once could never pass.
    """
    backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
    log = structlog.get_logger("card")
    while True:
        begin()
        examiner = Examiner(usable)
        try:
            examiner.call(try_card, device, limit_s=LIMIT_S, clock_s=LIMIT_S)
        except ModelError as error:
            wait_s = backoff.failed()
            log.critical(
                "card_check_failed",
                device=device,
                reason=str(error),
                retry_in_s=wait_s,
            )
            pause(wait_s)
        else:
            return
        finally:
            examiner.end()


def try_card(device: str) -> None:
    """Draw on a card with small networks. Raises whatever the card or its driver does.

    A card that computes otherwise than the CPU, or that cannot be opened though it works,
    raises nothing: the processors draw in its place.
    """
    place = torch.device(device)
    torch.zeros(1, device=place).cpu()
    open_card(place)
    card = card_at(place)
    if card is None:
        return
    for preset in PRESETS:
        network = untrained(preset, **SIZES).network
        assert isinstance(network, PixelNetwork)
        find_difference(network, card.driver)
