"""OpenAI's own client against the service: python use_openai.py URL MODEL IMAGE MASK prints what came, as JSON."""

import base64
import hashlib
import json
import sys
import urllib.request
from pathlib import Path

from openai import APIStatusError, OpenAI

url, model, image, mask = sys.argv[1:]
client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def refused(**fields: object) -> list[object]:
    """The status, type, field and words of a refusal."""
    try:
        client.images.generate(**{"model": model, "prompt": "", **fields})
    except APIStatusError as error:
        return [error.status_code, error.type, error.param, error.body["message"]]
    raise AssertionError(fields)


drawn = client.images.generate(
    model=model, prompt="", n=3, size="64x64", user="somebody", extra_body={"seed": 7}
)
linked = client.images.generate(
    model=model, prompt="", response_format="url", output_format="webp", size="auto"
)
edited = client.images.edit(
    model=model,
    prompt="",
    image=Path(image),
    mask=Path(mask),
    n=2,
    size="12x12",
    extra_body={"seed": 3},
)
one_of_a_list = client.images.edit(model=model, prompt="", image=[Path(mask)])
with urllib.request.urlopen(linked.data[0].url) as answer:
    shown = answer.headers["Content-Type"]
print(
    json.dumps(
        {
            "models": [each.id for each in client.models.list()],
            "model": client.models.retrieve(model).id,
            "drawn": [each.b64_json for each in drawn.data],
            "size": drawn.size,
            "seed": drawn.seed,
            "shown": [shown, linked.size, linked.output_format],
            "edited": [each.b64_json for each in edited.data],
            "one_of_a_list": hashlib.sha256(
                base64.b64decode(one_of_a_list.data[0].b64_json)
            ).hexdigest(),
            "refused": [
                refused(prompt="a cat"),
                refused(size="2x2"),
                refused(size="large"),
                refused(quality="hd"),
                refused(n=11),
                refused(model="dall-e-3"),
                refused(extra_body={"sed": 1}),
            ],
        }
    )
)
