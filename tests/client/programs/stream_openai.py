"""OpenAI's own client reads streams: python stream_openai.py URL MODEL IMAGE MASK prints what came, as JSON."""

import json
import sys
from pathlib import Path

from openai import BadRequestError, OpenAI
from openai.types import (
    ImageEditCompletedEvent,
    ImageEditPartialImageEvent,
    ImageGenCompletedEvent,
    ImageGenPartialImageEvent,
)

url, model, image, mask = sys.argv[1:]
client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
common = {"model": model, "prompt": ""}


def streamed(stream, partial_type, whole_type) -> list[tuple[int | None, str]]:
    """The number, none for the whole one, and the picture of each event, which has all that its type asks for."""
    found = []
    for event in stream:
        kind = partial_type if isinstance(event, partial_type) else whole_type
        kind.model_validate(event.to_dict(), strict=True)
        found.append((getattr(event, "partial_image_index", None), event.b64_json))
    return found


def refused(**fields: object) -> str:
    """The field that is refused."""
    try:
        client.images.generate(**common, **fields)
    except BadRequestError as error:
        return error.param
    raise AssertionError(fields)


drawings = ImageGenPartialImageEvent, ImageGenCompletedEvent
edit = client.images.edit(
    **common,
    image=Path(image),
    mask=Path(mask),
    size="12x12",
    stream=True,
    partial_images=1,
    extra_body={"seed": 3},
)
drawing = client.images.generate(
    **common, size="64x64", stream=True, partial_images=3, extra_body={"seed": 7}
)
print(
    json.dumps(
        {
            "drawn": streamed(drawing, *drawings),
            "edited": streamed(
                edit, ImageEditPartialImageEvent, ImageEditCompletedEvent
            ),
            "whole_only": streamed(
                client.images.generate(**common, stream=True), *drawings
            ),
            "refused": [
                refused(stream=True, n=2),
                refused(stream=True, partial_images=4),
                refused(stream=True, partial_images=-1),
                refused(partial_images=1),
                refused(stream=True, response_format="url"),
            ],
        }
    )
)
