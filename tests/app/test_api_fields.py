"""`size`: pictures larger than the model's, how they are asked for and what is refused."""

import base64
import io
import math

import httpx
import pytest
from PIL import Image

from app.imaging.npy import npy_file
from tests.app.answers import is_problem
from tests.app.hand_worker import COLOUR, GREY, SCALES, HandWorker, image_bytes
from tests.app.pictures import png
from worker.contract import keys
from worker.contract.kinds import KINDS
from worker.contract.options import options_version
from worker.contract.size import PUT_OFF

CAN = ("sample", "score", "verify", "complete")
WIDE = GREY.model_copy(update={"field": True, "field_step": 2, "can": CAN})
TURNED = COLOUR.model_copy(update={"members": ("rotate_180",), "field_step": 0})


@pytest.fixture(autouse=True)
def models(worker: HandWorker) -> None:
    worker.announce(WIDE, TURNED, SCALES)


def ask(client: httpx.Client, **body: object) -> httpx.Response:
    return client.post("/sample", json={"model": "grey", **body})


def test_a_field_becomes_a_job_of_its_size(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Its rows, its picture and its array are so large; its PNG says the size, by which it is verified."""
    job = ask(client, size="7x9", n=2, seed=5).json()
    assert (job["width"], job["height"], job["rows_total"]) == (7, 9, 18)
    spec = worker.draw()
    assert (
        spec.width,
        spec.height,
        spec.options.stored_fields()["size"],
        spec.version,
    ) == (7, 9, "7x9", 8)
    assert spec.work == 2 * 7 * 9
    picture = client.get(
        job["links"]["image"], params={"sample": 1, "scale": 3}
    ).content
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.size, image.info["size"]) == ((21, 27), "7x9")
    answer = client.post("/verify", files={"image": ("i", picture)})
    assert answer.status_code == 202, answer.text
    again = worker.take()
    assert (again.width, again.height, again.options.stored_fields()["size"]) == (
        7,
        9,
        "7x9",
    )
    assert worker.redis.hget(keys.image(again.id), "pixels") == image_bytes(spec, 1)


def test_a_field_says_that_it_waits_only_where_it_does(
    client: httpx.Client, worker: HandWorker
) -> None:
    """For other widths of its model, once the worker has said so, and until its first row."""
    link = ask(client, size="7x9").json()["links"]["self"]
    spec = worker.take()
    assert client.get(link).json()["waits_for"] is None
    worker.progress(spec, f"{PUT_OFF:.4f}", "")
    assert "two other widths" in client.get(link).json()["waits_for"]
    worker.rows(spec, (0, 0))
    assert client.get(link).json()["waits_for"] is None


def test_the_models_own_size_is_an_image(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The job is that of a request without `size`: workers of the last release draw it."""
    assert ask(client, size="3x4").status_code == 202
    spec = worker.take()
    assert (spec.width, spec.height, spec.version, spec.options.stored_fields()) == (
        3,
        4,
        1,
        {},
    )


def test_a_size_that_makes_no_sense_is_refused(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    """422, which points to it."""
    for size in [
        *(
            "",
            "x",
            "0x9",
            "9x0",
            "-1x9",
            "1000000000x4",
            "10000x4",
            "4097x4",
            "9",
            "9x9x9",
            "9.5x9",
            " 9x9",
            "9x9\n",
        ),
        *("٣x٤", "2x9", "9x3"),
    ]:
        with subtests.test(size=size):
            assert (
                is_problem(ask(client, size=size), 422)["errors"][0]["pointer"]
                == "#/size"
            )


def test_more_pixels_than_the_server_allows_are_refused(client: httpx.Client) -> None:
    """All images together, as /info says; as many are taken."""
    most = client.get("/info").json()["limits"]["field_pixels"]
    assert most == 65_536
    assert ask(client, size="256x256").status_code == 202
    assert (
        "at most 65536 pixels"
        in is_problem(ask(client, size="256x256", n=2), 422)["detail"]
    )
    assert is_problem(ask(client, size="4096x4096"), 422)


def test_models_without_fields_refuse_a_size(client: httpx.Client) -> None:
    """Those of two scales, and those that have no upright network; GET /models says which have some."""
    assert (
        "two scales"
        in is_problem(ask(client, model="scales", size="90x90"), 422)["detail"]
    )
    assert (
        "no upright"
        in is_problem(ask(client, model="colour", size="90x90"), 422)["detail"]
    )
    told = {each["name"]: each for each in client.get("/models").json()["models"]}
    assert (told["grey"]["field"], told["grey"]["field_step"]) == (True, 2)
    assert (told["scales"]["field"], told["scales"]["field_step"]) == (False, 0)


def test_workers_of_an_earlier_version_draw_no_fields(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The request is refused while there are no others."""
    earlier = options_version(KINDS["sample"].options, ["size"]) - 1
    worker.announce(WIDE, version=earlier)
    assert is_problem(ask(client, size="9x9"), 503)
    assert ask(client).status_code == 202


def test_a_larger_picture_is_scored_as_a_field(
    client: httpx.Client, worker: HandWorker
) -> None:
    """`fit=field` says so; otherwise its size is wrong as before. No pixel of it can be asked about."""
    files = {"image": ("i", png(Image.new("L", (7, 9))))}
    is_problem(client.post("/score", data={"model": "grey"}, files=files), 422)
    answer = client.post("/score", data={"model": "grey", "fit": "field"}, files=files)
    assert (answer.status_code, answer.json()["width"], answer.json()["height"]) == (
        202,
        7,
        9,
    )
    spec = worker.take()
    assert (spec.width, spec.height, spec.options.stored_fields()["size"]) == (
        7,
        9,
        "7x9",
    )
    assert spec.work == (1 + 3) * 7
    is_problem(
        client.post(
            "/score",
            data={"model": "grey", "fit": "field", "x": 1, "y": 1},
            files=files,
        ),
        422,
    )
    for width, height in ((2, 9), (4097, 4)):
        small = {"image": ("i", png(Image.new("L", (width, height))))}
        is_problem(
            client.post("/score", data={"model": "grey", "fit": "field"}, files=small),
            422,
        )


@pytest.mark.parametrize("shape", [(), (12,)])
def test_array_without_height_and_width_is_no_field(
    client: httpx.Client, worker: HandWorker, shape: tuple[int, ...]
) -> None:
    worker.announce(WIDE)
    files = {"image": ("i", npy_file(shape, bytes(math.prod(shape))))}
    answer = client.post("/score", data={"model": "grey", "fit": "field"}, files=files)
    assert "another shape" in is_problem(answer, 422)["detail"]


def test_openais_calls_have_it_as_field(
    client: httpx.Client, worker: HandWorker
) -> None:
    """`size` there is that of the answer's pictures: a multiple of the field's."""
    body = {"model": "grey", "field": "7x9", "size": "30x30", "stream": True, "seed": 4}
    assert (
        client.post("/v1/images/generations", json={**body, "field": "2x2"}).status_code
        == 400
    )
    assert (
        client.post("/v1/images/generations", json={**body, "field": "x"}).status_code
        == 400
    )
    with client.stream("POST", "/v1/images/generations", json=body) as answer:
        spec = worker.draw()
        text = answer.read().decode()
    assert (spec.width, spec.height) == (7, 9)
    picture = text.rpartition('"b64_json":')[2].split('"')[1]
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        assert image.size == (21, 27)


def test_every_kind_but_three_has_no_size() -> None:
    """New images, and what is said of pictures."""
    assert {
        word for word, kind in KINDS.items() if "size" in kind.options.model_fields
    } == {
        "sample",
        "score",
        "verify",
    }
