"""The options that change the pixels of drawn images: the one list of them.

An option is in the list if its field is marked `PIXELS`. Everything that draws an
image again reads the list: the text in a picture, `verify`, the fields of a Job, links,
the page's history, the lines of code that repeat a job, and the verbs that draw without
a service. An option that is not marked is in none of these. `python -m
app.openapi_file` writes the list for JavaScript.
"""

import json
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel


class Pixels:
    """Type of the mark `PIXELS`, for options that change the pixels of drawn images."""


PIXELS = Pixels()


def pixel_options(options: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of the options of a kind that change pixels, in the order of
    their fields."""
    return tuple(
        name
        for name, field in options.model_fields.items()
        if any(isinstance(mark, Pixels) for mark in field.metadata)
    )


def as_text(values: Mapping[str, Any]) -> dict[str, str]:
    """Return options as keywords and texts of a PNG. `values` must not contain None.

    A flag becomes `true` or `false`. A list, which has a value for each image, becomes
    JSON under the plural of the option's name.
    """
    return {
        f"{name}s" if isinstance(value, list) else name: _text(value)
        for name, value in values.items()
    }


def _text(value: Any) -> str:
    if isinstance(value, bool | list):
        return json.dumps(value)
    return repr(value) if isinstance(value, float) else str(value)


def type_of(options: type[BaseModel], name: str) -> str:
    """Return the type of an option's values: `flag`, `integer`, `number` or `text`, and
    `texts` for an option that may be a list of texts."""
    bare = set(_bare_types(options.model_fields[name].annotation))
    if list in bare:
        return "texts"
    (found,) = bare
    return {bool: "flag", int: "integer", float: "number", str: "text"}[found]


def _bare_types(annotation: Any) -> list[type]:
    """Return the types in an annotation, without None. A list counts as `list`,
    whatever its items are."""
    origin = get_origin(annotation)
    if annotation is NoneType:
        return []
    if origin in (Union, UnionType):
        parts = get_args(annotation)
        found = [bare for part in parts for bare in _bare_types(part)]
        return [list] if list in found else found
    if origin is Annotated:
        return _bare_types(get_args(annotation)[0])
    if origin is Literal:
        return [type(value) for value in get_args(annotation)]
    return [list] if origin is list else [annotation]
