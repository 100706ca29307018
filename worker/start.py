"""How a worker begins: `python -m worker.start`, with the settings of the environment."""

import sys

from worker.engine_link import EngineLink


def main() -> int:
    """Start the engine's process first: it takes longest. Returns the exit status."""
    engine = EngineLink()
    from pydantic import ValidationError

    from worker.settings import EXIT_BAD_SETTINGS, Settings

    try:
        settings = Settings()
    except ValidationError as error:
        engine.kill()
        first = error.errors(include_url=False, include_input=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        sys.stderr.write(f"worker: PIXELRNN_{str(first['loc'][0]).upper()}: {reason}\n")
        return EXIT_BAD_SETTINGS
    from worker.main import run

    return run(settings, engine)


if __name__ == "__main__":
    sys.exit(main())
