"""Pages of other origins, and the names under which this server is called."""

import httpx
import pytest
from pydantic import ValidationError

from app.access.api_keys import Keyring
from app.access.gatekeeper import Gatekeeper
from app.access.link_signatures import LinkSignatures
from app.errors import ForeignHostError
from app.settings import Settings
from app.wire.cross_origin import EXPOSED
from tests.app.answers import is_problem, submit_sample
from tests.app.connections import HALF_JSON, all_of, connected
from tests.app.hand_worker import HandWorker
from tests.app.holders import ALICE, settings
from tests.app.live import serving, speaking

PAGE = "https://pixels.example"
SAMPLE = {"model": "grey"}
SAFELISTED = {
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
}
OF_THE_PROTOCOL = {
    "access-control-allow-origin",
    "access-control-expose-headers",
    "allow",
    "connection",
    "content-encoding",
    "date",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-accel-buffering",
    "x-content-type-options",
}


def allowed(answer: httpx.Response) -> bool:
    """May a page of `PAGE` read it? And do caches know?"""
    assert "Origin" in answer.headers["vary"]
    return answer.headers.get("access-control-allow-origin") == PAGE


def test_page_may_read_every_answer_whatever_it_says(
    redis_url: str, worker: HandWorker
) -> None:
    """Also those of whoever stands before the routes, and our own faults."""
    given = settings(redis_url, origins=(PAGE,), client_jobs=1)
    worker.redis.hset("px:job:broken", mapping={"spec": "no JSON", "client": "alice"})
    headers = {"Origin": PAGE, **ALICE}
    with speaking(given, headers=headers) as client:
        answers = [
            client.post("/sample", json=SAMPLE),
            client.post("/sample", json=SAMPLE),
        ]
        answers += [
            client.get(path)
            for path in ("/nowhere", "/jobs/broken", "/models", "/jobs?limit=0")
        ]
        answers += [
            client.get("/jobs", headers={"Authorization": ""}),
            client.put("/sample"),
        ]
        answers.append(
            client.post("/sample", content=b"x", headers={"Content-Type": "text/plain"})
        )
        answers.append(
            client.post(
                "/sample",
                content=b"x" * 99_999,
                headers={"Content-Type": "application/json"},
            )
        )
        worker.leave()
        answers += [client.get("/readyz"), client.head("/models")]
    assert [answer.status_code for answer in answers] == [
        202,
        429,
        404,
        500,
        200,
        422,
        401,
        405,
        415,
        413,
        503,
        200,
    ]
    assert all(map(allowed, answers))


def test_page_may_read_why_its_request_was_too_slow(redis_url: str) -> None:
    """An answer that the application never sees."""
    body = HALF_JSON.replace(b"Host: x\r\n", f"Host: x\r\nOrigin: {PAGE}\r\n".encode())
    given = Settings(redis_url=redis_url, port=0, receive_s=0.3, origins=(PAGE,))
    with serving(given) as (url, _), connected(url) as slow:
        slow.sendall(body)
        answer = all_of(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert f"Access-Control-Allow-Origin: {PAGE}\r\n".encode() in answer


def test_page_sees_every_header_of_ours(redis_url: str, worker: HandWorker) -> None:
    """Each that is sent is either of the protocol, seen anyway, or exposed."""
    given = settings(redis_url, api_keys=(), origins=(PAGE,), client_rate=1)
    sent: set[str] = set()
    with speaking(given, headers={"Origin": PAGE}) as client:
        key = {"Idempotency-Key": "k"}
        link = submit_sample(client, headers=key)["links"]["self"]
        worker.draw()
        answers = [
            client.post(
                "/sample",
                json=SAMPLE,
                headers={**key, "Prefer": "wait", "Accept": "image/png"},
            )
        ]
        answers += [client.post("/sample", json=SAMPLE) for _ in range(3)]
        answers += [
            client.get(f"{link}{part}")
            for part in ("", "/image", "/events", "/image?format=zip")
        ]
        for answer in answers:
            assert answer.headers["access-control-expose-headers"] == ", ".join(EXPOSED)
            sent |= set(answer.headers) - SAFELISTED - OF_THE_PROTOCOL
    assert sent == {name.lower() for name in EXPOSED}


@pytest.mark.parametrize("keys", [True, False])
def test_browser_is_told_what_a_page_may_ask(redis_url: str, keys: bool) -> None:
    """Before it asks, and without a key, which browsers do not send then."""
    given = settings(redis_url, origins=(PAGE,), **({} if keys else {"api_keys": ()}))
    question = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, prefer",
    }
    with speaking(given, headers=question) as client:
        answer = client.options("/sample", headers={"Origin": PAGE})
        assert (answer.status_code, answer.content) == (204, b"")
        assert allowed(answer)
        assert answer.headers["access-control-allow-headers"] == "authorization, prefer"
        assert set(answer.headers["access-control-allow-methods"].split(", ")) == {
            "GET",
            "HEAD",
            "POST",
            "PUT",
            "DELETE",
        }
        refused = client.options("/sample", headers={"Origin": "https://evil.example"})
        assert "PIXELRNN_ORIGINS" in is_problem(refused, 403)["detail"]
        assert not allowed(refused)


def test_caches_keep_answers_for_different_pages_apart(
    redis_url: str, worker: HandWorker
) -> None:
    """A picture that was first shown in an <img>, without an origin, is not what a script gets afterwards."""
    given = settings(redis_url, api_keys=(), origins=(PAGE,))
    with speaking(given) as client:
        assert not allowed(client.get("/models"))
        assert not allowed(
            client.get("/models", headers={"Origin": "https://evil.example"})
        )
        assert allowed(client.get("/models", headers={"Origin": PAGE}))


@pytest.mark.parametrize("keys", [True, False])
def test_any_page_may_call_when_all_are_listed(
    redis_url: str, worker: HandWorker, keys: bool
) -> None:
    """With keys, a page can do no more than whoever has one; without them the operator
    has allowed it."""
    given = settings(redis_url, origins=("*",), **({} if keys else {"api_keys": ()}))
    headers = {"Origin": "https://any.example", **(ALICE if keys else {})}
    with speaking(given, headers=headers) as client:
        for answer in client.get("/models"), client.post("/sample", json=SAMPLE):
            assert answer.is_success
            origin = answer.headers["access-control-allow-origin"]
            assert origin == "https://any.example"


def test_nothing_is_said_of_origins_when_no_page_is_listed(
    client: httpx.Client, worker: HandWorker
) -> None:
    """As before: a browser then keeps other pages from reading."""
    answer = client.get("/models", headers={"Origin": PAGE})
    assert "access-control-allow-origin" not in answer.headers
    assert "Origin" not in answer.headers["vary"].split(", ")
    asked = client.options(
        "/sample", headers={"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    )
    assert "PIXELRNN_ORIGINS" in is_problem(asked, 405)["detail"]


EVERY = (
    "/",
    "/docs",
    "/info",
    "/models",
    "/jobs",
    "/metrics",
    "/openapi.json",
    "/jobs/x/image",
    "/playground/x.js",
)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "EVIL.example.",
        "127.0.0.1.evil.example",
        "a:b",
    ],
)
def test_answer_is_403_when_the_name_may_be_another_sites(
    client: httpx.Client, worker: HandWorker, host: str
) -> None:
    """For every method, because a page of that name would be of our origin; but a probe may call us anything."""
    for path in EVERY:
        problem = is_problem(client.get(path, headers={"Host": host}), 403)
        assert problem["type"] == "urn:pixelrnn:problem:foreign-host"
        assert "PIXELRNN_HOSTS" in problem["detail"]
        assert "evil" not in problem["detail"]
    is_problem(client.post("/sample", json=SAMPLE, headers={"Host": host}), 403)
    assert client.head("/models", headers={"Host": host}).status_code == 403
    assert client.get("/healthz", headers={"Host": host}).status_code == 200
    assert client.get("/readyz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "localhost.",
        "gpubox",
        "gpu_box-1:80",
        "10.1.2.3:8000",
        "[::1]",
        "[fe80::1]:80",
    ],
)
def test_names_that_no_site_can_have_are_ours(
    client: httpx.Client, worker: HandWorker, host: str
) -> None:
    """Addresses, and names without a dot; also for the page itself, which may then draw."""
    assert client.get("/models", headers={"Host": host}).status_code == 200
    origin = {"Host": host, "Origin": f"http://{host}"}
    assert client.post("/sample", json=SAMPLE, headers=origin).status_code == 202


def test_named_hosts_are_ours(redis_url: str, worker: HandWorker) -> None:
    """Those that an operator names, on any port; their page may draw, and no other's."""
    given = settings(redis_url, api_keys=(), hosts="gpubox.lan, Pixels.example")
    with speaking(given) as client:
        for host in ("gpubox.lan", "GPUbox.lan:8000", "pixels.example"):
            assert client.get("/", headers={"Host": host}).status_code == 200
            own = {"Host": host, "Origin": f"https://{host}"}
            assert client.post("/sample", json=SAMPLE, headers=own).status_code == 202
            is_problem(
                client.post(
                    "/sample",
                    json=SAMPLE,
                    headers={**own, "Origin": "https://x.example"},
                ),
                403,
            )
        is_problem(client.get("/", headers={"Host": "other.example"}), 403)
        is_problem(client.get("/", headers={"Host": "evil.gpubox.lan"}), 403)


def test_name_that_is_listened_on_is_ours() -> None:
    """`--host NAME` says enough; any other name is refused."""
    gatekeeper = Gatekeeper(
        Keyring(()),
        LinkSignatures(None),
        hosts=["GPUbox.lan"],
        origins=(),
        metrics_open=False,
    )
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/models",
        "client": ("10.0.0.9", 1),
    }
    assert (
        gatekeeper.admit({**scope, "headers": [(b"host", b"gpubox.lan:8000")]}).account
        == "ip:10.0.0.9"
    )
    assert (
        gatekeeper.admit({**scope, "headers": []}).owner == "anyone"
    )  # HTTP/1.0: no browser
    with pytest.raises(ForeignHostError):
        gatekeeper.admit({**scope, "headers": [(b"host", b"other.lan:8000")]})


def test_keys_are_all_that_is_asked_when_there_are_keys(
    redis_url: str, worker: HandWorker
) -> None:
    """A page of another name has none, and browsers send none by themselves."""
    with speaking(settings(redis_url), headers={"Host": "any.example"}) as client:
        assert client.get("/models", headers=ALICE).status_code == 200
        is_problem(client.get("/models"), 401)


@pytest.mark.parametrize(
    "hosts", ["http://gpubox.lan", "gpubox.lan:8000", "gpubox.lan/x", "*"]
)
def test_settings_are_refused_when_a_host_is_no_name(hosts: str) -> None:
    """It would never be met."""
    with pytest.raises(ValidationError, match="without scheme, port or path"):
        Settings(hosts=hosts)


@pytest.mark.parametrize(
    "origin",
    [
        "https://pixels.example/",
        "pixels.example",
        "https://Pixels.example",
        "https://pixels.example/a",
        "**",
    ],
)
def test_settings_are_refused_when_an_origin_is_not_as_browsers_send_it(
    origin: str,
) -> None:
    """It would never be met either."""
    with pytest.raises(
        ValidationError,
        match=r"is no origin, as browsers send it: expected https://pixels.example or",
    ):
        Settings(origins=f"https://other.example,{origin}")


def test_every_origin_that_a_browser_may_send_is_taken() -> None:
    """With a port, by its address, of an extension."""
    origins = "http://localhost:5173,https://pixels.example,http://[::1]:8000,moz-extension://0a-1b,*"
    assert Settings(origins=origins).origins == tuple(origins.split(","))
