"""How a worker begins: `python -m worker.start`, with the settings of the environment."""

import sys

from pydantic import ValidationError

from worker.engine_link import EngineLink
from worker.settings import EXIT_BAD_SETTINGS, Settings


def main() -> int:
    """Start the engine's process first: it takes longest. Returns the exit status."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        sys.stderr.write(f"worker: PIXELRNN_{str(first['loc'][0]).upper()}: {first['msg']}\n")
        return EXIT_BAD_SETTINGS
    engine = EngineLink()
    from worker.main import run

    return run(settings, engine)


if __name__ == "__main__":
    sys.exit(main())
