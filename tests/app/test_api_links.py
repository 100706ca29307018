"""Addresses that work without a key, for a while."""

import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import structlog
from pydantic import ValidationError

from app.access.link_signatures import LinkSignatures
from app.settings import Settings
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import HandWorker
from tests.app.holders import ALICE, BOB, settings
from tests.app.live import events_of, speaking

SECRET = "0123456789abcdef" * 2


@contextlib.contextmanager
def api(redis_url: str, **more: object) -> Iterator[httpx.Client]:
    """A server with keys and a secret, and a client that has neither."""
    with speaking(settings(redis_url, **{"link_secret": SECRET, **more})) as client:
        yield client


def drawn(client: httpx.Client, worker: HandWorker, n: int = 1) -> str:
    """The address of a job of Alice's that is drawn."""
    link = submit_sample(client, n=n, headers=ALICE)["links"]["self"]
    worker.draw()
    return link


def changed(address: str, **fields: str) -> str:
    """The same with other fields in its query."""
    url = urlsplit(address)
    said = {name: values[0] for name, values in parse_qs(url.query).items()} | fields
    return f"{url.path}?{'&'.join(f'{name}={value}' for name, value in said.items() if value)}"


def test_signed_addresses_open_a_job_without_a_key(
    redis_url: str, worker: HandWorker
) -> None:
    """Its pictures, in any size and format, and its events, for GET and HEAD; until the time that the answer names."""
    with api(redis_url) as client:
        link = drawn(client, worker, n=2)
        begun = int(time.time())
        answer = client.post(f"{link}/links", headers=ALICE)
        assert answer.status_code == 200
        links = answer.json()
        assert (
            begun + 3600
            <= datetime.fromisoformat(links["expires_at"]).timestamp()
            <= time.time() + 3600
        )
        for i, address in enumerate(links["images"]):
            shown = client.get(address)
            assert (
                shown.content
                == client.get(f"{link}/image?sample={i}", headers=ALICE).content
            )
            assert client.head(address).headers["etag"] == shown.headers["etag"]
        assert len(links["images"]) == 2
        webp = client.get(f"{links['image']}&grid=1&format=webp")
        assert webp.headers["content-type"] == "image/webp"
        names = [event.name for event in events_of(client.get(links["events"]))]
        assert (names[0], names[-1]) == ("snapshot", "done")
        is_problem(client.get(f"{links['image']}&nonsense=1"), 422)


def test_any_server_with_the_secret_knows_what_another_has_signed(
    redis_url: str, worker: HandWorker
) -> None:
    """There is no state; and one with another secret, or with none, knows nothing of it."""
    with api(redis_url) as client:
        link = drawn(client, worker)
        address = client.post(f"{link}/links", headers=ALICE).json()["image"]
    with api(redis_url) as client:
        assert client.get(address).status_code == 200
    for other in (SECRET[::-1], None):
        with api(redis_url, link_secret=other) as client:
            assert is_problem(client.get(address), 403)["type"].endswith("bad-link")


def test_a_signature_opens_nothing_else(redis_url: str, worker: HandWorker) -> None:
    """No other job, no other view of this one, nothing that changes it; and what is not its own is 403."""
    with api(redis_url) as client:
        link, other = drawn(client, worker), drawn(client, worker)
        address = client.post(f"{link}/links", headers=ALICE).json()["image"]
        query = urlsplit(address).query
        is_problem(client.get(f"{other}/image?{query}"), 403)
        is_problem(client.get(f"/jobs/unknown/image?{query}"), 403)
        for path in (
            link,
            f"{link}/given",
            f"{link}/score-map",
            f"{link}/blob",
            "/jobs",
            "/models",
            "/metrics",
        ):
            is_problem(client.get(f"{path}?{query}"), 401)
        for method, path in (
            ("DELETE", link),
            ("POST", f"{link}/cancel"),
            ("POST", f"{link}/links"),
            ("POST", address),
        ):
            is_problem(
                client.request(method, path if path == address else f"{path}?{query}"),
                401,
            )


CHANGES = [
    {"expires": "9999999999"}, {"expires": "1e9"}, {"expires": ""}, {"expires": "0"}, {"expires": "%D9%A1"},
    {"signature": ""}, {"signature": "A" * 43}, {"signature": "%C3%A9"}, {"expires": "9" * 5000},
]  # fmt: skip


def test_a_changed_address_is_refused(redis_url: str, worker: HandWorker) -> None:
    """With a sentence, whatever was changed; a key of one's own beside it does not help."""
    with api(redis_url) as client:
        address = client.post(f"{drawn(client, worker)}/links", headers=ALICE).json()[
            "image"
        ]
        for fields in CHANGES:
            other = changed(address, **fields)
            assert "changed" in is_problem(client.get(other), 403)["detail"]
            is_problem(client.get(other, headers=ALICE), 403)
        is_problem(client.get(f"{address}&expires=9999999999"), 403)


def test_an_address_ends_when_its_time_is_up(
    redis_url: str, worker: HandWorker
) -> None:
    """And one of a job that was deleted, at once: 410 as with a key."""
    with api(redis_url) as client:
        link = drawn(client, worker)
        address = client.post(
            f"{link}/links", json={"expires_in": 1}, headers=ALICE
        ).json()["image"]
        lasting = client.post(f"{link}/links", headers=ALICE).json()["image"]
        time.sleep(1.1)
        assert "expired" in is_problem(client.get(address), 403)["detail"]
        assert client.get(lasting).status_code == 200
        client.delete(link, headers=ALICE)
        is_problem(client.get(lasting), 410)


def test_only_the_owner_gives_links(redis_url: str, worker: HandWorker) -> None:
    """Others cannot tell that the job is there."""
    with api(redis_url) as client:
        link = drawn(client, worker)
        is_problem(client.post(f"{link}/links"), 401)
        is_problem(client.post(f"{link}/links", headers=BOB), 404)


def test_lifetimes_are_bounded(redis_url: str, worker: HandWorker) -> None:
    """A second to a week, in a field that is known."""
    with api(redis_url) as client:
        links = f"{drawn(client, worker)}/links"
        for name, value in (
            ("expires_in", 0),
            ("expires_in", 604801),
            ("expires_in", "60"),
            ("until", 60),
        ):
            answer = client.post(links, json={name: value}, headers=ALICE)
            is_problem(answer, 422)


def test_links_are_501_when_there_is_no_secret(
    redis_url: str, worker: HandWorker
) -> None:
    """The problem says what to set."""
    with api(redis_url, link_secret=None) as client:
        body = is_problem(
            client.post(f"{drawn(client, worker)}/links", headers=ALICE), 501
        )
        assert "PIXELRNN_LINK_SECRET" in body["detail"]


def test_links_work_without_keys_too(redis_url: str, worker: HandWorker) -> None:
    """Everybody may see all, and yet an address that has expired says so; a foreign name is refused as ever."""
    with api(redis_url, api_keys=()) as client:
        address = client.post(f"{drawn(client, worker)}/links").json()["image"]
        assert client.get(address).status_code == 200
        is_problem(client.get(changed(address, expires="1")), 403)
        is_problem(client.get(address, headers={"Host": "evil.example"}), 403)


def test_secret_and_signatures_are_nowhere(
    redis_url: str, worker: HandWorker, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither in logs nor in metrics nor in Redis, whether the address is good or not."""
    with structlog.testing.capture_logs() as lines, api(redis_url) as client:
        address = client.post(f"{drawn(client, worker)}/links", headers=ALICE).json()[
            "image"
        ]
        for path in (address, changed(address, expires="7"), f"{address}&nonsense=1"):
            client.get(path)
        shown = client.get("/metrics", headers=ALICE).text + json.dumps(
            lines, default=str
        )
    stored = [worker.redis.dump(key) for key in worker.redis.keys("*")]
    signature = parse_qs(urlsplit(address).query)["signature"][0]
    assert "bad-link" in shown
    for text in (signature, SECRET):
        assert text not in shown + "".join(capfd.readouterr())
        assert not [value for value in stored if value and text.encode() in value]


def test_a_secret_is_long_or_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is none; a short one is refused without repeating it."""
    monkeypatch.setenv("PIXELRNN_LINK_SECRET", "")
    assert Settings().link_secret is None
    monkeypatch.setenv("PIXELRNN_LINK_SECRET", "hunter2")
    with pytest.raises(ValidationError, match="32 characters or more") as refused:
        Settings()
    assert "hunter2" not in refused.value.errors()[0]["msg"]


def test_signatures_are_hmac_of_job_and_time() -> None:
    """Written down here once more: a change would void every address that is out."""
    text = b"pixelrnn link 1\njob\n1700000000"
    digest = hmac.new(SECRET.encode(), text, hashlib.sha256).digest()
    assert LinkSignatures(SECRET).sign("job", 1700000000) == base64.urlsafe_b64encode(
        digest
    ).decode().rstrip("=")
