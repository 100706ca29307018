"""GET /jobs/{id}/image, GET /models, /info, the page, and the schema."""

import json
import re

import httpx
import pytest
from PIL import Image

from app.main import create_app
from app.settings import Settings
from tests.app.answers import is_problem, picture_of, submit_sample
from tests.app.hand_worker import COLOUR, GREY, HandWorker, image_bytes, row_bytes


def submit(client: httpx.Client, model: str = "grey", n: int = 1) -> str:
    return submit_sample(client, model=model, n=n, seed=3)["links"]["image"]


def picture(answer: httpx.Response) -> Image.Image:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    image = picture_of(answer)
    image.load()
    return image


@pytest.mark.parametrize("model", ["grey", "colour"])
def test_picture_is_what_was_drawn_when_finished(
    client: httpx.Client, worker: HandWorker, model: str
) -> None:
    """Each sample's bytes, grey or coloured, and in the file what it takes to draw it again."""
    link = submit(client, model, n=3)
    spec = worker.draw()
    for sample in range(3):
        image = picture(client.get(link, params={"sample": sample}))
        assert image.mode == {"grey": "L", "colour": "RGB"}[model]
        assert (image.size, image.tobytes()) == (
            (spec.width, spec.height),
            image_bytes(spec, sample),
        )
        origin = {
            "kind": "sample",
            "model": model,
            "digest": spec.digest,
            "seed": "3",
            "temperature": "1.0",
        }
        said = {
            name: text for name, text in image.info.items() if "xmp" not in name
        }  # test_api_mark.py reads that
        drawn = {"numerics": "by-hand", "sample": str(sample), "version": "4"}
        assert said == {**origin, **drawn}


def test_rows_not_drawn_yet_are_black_when_looked_at_early(
    client: httpx.Client, worker: HandWorker
) -> None:
    """409 before the first row, then the rows there are; such a picture is not kept by caches."""
    link = submit(client, n=2)
    assert (
        is_problem(client.get(link), 409)["type"] == "urn:pixelrnn:problem:no-rows-yet"
    )
    is_problem(client.get(link, params={"grid": 1}), 409)
    spec = worker.take()
    worker.rows(spec, (1, 0))
    answer = client.get(link, params={"sample": 1})
    assert picture(answer).tobytes() == row_bytes(spec, 1, 0) + bytes(9)
    assert answer.headers["cache-control"] == "no-store"
    is_problem(client.get(link, params={"sample": 0}), 409)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("query", ["", "?grid=1", "?format=zip", "?follow=true"])
def test_job_that_ended_without_a_row_has_no_picture(
    client: httpx.Client, query: str
) -> None:
    """Whoever asks is not told to come again."""
    link = submit(client, n=2)
    client.post(link.replace("/image", "/cancel")).raise_for_status()
    answer = client.get(link + query)
    assert is_problem(answer, 404)["type"] == "urn:pixelrnn:problem:no-picture"
    assert "retry-after" not in answer.headers


def test_each_pixel_is_a_square_when_scaled(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Nearest neighbour: scaled down again it is the same picture."""
    link = submit(client)
    spec = worker.draw()
    image = picture(client.get(link, params={"scale": 32}))
    assert image.size == (96, 128)
    assert image.resize((3, 4), Image.Resampling.NEAREST).tobytes() == image_bytes(
        spec, 0
    )


def test_grid_is_near_square_when_asked_for(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Five samples lie in two lines of three, one grey pixel between them."""
    link = submit(client, n=5)
    spec = worker.draw()
    image = picture(client.get(link, params={"grid": 1}))
    assert image.size == (3 * 4 - 1, 2 * 5 - 1)
    assert image.crop((4, 5, 7, 9)).tobytes() == image_bytes(spec, 4)
    assert image.getpixel((3, 0)) == 128


def test_answer_is_422_when_there_is_no_such_sample_or_size(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The detail says what there is."""
    worker.announce(GREY.model_copy(update={"height": 200, "width": 200}))
    link = submit(client)
    worker.draw()
    assert "0 to 0" in is_problem(client.get(link, params={"sample": 1}), 422)["detail"]
    assert (
        "at most 20"
        in is_problem(client.get(link, params={"scale": 32}), 422)["detail"]
    )


def test_models_are_those_of_live_workers_when_listed(
    client: httpx.Client, worker: HandWorker, redis_url: str
) -> None:
    """By name, with where they are loaded; the latest started worker decides between two weights."""
    newer = HandWorker(redis_url, "w2")
    newer.announce(GREY.model_copy(update={"digest": "c" * 64}), started_at=2.0)
    worker.redis.sadd("px:workers", "gone")
    models = client.get("/models").json()["models"]
    assert [model["name"] for model in models] == ["colour", "grey"]
    assert [place["name"] for place in models[0]["loaded_on"]] == ["w1"]
    assert [place["threads"] for place in models[0]["loaded_on"]] == [1]
    assert client.get("/info").json()["drawing_threads"] == 2
    assert (
        models[1]["digest"],
        [place["name"] for place in models[1]["loaded_on"]],
    ) == ("c" * 64, ["w2"])
    assert client.get("/models/colour").json() == models[0]
    assert (models[0]["digest"], models[0]["can"]) == (
        COLOUR.digest,
        ["sample", "complete"],
    )
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["workers"], ready["models"]) == (
        "ready",
        2,
        ["colour", "grey"],
    )
    newer.redis.close()


def test_limits_are_told_when_asked(client: httpx.Client) -> None:
    """So that a client need not find them by failing."""
    info = client.get("/info").json()
    assert (info["name"], info["limits"]["n"], info["limits"]["image_formats"]) == (
        "pixelrnn",
        64,
        ["PNG", "JPEG", "WEBP"],
    )


def test_page_leads_on_when_opened(client: httpx.Client) -> None:
    """Plain HTML, with the way to the documentation."""
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert 'href="docs"' in answer.text


def test_schema_suits_generators_when_served(client: httpx.Client) -> None:
    """Errors are problems, ids make method names, media types are single but where `Accept`, or the ending of a file's
    name, chooses, and every field says what it is."""
    schema = client.get("/openapi.json").json()
    assert schema == json.loads(json.dumps(create_app(Settings()).openapi()))
    assert set(re.findall(r'"contentMediaType": "(.+?)"', json.dumps(schema))) == {
        "text/event-stream"
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert operation["operationId"].isidentifier()
            for status, response in operation["responses"].items():
                media = list(response.get("content", {}))
                chosen = {"post", "put"} & operations.keys() or path.endswith(
                    ("/marginals", "/image", "/given", "/{file}")
                )
                assert len(media) <= 1 or (chosen and status == "200"), (
                    path,
                    status,
                    media,
                )
                if status >= "400" and not path.startswith("/v1/"):  # OpenAI's form
                    assert media == ["application/problem+json"], (path, status)
    for name, model in schema["components"]["schemas"].items():
        unsaid = [
            field
            for field, said in model.get("properties", {}).items()
            if "description" not in said
        ]
        assert not unsaid, (name, unsaid)
    events = schema["paths"]["/jobs/{job_id}/events"]["get"]["responses"]["200"][
        "content"
    ]
    image = schema["paths"]["/jobs/{job_id}/image"]["get"]["responses"]["200"][
        "content"
    ]
    assert (list(events), next(iter(image))) == (["text/event-stream"], "image/png")
    assert set(image) == {
        "image/png",
        "image/webp",
        "image/jpeg",
        "application/x-npy",
        "application/zip",
    }
    assert all(
        content["schema"] == {"type": "string", "format": "binary"}
        for content in image.values()
    )
