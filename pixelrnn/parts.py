"""Where the packages `app`, `worker`, `model_core` and `engine` are: beside this
package in a checkout, inside of it in an installed copy.

In an installed copy the user's own modules may have these names, and must not be
hidden. So they are on the path of our own processes alone.
"""

import os
import sys
from pathlib import Path

_INSTALLED = Path(__file__).with_name("_parts")


def make_importable() -> None:
    """Put the directory of an installed copy's packages first on the path of this
    process and, by PYTHONPATH, of those that it starts. Does nothing in a checkout."""
    place = str(_INSTALLED)
    if not _INSTALLED.is_dir() or place in sys.path:
        return
    sys.path.insert(0, place)
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([place, others] if others else [place])
