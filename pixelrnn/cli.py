"""The command `pixelrnn`: it runs a verb, and prints an error of the user's as one
line."""

import os
import sys
from typing import NoReturn

from pydantic_core import ValidationError
from typer.exceptions import Abort, TyperException

from model_core.errors import PixelRNNError
from pixelrnn.parts import make_importable

SETTINGS = "Settings"
"""Name of the classes in `app` and `worker` that read settings from the environment. A
validation error of one of them is the user's; any other is a bug."""

SECRETS = ("API_KEYS", "LINK_SECRET", "REDIS_PASSWORD", "REDIS_URL", "WEBHOOK_SECRET")
"""Settings that may contain a key or a password: messages do not repeat their
values."""

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the verb that the command line names, and exit with its status, normally 0.
    An error of the user's (wrong arguments, a PixelRNNError, an invalid setting) is
    printed as one line on stderr, with status 2; after Ctrl-C it is 130. Other
    exceptions, which are bugs, pass through."""
    make_importable()
    from pixelrnn.verbs import root

    options = [word.partition("=")[0] for word in sys.argv[2:]]
    if sys.argv[1:2] == ["train"] and "--url" in options:
        sys.argv.insert(1, "remote")
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
    """Print `pixelrnn: ` and the sentence as one line on stderr, and exit with status
    2. An empty sentence is not printed."""
    # It is empty if help has been printed in its place.
    if sentence:
        print(f"pixelrnn: {' '.join(sentence.split())}", file=sys.stderr)
    raise SystemExit(EXIT_BAD_INPUT)


def _setting(error: ValidationError) -> str:
    """Return a sentence about the first invalid setting. The value is given only if it
    is in the environment and no secret."""
    first = error.errors()[0]
    name = "_".join(str(part) for part in first["loc"]).upper()
    name = name.removeprefix("PIXELRNN_")
    is_told = f"PIXELRNN_{name}" in os.environ and name not in SECRETS
    given = f", not {first['input']!r}" if is_told else ""
    return f"PIXELRNN_{name}: {first['msg'].removeprefix('Value error, ')}{given}"
