"""/v1 without OpenAI's client: what its own words are, and what becomes of calls that wait."""

import base64
import json
from threading import Thread

import httpx
import pytest
from PIL import Image

from app.errors import BadParameterError
from app.schema.openai import GenerationRequest
from app.services.partial_pictures import PartialPictures
from app.services.row_feed import FeedEvent
from tests.app.answers import metric, submit_sample
from tests.app.connections import connected
from tests.app.hand_worker import GREY, HandWorker, eventually
from tests.app.holders import settings
from tests.app.live import serving
from tests.app.pictures import png
from tests.fakes import job_spec

CALL = {"model": "grey", "prompt": "", "seed": 7}
POST = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}"


def streamed(answer: httpx.Response) -> list[dict[str, str]]:
    """The data of its events."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [
        json.loads(line[6:])
        for line in answer.text.splitlines()
        if line.startswith("data: ")
    ]


@pytest.mark.parametrize(
    ("size", "scale"),
    [("30x8", 2), ("6x80", 2), ("3x4", 1), ("auto", 256), (None, 256)],
)
def test_picture_is_as_large_as_fits(size: str | None, scale: int) -> None:
    """Of a model of 3 x 4 pixels, whichever side is short."""
    assert GenerationRequest(model="grey", size=size).scale_for(3, 4) == scale


def test_size_below_the_models_own_is_refused() -> None:
    """On either side."""
    for size in ("2x400", "300x3"):
        with pytest.raises(BadParameterError, match="3x4"):
            GenerationRequest(model="grey", size=size).scale_for(3, 4)


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize(
    ("headers", "status"), [({}, "canceled"), ({"Idempotency-Key": "same"}, "queued")]
)
def test_call_that_waits_is_503_when_the_server_stops(
    redis_url: str,
    worker: HandWorker,
    headers: dict[str, str],
    status: str,
    is_streamed: bool,
) -> None:
    """OpenAI's clients send it again; a stream, which has begun, ends with the error. With an Idempotency-Key that
    finds the same job, else the job is canceled, so that it is drawn once."""
    answers: list[httpx.Response] = []

    def call(url: str) -> None:
        call = {**CALL, "stream": is_streamed}
        answers.append(
            httpx.post(
                f"{url}/v1/images/generations", json=call, headers=headers, timeout=60
            )
        )

    with serving(settings(redis_url, api_keys=(), drain_s=20)) as (url, _):
        calling = Thread(target=call, args=[url])
        calling.start()
        eventually(
            lambda: httpx.get(f"{url}/jobs", timeout=60).json()["jobs"], seconds=60
        )
        with httpx.Client(base_url=url, timeout=60) as client:
            eventually(lambda: metric(client, "pixelrnn_streams") == 1, seconds=60)
    calling.join()
    if is_streamed:
        assert [event["error"]["code"] for event in streamed(answers[0])] == [
            "stopping"
        ]
    else:
        assert answers[0].status_code == 503
        assert answers[0].headers["retry-after"] == "2"
        assert answers[0].json()["error"]["code"] == "stopping"
    with serving(settings(redis_url, api_keys=())) as (url, _):
        (job,) = httpx.get(f"{url}/jobs", timeout=60).json()["jobs"]
    assert job["status"] == status


def test_stream_of_a_job_that_fails_ends_with_the_error(
    client: httpx.Client, worker: HandWorker
) -> None:
    """After what was drawn, as OpenAI's clients know an error in a stream; a stream that comes later is the same."""
    headers = {"Idempotency-Key": "same"}
    call = {**CALL, "stream": True, "partial_images": 1}
    answers: list[httpx.Response] = []
    calling = Thread(
        target=lambda: answers.append(
            client.post("/v1/images/generations", json=call, headers=headers)
        )
    )
    calling.start()
    eventually(lambda: client.get("/jobs").json()["jobs"], seconds=60)
    spec = worker.take()
    worker.rows(spec, (0, 0), (0, 1))
    worker.settle(
        spec,
        "failed",
        {"type": "gone", "title": "Gone", "detail": "the worker is gone"},
    )
    calling.join()
    events = streamed(answers[0])
    assert [event["type"] for event in events] == [
        "image_generation.partial_image",
        "error",
    ]
    assert events[1]["error"]["message"].endswith("the worker is gone")
    again = streamed(client.post("/v1/images/generations", json=call, headers=headers))
    assert again == events


def test_partial_images_are_what_particles_expect_and_then_rows() -> None:
    """Each once its share is reached, by whichever tells first; what a completion keeps is there before its rows."""
    spec = job_spec(GREY, kind="complete", width=1)
    partial = PartialPictures(3, spec, b"abcd")

    def estimate(share: float) -> FeedEvent:
        return FeedEvent(
            "estimate",
            json.dumps({"share": share, "mean": base64.b64encode(b"mean").decode()}),
        )

    def row(y: int) -> FeedEvent:
        return FeedEvent(
            "row",
            json.dumps(
                {"sample": 0, "y": y, "pixels": base64.b64encode(b"x").decode()}
            ),
        )

    assert list(
        partial.due([FeedEvent("snapshot", "{}"), estimate(0.2), estimate(0.25)])
    ) == [(0, b"mean")]
    assert list(partial.due([estimate(0.4)])) == []
    assert list(partial.due([row(0), row(1)])) == [(1, b"xxcd")]
    assert list(partial.due([row(2), row(3), estimate(1)])) == [(2, b"xxxd")]


@pytest.mark.parametrize(
    ("path", "prefer", "more"),
    [
        ("/v1/images/generations", "", {}),
        ("/v1/images/generations", "", {"stream": True}),
        ("/sample", "Prefer: wait=300\r\n", {}),
        ("/jobs/{}?wait=300", "", {}),
    ],
)
def test_seat_is_free_when_its_client_has_left(
    redis_url: str,
    worker: HandWorker,
    path: str,
    prefer: str,
    more: dict[str, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Long before the wait is over: a few clients who give up soon must not have all the seats."""
    monkeypatch.setattr("app.routes.waiting.MAX_WAIT_S", 300)
    monkeypatch.setattr("app.routes.jobs.MAX_WAIT_S", 300)
    with (
        serving(settings(redis_url, api_keys=())) as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        if "{}" in path:
            job = submit_sample(client)["id"]
            words = f"GET {path.format(job)} HTTP/1.1\r\nHost: x\r\n\r\n"
        else:
            body = json.dumps({"model": "grey", **more})
            words = POST.format(path, len(body), body).replace(
                "\r\n", f"\r\n{prefer}", 1
            )
        with connected(url) as leaving:
            leaving.sendall(words.encode())
            eventually(lambda: metric(client, "pixelrnn_streams") == 1, seconds=60)
        eventually(lambda: metric(client, "pixelrnn_streams") == 0, seconds=60)


def test_mask_of_an_edit_has_to_be_transparent_somewhere(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Black and white is a mask in `/complete`, and the answer says so."""
    image = Image.frombytes("L", (3, 4), bytes([0, 255] * 6))
    files = {"image": png(image), "mask": png(image)}
    answer = client.post("/v1/images/edits", data={"model": "grey"}, files=files)
    assert answer.status_code == 400
    assert "no transparent pixel" in answer.json()["error"]["message"]
    assert "POST /complete" in answer.json()["error"]["message"]


def test_addresses_are_400_if_none_are_signed(
    client: httpx.Client, worker: HandWorker
) -> None:
    """OpenAI's clients repeat 501, which `/jobs/{id}/links` answers."""
    call = CALL | {"response_format": "url"}
    answer = client.post("/v1/images/generations", json=call)
    assert answer.status_code == 400
    assert "expected b64_json" in answer.json()["error"]["message"]


def test_edit_takes_one_picture_and_says_so(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Two under one name, or under both."""
    picture = png(Image.frombytes("L", (3, 4), bytes([0, 255] * 6)))
    for names in (("image", "image"), ("image", "image[]"), ("image", "mask", "mask")):
        sent = [(name, ("x.png", picture)) for name in names]
        answer = client.post("/v1/images/edits", data={"model": "grey"}, files=sent)
        assert answer.status_code == 400
        assert "expected one" in answer.json()["error"]["message"]
