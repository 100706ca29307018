"""With the Python client of openapi-generator: python openapi_generator_python.py URL PICTURE SMALL"""

import hashlib
import sys
from pathlib import Path

from pixelrnn_api import ApiClient, Configuration, DrawApi, JobsApi, ModelsApi
from pixelrnn_api.models import EventData, Job, JobResult, SampleRequest, ScoreResult


def main(url: str, image: str, small: str) -> None:
    with ApiClient(Configuration(host=url)) as client:
        draw, jobs = DrawApi(client), JobsApi(client)
        picture = Path(image).read_bytes()

        def ended(job: Job) -> Job:
            return jobs.get_job(job.id, wait=30)

        print(
            "models:", *(model.name for model in ModelsApi(client).list_models().models)
        )
        sampled = ended(
            draw.create_sample(SampleRequest(model="tiny-rgb", n=2, seed=2**53 - 1))
        )
        assert isinstance(sampled.result.actual_instance, JobResult)
        print(
            "sample:",
            sampled.status.value,
            sampled.seed,
            len(sampled.result.actual_instance.images),
        )

        png = jobs.get_image(sampled.id, sample=1, scale=2)
        print("picture:", hashlib.sha256(png).hexdigest())

        lines = jobs.stream_events(sampled.id).decode().splitlines()
        data = [line[6:] for line in lines if line.startswith("data: ")]
        types = [EventData.from_json(item).actual_instance.type for item in data]
        print("events:", types[0], types.count("row"), types[-1])

        filled = ended(
            draw.create_completion(image=[picture], mask=[picture], model="tiny-cnn")
        )
        print("complete:", filled.filled_pixels)
        upsampled = draw.create_upsampling(
            image=small, model="tiny-scales", n=2
        )  # a path is taken too
        print("upsample:", ended(upsampled).rows_done)

        scored = ended(
            draw.create_score(image=[("picture.png", picture)], model="tiny-cnn")
        )
        assert isinstance(scored.result.actual_instance, ScoreResult)
        print("score:", f"{scored.result.actual_instance.nats:.3f}")

        long = draw.create_sample(SampleRequest(model="tiny-diagonal", n=64))
        jobs.cancel_job(long.id)
        print("cancel:", ended(long).status.value)
        print("delete:", jobs.delete_job_with_http_info(long.id).status_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
