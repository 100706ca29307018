"""The rule for every record between the processes: an earlier and a later version can read each other's.

A rolling upgrade runs both for a while, so a field that one side does not know is passed over and never refused. What a
field means does not change; a job that an earlier worker would get wrong says so by its `version` (jobs.py).
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Int64 = Annotated[int, Field(json_schema_extra={"format": "int64"})]
"""A number that may exceed 2^31: without the word for it generated clients read 32 bits in many languages."""


class Record(BaseModel):
    """Written by one process, read by another. Frozen; unknown fields are ignored when it is read."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        json_schema_extra={
            "additionalProperties": False
        },  # what this version sends has no other fields
    )


class Described(BaseModel):
    """A part of what is answered: the text below a field describes it in openapi.json."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class UnreadableError(ValueError):
    """A record that this version cannot read: it is damaged, or of another version."""


class OtherVersionError(UnreadableError):
    """A job that is well written, and that this version cannot do: a later one may."""
