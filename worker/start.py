"""How a worker begins: `python -m worker.start`, with the settings of the environment; a trainer by `... trainer`."""

import sys

from worker.contract import keys
from worker.engine_link import EngineLink

_OF_A_TRAINER = {
    "queue": keys.TRAIN_QUEUE,
    "max_jobs": 1,
    "drain_grace_s": 0,
    "metrics_port": 0,
    "health_file": None,
}


def main(trains: bool = False) -> int:
    """Start the engine process, which takes longest, then the worker.
    Return the exit status.

    trains: start a trainer, which has no engine process.
    """
    engine = None if trains else EngineLink()
    from pydantic import ValidationError

    from worker.settings import EXIT_BAD_SETTINGS, Settings

    try:
        settings = Settings(**_OF_A_TRAINER) if trains else Settings()  # type: ignore[arg-type]
    except ValidationError as error:
        if engine is not None:
            engine.kill()
        first = error.errors(include_url=False, include_input=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        sys.stderr.write(f"worker: PIXELRNN_{str(first['loc'][0]).upper()}: {reason}\n")
        return EXIT_BAD_SETTINGS
    from worker.main import run
    from worker.process import processors
    from worker.teaching_link import TeachingLink

    if engine is not None:  # a trainer wakes up seldom, and then to stop a training
        processors.use_batch_scheduling()  # not before: the engine process would take it over
    return run(settings, engine or TeachingLink(settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] == ["trainer"]))
