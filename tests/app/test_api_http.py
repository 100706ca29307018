"""What HTTP asks of every answer: HEAD, what a reader has already, how long it waits, what is compressed."""

import gzip
import threading
import time

import httpx
import pytest

from app.main import create_app
from app.routes import jobs, waiting
from app.settings import Settings
from app.wire.compression import takes_gzip
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import GREY, HandWorker, eventually
from tests.app.live import speaking
from tests.app.pictures import grey, png

SAMPLE = {"model": "grey", "seed": 3}
PATHS = [
    path
    for path, calls in create_app(Settings()).openapi()["paths"].items()
    if "get" in calls
]
OF_EACH_ANSWER = {"date", "server-timing", "x-request-id"}


def drawn(client: httpx.Client, worker: HandWorker) -> str:
    """Address of a completion that has ended."""
    files = {"image": png(grey(*[[9] * 3] * 4)), "mask": png(grey(*[[255] * 3] * 4))}
    link = client.post("/complete", data={"model": "grey"}, files=files).json()[
        "links"
    ]["self"]
    worker.draw()
    return link


def test_head_is_get_without_a_body(
    client: httpx.Client, worker: HandWorker, subtests: pytest.Subtests
) -> None:
    """Status and headers, of every path of the schema and of the page; the connection goes on."""
    for path in [
        *PATHS,
        "/",
        "/docs",
        "/openapi.json",
        "/nowhere",
        "/sample",
        "/jobs/none",
    ]:
        for encoding in ["gzip", "identity"]:
            with subtests.test(path=path, encoding=encoding):
                there = path.format(
                    job_id=drawn(client, worker).rpartition("/")[2],
                    name="grey",
                    model="grey",
                    file="me.png",
                )
                headers = {"Accept-Encoding": encoding}
                got = client.get(there, headers=headers)
                head = client.head(there, headers=headers)
                changing = OF_EACH_ANSWER | (
                    {"content-length"} if path == "/metrics" else set()
                )
                if "content-length" not in got.headers:
                    changing |= {"transfer-encoding"}
                assert (head.status_code, head.content) == (got.status_code, b"")
                assert [
                    (name, value)
                    for name, value in head.headers.items()
                    if name not in changing
                ] == [
                    (name, value)
                    for name, value in got.headers.items()
                    if name not in changing
                ]
                assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/events", "/image?follow=1"])
def test_head_of_a_stream_is_over_at_once(
    redis_url: str, worker: HandWorker, path: str
) -> None:
    """Though its job has not ended; and no seat stays taken."""
    settings = Settings(redis_url=redis_url, port=0, fleet_age_s=0, max_streams=1)
    with speaking(settings) as client:
        link = submit_sample(client, seed=3)["links"]["self"]
        for _ in range(3):
            head = eventually(
                lambda: (
                    answer
                    if (answer := client.head(f"{link}{path}")).status_code != 503
                    else None
                )
            )
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-type"].startswith(
                "text/event" if "events" in path else "image/png"
            )


@pytest.mark.parametrize(
    "names", ["{tag}", "W/{tag}", '"x", {tag}', '"a,b" ,W/"y",  W/{tag}', "*"]
)
def test_answer_is_304_when_the_reader_names_the_tag(
    client: httpx.Client, worker: HandWorker, names: str
) -> None:
    """Weakly compared, in a list, or whatever there is (RFC 9110, section 13.1.2); for pictures and for the page."""
    link = drawn(client, worker)
    for path in (f"{link}/image", f"{link}/image?format=zip", f"{link}/given", "/"):
        tag = client.get(path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": names.format(tag=tag)})
        assert (again.status_code, again.content, again.headers["etag"]) == (
            304,
            b"",
            tag,
        )


@pytest.mark.parametrize("names", ['"x"', "{bare}", 'W/"x", "y"', "", '"', "W/*"])
def test_answer_is_whole_when_the_reader_names_other_tags(
    client: httpx.Client, worker: HandWorker, names: str
) -> None:
    """A name without its quotes is no tag."""
    path = f"{drawn(client, worker)}/image"
    bare = client.get(path).headers["etag"].strip('"')
    assert (
        client.get(path, headers={"If-None-Match": names.format(bare=bare)}).status_code
        == 200
    )


def test_star_stands_for_what_is_there_only(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Where there is nothing yet, or no such picture, the reader is told so."""
    star = {"If-None-Match": "*"}
    link = submit_sample(client, seed=3)["links"]["self"]
    is_problem(client.get(f"{link}/image", headers=star), 409)
    worker.draw()
    is_problem(client.get(f"{link}/image?sample=9", headers=star), 422)
    is_problem(client.get(f"{link}/given", headers=star), 404)
    assert client.get(f"{link}/image", headers=star).status_code == 304


@pytest.mark.parametrize(
    "prefer",
    ["WAIT", 'respond-async, wait=""', "wait=00000099999999"],
)
def test_both_ways_of_waiting_end_at_the_servers_limit(
    client: httpx.Client,
    worker: HandWorker,
    monkeypatch: pytest.MonkeyPatch,
    prefer: str,
) -> None:
    """A `wait` without a number means it; a longer one is cut to it, which the answer says."""
    for module in (waiting, jobs):
        monkeypatch.setattr(module, "MAX_WAIT_S", 1)
    began = time.monotonic()
    posted = client.post("/sample", json=SAMPLE, headers={"Prefer": prefer})
    link = posted.json()["links"]["self"]
    asked = client.get(link, headers={"Prefer": prefer})
    queried = client.get(link, params={"wait": 60})
    assert 3 <= time.monotonic() - began < 45
    assert [answer.status_code for answer in (posted, asked, queried)] == [
        202,
        200,
        200,
    ]
    assert [
        answer.headers.get("preference-applied") for answer in (posted, asked, queried)
    ] == [
        "wait=1",
        "wait=1",
        None,
    ]
    assert queried.json()["status"] == "queued"


def test_query_wins_also_if_it_asks_for_no_wait(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The answer comes at once, and confirms no preference."""
    link = submit_sample(client, seed=3)["links"]["self"]
    answer = client.get(link, params={"wait": 0}, headers={"Prefer": "wait=5"})
    assert answer.json()["status"] == "queued"
    assert "preference-applied" not in answer.headers


def test_long_text_is_compressed_for_those_who_take_it(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Shorter on the way, the same when unpacked; caches keep the two apart."""
    worker.announce(*(GREY.model_copy(update={"name": f"grey-{i}"}) for i in range(20)))
    link = submit_sample(client, model="grey-1", n=64)["links"]["self"]
    worker.draw()
    for path in ("/models", "/openapi.json", link, "/metrics"):
        with client.stream(
            "GET", path, headers={"Accept-Encoding": "br, gzip"}
        ) as packed:
            raw = b"".join(packed.iter_raw())
        plain = client.get(path, headers={"Accept-Encoding": "gzip;q=0"})
        assert packed.headers["content-encoding"] == "gzip"
        assert (
            int(packed.headers["content-length"]) == len(raw) < len(plain.content) / 2
        )
        assert "content-encoding" not in plain.headers
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        if path != "/metrics":  # which counts the first look
            assert gzip.decompress(raw) == plain.content


def test_long_text_is_compressed_in_a_thread(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the event loop, which would stand still for some tenths of a second."""
    threads: list[str] = []
    compress = gzip.compress

    def noted(text: bytes, mtime: int) -> bytes:
        threads.append(threading.current_thread().name)
        return compress(text, mtime=mtime)

    monkeypatch.setattr(gzip, "compress", noted)
    assert client.get("/openapi.json").headers["content-encoding"] == "gzip"
    assert [name.partition(" thread")[0] for name in threads] == ["AnyIO worker"]


def test_who_takes_gzip_is_read_from_the_header() -> None:
    """Also a refusal by q=0."""
    assert all(
        takes_gzip(header) for header in ("gzip", "deflate, gzip;q=0.5", "gzip; q=1")
    )
    assert not any(
        takes_gzip(header) for header in ("", "br", "gzip;q=0", "gzip; q=0.000, br")
    )


def test_streams_and_pictures_are_sent_as_they_are(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Rows must not wait in a compressor; and short answers are left alone."""
    link = drawn(client, worker)
    for path in (
        f"{link}/events",
        f"{link}/image?scale=32",
        f"{link}/image?format=zip",
        "/healthz",
        link,
    ):
        answer = client.get(path, headers={"Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.headers.get("content-encoding")) == (
            200,
            None,
        ), path


def test_every_answer_is_what_it_says_it_is(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Browsers do not guess types, whatever is sent."""
    link = drawn(client, worker)
    for path in (
        "/",
        "/docs",
        "/healthz",
        "/nowhere",
        link,
        f"{link}/events",
        f"{link}/image",
    ):
        assert client.get(path).headers["x-content-type-options"] == "nosniff", path


def test_followed_picture_is_cut_off_when_its_job_goes(
    redis_url: str, worker: HandWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """The reader sees that the picture is not whole, and no bug is logged."""
    settings = Settings(redis_url=redis_url, port=0, fleet_age_s=0, ping_s=0.2)
    with speaking(settings) as client:
        link = submit_sample(client, seed=3)["links"]["self"]
        with client.stream("GET", f"{link}/image?follow=1") as response:
            worker.rows(worker.take(), (0, 0))
            parts = response.iter_bytes()
            assert next(parts).startswith(b"\x89PNG")
            worker.redis.flushall()
            with pytest.raises(httpx.RemoteProtocolError):
                list(parts)
        assert client.get("/healthz").status_code == 200
    assert "Exception in ASGI application" not in caplog.text
