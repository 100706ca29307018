"""Results of jobs, as they are answered: a model for each kind of job that draws no rows, and one for all that do."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel, Field, create_model
from typing_extensions import TypeAliasType

from worker.contract.kind import Kind, Shows
from worker.contract.kinds import ALL_KINDS

_IMAGES = {
    Shows.HEAT: "The heat map.",
    Shows.GIVEN: "The pictures that were handed in.",
    Shows.GRID: "The last grid of samples.",
    Shows.NOTHING: "None.",
}


def _result(
    name: str,
    told: str | None,
    base: type[BaseModel],
    word: str,
    images: str,
    more: Iterable[type[BaseModel] | None],
) -> Any:
    """A model with the fields of `base`, `type`, `images`, and those of `more`."""
    fields: dict[str, Any] = {
        "type": (Literal[word], Field(description="The kind of result.")),
        "images": (list[str], Field(description=images)),
    }
    for answer in filter(None, more):
        fields |= {
            field: (info.annotation, info)
            for field, info in answer.model_fields.items()
        }
    return create_model(name, __base__=base, __doc__=told, **fields)


def _result_of(kind: Kind) -> Any:
    assert kind.summary is not None, (
        f"{kind.word}: a job that draws no rows has a summary"
    )
    told = (kind.answer or kind.summary).__doc__
    return _result(
        f"{kind.word.title()}Result",
        told,
        kind.summary,
        kind.result_type,
        _IMAGES[kind.shows],
        [kind.answer],
    )


def _picture_of(kind: Kind) -> Any:
    """The model of what is said of one of several pictures."""
    fields: dict[str, Any] = {
        "images": (list[str], Field(description="Addresses of its images, in order."))
    }
    if kind.answer is not None:
        fields |= {
            field: (info.annotation, info)
            for field, info in kind.answer.model_fields.items()
        }
    base = BaseModel if kind.draws_rows or kind.summary is None else kind.summary
    told = "One of several pictures, as the result of a job of its own."
    return create_model(
        f"{kind.word.title()}Picture", __base__=base, __doc__=told, **fields
    )


def _pictures_of(kind: Kind) -> type[BaseModel]:
    """The field of a result that says it of each; of kinds that draw rows it may be missing."""
    several, told = (
        list[_picture_of(kind)],
        "Each of several pictures, in the order in which they came.",
    )
    usual: dict[str, Any] = {"default": None} if kind.draws_rows else {}
    field: Any = (
        several | None if kind.draws_rows else several,
        Field(description=told, **usual),
    )
    return create_model("Pictures", pictures=field)


def _several_of(kind: Kind) -> Any:
    told, word = "Several pictures in one job.", f"{kind.noun}s"
    return _result(
        f"{word.title()}Result",
        told,
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
"""The key is the kind of job."""

RESULTS_OF_SEVERAL = {**RESULTS, **_SEVERAL}
"""The same of jobs of several pictures."""

if TYPE_CHECKING:
    Result = Any
else:
    _UNION = Union[(*_OTHERS.values(), *_SEVERAL.values(), _DRAWN, None)]
    Result = TypeAliasType("Result", Annotated[_UNION, Field(discriminator="type")])
"""The result of a job, if it has one. In the schema it has a name and a discriminator:
without a name, generated clients invent one, which may be that of another schema, and
some forget that it may be null; without a discriminator, some merge all results into one
type, although fields of the same name have different types."""
