"""Places of `app` and `worker`: beside this package in a checkout, inside of it in an installed copy.

There a user's own modules of these names must not be hidden, so they are on no path but that of our own processes.
"""

import os
import sys
from pathlib import Path

_INSTALLED = Path(__file__).with_name("_parts")


def make_importable() -> None:
    """Put them first on the path of this process, and of those that it starts. A checkout needs nothing."""
    place = str(_INSTALLED)
    if not _INSTALLED.is_dir() or place in sys.path:
        return
    sys.path.insert(0, place)
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([place, others] if others else [place])
