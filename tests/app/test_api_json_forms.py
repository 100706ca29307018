"""Forms sent as JSON, with their pictures as base64: the same calls, the same jobs."""

import base64
import json
import time
from typing import Any

import httpx
import pytest
from PIL import Image
from pydantic import BaseModel

from app.main import create_app
from app.schema.request_bodies import FORMS
from app.settings import Settings
from tests.app import pictures
from tests.app.answers import is_problem
from tests.app.hand_worker import GREY, SCALES, SCORER, HandWorker
from tests.app.live import speaking
from tests.app.pictures import grey, png
from worker.contract import keys
from worker.contract.kinds import KINDS

IMAGE = grey([0, 10, 20], [30, 40, 50], [60, 70, 80], [90, 100, 110])
MASK = grey([0, 0, 0], [0, 127, 128], [255, 255, 255], [255, 255, 255])


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


COMPLETE = {"model": "grey", "image": text(png(IMAGE)), "mask": text(png(MASK))}


@pytest.fixture(autouse=True)
def models(worker: HandWorker) -> None:
    every = GREY.model_copy(update={"can": tuple(KINDS)})
    worker.announce(every, SCALES, SCORER)


def stored(worker: HandWorker, answer: httpx.Response) -> dict[bytes, bytes]:
    """The pictures as the worker will find them."""
    assert answer.status_code == 202, answer.text
    return worker.redis.hgetall(keys.image(answer.json()["id"]))


def said(answer: httpx.Response) -> dict[str, Any]:
    """The job, but for what no two jobs share."""
    own = ("id", "created_at", "links", "position", "eta_s")
    return {name: value for name, value in answer.json().items() if name not in own}


@pytest.mark.parametrize(
    ("path", "fields", "files"),
    [
        (
            "/complete",
            {"model": "grey", "n": 2, "seed": 5, "temperature": 0.5},
            {"image": png(IMAGE), "mask": png(MASK)},
        ),
        (
            "/complete",
            {"model": "grey", "seed": 1, "rank": True, "fit": "resize"},
            {"image": png(IMAGE.resize((9, 12)))},
        ),
        (
            "/upsample",
            {"model": "scales", "seed": 2**53 - 1},
            {"image": png(Image.new("RGB", (3, 2), "navy"))},
        ),
        ("/score", {"model": "scorer", "x": 1, "y": 2}, {"image": png(IMAGE)}),
    ],
)
def test_job_is_the_same_however_it_is_sent(
    client: httpx.Client,
    worker: HandWorker,
    path: str,
    fields: dict[str, Any],
    files: dict[str, bytes],
) -> None:
    """Fields, pixels and hole; and under one Idempotency-Key it is one job."""
    if fields.get("rank"):
        files = {
            "image": png(
                Image.merge("LA", (IMAGE, Image.new("L", (3, 4), 0))).resize((9, 12))
            )
        }
    form = client.post(path, data=fields, files=files, headers={"Idempotency-Key": "k"})
    body = {**fields, **{role: text(data) for role, data in files.items()}}
    sent = client.post(path, json=body)
    assert said(sent) == said(form)
    assert stored(worker, sent) == stored(worker, form)
    again = client.post(path, json=body, headers={"Idempotency-Key": "k"})
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (
        form.json()["id"],
        "true",
    )


@pytest.mark.parametrize(
    "prefix",
    ["data:image/png;base64,", "data:;base64,", "DATA:image/png;name=x.png;base64,"],
)
def test_data_url_is_taken_for_its_contents(
    client: httpx.Client, worker: HandWorker, prefix: str
) -> None:
    """As a canvas or a FileReader of a browser gives it. The bytes decide what it is, never the prefix."""
    sent = client.post(
        "/complete", json={**COMPLETE, "image": prefix + COMPLETE["image"]}
    )
    assert stored(worker, sent)[b"pixels"] == IMAGE.tobytes()


def test_answer_is_422_and_points_when_a_picture_is_no_base64(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    """What was expected, nothing of what came, and no address is ever fetched."""
    for role in ["image", "mask"]:
        for value in [
            "http://127.0.0.1/picture.png",
            "data:image/png,%89PNG",
            "data:image/png;base64",
            "not base64!",
            COMPLETE["image"][:-1],
            COMPLETE["image"] + "\n",
            COMPLETE["image"].replace("/", "_").replace("+", "-") + "_",
            "é",
            "\ud800",
            5,
            True,
            ["a"],
            {"a": 1},
        ]:
            with subtests.test(role=role, value=value):
                body = json.dumps({**COMPLETE, role: value})
                problem = is_problem(
                    client.post(
                        "/complete",
                        content=body,
                        headers={"Content-Type": "application/json"},
                    ),
                    422,
                )
                assert [error["pointer"] for error in problem["errors"]] == [
                    f"#/{role}"
                ]
                assert problem["detail"].startswith(
                    f"{role}: expected a picture in base64"
                )


def test_mask_may_be_null_and_the_image_may_not(
    client: httpx.Client, worker: HandWorker
) -> None:
    """As left out."""
    image = IMAGE.copy()
    image.putalpha(0)
    sent = client.post(
        "/complete",
        json={"model": "grey", "image": text(png(image)), "mask": None, "seed": None},
    )
    assert stored(worker, sent)[b"keep"] == bytes(12)
    for body in ({"model": "grey", "image": None}, {"model": "grey"}):
        problem = is_problem(client.post("/complete", json=body), 422)
        assert [error["pointer"] for error in problem["errors"]] == ["#/image"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"n": "2"}, "#/n"),
        ({"temperature": float("nan")}, "#/temperature"),
        ({"rank": "true"}, "#/rank"),
        ({"model": 5}, "#/model"),
        ({"colour": 1}, "#/colour"),
        ({"n": {"a": [1]}}, "#/n"),
    ],
)
def test_answer_is_422_and_points_when_a_field_is_wrong(
    client: httpx.Client, fields: dict[str, Any], pointer: str
) -> None:
    """JSON has types: a number is no text, as in POST /sample."""
    body = json.dumps({**COMPLETE, **fields})
    problem = is_problem(
        client.post(
            "/complete", content=body, headers={"Content-Type": "application/json"}
        ),
        422,
    )
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"NaN", b"", b"{}"])
def test_answer_is_422_when_the_body_is_no_object(
    client: httpx.Client, body: bytes
) -> None:
    """And when nothing is in it."""
    is_problem(
        client.post(
            "/score", content=body, headers={"Content-Type": "application/json"}
        ),
        422,
    )


@pytest.mark.parametrize("unit", [b"[", b"{},", b"0,", b'{"a":', b"[[],"])
def test_bombs_are_refused_before_they_are_read(
    client: httpx.Client, unit: bytes
) -> None:
    """Megabytes of empty lists would be a hundred of memory: a form is flat."""
    began = time.monotonic()
    problem = is_problem(
        client.post(
            "/score",
            content=b"[" + unit * 800_000,
            headers={"Content-Type": "application/json"},
        ),
        422,
    )
    assert "nothing nested" in problem["detail"]
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "name", ["base64 of text", "bomb", "text bomb", "gif", "empty"]
)
def test_picture_is_judged_by_its_bytes(client: httpx.Client, name: str) -> None:
    """The limits of an uploaded file are those of one in base64."""
    data, status = {
        "base64 of text": (b"no picture", 400),
        "bomb": (pictures.bomb(), 413),
        "text bomb": (pictures.text_bomb(), 400),
        "gif": (pictures.encoded(IMAGE, "GIF"), 400),
        "empty": (b"", 400),
    }[name]
    is_problem(
        client.post("/score", json={"model": "scorer", "image": text(data)}), status
    )


def test_files_are_bounded_before_they_are_decoded(
    redis_url: str, worker: HandWorker
) -> None:
    """One file to the byte, and the whole body by its declared length and by counting."""
    given = Settings(redis_url=redis_url, port=0, fleet_age_s=0, max_upload_bytes=1024)
    with speaking(given) as client:
        for size, status in ((1024, 400), (1025, 413), (1027, 413), (9000, 413)):
            problem = is_problem(
                client.post(
                    "/score", json={"model": "scorer", "image": text(bytes(size))}
                ),
                status,
            )
            assert status == 400 or "at most 1024" in problem["detail"]
        two = {"model": "grey", "image": text(bytes(1024)), "mask": text(bytes(1024))}
        is_problem(client.post("/complete", json=two), 400)
        body = json.dumps({**two, "image": text(bytes(70_000))}).encode()
        for content in (body, iter([body[:60_000], body[60_000:]])):
            is_problem(
                client.post(
                    "/complete",
                    content=content,
                    headers={"Content-Type": "application/json"},
                ),
                413,
            )


def test_two_files_of_the_largest_size_fit_into_a_body(
    client: httpx.Client, worker: HandWorker
) -> None:
    """What the service says of its limit is so in JSON too."""
    limit = client.get("/info").json()["limits"]["upload_bytes"]
    image, mask = (
        data + bytes(limit - len(data)) for data in (png(IMAGE), png(MASK))
    )  # a PNG may be followed by more
    sent = client.post(
        "/complete", json={**COMPLETE, "image": text(image), "mask": text(mask)}
    )
    assert stored(worker, sent)[b"pixels"] == IMAGE.tobytes()


def _file(field: dict[str, Any]) -> dict[str, Any]:
    """The file, where a field may have several too."""
    return field.get("items", field)


@pytest.mark.parametrize(
    ("path", "form"),
    [(f"/{kind}", FORMS[kind]) for kind in ("complete", "upsample", "score", "verify")],
)
def test_schema_tells_both_ways_from_one_model(
    path: str, form: type[BaseModel]
) -> None:
    """The same fields, and files as bytes or as base64. JSON stands beside the types of the body, not among them."""
    schema = create_app(Settings()).openapi()
    as_form = schema["components"]["schemas"][form.__name__]
    body = schema["paths"][path]["post"]["requestBody"]
    as_json = body["x-json-body"]
    assert (
        list(as_form["properties"])
        == list(as_json["properties"])
        == list(form.model_fields)
    )
    assert (as_json["required"], as_json["additionalProperties"]) == (
        as_form["required"],
        False,
    )
    assert _file(as_form["properties"]["image"])["format"] == "binary"
    assert _file(as_json["properties"]["image"])["contentEncoding"] == "base64"
    assert list(body["content"]) == ["multipart/form-data"]
    assert "application/json" in body["description"]
