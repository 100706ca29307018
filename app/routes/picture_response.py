"""Responses that are one picture, with the file name under which a browser saves it."""

from collections.abc import Mapping

from fastapi import Response

from app.imaging.render import PictureFormat
from worker.contract.events import Stage


def name_of(job_id: str, stage: Stage, sample: int | None) -> str:
    """Return the file name, without its ending, of one of a job's pictures.

    sample: None for all samples in a grid.
    """
    which = "grid" if sample is None else str(sample)
    if stage is Stage.FINAL:
        return f"{job_id}-{which}"
    return f"{job_id}-{stage.value}-{which}"


def inline_header(name: str) -> dict[str, str]:
    """Return the header with which a browser shows a picture, and saves it under this
    name."""
    return {"Content-Disposition": f'inline; filename="{name}"'}


class PngResponse(Response):
    """The type of a picture in the schema, for calls that offer no other format."""

    media_type = PictureFormat.PNG.media_type


def picture_response(
    content: bytes, kind: PictureFormat, name: str, headers: Mapping[str, str]
) -> Response:
    """Return the response with a picture.

    name: its file name without the ending; it has no characters that need quoting.
    """
    named = {**headers, **inline_header(f"{name}.{kind.value}")}
    return Response(content, headers=named, media_type=kind.media_type)
