"""The entry point of a training's process: `python -m worker.engine.teaching_start
TRAINER ...`.

The trainer starts it with its own process id and the arguments of `teaching.main`.
First it asks the kernel to kill this process when the trainer dies: a trainer may pause
it by a signal at any moment (worker/jobs/brake.py), and a paused process could not
watch the trainer itself. Only then does it report that it may be paused, and only then
are torch and the rest imported, which takes seconds.
"""

import os
import sys

from model_core.parent import die_with_parent, end_on_hangup

NICE = 10
"""Niceness: a training gives way to everything else on its machine."""
STARTED_LINE = '{"begun": true}\n'
"""The first line that the trainer reads: from then on it may pause this process."""


def main(trainer: int, arguments: list[str]) -> None:
    """Tie this process to its trainer, report that, and train. Ends the process at once
    if the trainer is not its parent, because it has died already.

    trainer: process id of the trainer.
    arguments: of `teaching.main`.
    """
    die_with_parent(trainer)
    end_on_hangup()
    os.nice(NICE)
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output of this process is no message to the trainer
    lines.write(STARTED_LINE)
    lines.flush()

    from worker.process import processors
    from worker.settings import Settings

    processors.use_batch_scheduling()
    processors.keep_to(Settings().engine_cpus)
    from worker.engine import teaching
    from worker.engine.examiner import bound_memory

    # The limit counts from what this process has once everything is imported.
    bound_memory(teaching.memory_limit(Settings().training_mib))
    teaching.main(lines, trainer, *arguments)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
