"""The test that a GPU must pass before its worker takes a job.

After an error of the GPU the process ends (failures.py). The new one lets another
process draw on the GPU first, with small networks of every kind, in as many blocks as
the GPU runs at once. That detects a GPU that is dead or hangs. Its results are compared
with the CPU's when models are loaded (model_core/sampling/blocks/gpu_check.py); if
they differ, the CPU draws.
"""

import time
from collections.abc import Callable

import structlog
import torch

from model_core.errors import ModelError
from model_core.models import untrained
from model_core.networks import PixelNetwork
from model_core.sampling.blocks.gpu_check import find_difference, open_gpu
from model_core.sampling.blocks.gpus import gpu_at
from worker.engine.examiner import Examiner
from worker.process.backoff import Backoff

FIRST_WAIT_S = 1.0
"""Seconds between the first test and the second; each further wait is twice as long."""
LONGEST_WAIT_S = 300.0
"""Longest wait in seconds; an operator who replaces a GPU need not wait longer."""
LIMIT_S = 120.0
"""Most seconds of a test, of CPU time and by the clock, because a driver that hangs
uses no CPU time. Importing torch and starting CUDA takes most of it."""

PRESETS = "mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"
"""Networks of every kind, ..."""
SIZES = {"layers": 2, "hidden": 16, "head": 16, "height": 8, "width": 12}
"""... in these small sizes, with random weights."""


def wait_for_gpu(
    device: str,
    begin: Callable[[], None],
    usable: tuple[int, ...] = (),
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the GPU has passed the test. Failed tests are logged and repeated
    after 1 s, 2 s, ... 5 min.

    device: `cuda`, `cuda:0`, ...
    begin: called before each test.
    usable: CPU cores on which the test runs; any if empty.
    pause: sleeps.
    """
    backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
    log = structlog.get_logger("card")
    while True:
        begin()
        # A process of its own: CUDA that has failed once in a process fails there for
        # ever.
        examiner = Examiner(usable)
        try:
            examiner.call(try_gpu, device, limit_s=LIMIT_S, clock_s=LIMIT_S)
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


def try_gpu(device: str) -> None:
    """Draw with small networks on a GPU. Raises the error of the GPU or its driver. If
    the GPU works but cannot draw, or draws other bits, the CPU draws instead."""
    place = torch.device(device)
    torch.zeros(1, device=place).cpu()
    open_gpu(place)
    gpu = gpu_at(place)
    if gpu is None:
        return
    for preset in PRESETS:
        network = untrained(preset, **SIZES).network
        assert isinstance(network, PixelNetwork)
        find_difference(network, gpu.driver)
