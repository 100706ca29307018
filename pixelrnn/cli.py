"""The one command, `pixelrnn`: it runs a verb, and says in one line what a person got wrong."""

import os
import sys
from typing import NoReturn

from pydantic_core import ValidationError
from typer.exceptions import Abort, TyperException

from model_core.errors import PixelRNNError
from pixelrnn.parts import make_importable

SETTINGS = "Settings"
"""The class of that name in `app` and `worker` reads the environment, which a person may have got wrong."""

SECRETS = ("API_KEYS", "LINK_SECRET", "REDIS_PASSWORD", "REDIS_URL", "WEBHOOK_SECRET")
"""Settings that may hold a key or a password: what is wrong with them is said without repeating them."""

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run a verb. What a person got wrong is one line on stderr and exit code 2."""
    make_importable()
    from pixelrnn.verbs import root

    try:
        code = root(standalone_mode=False)
    except TyperException as error:
        fail(error.format_message())
    except PixelRNNError as error:
        fail(str(error))
    except ValidationError as error:
        if error.title != SETTINGS:
            raise
        fail(_setting(error))
    except (Abort, KeyboardInterrupt):
        raise SystemExit(EXIT_INTERRUPTED) from None
    raise SystemExit(code if isinstance(code, int) else 0)


def fail(sentence: str) -> NoReturn:
    """End with one line that says what was wrong; an empty one where help was printed instead."""
    if sentence:
        print(f"pixelrnn: {' '.join(sentence.split())}", file=sys.stderr)
    raise SystemExit(EXIT_BAD_INPUT)


def _setting(error: ValidationError) -> str:
    first = error.errors()[0]
    name = "_".join(str(part) for part in first["loc"]).upper()
    name = name.removeprefix("PIXELRNN_")
    is_told = f"PIXELRNN_{name}" in os.environ and name not in SECRETS
    given = f", not {first['input']!r}" if is_told else ""
    return f"PIXELRNN_{name}: {first['msg'].removeprefix('Value error, ')}{given}"
