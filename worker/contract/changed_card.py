"""An option of jobs whose input file names its model: the model's card may have changed
since the file was made."""

from typing import Annotated, Any

from worker.contract.options import FOUND, Options, Since
from worker.contract.record import Described

SINCE = Since(8)


class ChangedCardOptions(Options):
    """Options of jobs whose input names a model by identity and weights."""

    card_changed: Annotated[bool, FOUND, SINCE] = False
    """True if no worker holds a model of that identity, so that one with the same
    weights and a changed card is used."""

    def job_fields(self) -> dict[str, Any]:
        """Return `card_changed`: True, or None if it did not change."""
        return {"card_changed": self.card_changed or None}


class CardChangedField(Described):
    """The field of a Job that reports a changed card."""

    card_changed: bool | None
    """True: no worker holds exactly the model that the picture or file names. One with
    the same weights was used, whose card (labels, priors) has changed since. Else null.
    """
