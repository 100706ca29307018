"""The entry point of the engine process: `python -m worker.engine.start`, with two
descriptors (process.py)."""

import contextlib
import gc
import os
import re
from pathlib import Path

from model_core import levels
from worker.process import processors
from worker.process.neighbours import Neighbours


def main() -> None:
    """Choose the CPU level for which numba compiles, pin this process to the engine's
    CPU cores, switch garbage collection off, and run the engine.

    All of this comes before torch and numba are imported: their imports leave no
    garbage, and collection would take a quarter of the time.
    """
    gc.disable()
    neighbours = None
    kept = os.environ.get("PIXELRNN_KEPT_DIR")
    if kept and os.environ.get("PIXELRNN_DEVICE", "cpu") == "cpu":
        # Counted after the imports, so that workers that start together count each other.
        with contextlib.suppress(OSError):
            neighbours = Neighbours(Path(kept))
    own = {
        int(number)
        for number in re.findall(r"\d+", os.environ.get("PIXELRNN_ENGINE_CPUS", ""))
    }
    usable = {*processors.usable(), *own}
    levels.choose()
    # The engine reports this error later, once the worker reads its messages.
    with contextlib.suppress(processors.NoProcessorError):
        processors.keep_to(own)
    from worker.engine.process import main

    main(usable, neighbours)


if __name__ == "__main__":
    main()
