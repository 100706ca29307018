"""POST /upsample, POST /score, both stages of a Multi-Scale model, and what a score has to show."""

import struct
import threading

import httpx
import pytest
from PIL import Image

from app.services import pictures as picture_service
from tests.app.answers import is_problem, picture_of, submit_sample
from tests.app.hand_worker import COLOUR, GREY, SCALES, SCORER, HandWorker, image_bytes
from tests.app.live import events_of
from tests.app.pictures import grey, png
from worker.contract import keys
from worker.contract.events import Stage
from worker.contract.jobs import JobSpec
from worker.contract.kind import Pixel
from worker.contract.kinds.score import (
    ColourBelief,
    PixelBelief,
    ScoreOptions,
    ScoreSummary,
)

SMALL = Image.frombytes("RGB", (3, 2), bytes(range(18)))
PICTURE = grey([0, 255, 10], [30, 40, 50], [60, 70, 80], [90, 100, 110])
SCORE = ScoreSummary(
    nats=8.5,
    bits_per_dim=1.02,
    per_colour_bits=(1.02,),
    height=4,
    width=3,
    quantised_pixels=10,
    uniform_bits=1.0,
)
BITS = struct.pack("<12f", *(i / 8 for i in range(12)))
HEAT = bytes(range(36))


@pytest.fixture(autouse=True)
def models(worker: HandWorker) -> None:
    """`scales` does everything, `scorer` is one of one scale that scores."""
    worker.announce(GREY, COLOUR, SCALES, SCORER)


def upsample(
    client: httpx.Client,
    image: bytes = png(SMALL),
    model: str = "scales",
    **fields: object,
) -> httpx.Response:
    return client.post(
        "/upsample", files={"image": ("i", image)}, data={"model": model, **fields}
    )


def score(
    client: httpx.Client,
    image: bytes = png(PICTURE),
    model: str = "scorer",
    **fields: object,
) -> httpx.Response:
    return client.post(
        "/score", files={"image": ("i", image)}, data={"model": model, **fields}
    )


def accepted(answer: httpx.Response) -> dict:
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["links"]["self"]
    return answer.json()


def scored(client: httpx.Client, worker: HandWorker) -> tuple[dict, JobSpec]:
    job = accepted(score(client))
    spec = worker.take()
    worker.settle_told(spec, SCORE, bits=BITS, heat=HEAT)
    return client.get(job["links"]["self"]).json(), spec


def picture(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    image = picture_of(answer)
    image.load()
    return image


def test_small_image_is_stored_when_it_is_to_be_upsampled(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Its bytes, the request and both sizes reach the worker; only the large rows count."""
    job = accepted(upsample(client, n=2, seed=5, temperature=0.5))
    assert (job["kind"], job["n"], job["seed"], job["temperature"]) == (
        "upsample",
        2,
        5,
        0.5,
    )
    assert (job["height"], job["width"], job["small_height"], job["small_width"]) == (
        4,
        6,
        2,
        3,
    )
    assert (job["rows_total"], "filled_pixels" in job) == (8, False)
    assert worker.redis.hget(keys.image(job["id"]), "pixels") == bytes(range(18))
    spec = worker.take()
    assert (spec.kind, spec.small_height, spec.small_width, spec.rows_total) == (
        "upsample",
        2,
        3,
        8,
    )


def test_what_a_job_began_with_is_shown(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The picture in the model's size, and of a completion the hole: white is filled."""
    small = accepted(upsample(client))["links"]["self"]
    assert picture(client.get(f"{small}/given")).tobytes() == SMALL.tobytes()
    scored_picture = accepted(score(client))["links"]["self"]
    assert (
        picture(client.get(f"{scored_picture}/given?of=image")).tobytes()
        == PICTURE.tobytes()
    )
    is_problem(client.get(f"{scored_picture}/given?of=mask"), 404)
    mask = grey([0, 255, 0], [0, 0, 0], [255, 255, 255], [0, 0, 0])
    files = {"image": png(PICTURE), "mask": png(mask)}
    hole = accepted(client.post("/complete", files=files, data={"model": "grey"}))[
        "links"
    ]["self"]
    assert picture(client.get(f"{hole}/given")).tobytes() == PICTURE.tobytes()
    assert picture(client.get(f"{hole}/given?of=mask")).tobytes() == mask.tobytes()
    drawn = accepted(client.post("/sample", json={"model": "grey"}))["links"]["self"]
    assert "no image" in is_problem(client.get(f"{drawn}/given"), 404)["detail"]


def test_upsampled_images_come_as_samples_do_when_drawn(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Each sample by itself; the first stage is the image that was given."""
    job = accepted(upsample(client, n=2))
    link = job["links"]["image"]
    assert picture(
        client.get(link, params={"stage": "small", "sample": 1})
    ).tobytes() == bytes(range(18))
    is_problem(client.get(link), 409)
    spec = worker.draw()
    done = client.get(job["links"]["self"]).json()
    assert len(done["result"]["images"]) == 2
    assert picture(client.get(link, params={"sample": 1})).tobytes() == image_bytes(
        spec, 1
    )


def test_size_is_named_when_the_small_image_has_another(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The model's own large size is the likeliest mistake; resizing is the way out."""
    large = png(SMALL.resize((6, 4)))
    problem = is_problem(upsample(client, large), 422)
    assert problem["type"] == "urn:pixelrnn:problem:wrong-size"
    for word in ("6x4", "3x2", "fit=resize"):
        assert word in problem["detail"]
    big = png(SMALL.resize((24, 16), Image.Resampling.NEAREST))
    job = accepted(upsample(client, big, fit="resize"))
    assert worker.redis.hget(keys.image(job["id"]), "pixels") == bytes(range(18))


@pytest.mark.parametrize(
    ("send", "model"), [(upsample, "scorer"), (upsample, "grey"), (score, "grey")]
)
def test_answer_is_422_when_the_model_does_no_such_work(
    client: httpx.Client, send, model: str
) -> None:
    """Before the picture is looked at; what the model can do is said."""
    problem = is_problem(send(client, b"no picture", model=model), 422)
    assert (problem["errors"][0]["pointer"], "it can: sample" in problem["detail"]) == (
        "#/model",
        True,
    )


def test_answer_is_422_and_points_when_a_field_is_wrong(
    client: httpx.Client, subtests: pytest.Subtests
) -> None:
    """A score draws nothing, so it takes no seed and no number."""
    for send, fields, pointer in [
        (upsample, {"fit": "crop"}, "#/fit"),
        (upsample, {"mask": "x"}, "#/mask"),
        (score, {"n": "2"}, "#/n"),
        (score, {"seed": "1"}, "#/seed"),
        (score, {"fit": "crop"}, "#/fit"),
        (score, {"x": "-1", "y": "0"}, "#/x"),
        (score, {"x": "99", "y": "0"}, "#/x"),
        (score, {"x": "0", "y": "99"}, "#/y"),
        (score, {"x": "0"}, "#/y"),
        (score, {"y": "0"}, "#/x"),
        (score, {"influence": "true"}, "#/influence"),
        (score, {"influence": "much", "x": "0", "y": "0"}, "#/influence"),
    ]:
        with subtests.test(fields=fields):
            assert [
                error["pointer"]
                for error in is_problem(send(client, **fields), 422)["errors"]
            ] == [pointer]


def test_both_stages_are_streamed_when_a_sample_has_two(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Small rows say so and come first; rows of the final image look as they always did."""
    job = submit_sample(client, model="scales", n=2)
    assert job["rows_total"] == 2 * (2 + 4)
    spec = worker.draw()
    with client.stream("GET", job["links"]["events"]) as response:
        rows = [event.data for event in events_of(response) if event.name == "row"]
    assert [row.get("stage") for row in rows] == ["small"] * 4 + [None] * 8
    for stage, size in ((Stage.SMALL, (3, 2)), (Stage.FINAL, (6, 4))):
        image = picture(
            client.get(
                job["links"]["image"], params={"stage": stage.value, "sample": 1}
            )
        )
        assert (image.size, image.tobytes()) == (size, image_bytes(spec, 1, stage))
    grid = picture(
        client.get(job["links"]["image"], params={"stage": "small", "grid": 1})
    )
    assert grid.size == (7, 2)


def test_first_stage_is_seen_when_the_second_has_no_row_yet(
    client: httpx.Client, worker: HandWorker
) -> None:
    """409 for the final image, the small one as far as it is drawn."""
    link = submit_sample(client, model="scales")["links"]["image"]
    spec = worker.take()
    worker.rows(spec, (0, 0), stage=Stage.SMALL)
    is_problem(client.get(link), 409)
    small = picture(client.get(link, params={"stage": "small"}))
    assert small.tobytes() == image_bytes(spec, 0, Stage.SMALL)[:9] + bytes(9)


def test_answer_is_422_when_the_job_has_no_small_image(
    client: httpx.Client, worker: HandWorker
) -> None:
    """One scale, or a score."""
    for job in (
        submit_sample(client),
        score(client).json(),
    ):
        worker.take()
        is_problem(client.get(job["links"]["image"], params={"stage": "small"}), 422)


def test_second_model_of_a_score_is_found_when_the_request_comes(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The job names its identity, or its weights if a worker knows no identity, so that
    no other model of this name is used. Earlier workers would use one."""
    second = SCORER.model_copy(update={"name": "second", "digest": "e" * 64})
    for identity, found in (("f" * 64, "f" * 64), ("", "e" * 64)):
        cards = SCORER, second.model_copy(update={"identity": identity})
        worker.announce(*cards)
        accepted(score(client, against="second"))
        spec = worker.take()
        assert isinstance(spec.options, ScoreOptions)
        assert (spec.version, spec.options.against_identity) == (10, found)

        worker.announce(*cards, version=9)
        answer = is_problem(score(client, against="second"), 503)
        assert "earlier version" in answer["detail"]


def test_both_models_of_a_score_are_one_workers(
    client: httpx.Client, worker: HandWorker, redis_url: str
) -> None:
    """A job that no worker could do is not accepted."""
    second = SCORER.model_copy(update={"name": "second", "digest": "e" * 64})
    worker.announce(SCORER)
    other = HandWorker(redis_url, "w2")
    other.announce(second)
    answer = is_problem(score(client, against="second"), 503)
    assert "no worker holds both scorer and second" in answer["detail"]
    other.announce(SCORER, second)
    accepted(score(client, against="second"))
    other.leave()
    other.redis.close()


def test_score_is_in_the_job_when_it_is_done(
    client: httpx.Client, worker: HandWorker
) -> None:
    """All numbers, and where map and heat map are."""
    job, spec = scored(client, worker)
    link = f"/jobs/{spec.id}"
    assert (job["status"], job["progress"]) == ("succeeded", 1.0)
    assert job["result"] == {
        **SCORE.model_dump(mode="json"),
        "type": "score",
        "images": [f"{link}/image"],
        "map": f"{link}/score-map",
    }


def test_numbers_of_a_score_map_are_written_in_a_thread(
    client: httpx.Client, worker: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the event loop: 200,000 of them take a tenth of a second."""
    threads: list[str] = []
    rows_of = picture_service._rows

    def noted(spec: JobSpec, raw: bytes) -> list[list[list[float]]]:
        threads.append(threading.current_thread().name)
        return rows_of(spec, raw)

    monkeypatch.setattr(picture_service, "_rows", noted)
    job, _ = scored(client, worker)
    found = client.get(job["result"]["map"]).json()
    assert (found["height"], found["width"], found["channels"]) == (4, 3, 1)
    assert found["bits"] == [[[(y * 3 + x) / 8] for x in range(3)] for y in range(4)]
    assert [name.partition(" thread")[0] for name in threads] == ["AnyIO worker"]


def test_score_says_what_was_expected_when_a_pixel_is_asked_about(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The pixel goes to the worker, costs a second pass, and what it says comes back in the result."""
    job = accepted(score(client, x="1", y="2"))
    spec = worker.take()
    assert spec.options.pixel == Pixel(x=1, y=2)
    assert spec.work == 2 * spec.model_copy(update={"options": ScoreOptions()}).work
    colour = ColourBelief(
        probabilities=(0.25, 0.75), value=1, bits=0.415, entropy_bits=0.811
    )
    pixel = PixelBelief(x=1, y=2, colours=(colour,))
    summary = SCORE.model_copy(update={"pixel": pixel})
    worker.settle_told(spec, summary, bits=BITS, heat=HEAT)
    assert client.get(job["links"]["self"]).json()["result"][
        "pixel"
    ] == pixel.model_dump(mode="json")


def test_score_says_what_mattered_for_a_pixel_when_asked(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Its job is for workers that can, and says that it takes longer; who does not ask has the job of always."""
    worker.announce(SCORER, version=3)
    assert (
        "earlier version"
        in is_problem(score(client, x=1, y=2, influence=True), 503)["detail"]
    )
    worker.announce(SCORER)
    job = accepted(score(client, x=1, y=2, influence=True))
    spec = worker.take()
    assert (spec.options.influence, spec.version) == (True, 4)
    assert spec.work > spec.model_copy(update={"options": ScoreOptions(x=1, y=2)}).work
    colour = ColourBelief(
        probabilities=(0.25, 0.75), value=0, bits=2.0, entropy_bits=0.8
    )
    slopes = ((0.5, -1.25e-18, 0.0),) + ((0.0,) * 3,) * 3
    pixel = PixelBelief(x=1, y=2, colours=(colour,), influence=slopes)
    summary = SCORE.model_copy(update={"pixel": pixel})
    worker.settle_told(spec, summary, bits=BITS, heat=HEAT)
    found = client.get(job["links"]["self"]).json()["result"]["pixel"]
    assert found["influence"] == [list(row) for row in slopes]
    accepted(score(client, x=1, y=2, influence=False))
    assert "influence" not in worker.take().entry()
    accepted(score(client, influence=False))
    assert worker.take().version == 1


def test_stream_ends_with_the_score_when_it_is_done(
    client: httpx.Client, worker: HandWorker
) -> None:
    """No rows: the snapshot, then the end that carries the result."""
    job, _ = scored(client, worker)
    with client.stream("GET", job["links"]["events"]) as response:
        events = list(events_of(response))
    assert [(event.name, event.id) for event in events] == [
        ("snapshot", None),
        ("done", "1-0"),
    ]
    assert events[-1].data["result"]["nats"] == 8.5


def test_heat_map_states_its_scale_when_scored(
    client: httpx.Client, worker: HandWorker
) -> None:
    """In the file: which model, how many nats, what black and white mean; enlarged as any other picture."""
    job, _ = scored(client, worker)
    (link,) = job["result"]["images"]
    image = picture(client.get(link))
    assert (image.mode, image.size, image.tobytes()) == ("RGB", (3, 4), HEAT)
    assert (image.info["model"], image.info["nats"]) == ("scorer", "8.5")
    assert (
        image.info["scale"]
        == "bits per pixel: black 0, white 1 (a uniform guess) and above"
    )
    assert "seed" not in image.info
    assert picture(client.get(link, params={"scale": 8})).size == (24, 32)
    is_problem(client.get(link, params={"sample": 1}), 422)


def test_answer_is_409_when_nothing_is_scored_yet(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Waiting and running: come back."""
    job = score(client).json()
    for _ in range(2):
        for path in ("image", "score-map"):
            answer = client.get(f"{job['links']['self']}/{path}")
            assert (
                is_problem(answer, 409)["type"] == "urn:pixelrnn:problem:no-score-yet"
            )
            assert answer.headers["retry-after"] == "1"
        if worker.redis.llen("rq:queue:pixelrnn"):
            worker.take()


def test_answer_is_404_when_there_is_no_score(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Another kind of job, or a score that failed."""
    sample = submit_sample(client)["links"]["self"]
    worker.draw()
    failed = score(client).json()["links"]["self"]
    worker.settle(worker.take(), "failed")
    for path in (f"{sample}/score-map", f"{failed}/score-map", f"{failed}/image"):
        assert (
            is_problem(client.get(path), 404)["type"] == "urn:pixelrnn:problem:no-score"
        )
    assert client.get(failed).json()["result"] is None
