"""Results of jobs in answers: a model for each kind of job that draws no rows, and one
for all kinds that do."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel, Field, create_model
from typing_extensions import TypeAliasType

from worker.contract.kind import Kind, Shows
from worker.contract.kinds import ALL_KINDS

_IMAGES = {
    Shows.HEAT: "The heat map.",
    Shows.GIVEN: "The pictures that were sent.",
    Shows.GRID: "The last grid of samples.",
    Shows.NOTHING: "None.",
}


def _result(
    name: str,
    text: str | None,
    base: type[BaseModel],
    word: str,
    images: str,
    more: Iterable[type[BaseModel] | None],
) -> Any:
    """Return a model with the fields of `base`, `type`, `images`, and those of
    `more`."""
    fields: dict[str, Any] = {
        "type": (Literal[word], Field(description="The kind of result.")),
        "images": (list[str], Field(description=images)),
    }
    for answer in filter(None, more):
        fields |= {
            field: (info.annotation, info)
            for field, info in answer.model_fields.items()
        }
    return create_model(name, __base__=base, __doc__=text, **fields)


def _result_of(kind: Kind) -> Any:
    assert kind.summary is not None, (
        f"{kind.word}: a job that draws no rows has a summary"
    )
    text = (kind.answer or kind.summary).__doc__
    return _result(
        f"{kind.word.title()}Result",
        text,
        kind.summary,
        kind.result_type,
        _IMAGES[kind.shows],
        [kind.answer],
    )


def _picture_of(kind: Kind) -> Any:
    """Return the model of the result of one of several pictures."""
    fields: dict[str, Any] = {
        "images": (list[str], Field(description="Addresses of its images, in order."))
    }
    if kind.answer is not None:
        fields |= {
            field: (info.annotation, info)
            for field, info in kind.answer.model_fields.items()
        }
    base = BaseModel if kind.draws_rows or kind.summary is None else kind.summary
    text = "The result of one of several pictures, as if it were a job of its own."
    return create_model(
        f"{kind.word.title()}Picture", __base__=base, __doc__=text, **fields
    )


def _pictures_of(kind: Kind) -> type[BaseModel]:
    """Return a model with the field `pictures`, the result of each picture; kinds that
    draw rows may lack it."""
    several: Any = list[_picture_of(kind)]
    text = (
        "The result of each of several pictures, in the order in which they were sent."
    )
    field: Any = several, Field(description=text)
    if kind.draws_rows:
        field = several | None, Field(default=None, description=text)
    return create_model("Pictures", pictures=field)


def _several_of(kind: Kind) -> Any:
    text = "The results of several pictures in one job."
    word = f"{kind.noun}s"
    return _result(
        f"{word.title()}Result",
        text,
        BaseModel,
        word,
        _IMAGES[kind.shows],
        [_pictures_of(kind)],
    )


_ANSWERS = [kind.answer for kind in ALL_KINDS.values() if kind.draws_rows]
_ANSWERS += [
    _pictures_of(kind)
    for kind in ALL_KINDS.values()
    if kind.draws_rows and kind.takes_several
]
_OTHERS = {
    word: _result_of(kind) for word, kind in ALL_KINDS.items() if not kind.draws_rows
}
_SEVERAL = {
    word: _several_of(kind)
    for word, kind in ALL_KINDS.items()
    if kind.takes_several and not kind.draws_rows
}
_DRAWN = _result(
    "JobResult",
    "The images that were drawn, and where to see them.",
    BaseModel,
    "images",
    "Address of each sample, in order.",
    _ANSWERS,
)
RESULTS: Mapping[str, type[BaseModel]] = {
    word: _OTHERS.get(word, _DRAWN) for word in ALL_KINDS
}
"""Kind of job -> model of its result."""

RESULTS_OF_SEVERAL = {**RESULTS, **_SEVERAL}
"""The same for jobs of several pictures."""

if TYPE_CHECKING:
    Result = Any
else:
    _UNION = Union[(*_OTHERS.values(), *_SEVERAL.values(), _DRAWN, None)]
    Result = TypeAliasType("Result", Annotated[_UNION, Field(discriminator="type")])
"""The result of a job, if it has one. In the schema it has a name and a discriminator:
without a name, generated clients invent one, which may be that of another schema, and
some forget that it may be null; without a discriminator, some merge all results into
one type, although fields of the same name have different types."""
