"""What a user of a generated client writes; run by test_generated.py beside the client that it generates.

python generated_program.py URL PICTURE.png SMALL.png
"""

import io
import sys
from pathlib import Path

from pixelrnn_client import Client
from pixelrnn_client.api.draw import create_completion, create_sample, create_score, create_upsampling
from pixelrnn_client.api.jobs import cancel_job, delete_job, get_image, get_job, get_score_map, stream_events
from pixelrnn_client.api.models import list_models
from pixelrnn_client.models import CompleteForm, Job, SampleRequest, ScoreForm, UpsampleForm
from pixelrnn_client.types import File


def picture(path: str) -> File:
    return File(io.BytesIO(Path(path).read_bytes()), "picture.png", "image/png")


def main(url: str, image: str, small: str) -> None:
    with Client(base_url=url, timeout=60) as client:

        def finished(job: object) -> Job:
            assert isinstance(job, Job), job
            ended = get_job.sync(job.id, client=client, wait=30)
            assert isinstance(ended, Job), ended
            assert ended.status == "succeeded", ended
            drawn = get_image.sync_detailed(job.id, client=client, scale=2)
            assert drawn.content.startswith(b"\x89PNG"), drawn
            return ended

        print("models:", [model.name for model in list_models.sync(client=client).models])

        sampled = create_sample.sync(client=client, body=SampleRequest(model="tiny-rgb", n=2, seed=7))
        events = stream_events.sync_detailed(sampled.id, client=client).content.decode()
        print("sample:", finished(sampled).rows_done, "rows,", events.count("event: row"), "in the stream")

        hole = CompleteForm(model="tiny-cnn", image=picture(image), mask=picture(image))
        print("complete:", finished(create_completion.sync(client=client, body=hole)).filled_pixels, "pixels filled")

        form = UpsampleForm(model="tiny-scales", image=picture(small), n=2)
        print("upsample:", finished(create_upsampling.sync(client=client, body=form)).rows_done, "rows")

        scored = finished(create_score.sync(client=client, body=ScoreForm(model="tiny-cnn", image=picture(image))))
        bits = get_score_map.sync(scored.id, client=client).bits
        print("score:", round(scored.result.nats, 3), "nats,", len(bits), "rows of bits")

        long = create_sample.sync(client=client, body=SampleRequest(model="tiny-diagonal", n=64))
        assert cancel_job.sync(long.id, client=client).id == long.id
        print("cancel:", get_job.sync(long.id, client=client, wait=30).status)
        print("delete:", delete_job.sync_detailed(long.id, client=client).status_code.value)


if __name__ == "__main__":
    main(*sys.argv[1:])
