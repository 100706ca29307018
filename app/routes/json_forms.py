"""Forms that are not sent as multipart/form-data: as JSON, with files in base64, or as
an array, with the other fields in the query. All are checked by the same model."""

import base64
import io
import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_origin

from fastapi import UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from app.errors import BadParameterError, TooLargeError
from worker.contract.kind import FILES

Form = TypeVar("Form", bound=BaseModel)
_MOST_MARKS = 256
"""Commas and brackets in a body, at most. Base64 has none and a form has a few dozen,
but a body of nothing else would take fifty times its length when it is parsed."""
_DATA_URL = re.compile(
    r"data:[\w.+/-]{0,64}(?:;[\w.+=-]{1,64}){0,2};base64,", re.ASCII | re.IGNORECASE
)


def json_limit(file_bytes: int) -> int:
    """Return the most bytes that all files of a form may have in base64, with their
    prefixes `data:...`.

    file_bytes: limit of one file.
    """
    return len(FILES) * (4 * (file_bytes // 3 + 1) + 256)


def read_form(body: bytes, model: type[Form], file_bytes: int) -> Form:
    """Read a form from a body of JSON, with its files in base64.

    file_bytes: limit of one file. Only the length of its base64 is checked, before it
    is decoded, so that a file may be two bytes longer.

    Raises RequestValidationError, as FastAPI does, for a body that does not fit the
    model; BadParameterError for a file that is not base64, and for a body with too many
    commas and brackets; TooLargeError for a file above the limit.
    """
    fields = _fields(body)
    if isinstance(fields, dict):
        sent = {
            role: fields[role]
            for role in FILES
            if fields.get(role) is not None and role in model.model_fields
        }
        fields |= {
            role: _uploads(role, texts, file_bytes) for role, texts in sent.items()
        }
    return form_of(model, fields, "body")


def read_array_form(body: bytes, query: Mapping[str, str], model: type[Form]) -> Form:
    """Return the form whose file `image` is the body, and whose other fields are in the
    query. Raises RequestValidationError if they do not fit the model."""
    array = UploadFile(io.BytesIO(body), filename="image")
    is_list = get_origin(model.model_fields["image"].annotation) is list
    return form_of(
        model, {**query, "image": [array] if is_list else array}, "query", is_text=True
    )


def form_of(model: type[Form], fields: Any, place: str, is_text: bool = False) -> Form:
    """Check the fields of a form. Raises RequestValidationError.

    place: where errors say that the fields are: `body` or `query`.
    is_text: True if numbers are sent as text.
    """
    try:
        return model.model_validate(fields, strict=not is_text)
    except ValidationError as error:
        found = [
            {**fault, "loc": (place, *fault["loc"])}
            for fault in error.errors(include_url=False)
        ]
        raise RequestValidationError(found) from None


def _fields(body: bytes) -> Any:
    """Parse a body of JSON. Raises BadParameterError if it is nested, and
    RequestValidationError if it is not JSON."""
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > _MOST_MARKS:
        raise BadParameterError(
            "expected one object with the fields of this call, and nothing nested in it"
        )
    try:
        return json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise RequestValidationError(
            [{"type": "json_invalid", "loc": ("body",), "msg": "no JSON"}]
        ) from None


def _uploads(
    role: str, texts: object, file_bytes: int
) -> UploadFile | list[UploadFile]:
    """Return the file of a text, or the files of a list, which the model refuses if it
    expects one file.

    role: the field's name.
    """
    if isinstance(texts, list):
        return [_upload(role, text, file_bytes) for text in texts]
    return _upload(role, texts, file_bytes)


def _upload(role: str, text: object, file_bytes: int) -> UploadFile:
    """Decode a file. Raises TooLargeError and BadParameterError."""
    data = text if isinstance(text, str) else "?"  # which is not base64
    prefix = _DATA_URL.match(data)
    if prefix:
        data = data[prefix.end() :]
    if len(data) > 4 * (file_bytes // 3 + 1):
        raise TooLargeError(
            f"the {role} has too many bytes; at most {file_bytes} are taken"
        )
    try:
        return UploadFile(
            io.BytesIO(base64.b64decode(data, validate=True)), filename=role
        )
    except ValueError:
        said = (
            f"{role}: expected a picture in base64 (RFC 4648, in one line), "
            "or a data: URL with it; nothing is fetched"
        )
        raise BadParameterError(said, field=role) from None
