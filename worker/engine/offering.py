"""Models for browsers: laid out where the API finds them, by a process of its own.

Those that a wheel or an image has ready-made are copied first. The others are laid out in
the order in which the page needs them, while loops are compiled.
"""

import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import structlog

from model_core.portable.laid_out import missing, take_built
from model_core.portable.target import ENVIRONMENT
from worker.contract.cards import FIRST, ModelCard
from worker.process import processors

LIMIT_S = 900.0


def in_page_order(cards: Iterable[ModelCard]) -> list[ModelCard]:
    """Sort models by when the page needs them: the one of its first view, then those of
    small pictures, which most of its views begin with."""
    return sorted(
        cards,
        key=lambda card: (
            card.name != FIRST,
            card.height * card.width * card.channels,
            card.name,
        ),
    )


def offer(
    folder: Path | None, identities: Mapping[Path, str], usable: Collection[int]
) -> None:
    """Lay out the models that are not there yet; nothing without a folder. Failures are logged: whoever cannot draw in
    a browser asks the service.

    identities: of the models, by their directories, in the order in which they are laid
    out. usable: the processors that this thread and its process are kept to
    from now on; any when empty.
    """
    if folder is None:
        return
    try:
        take_built(folder, identities.values())
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
