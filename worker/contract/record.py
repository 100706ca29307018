"""The rule for every record between processes: earlier and later versions can read each
other's.

A rolling upgrade runs two versions for a while, so a field that a reader does not know
is ignored and never refused. The meaning of a field never changes; a job that an
earlier worker would do wrong has a higher `version` (jobs.py).
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Int64 = Annotated[int, Field(json_schema_extra={"format": "int64"})]
"""An integer that may exceed 2^31; without the format, generated clients use 32 bits in
many languages."""


class Record(BaseModel):
    """Base of records that one process writes and another reads. Instances are
    immutable, and unknown fields are ignored when one is read."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        # A record that this version writes has no other fields.
        json_schema_extra={"additionalProperties": False},
    )


class Described(BaseModel):
    """Base of parts of the API's answers: the docstring of each field is its
    description in openapi.json."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class UnreadableError(ValueError):
    """A record that this version cannot read: it is damaged, or another version wrote
    it."""


class OtherVersionError(UnreadableError):
    """A valid job that this version cannot do; a later version may be able to."""
