"""With the client of openapi-python-client: python openapi_python_client.py URL PICTURE SMALL"""

import hashlib
import io
import json
import sys
from pathlib import Path

from pixelrnn_client import Client
from pixelrnn_client.api.draw import (
    create_completion,
    create_sample,
    create_score,
    create_upsampling,
)
from pixelrnn_client.api.jobs import (
    cancel_job,
    delete_job,
    get_image,
    get_job,
    stream_events,
)
from pixelrnn_client.api.models import list_models
from pixelrnn_client.models import (
    CompleteForm,
    Job,
    JobResult,
    SampleRequest,
    ScoreForm,
    ScoreResult,
    UpsampleForm,
)
from pixelrnn_client.types import File


def picture(path: str) -> File:
    return File(io.BytesIO(Path(path).read_bytes()), "picture.png", "image/png")


def main(url: str, image: str, small: str) -> None:
    with Client(base_url=url, timeout=60) as client:

        def ended(job: object) -> Job:
            assert isinstance(job, Job), job
            job = get_job.sync(job.id, client=client, wait=30)
            assert isinstance(job, Job), job
            return job

        print(
            "models:", *(model.name for model in list_models.sync(client=client).models)
        )
        sampled = ended(
            create_sample.sync(
                client=client, body=SampleRequest(model="tiny-rgb", n=2, seed=2**53 - 1)
            )
        )
        assert isinstance(sampled.result, JobResult)
        print("sample:", sampled.status, sampled.seed, len(sampled.result.images))

        png = get_image.sync_detailed(
            sampled.id, client=client, sample=1, scale=2
        ).content
        print("picture:", hashlib.sha256(png).hexdigest())

        text = stream_events.sync_detailed(sampled.id, client=client).content.decode()
        types = [
            json.loads(line[6:])["type"]
            for line in text.splitlines()
            if line.startswith("data: ")
        ]
        print("events:", types[0], types.count("row"), types[-1])

        hole = CompleteForm(
            model="tiny-cnn", image=[picture(image)], mask=[picture(image)]
        )
        print(
            "complete:",
            ended(create_completion.sync(client=client, body=hole)).filled_pixels,
        )

        form = UpsampleForm(model="tiny-scales", image=picture(small), n=2)
        print(
            "upsample:",
            ended(create_upsampling.sync(client=client, body=form)).rows_done,
        )

        scored = ended(
            create_score.sync(
                client=client, body=ScoreForm(model="tiny-cnn", image=[picture(image)])
            )
        )
        assert isinstance(scored.result, ScoreResult)
        print("score:", f"{scored.result.nats:.3f}")

        long = create_sample.sync(
            client=client, body=SampleRequest(model="tiny-diagonal", n=64)
        )
        cancel_job.sync(long.id, client=client)
        print("cancel:", ended(long).status)
        print(
            "delete:",
            delete_job.sync_detailed(long.id, client=client).status_code.value,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
