"""An option of kinds whose files name their model: its card may have changed since they were made."""

from typing import Annotated, Any

from worker.contract.kind import FOUND, Options, Since
from worker.contract.record import Described

SINCE = Since(8)


class ChangedCardOptions(Options):
    """Options of a job whose model was found by the weights alone: nobody holds the identity that is named."""

    card_changed: Annotated[bool, FOUND, SINCE] = False

    def job_fields(self) -> dict[str, Any]:
        return {**super().job_fields(), "card_changed": self.card_changed or None}


class Shown(Described):
    """The field of a Job that says so."""

    card_changed: bool | None
    """True: nobody holds the model that the picture or file names, but one of the same weights, whose card (labels,
    priors) has changed since. Else null."""
