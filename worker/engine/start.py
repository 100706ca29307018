"""How the engine's process begins: `python -m worker.engine.start`, with two descriptors (process.py)."""

import contextlib
import gc
import os
import re

from model_core import levels
from worker.process import processors


def main() -> None:
    """Choose what numba compiles for, pin the process to the engine's processor and switch garbage collection off, all
    before torch and numba are imported: they leave no garbage then, and collection would take a quarter of the time."""
    gc.disable()
    own = {
        int(number)
        for number in re.findall(r"\d+", os.environ.get("PIXELRNN_ENGINE_CPUS", ""))
    }
    usable = {*processors.usable(), *own}
    levels.choose()
    with contextlib.suppress(
        processors.NoProcessorError
    ):  # said later, when somebody listens
        processors.keep_to(own)
    from worker.engine.process import main

    main(usable)


if __name__ == "__main__":
    main()
