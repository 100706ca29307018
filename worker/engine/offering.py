"""Models for browsers: laid out where the API finds them, by a process of its own, once all models are ready."""

import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import structlog

from model_core.portable.laid_out import missing
from model_core.portable.target import ENVIRONMENT
from worker.process import processors

LIMIT_S = 900.0


def offer(
    folder: Path | None, identities: Mapping[Path, str], usable: Collection[int]
) -> None:
    """Lay out the models that are not there yet; nothing without a folder. Failures are logged: whoever cannot draw in
    a browser asks the service.

    identities: of the models, by their directories. usable: the processors that this thread and its process are kept to
    from now on; any when empty.
    """
    if folder is None:
        return
    try:
        wanted = missing(folder, identities.values())
        places = [
            str(place.absolute())
            for place, identity in identities.items()
            if identity in wanted
        ]
        if places:
            command = [sys.executable, "-P", "-m", "model_core.portable.laid_out"]
            arguments = [str(folder), *places]
            processors.keep_to(usable)
            environment = os.environ | ENVIRONMENT
            subprocess.run(
                [*command, *arguments], env=environment, check=True, timeout=LIMIT_S
            )
    except Exception as error:  # the thread's edge
        structlog.get_logger("models").warning(
            "not_laid_out", folder=str(folder), error=repr(error)
        )
