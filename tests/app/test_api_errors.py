"""Whatever goes wrong, the answer is one problem body with the right status."""

import json
import re
import socket

import httpx
import pytest

from app.settings import Settings
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import HandWorker
from tests.app.live import serving


def test_every_endpoint_answers_a_problem_when_refused(
    client: httpx.Client, worker: HandWorker, subtests: pytest.Subtests
) -> None:
    """One shape for all errors, also for those of the framework."""
    for method, path, status in [
        ("GET", "/nowhere", 404),
        ("GET", "/jobs/unknown", 404),
        ("GET", "/jobs/" + "x" * 65, 404),
        ("GET", "/jobs/%00%ff", 404),
        ("GET", "/jobs/unknown/events", 404),
        ("GET", "/jobs/unknown/image", 404),
        ("DELETE", "/jobs/unknown", 404),
        ("POST", "/jobs/unknown/cancel", 404),
        ("GET", "/jobs/unknown/cancel", 405),
        ("GET", "/models/unknown", 404),
        ("GET", "/models/..%2f..%2fetc", 404),
        ("PUT", "/sample", 405),
        ("GET", "/complete", 405),
        ("POST", "/healthz", 405),
        ("POST", "/jobs/unknown", 405),
        ("GET", "/jobs/unknown?wait=-1", 422),
        ("GET", "/jobs/unknown?wait=nan", 422),
        ("GET", "/jobs/unknown/image?scale=129", 422),
        ("GET", "/jobs/unknown/image?sample=-1", 422),
        ("GET", "/jobs/unknown/image?stage=large", 422),
        ("GET", "/jobs/unknown/score-map", 404),
        ("POST", "/sample", 422),
        ("POST", "/complete", 422),
    ]:
        with subtests.test(method=method, path=path):
            is_problem(client.request(method, path), status)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/jobs/x", "GET, HEAD, DELETE"),
        ("GET", "/sample", "POST"),
        ("POST", "/models", "GET, HEAD"),
    ],
)
def test_allow_names_all_methods_when_405(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    """Also where a path has several handlers."""
    answer = client.request(method, path)
    is_problem(answer, 405)
    assert answer.headers["allow"] == allowed


def test_answer_is_422_and_points_when_a_field_is_wrong(
    client: httpx.Client, worker: HandWorker, subtests: pytest.Subtests
) -> None:
    """Every value that JSON readers let through is refused by name and never makes a 500."""
    for body, pointer in [
        ('{"model": "grey", "n": 0}', "#/n"),
        ('{"model": "grey", "n": true}', "#/n"),
        ('{"model": "grey", "n": 1.0}', "#/n"),
        ('{"model": "grey", "n": NaN}', "#/n"),
        ('{"model": "grey", "seed": -1}', "#/seed"),
        ('{"model": "grey", "seed": false}', "#/seed"),
        ('{"model": "grey", "seed": 9007199254740992}', "#/seed"),
        ('{"model": "grey", "seed": 1e999}', "#/seed"),
        ('{"model": "grey", "temperature": NaN}', "#/temperature"),
        ('{"model": "grey", "temperature": 1e999}', "#/temperature"),
        ('{"model": "grey", "temperature": -Infinity}', "#/temperature"),
        ('{"model": "grey", "temperature": 0}', "#/temperature"),
        ('{"model": "grey", "temprature": 1}', "#/temprature"),
        ('{"model": "grey", "\\ud800": 1}', "#/"),
        ('{"model": "\\ud800"}', "#/model"),
        ('{"model": ""}', "#/model"),
        ('{"model": null}', "#/model"),
        ("null", "#/"),
        ("NaN", "#/"),
        ('"text"', "#/"),
    ]:
        with subtests.test(body=body):
            answer = client.post(
                "/sample",
                content=body.encode(),
                headers={"Content-Type": "application/json"},
            )
            problem = is_problem(answer, 422)
            assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"model": "grey", }',
        b"[" * 30_000,
        b'{"n": ' + b"9" * 5000 + b"}",
        b'{"model": "\x00"}',
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    ],
)
def test_answer_is_400_when_the_body_is_not_json(
    client: httpx.Client, worker: HandWorker, body: bytes
) -> None:
    """Broken, too deep, or not text at all."""
    is_problem(
        client.post(
            "/sample", content=body, headers={"Content-Type": "application/json"}
        ),
        400,
    )


def test_answer_repeats_nothing_when_the_input_is_wrong(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A secret in the wrong place does not come back."""
    for field in ("model", "n", "seed", "temperature"):
        answer = client.post("/sample", json={"model": "grey", field: "s3cret"})
        assert answer.status_code in (404, 422)
        assert "s3cret" not in answer.text


def test_answer_is_415_when_the_body_has_another_type(
    client: httpx.Client, worker: HandWorker, subtests: pytest.Subtests
) -> None:
    """The expected type is named."""
    for path in ["/sample", "/complete"]:
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "image/png",
            "",
        ]:
            with subtests.test(path=path, kind=kind):
                problem = is_problem(
                    client.post(
                        path, content=b"model=grey", headers={"Content-Type": kind}
                    ),
                    415,
                )
                types = "application/json"
                if path != "/sample":
                    types = f"multipart/form-data or {types} or application/x-npy"
                assert problem["detail"] == f"expected a body of the type {types}"


def test_answer_is_415_when_the_body_is_compressed(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A compressed body is refused before it is unpacked."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    is_problem(client.post("/sample", content=b"x", headers=headers), 415)


@pytest.mark.parametrize("chunked", [False, True])
def test_answer_is_413_when_the_body_is_too_large(
    client: httpx.Client, worker: HandWorker, chunked: bool
) -> None:
    """By declared length and by counting."""
    body = b'{"model": "' + b"x" * 70_000 + b'"}'
    content = iter([body[:40_000], body[40_000:]]) if chunked else body
    is_problem(
        client.post(
            "/sample", content=content, headers={"Content-Type": "application/json"}
        ),
        413,
    )


def test_answer_is_404_with_the_names_when_no_worker_holds_the_model(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The client learns which field is wrong, the nearest name, and what there is."""
    for field, answer in (
        ("model", client.post("/sample", json={"model": "gray"})),
        ("name", client.get("/models/gray")),
    ):
        expected = f"{field}: did you mean grey? expected one of: colour, grey"
        assert is_problem(answer, 404)["detail"] == expected
    problem = is_problem(client.post("/sample", json={"model": "zzz"}), 404)
    assert problem["detail"] == "model: expected one of: colour, grey"
    worker.reserve(zzz="9" * 64)
    problem = is_problem(client.post("/sample", json={"model": "zzz"}), 404)
    assert problem["detail"] == (
        "model: zzz is in the models directory, but no worker loads it "
        "(PIXELRNN_MODELS); expected one of: colour, grey"
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"model": "grey",}', r"the body is not valid JSON at character 1[78]: \w+"),
        ("{'model': 'grey'}", r"the body is not valid JSON at character 2: \w+"),
    ],
)
def test_body_that_is_no_json_is_told_where(
    client: httpx.Client, body: str, words: str
) -> None:
    """The parser's words, and the place where it stopped."""
    headers = {"Content-Type": "application/json"}
    answer = client.post("/sample", content=body, headers=headers)
    assert re.match(words, is_problem(answer, 400)["detail"])


def test_answer_is_503_when_no_worker_lives(client: httpx.Client) -> None:
    """Nobody could draw: come back later. Looking at things still works."""
    for answer in (
        client.post("/sample", json={"model": "grey"}),
        client.get("/readyz"),
        client.get("/models/grey"),
    ):
        is_problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    assert client.get("/models").json() == {"models": [], "refused": [], "portable": []}
    assert client.get("/healthz").json() == {"status": "ok"}


def test_answer_is_503_when_redis_is_not_there(tmp_path) -> None:
    """Every endpoint that needs Redis says so, and soon."""
    with (
        serving(Settings(redis_url=f"unix://{tmp_path}/nothing", port=0)) as (url, _),
        httpx.Client() as client,
    ):
        for path in (
            "/readyz",
            "/models",
            "/models/grey",
            "/jobs/x",
            "/jobs/x/events",
            "/jobs/x/image",
        ):
            answer = client.get(url + path)
            is_problem(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
        is_problem(client.post(f"{url}/sample", json={"model": "grey"}), 503)
        is_problem(client.delete(f"{url}/jobs/x"), 503)
        is_problem(client.post(f"{url}/jobs/x/cancel"), 503)
        assert client.get(f"{url}/healthz").status_code == 200


def test_answer_is_503_within_the_budget_when_redis_hangs(tmp_path) -> None:
    """A server that accepts and says nothing costs the budget and no more."""
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(f"{tmp_path}/s")
    silent.listen()
    settings = Settings(redis_url=f"unix://{tmp_path}/s", port=0, redis_budget_s=0.5)
    with serving(settings) as (url, _), httpx.Client(timeout=30) as client:
        is_problem(client.get(f"{url}/models"), 503)
    silent.close()


def test_bug_makes_a_problem_when_redis_holds_nonsense(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Our own faults have the same shape, and tell nothing of the inside."""
    worker.redis.hset("px:job:broken", "spec", "no JSON")
    problem = is_problem(client.get("/jobs/broken"), 500)
    assert json.dumps(problem).find("JSON") < 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/sample?scale=4"),
        ("POST", "/complete?n=3"),
        ("GET", "/models?name=grey"),
        ("GET", "/jobs?limt=3"),
        ("GET", "/jobs/{id}?wiat=1"),
        ("GET", "/jobs/{id}/events?form=3"),
        ("GET", "/jobs/{id}/image?sale=4"),
        ("POST", "/jobs/{id}/cancel?now"),
        ("DELETE", "/jobs/{id}?force=1"),
    ],
)
def test_unknown_query_parameter_is_refused(
    client: httpx.Client, worker: HandWorker, method: str, path: str
) -> None:
    """As an unknown field of a body is, and with its name; before anything is done."""
    job = submit_sample(client)["id"]
    body = {"json": {"model": "grey"}} if method == "POST" else {}
    problem = is_problem(client.request(method, path.replace("{id}", job), **body), 422)
    name = path.partition("?")[2].partition("=")[0]
    assert problem["errors"][0]["pointer"] == f"#/query/{name}"
    assert client.get(f"/jobs/{job}").json()["status"] == "queued"
    assert len(client.get("/jobs").json()["jobs"]) == 1


def test_page_and_probes_take_any_query(
    client: httpx.Client, worker: HandWorker
) -> None:
    """What others add to an address does not break a page, nor a probe."""
    for path in ("/", "/docs", "/healthz", "/info"):
        assert client.get(path, params={"utm_source": "x"}).status_code == 200, path
