"""The option `label` of a kind: one of the model's labels, by name or index. A job
stores its name."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field

from worker.contract.options import BadOptionError, Options, Since
from worker.contract.pixel_options import PIXELS
from worker.contract.record import Described
from worker.contract.traits import ModelTraits

SINCE = Since(6)


def _as_text(value: Any) -> Any:
    """Return an integer as text, and everything else unchanged."""
    return str(value) if type(value) is int else value


AskedLabel = Annotated[str, BeforeValidator(_as_text), Field(max_length=64)]
"""A label as a client names it: its name, or its index as a number or as text."""


class LabelOptions(Options):
    """Options of kinds that condition on one label of a model, the same for all images
    of the job."""

    label: Annotated[AskedLabel | None, PIXELS, SINCE] = Field(
        default=None,
        examples=["7"],
        description="The label of the images: its name in the model's `labels`, or "
        "its index there, counted from 0. Without it, all labels count, weighted by "
        "their probability.",
    )

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy whose label is a name of the model, not an index."""
        return self.model_copy(update=self.label_for(model))

    def label_for(self, model: ModelTraits) -> dict[str, Any]:
        """Return what `for_model` changes: option -> value."""
        if self.label is None:
            return {}
        return {"label": label_name(self.label, model)}

    def fits(self, model: ModelTraits) -> bool:
        """Return True if the model has the label, or none was requested."""
        return self.label is None or has_label(self.label, model)

    def label_of(self, sample: int) -> str | None:
        """Return the requested label, the same for all images; None if none was
        requested."""
        return self.label

    def job_fields(self) -> dict[str, Any]:
        """Return `label`."""
        return {"label": self.label}


class LabelField(Described):
    """The field of a Job that shows the requested labels."""

    label: str | list[str] | None
    """Name of the requested label, or a list with the label of each image; null if none
    was requested."""


def label_name(asked: str, model: ModelTraits) -> str:
    """Return the name of a label that a client gives as name or index; names win.
    Raises BadOptionError if the model has no such label."""
    names = [label.name for label in model.labels]
    if asked in names:
        return asked
    if asked.isdecimal() and int(asked) < len(names):
        return names[int(asked)]
    if not names:
        raise BadOptionError(
            "label: this model has no labels; `GET /models` says which models have",
            "label",
        )
    raise BadOptionError(
        f"label: expected one of {', '.join(names)}, or a number below {len(names)}",
        "label",
    )


def has_label(name: str, model: ModelTraits) -> bool:
    """Return True if the model has a label of this name."""
    return any(label.name == name for label in model.labels)


def components(model: ModelTraits, is_given: bool = False) -> int:
    """Return the number of distributions that a model consists of: one for each network
    and label, or one for each network if the label is given (`is_given`)."""
    return len(model.members) * (1 if is_given else len(model.labels) or 1)
