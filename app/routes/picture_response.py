"""A picture over HTTP, with a name under which it may be saved."""

from collections.abc import Mapping

from fastapi import Response

from app.imaging.render import PictureFormat
from worker.contract.events import Stage


def name_of(job_id: str, stage: Stage, sample: int | None) -> str:
    """File name of one of a job's pictures, without its ending; sample None = all samples in a grid."""
    which = "grid" if sample is None else str(sample)
    return (
        f"{job_id}-{which}"
        if stage is Stage.FINAL
        else f"{job_id}-{stage.value}-{which}"
    )


def inline_header(name: str) -> dict[str, str]:
    """The header by which a browser shows a picture, and saves it under this name."""
    return {"Content-Disposition": f'inline; filename="{name}"'}


class PngResponse(Response):
    """A picture as the schema describes it where no other format can be asked for."""

    media_type = PictureFormat.PNG.media_type


def picture_response(
    content: bytes, kind: PictureFormat, name: str, headers: Mapping[str, str]
) -> Response:
    """name: without its ending, and safe between quotes."""
    named = {**headers, **inline_header(f"{name}.{kind.value}")}
    return Response(content, headers=named, media_type=kind.media_type)
