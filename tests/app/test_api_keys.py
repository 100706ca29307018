"""Who is let in, and whose jobs are whose."""

import json
from pathlib import Path

import httpx
import pytest
import structlog
from pydantic import ValidationError
from typer.testing import CliRunner

from app.access.api_keys import (
    FAILURES_WITHIN_S,
    MOST_FAILURES,
    RecentFailures,
    digest_of,
    parse_keys,
)
from app.access.callers import account_of
from app.cli_keys import keys as keys_verbs
from app.settings import Settings
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import HandWorker
from tests.app.holders import ALICE, BOB, KEYS, SAMPLE, settings
from tests.app.live import serving, speaking
from worker.contract import keys


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "wrong"},
        {"Authorization": "Basic alice-key"},
        {"X-API-Key": ""},
    ],
)
def test_answer_is_401_when_there_is_no_valid_key(
    redis_url: str, worker: HandWorker, headers: dict[str, str]
) -> None:
    """Everywhere but where nothing is told: and before the body is read."""
    with speaking(settings(redis_url), headers=headers) as client:
        for method, path in (
            ("POST", "/sample"),
            ("GET", "/jobs"),
            ("GET", "/models"),
            ("GET", "/metrics"),
        ):
            answer = client.request(method, path)
            is_problem(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/", "/healthz", "/readyz", "/info", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200, path


@pytest.mark.parametrize(
    ("proxies", "forwarded", "counts_as"),
    [
        (("127.0.0.1", "::1"), "203.0.113.9", "203.0.113.9"),
        (("127.0.0.1",), "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (
            ("127.0.0.0/8", "203.0.113.0/24"),
            "198.51.100.1, 203.0.113.9",
            "198.51.100.1",
        ),
        (("*",), "198.51.100.1, 203.0.113.9", "198.51.100.1"),
        ((), "203.0.113.9", "127.0.0.1"),
        (("10.0.0.0/8",), "203.0.113.9", "127.0.0.1"),
    ],
)
def test_client_is_whom_a_trusted_proxy_speaks_for(
    redis_url: str,
    worker: HandWorker,
    proxies: tuple[str, ...],
    forwarded: str,
    counts_as: str,
) -> None:
    """Only what a proxy of ours says counts; a client cannot give itself another address."""
    given = settings(redis_url, api_keys=(), proxies=proxies)
    with serving(given) as (url, _), structlog.testing.capture_logs() as lines:
        httpx.get(
            f"{url}/models", headers={"X-Forwarded-For": forwarded}, timeout=60
        ).raise_for_status()
    assert [line["client"] for line in lines if line["event"] == "request"] == [
        f"ip:{counts_as}"
    ]


@pytest.mark.parametrize(
    ("address", "account"),
    [
        ("203.0.113.9", "ip:203.0.113.9"),
        ("::ffff:203.0.113.9", "ip:203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "ip:2001:db8:1:2::/64"),
        ("fe80::1%eth0", "ip:fe80::/64"),
        ("local", "ip:local"),
    ],
)
def test_whoever_has_many_addresses_has_one_share(address: str, account: str) -> None:
    """Of IPv6 the network of 64 bits counts; an address of IPv4 is the same however it is written."""
    assert account_of(address) == account


@pytest.mark.parametrize(
    "proxies", ["proxy.example", "10.0.0.1/8", "*,10.0.0.1", "127.0.0.1;::1"]
)
def test_proxies_are_refused_when_they_are_no_addresses(
    monkeypatch: pytest.MonkeyPatch, proxies: str
) -> None:
    """A name or a misspelt network would trust nobody, and say nothing."""
    monkeypatch.setenv("PIXELRNN_PROXIES", proxies)
    with pytest.raises(ValidationError, match="expected"):
        Settings()


def test_jobs_are_their_owners_when_there_are_keys(
    redis_url: str, worker: HandWorker
) -> None:
    """Others cannot see, list, follow, cancel or delete them, nor tell that they are there."""
    with speaking(settings(redis_url)) as client:
        link = submit_sample(client, headers=ALICE)["links"]["self"]
        for path in (link, f"{link}/events", f"{link}/image"):
            is_problem(client.get(path, headers=BOB), 404)
        is_problem(client.delete(link, headers=BOB), 404)
        is_problem(client.post(f"{link}/cancel", headers=BOB), 404)
        assert client.get("/jobs", headers=BOB).json()["jobs"] == []
        assert len(client.get("/jobs", headers=ALICE).json()["jobs"]) == 1
        assert client.get(link, headers=ALICE).json()["status"] == "queued"


def test_jobs_stay_their_owners_when_they_are_gone(
    redis_url: str, worker: HandWorker
) -> None:
    """Others hear of one that was deleted, or has expired, what they hear of none."""
    with speaking(settings(redis_url)) as client:
        deleted, expired = (
            submit_sample(client, headers=ALICE)["links"]["self"] for _ in "12"
        )
        specs = [worker.draw() for _ in "12"]
        client.delete(deleted, headers=ALICE).raise_for_status()
        worker.redis.delete(keys.job(specs[1].id), keys.events(specs[1].id))
        for link in (deleted, expired):
            for path in (link, f"{link}/events", f"{link}/image"):
                is_problem(client.get(path, headers=ALICE), 410)
                is_problem(client.get(path, headers=BOB), 404)
            is_problem(client.delete(link, headers=BOB), 404)
        worker.redis.set(
            keys.tombstone(specs[0].id), "succeeded"
        )  # as an earlier version leaves it
        is_problem(client.get(deleted, headers=ALICE), 410)


def test_allowance_is_each_clients_own_when_there_are_keys(
    redis_url: str, worker: HandWorker
) -> None:
    """One that hands in too much does not keep others out; the same Idempotency-Key of two clients is two."""
    with speaking(settings(redis_url, client_jobs=1)) as client:
        key = {"Idempotency-Key": "same"}
        first = client.post("/sample", json=SAMPLE, headers=ALICE | key)
        is_problem(client.post("/sample", json=SAMPLE, headers=ALICE), 429)
        other = client.post("/sample", json=SAMPLE, headers=BOB | key)
        assert other.status_code == 202
        assert other.json()["id"] != first.json()["id"]


def test_answer_is_429_when_wrong_keys_keep_coming(
    redis_url: str, worker: HandWorker
) -> None:
    """Ten a minute from one address. The right one is let in: others may share the address, as behind a proxy."""
    with speaking(settings(redis_url)) as client:
        for i in range(10):
            is_problem(client.get("/jobs", headers={"X-API-Key": f"wrong-{i}"}), 401)
        answer = client.get("/jobs", headers={"X-API-Key": "wrong-10"})
        is_problem(answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert client.get("/jobs", headers=ALICE).status_code == 200


def test_address_stays_counted_when_it_is_the_oldest_of_many() -> None:
    """An address that is known already takes no other's place, not even its own."""
    failures = RecentFailures(clock=lambda: 0.0)
    for number in range(10_000):
        failures.note(f"ip:{number}")
    for _ in range(MOST_FAILURES - 1):
        failures.note("ip:0")
    assert failures.wait_s("ip:0") == FAILURES_WITHIN_S


def test_key_is_nowhere_when_it_was_used(
    redis_url: str, worker: HandWorker, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in the logs, the metrics, the job or Redis."""
    with speaking(settings(redis_url), headers=ALICE) as client:
        answer = client.post("/sample", json=SAMPLE)
        shown = answer.text + client.get("/metrics").text + client.get("/info").text
    stored = [worker.redis.dump(key) or b"" for key in worker.redis.keys("*")]
    assert "alice-key" not in shown + "".join(capfd.readouterr())
    assert not any(b"alice-key" in value for value in stored)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://evil.example:{port}",
        "http://[",
        "http://a]b",
    ],
)
def test_answer_is_403_when_a_foreign_page_asks_without_a_key(
    api_url: str, client: httpx.Client, worker: HandWorker, origin: str
) -> None:
    """Also one that has its own name lead to this machine. Reading from another origin is for the browser to forbid."""
    port = api_url.rpartition(":")[2]
    headers = {"Origin": origin.format(port=port)}
    if "evil.example:" in headers["Origin"]:
        headers["Host"] = f"evil.example:{port}"
    is_problem(client.post("/sample", json=SAMPLE, headers=headers), 403)
    is_problem(client.delete("/jobs/x", headers=headers), 403)
    is_problem(client.post("/jobs/x/cancel", headers=headers), 403)
    assert (
        "access-control-allow-origin"
        not in client.get("/models", headers=headers).headers
    )


def test_settings_are_refused_when_open_to_all_by_accident(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another address needs keys, or the word that none are wanted."""
    with pytest.raises(ValidationError, match="PIXELRNN_API_KEYS"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", insecure=True).insecure
    assert Settings(host="0.0.0.0", api_keys=KEYS).api_keys == KEYS
    monkeypatch.setenv(
        "PIXELRNN_API_KEYS", f"carol:{digest_of('c')}, dave:{digest_of('d')}"
    )
    monkeypatch.setenv("PIXELRNN_HOST", "0.0.0.0")
    assert [entry.name for entry in Settings().api_keys] == ["carol", "dave"]


@pytest.mark.parametrize(
    "text",
    [
        "alice",
        "alice:secret",
        f":{'0' * 64}",
        f"a b:{'0' * 64}",
        f"a:{'0' * 64},a:{'1' * 64}",
    ],
)
def test_settings_are_refused_when_keys_are_malformed(text: str) -> None:
    """A key itself instead of its digest is refused, and the sentence does not repeat it."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"api_keys": text})
    assert "secret" not in caught.value.errors()[0]["msg"]


def test_key_is_made_when_asked() -> None:
    """The second line is what the server is told; it lets the first line in."""
    from pixelrnn.verbs import root

    key, entry = CliRunner().invoke(root, ["key", "erin"]).stdout.split()
    assert parse_keys(entry)[0].name == "erin"
    assert parse_keys(entry)[0].sha256 == digest_of(key)


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Looked at with each call; nobody is in it yet."""
    monkeypatch.setattr("app.access.key_file._LOOK_S", 0.0)
    path = tmp_path / "keys.json"
    path.write_text('{"keys": []}')
    return path


def pixelrnn_keys(*words: object) -> str:
    """What a verb prints."""
    result = CliRunner().invoke(keys_verbs, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_keys_come_and_go_while_the_server_runs(
    redis_url: str, worker: HandWorker, key_file: Path
) -> None:
    """Added, listed, exchanged, revoked; those of the environment stay. A damaged file changes nothing."""
    with speaking(settings(redis_url, keys_file=key_file)) as client:

        def status(key: str) -> int:
            return client.get("/models", headers={"X-API-Key": key}).status_code

        first = pixelrnn_keys("add", "carol", "--file", key_file, "--days", 1)
        assert (status(first), status("alice-key"), status("wrong")) == (200, 200, 401)
        assert client.get("/info").json()["needs_key"] is True
        listed = pixelrnn_keys("list", "--file", key_file)
        assert listed.startswith("carol: until ")
        assert first not in key_file.read_text()
        second = pixelrnn_keys("add", "carol", "--file", key_file)
        assert (status(first), status(second)) == (401, 200)
        good = key_file.read_text()
        key_file.write_text(good[:-9])
        assert status(second) == 200
        key_file.unlink()
        assert status(second) == 200
        key_file.write_text(good)
        pixelrnn_keys("revoke", "carol", "--file", key_file)
        assert (status(second), status("alice-key")) == (401, 200)


def test_key_in_a_file_has_an_end_and_allowances(
    redis_url: str, worker: HandWorker, key_file: Path
) -> None:
    """One that has ended is none; a job that is too many is refused by the key's own number."""
    ended, small = (
        pixelrnn_keys("add", name, "--file", key_file, "--jobs", 1, "--rate", 2)
        for name in ("old", "new")
    )
    facts = json.loads(key_file.read_text())
    facts["keys"][0]["until"] = "2026-01-01T00:00:00Z"
    key_file.write_text(json.dumps(facts))
    with speaking(settings(redis_url, keys_file=key_file)) as client:
        is_problem(client.get("/models", headers={"X-API-Key": ended}), 401)
        accepted = client.post("/sample", json=SAMPLE, headers={"X-API-Key": small})
        assert (
            accepted.headers["ratelimit-policy"]
            == '"jobs";q=4;w=2, "open-jobs";q=1;qu="concurrent-requests"'
        )
        refused = client.post("/sample", json=SAMPLE, headers={"X-API-Key": small})
        assert "it may have 1" in is_problem(refused, 429)["detail"]
        assert client.post("/sample", json=SAMPLE, headers=ALICE).status_code == 202


def _file(*entries: dict[str, object]) -> str:
    return json.dumps({"keys": entries})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("secret", "no file of keys"),
        (_file({"name": "a", "sha256": "secret"}), "keys.0.sha256"),
        (_file({"name": "a b", "sha256": "0" * 64}), "keys.0.name"),
        (
            _file({"name": "a", "sha256": "0" * 64, "quota": 3}),
            "keys.0.an unknown field",
        ),
        (
            _file({"name": "a", "sha256": "0" * 64}, {"name": "a", "sha256": "1" * 64}),
            "twice",
        ),
        (None, "No such file"),
    ],
)
def test_start_is_refused_when_the_file_is_none_of_keys(
    tmp_path: Path, text: str | None, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words that repeat nothing which may be a key; a server that is open to others may have such a file alone."""
    monkeypatch.setattr("app.access.key_file._WRITING_S", 0.0)
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValidationError, match=complaint) as refused:
        Settings(keys_file=path)
    assert "secret" not in str(refused.value)
    path.write_text('{"keys": []}')
    assert Settings(host="0.0.0.0", keys_file=path).needs_key
