"""A worker with a fake GPU: block programs draw for it, run on the processors.

`python -m tests.worker.fake_gpu_engine worker` is the worker. With FAKE_GPU=wrong the
last bits of the GPU's weights are other ones.
"""

import os
import sys

from model_core import levels


def use_fake_gpu() -> None:
    """Draw from all networks with the GPU, once it has passed the real check."""
    from model_core.sampling.blocks import gpus
    from model_core.sampling.blocks.drivers import ProcessorDriver
    from model_core.sampling.blocks.gpu_check import find_difference
    from tests.model_core.fake_gpu import PROCESSORS, OneBitOff

    is_wrong = os.environ.get("FAKE_GPU") == "wrong"
    driver = OneBitOff(every=True) if is_wrong else ProcessorDriver()
    gpus.use(PROCESSORS, gpus.Gpu(driver, find_difference))


def main() -> None:
    """Be the worker, or its engine, whose arguments are two descriptors."""
    if sys.argv[1:] == ["worker"]:
        from worker import start
        from worker.engine_link import EngineLink

        EngineLink.PROGRAM = "tests.worker.fake_gpu_engine"
        sys.exit(start.main())
    levels.choose()  # before torch is imported, as the real program does
    use_fake_gpu()
    from worker.engine.start import main as engine_main

    engine_main()


if __name__ == "__main__":
    main()
