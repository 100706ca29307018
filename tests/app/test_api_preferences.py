"""How a POST may be answered: at once, after a wait, as events, as a picture; and once, however often it is sent."""

import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image

from app.queue_entry import queue_key
from tests.app.answers import is_problem, picture_of, submit_sample
from tests.app.hand_worker import GREY, SCALES, SCORER, HandWorker, eventually
from tests.app.live import events_of
from tests.app.pictures import grey, png
from worker.contract.kinds.complete import CompletionSummary

SAMPLE = {"model": "grey", "seed": 3}


@pytest.fixture
def drawing(worker: HandWorker) -> Iterator[Callable[[], None]]:
    """Call it, and the next job is drawn as soon as it is in the queue."""
    threads = []

    def draw() -> None:
        eventually(lambda: worker.redis.llen(queue_key()))
        worker.draw()

    def soon() -> None:
        threads.append(threading.Thread(target=draw))
        threads[-1].start()

    yield soon
    for thread in threads:
        thread.join()


def test_answer_is_the_finished_job_when_waited_for(
    client: httpx.Client, drawing: Callable[[], None]
) -> None:
    """`Prefer: wait` makes it one request: 200, and says that the preference was honoured."""
    drawing()
    answer = client.post(
        "/sample", json=SAMPLE, headers={"Prefer": "respond-async, wait=20"}
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=20"
    assert answer.headers["location"] == answer.json()["links"]["self"]


@pytest.mark.parametrize(
    "prefer", ["wait=-1", "wait=1.5", "wait=soon", "return=minimal", "await=3", "\xff"]
)
def test_answer_is_202_when_the_preference_is_none_of_ours(
    client: httpx.Client, worker: HandWorker, prefer: str
) -> None:
    """A preference that cannot be honoured is ignored, as RFC 7240 says."""
    answer = client.post(
        "/sample", json=SAMPLE, headers={b"Prefer": prefer.encode("latin-1")}
    )
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


def test_events_follow_on_the_same_request_when_accepted(
    client: httpx.Client, drawing: Callable[[], None]
) -> None:
    """One request from the wish to the last row."""
    drawing()
    with client.stream(
        "POST", "/sample", json=SAMPLE, headers={"Accept": "text/event-stream"}
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["location"].startswith("/jobs/")
        names = [event.name for event in events_of(answer)]
    assert (names[0], names.count("row"), names[-1]) == ("snapshot", 4, "done")


def test_picture_is_the_answer_when_accepted_and_waited_for(
    client: httpx.Client, drawing: Callable[[], None]
) -> None:
    """The bytes themselves, with what it takes to get them again in the headers."""
    drawing()
    answer = client.post(
        "/sample", json=SAMPLE, headers={"Accept": "image/png", "Prefer": "wait=20"}
    )
    assert (
        answer.status_code,
        answer.headers["content-type"],
        answer.headers["x-seed"],
    ) == (200, "image/png", "3")
    picture = picture_of(answer)
    assert picture.size == (3, 4)
    assert (
        answer.content
        == client.get(f"/jobs/{answer.headers['x-job-id']}/image").content
    )
    assert answer.headers["content-disposition"].endswith('-0.png"')


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "text/html,*/*;q=0.5",
        "text/event-stream;q=0",
        "text/event-stream;Q=0",
        "application/json, image/png;q=0.9",
        "application/*, image/*;q=0.9",
        "image/png;q=0.5, */*",
    ],
)
def test_answer_is_json_when_nothing_else_is_liked_better(
    client: httpx.Client, worker: HandWorker, accept: str
) -> None:
    """A browser that would take a picture too gets a job."""
    answer = client.post("/sample", json=SAMPLE, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (
        202,
        "application/json",
    )


def test_job_is_the_same_when_the_key_comes_again(
    client: httpx.Client, worker: HandWorker
) -> None:
    """While it waits, after it is drawn, and though the seed was left to the server; it says that it came before."""
    headers = {"Idempotency-Key": "k-1"}
    first = client.post("/sample", json={"model": "grey"}, headers=headers)
    again = client.post("/sample", json={"model": "grey", "n": 1}, headers=headers)
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (
        202,
        first.json(),
        "true",
    )
    assert "idempotent-replayed" not in first.headers
    worker.draw()
    done = client.post(
        "/sample", json={"model": "grey"}, headers=headers | {"Prefer": "wait=1"}
    )
    assert (done.status_code, done.json()["id"]) == (200, first.json()["id"])
    assert worker.redis.llen(queue_key()) == 0


def test_answer_is_422_when_the_key_comes_with_another_body(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Nothing is drawn that nobody asked for."""
    headers = {"Idempotency-Key": "k-2"}
    client.post("/sample", json=SAMPLE, headers=headers)
    problem = is_problem(
        client.post("/sample", json=SAMPLE | {"seed": 4}, headers=headers), 422
    )
    assert problem["type"] == "urn:pixelrnn:problem:reused-idempotency-key"


def test_job_is_one_when_the_same_key_comes_at_once(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Twenty requests at the same time make one job, and all get it."""

    def post(_: int) -> str:
        return submit_sample(client, headers={"Idempotency-Key": "k-3"})["id"]

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(post, range(20)))) == 1
    assert worker.redis.llen(queue_key()) == 1


def test_key_tells_pictures_apart_when_forms_are_sent(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Of a form the files count and not their boundary."""
    worker.announce(SCORER)
    pictures = [png(grey(*[[shade] * 3] * 4)) for shade in (0, 255)]

    def post(picture: bytes) -> httpx.Response:
        headers = {"Idempotency-Key": "k-4"}
        return client.post(
            "/score",
            data={"model": "scorer"},
            files={"image": picture},
            headers=headers,
        )

    first, again, other = post(pictures[0]), post(pictures[0]), post(pictures[1])
    assert first.json()["id"] == again.json()["id"]
    is_problem(other, 422)


def test_answer_is_410_when_the_keys_job_was_deleted(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The promise outlives the job: it is not drawn a second time."""
    headers = {"Idempotency-Key": "k-5"}
    link = submit_sample(client, seed=3, headers=headers)["links"]["self"]
    worker.draw()
    client.delete(link)
    is_problem(client.post("/sample", json=SAMPLE, headers=headers), 410)


def test_key_works_when_no_worker_is_left(
    client: httpx.Client, worker: HandWorker
) -> None:
    """What was promised is looked up before anything is refused."""
    headers = {"Idempotency-Key": "k-6"}
    first = submit_sample(client, seed=3, headers=headers)
    worker.leave()
    assert submit_sample(client, seed=3, headers=headers)["id"] == first["id"]
    is_problem(client.post("/sample", json=SAMPLE), 503)


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_answer_is_422_when_the_key_is_too_short_or_long(
    client: httpx.Client, worker: HandWorker, key: str
) -> None:
    """Between 1 and 255 characters."""
    is_problem(
        client.post("/sample", json=SAMPLE, headers={"Idempotency-Key": key}), 422
    )


def test_completions_are_ranked_when_asked(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Likeliest first; the worker is told by the job's text."""
    files = {"image": png(grey(*[[0] * 3] * 4)), "mask": png(grey(*[[255] * 3] * 4))}
    job = client.post(
        "/complete", data={"model": "grey", "n": 3, "rank": "true"}, files=files
    ).json()
    spec = worker.take()
    assert spec.options.rank  # pyright: ignore[reportAttributeAccessIssue]
    worker.rows(spec, *((s, y) for y in range(4) for s in range(3)))
    worker.settle_told(spec, CompletionSummary(sample_nats=(7.5, 2.25, 9.0)))
    ranking = client.get(job["links"]["self"]).json()["result"]["ranking"]
    assert [(image["sample"], image["nats"]) for image in ranking] == [
        (1, 2.25),
        (0, 7.5),
        (2, 9.0),
    ]
    assert ranking[0]["image"] == f"{job['links']['self']}/image?sample=1"


def test_picture_comes_row_by_row_when_followed(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The head before the first row, and a valid picture at the end, the same as without `follow`. It does not say its
    numerics, which nobody knows before a worker has the job."""
    worker.announce(GREY, SCALES)
    link = submit_sample(client, model="scales", n=2)["links"]["self"]
    with client.stream(
        "GET", f"{link}/image", params={"follow": 1, "sample": 1, "scale": 3}
    ) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (
            200,
            "image/png",
        )
        chunks = answer.iter_raw()
        data = next(chunks)
        assert data.startswith(b"\x89PNG")
        spec = worker.take()
        for y in range(4):
            worker.rows(spec, (0, y), (1, y))
            data += next(chunks)
        worker.settle(spec)
        data += b"".join(chunks)
    followed = Image.open(io.BytesIO(data))
    followed.load()
    fetched = picture_of(client.get(f"{link}/image", params={"sample": 1, "scale": 3}))
    assert (followed.mode, followed.size) == (fetched.mode, fetched.size)
    assert {**followed.info, "numerics": "by-hand"} == fetched.info
    assert followed.tobytes() == fetched.tobytes()


def test_connection_breaks_when_a_followed_job_fails(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A picture that is not whole must not look whole."""
    link = submit_sample(client, seed=3)["links"]["self"]
    with client.stream("GET", f"{link}/image", params={"follow": 1}) as answer:
        spec = worker.take()
        worker.rows(spec, (0, 0))
        worker.settle(spec, "failed")
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


@pytest.mark.parametrize(
    "query",
    ["follow=1&grid=1", "follow=1&sample=1", "follow=1&stage=small", "follow=2"],
)
def test_answer_is_422_when_there_is_nothing_to_follow(
    client: httpx.Client, worker: HandWorker, query: str
) -> None:
    """One sample that exists, drawn row by row."""
    link = submit_sample(client, seed=3)["links"]["self"]
    is_problem(client.get(f"{link}/image?{query}"), 422)
    worker.draw()
    if "grid" in query:
        is_problem(client.get(f"{link}/image?{query}"), 422)


@pytest.mark.parametrize(
    ("kind", "accept"),
    [("png", "*/*"), ("webp", "application/json"), ("jpeg", "image/png")],
)
def test_picture_has_the_scale_and_format_that_the_body_asks_for(
    client: httpx.Client, drawing: Callable[[], None], kind: str, accept: str
) -> None:
    """Whatever `Accept` says; and it is the same job as without them, for whoever asks again with the same key."""
    headers = {"Accept": accept, "Prefer": "wait=10", "Idempotency-Key": f"key-{kind}"}
    drawing()
    answer = client.post(
        "/sample",
        json={"model": "grey", "n": 4, "scale": 5, "format": kind},
        headers=headers,
    )
    assert answer.headers["content-type"] == f"image/{kind}", answer.text
    with picture_of(answer) as picture:
        assert picture.size == (5 * (2 * 3 + 1), 5 * (2 * 4 + 1))
    again = client.post(
        "/sample",
        json={"model": "grey", "n": 4},
        headers={**headers, "Accept": "application/json"},
    )
    assert (again.json()["id"], again.status_code) == (answer.headers["x-job-id"], 200)


def test_scale_that_would_be_too_large_is_refused_before_anything_is_drawn(
    client: httpx.Client, worker: HandWorker
) -> None:
    """With the most that it may be; a scale is nothing to a request that is answered with the job."""
    worker.announce(GREY.model_copy(update={"height": 64, "width": 64}))
    body = {"model": "grey", "n": 9, "scale": 22}
    assert (
        "scale: at most 21"
        in is_problem(client.post("/sample", json={**body, "format": "png"}), 422)[
            "detail"
        ]
    )
    assert client.get("/jobs").json()["jobs"] == []
    assert client.post("/sample", json=body).status_code == 202
    is_problem(client.post("/sample", json={"model": "grey", "scale": 33}), 422)
    is_problem(client.post("/sample", json={"model": "grey", "format": "gif"}), 422)
