"""An engine's process whose GPU fails at its third step, as after a sticky CUDA error.

`python -m tests.worker.dead_card_engine worker` is the worker that has such an engine.
"""

import sys
import threading

from model_core import levels

FAILURE = "CUDA error: unspecified launch failure"
STEPS = 3


def break_the_card() -> None:
    """Let the engine's thread fail from its third step on."""
    import torch

    from model_core.sampling.engine import Engine

    whole_step = Engine.step
    steps = 0

    def step(engine: Engine) -> object:
        nonlocal steps
        if threading.current_thread().name == "engine":
            steps += 1
        if steps >= STEPS:
            raise torch.AcceleratorError(FAILURE)
        return whole_step(engine)

    Engine.step = step  # type: ignore[method-assign, assignment]


def main() -> None:
    """Be the worker, or its engine, whose arguments are two descriptors."""
    if sys.argv[1:] == ["worker"]:
        from worker import start
        from worker.engine_link import EngineLink

        EngineLink.PROGRAM = "tests.worker.dead_card_engine"
        sys.exit(start.main())
    levels.choose()  # before torch is imported, as the real program does
    break_the_card()
    from worker.engine.start import main as engine_main

    engine_main()


if __name__ == "__main__":
    main()
