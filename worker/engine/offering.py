"""Prepares models for browsers: exports them to the folder from which the API serves
them, in a process of its own.

Models that a wheel or an image contains are copied first. The others are exported in
the order in which the page needs them, while loops are compiled.
"""

import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import structlog

from model_core.portable.laid_out import missing, renew, take_built
from model_core.portable.sizes import is_large
from model_core.portable.target import ENVIRONMENT
from worker.contract.cards import FIRST, ModelCard
from worker.process import processors

LIMIT_S = 900.0
"""Seconds for exporting all models."""


def in_page_order(cards: Iterable[ModelCard]) -> list[ModelCard]:
    """Return the cards in the order in which the page needs the models: that of its
    first view, then the smallest pictures."""
    return sorted(
        cards,
        key=lambda card: (
            card.name != FIRST,
            card.height * card.width * card.channels,
            card.name,
        ),
    )


def offer(
    folder: Path,
    models: Mapping[Path, str],
    usable: Collection[int],
    largest_mib: int,
) -> None:
    """Export the models that are not in `folder` yet, and renew what calibration has
    changed of the others. Failures are only logged: clients then use the service.

    models: directory -> identity, in the order of exporting.
    usable: CPU cores that this thread and its process use from now on; any if empty.
    largest_mib: models with more MiB of weights are left out.
    """
    try:
        identities = {
            place: identity
            for place, identity in models.items()
            if not is_large(place, largest_mib)
        }
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
        renew(folder, identities)
    except Exception as error:  # an outermost handler: browsers use the service
        log_not_laid_out(folder, error)


def log_not_laid_out(folder: Path, error: Exception) -> None:
    structlog.get_logger("models").warning(
        "not_laid_out", folder=str(folder), error=repr(error)
    )
