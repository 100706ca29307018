"""The check that a GPU passes before its worker takes a job.

A card that has failed (failures.py) ended the process before; the new one multiplies
two matrices first.
"""

import time
from collections.abc import Callable

import structlog
import torch

from model_core.errors import ModelError
from worker.engine.examiner import Examiner
from worker.process.patience import Patience

FIRST_WAIT_S = 1.0
"""Seconds between the first check and the second; each further wait is twice as
long."""
LONGEST_WAIT_S = 300.0
"""Seconds; an operator who exchanges a card need not wait longer than this."""
LIMIT_S = 120.0
"""Seconds for a check, of a processor and by the clock: a driver that hangs uses none of
a processor. Importing torch and starting CUDA takes most of it."""

SIDE = 256
LARGEST = 8
"""Rows of the matrices and their largest entry. The entries are integers and the sums
of their products less than 2**24, so that float32 (and TF32) holds them exactly."""


def wait_for_card(
    device: str,
    begin: Callable[[], None],
    usable: tuple[int, ...] = (),
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the card passes the check; pause 1 s, 2 s, ... 5 min in between.

    device: `cuda`, `cuda:0`, ...; begin() is called before each check, usable are the
    processors on which the check runs. Each check is a process of its own: one in
    which CUDA has failed once could never pass.
    """
    patience = Patience(FIRST_WAIT_S, LONGEST_WAIT_S)
    log = structlog.get_logger("card")
    while True:
        begin()
        examiner = Examiner(usable)
        try:
            examiner.call(multiply, device, limit_s=LIMIT_S, clock_s=LIMIT_S)
        except ModelError as error:
            wait_s = patience.failed()
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


def multiply(device: str) -> None:
    """Raise ModelError unless the device's product of two matrices is the CPU's."""
    generator = torch.Generator().manual_seed(0)
    shape = (2, SIDE, SIDE)
    matrices = torch.randint(-LARGEST, LARGEST + 1, shape, generator=generator)
    left, right = matrices.float()
    expected = left @ right
    product = (left.to(device) @ right.to(device)).cpu()
    wrong = int((product != expected).sum())
    if wrong:
        raise ModelError(
            f"{wrong} of {expected.numel()} entries of a product on {device} are wrong"
        )
