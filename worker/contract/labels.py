"""The option `label` of a kind: one of a model's labels, by name or number. A job says its name."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field

from worker.contract.kind import Able, BadOptionError, Options, Since
from worker.contract.pixel_options import PIXELS
from worker.contract.record import Described

SINCE = Since(6)


def _as_text(asked: Any) -> Any:
    return str(asked) if type(asked) is int else asked


AskedLabel = Annotated[str, BeforeValidator(_as_text), Field(max_length=64)]
"""A name, or a number as text or as it is."""


class LabelOptions(Options):
    """Options of a kind whose jobs may ask for a label."""

    label: Annotated[AskedLabel | None, PIXELS, SINCE] = Field(
        default=None,
        examples=["7"],
        description="The label of the images: its name in the model's `labels`, or its place there, counted from 0. "
        "Without it, all labels count, each by its probability.",
    )

    def settled(self, model: Able, n: int) -> Self:
        settled = super().settled(model, n)
        return (
            settled
            if self.label is None
            else settled.model_copy(update={"label": label_name(self.label, model)})
        )

    def fits(self, model: Able) -> bool:
        return super().fits(model) and (
            self.label is None or has_label(self.label, model)
        )

    def label_of(self, sample: int) -> str | None:
        return self.label

    def job_fields(self) -> dict[str, Any]:
        return {**super().job_fields(), "label": self.label}


class Shown(Described):
    """The field of a Job that says which labels were asked for."""

    label: str | list[str] | None
    """Name of the label that was asked for, of a list those of the images; null where none was."""


def label_name(asked: str, model: Able) -> str:
    """The name of the label that is asked for by name, or else by number. BadOptionError, which lists what there is."""
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


def has_label(name: str, model: Able) -> bool:
    return any(label.name == name for label in model.labels)


def components(model: Able, is_given: bool = False) -> int:
    """How many distributions a model is made of: each of its networks for each label, unless one is given."""
    return len(model.members) * (1 if is_given else len(model.labels) or 1)
