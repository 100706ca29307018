"""Exchanges of added models through the API, with workers that say by hand what they
found: whatever happens, one of the two versions stays and is served."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import OtherIdentityError
from app.services import exchanges
from app.settings import Settings
from tests.app.answers import is_problem
from tests.app.hand_worker import GREY, HandWorker, eventually
from tests.app.holders import settings
from tests.app.live import serving, speaking
from worker.contract.added import ANYONE, OWNER, JobFiles, Owner, owner_of
from worker.contract.cards import ExaminedDraft, RefusedModel
from worker.contract.jobs import JobStatus
from worker.contract.kinds.add import AddSummary

FIRST, SECOND = b"first", b"second"
MINE = GREY.model_copy(update={"name": "mine", "identity": "e" * 64})
IF_MATCH = {"If-Match": f'"{MINE.identity}"'}
ERROR = {"type": "not-served", "title": "The model is not served", "detail": "bad"}
SUMMARY = AddSummary(name="mine", digest="a" * 64, identity="f" * 64)


def put(client: httpx.Client, weights: bytes, **more: Any) -> httpx.Response:
    card = {"name": "mine", "sha256": hashlib.sha256(weights).hexdigest()}
    files = {"card": json.dumps(card).encode(), "weights": weights}
    return client.put("/models/mine", files=files, **more)


class Exchange:
    """A model that was served, and the open job that is to replace it."""

    def __init__(self, client: httpx.Client, worker: HandWorker, added: Path) -> None:
        self.client = client
        self.worker = worker
        self.models = added / "models"
        first = put(client, FIRST).raise_for_status().json()["id"]
        self.former = MINE.model_copy(update={"job": first})
        worker.announce(GREY, self.former)
        worker.settle_told(worker.take(), SUMMARY)
        answer = put(client, SECOND, headers=IF_MATCH)
        assert answer.status_code == 202, answer.text
        self.job = answer.json()["id"]
        self.files = JobFiles(added, self.job, "mine")

    def on_disk(self) -> bytes:
        return (self.models / "mine" / "weights.safetensors").read_bytes()

    def names(self) -> list[str]:
        return sorted(path.name for path in self.models.iterdir())

    def examine(self, reason: str = "") -> None:
        """Announce the result of examining the draft."""
        draft = ExaminedDraft(job=self.job, name="mine", reason=reason)
        self.worker.announce(GREY, self.former, drafts=[draft])

    def wait_for_exchange(self) -> None:
        self.examine()
        eventually(lambda: self.on_disk_or_none() == SECOND)
        eventually(lambda: self.names() == [f".{self.job}.former", "mine"])

    def on_disk_or_none(self) -> bytes | None:
        try:
            return self.on_disk()
        except FileNotFoundError:  # between the two renames
            return None

    def end(self, status: str) -> None:
        spec = self.worker.take()
        assert spec.id == self.job
        if status == "succeeded":
            self.worker.settle_told(spec, SUMMARY)
        else:
            self.worker.settle(spec, status, ERROR)

    def wait_for_only(self, weights: bytes) -> None:
        """Wait until this version alone is left, and no draft or former one."""
        eventually(lambda: self.names() == ["mine"])
        assert self.on_disk() == weights


def given(redis_url: str, added: Path) -> Settings:
    return settings(redis_url, api_keys=(), added_dir=added)


@contextmanager
def exchanging(redis_url: str, worker: HandWorker, added: Path) -> Iterator[Exchange]:
    with speaking(given(redis_url, added)) as client:
        yield Exchange(client, worker, added)


@pytest.fixture
def exchange(redis_url: str, worker: HandWorker, tmp_path: Path) -> Iterator[Exchange]:
    with exchanging(redis_url, worker, tmp_path) as begun:
        yield begun


def test_former_model_is_served_until_the_new_one_is(exchange: Exchange) -> None:
    """The draft waits beside it; a good draft gets the name; the job's end deletes the
    former version."""
    assert exchange.on_disk() == FIRST
    assert exchange.names() == [f".{exchange.job}", "mine"]
    exchange.wait_for_exchange()
    time.sleep(2.5)  # a look of the API later
    assert exchange.files.former.is_dir(), "no worker serves the new version yet"
    exchange.end("succeeded")
    exchange.wait_for_only(SECOND)


def test_a_first_upload_that_failed_leaves_its_name_free(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """For the same request again at once; and nothing of it stays on the disk."""
    with speaking(given(redis_url, tmp_path)) as client:
        for _ in range(2):
            answer = put(client, FIRST)
            assert answer.status_code == 202, answer.text
            job = answer.json()["id"]
            bad = RefusedModel(name="mine", reason="bad", job=job)
            worker.announce(GREY, refused=[bad])
            worker.settle(worker.take(), "failed", ERROR)
        eventually(lambda: not list((tmp_path / "models").iterdir()))


@pytest.mark.parametrize("status", ["failed", "canceled"])
@pytest.mark.parametrize("is_exchanged", [False, True])
def test_former_model_stays_when_the_job_does_not_succeed(
    exchange: Exchange, status: str, is_exchanged: bool
) -> None:
    """Whether a worker refuses the draft or the new model, or the client cancels."""
    if is_exchanged:
        exchange.wait_for_exchange()
    if status == "failed":
        exchange.examine("its weights are bad")
        exchange.end("failed")
    else:
        path = f"/jobs/{exchange.job}/cancel"
        assert exchange.client.post(path).json()["status"] == "canceled"
        assert exchange.names() == ["mine"], "a cancel is answered when it is done"
    exchange.wait_for_only(FIRST)
    download = exchange.client.get("/models/mine/download").raise_for_status()
    assert FIRST in download.content
    assert put(exchange.client, SECOND, headers=IF_MATCH).status_code == 202


@pytest.mark.parametrize("is_canceled", [False, True])
def test_half_done_exchange_is_finished_or_undone_by_the_next_api(
    redis_url: str, worker: HandWorker, tmp_path: Path, is_canceled: bool
) -> None:
    """An API may die between the two renames."""
    with exchanging(redis_url, worker, tmp_path) as begun:
        pass
    if is_canceled:
        spec = worker.take()
        worker.cancel(spec, "word")
        worker.settle(spec, "canceled")
    begun.files.model.rename(begun.files.former)
    with serving(given(redis_url, tmp_path)):
        if is_canceled:
            begun.wait_for_only(FIRST)
        else:
            eventually(lambda: begun.on_disk_or_none() == SECOND)
            assert begun.names() == [f".{begun.job}.former", "mine"]


@pytest.mark.parametrize("is_served", [False, True])
def test_job_that_is_deleted_takes_no_version_with_it(
    exchange: Exchange, is_served: bool
) -> None:
    """Without its record, the workers' announcements decide; a guess deletes nothing."""
    exchange.wait_for_exchange()
    key = f"px:job:{exchange.job}"
    exchange.worker.redis.delete(key)
    time.sleep(2.5)
    assert exchange.names() == [f".{exchange.job}.former", "mine"]
    if is_served:
        served = MINE.model_copy(update={"job": exchange.job})
        exchange.worker.announce(GREY, served)
        exchange.wait_for_only(SECOND)
    else:
        bad = RefusedModel(name="mine", reason="bad", job=exchange.job)
        exchange.worker.announce(GREY, exchange.former, refused=[bad])
        exchange.wait_for_only(FIRST)


def test_draft_without_a_job_goes_after_a_minute(exchange: Exchange) -> None:
    """A younger one may belong to a request that is just handing it in."""
    exchange.worker.redis.delete(f"px:job:{exchange.job}")
    time.sleep(2.5)
    assert exchange.files.draft.is_dir()
    os.utime(exchange.files.draft, (0, 0))
    exchange.wait_for_only(FIRST)


def test_model_has_one_exchange_at_a_time(exchange: Exchange) -> None:
    """A second one would replace another version than its client has seen."""
    for _ in range(2):
        answer = put(exchange.client, SECOND, headers=IF_MATCH)
        is_problem(answer, 409)
        assert "being exchanged" in answer.json()["detail"]
        exchange.wait_for_exchange()
    assert exchange.client.get(f"/jobs/{exchange.job}").json()["status"] == "queued"


def test_exchange_of_a_version_that_is_not_there_any_more(tmp_path: Path) -> None:
    """Another exchange may have ended between the request's first look and its draft."""
    files = JobFiles(tmp_path, "new", "mine")
    for place, job in ((files.model, "former"), (files.part, "new")):
        place.mkdir(parents=True)
        (place / OWNER).write_text(Owner(owner="al", job=job).model_dump_json())
    with pytest.raises(OtherIdentityError):
        exchanges.begin(files, "the one before")
    exchanges.begin(files, "former")
    assert files.draft.is_dir()


@pytest.mark.parametrize(("owner", "is_kept"), [("al", False), ("bo", True)])
def test_new_model_that_waits_as_a_draft_replaces_nobody_elses(
    tmp_path: Path, owner: str, is_kept: bool
) -> None:
    """Another owner may take the name before Redis says that its job is open."""
    files = JobFiles(tmp_path, "new", "mine")
    for place, whose, job in ((files.model, owner, "other"), (files.part, "al", "new")):
        place.mkdir(parents=True)
        (place / "card.json").write_text('{"name": "mine"}')
        (place / OWNER).write_text(Owner(owner=whose, job=job).model_dump_json())
    exchanges.wait_as_draft(files)
    exchanges._do(tmp_path, "new", exchanges._Step.EXCHANGE)
    assert owner_of(files.model).job == ("other" if is_kept else "new")
    assert not files.draft.exists()


def test_delete_during_an_exchange_leaves_no_version(exchange: Exchange) -> None:
    """Neither the former one, nor the new one, nor a draft."""
    exchange.wait_for_exchange()
    assert exchange.client.delete("/models/mine").status_code == 204
    assert exchange.names() == []
    exchange.worker.announce()
    assert put(exchange.client, FIRST).status_code == 202


def test_model_is_deleted_once(tmp_path: Path) -> None:
    """Who comes while another call holds the lock finds the name free, or somebody
    else's model, and takes nothing away."""

    def is_deleted(owner: str) -> bool:
        return exchanges.delete(tmp_path, "mine", owner)

    def add(owner: str) -> None:
        place = tmp_path / "models" / "mine"
        place.mkdir(parents=True)
        (place / "owner.json").write_text(json.dumps({"owner": owner}))

    add("al")
    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(is_deleted, ["al"] * 8)) == [False] * 7 + [True]
    add("bo")
    assert not is_deleted("al")
    assert is_deleted(ANYONE)
    assert not is_deleted(ANYONE)


def test_drafts_and_former_models_are_not_swept(exchange: Exchange) -> None:
    """They may be days old: a model that is added deletes what is left of dead APIs."""
    exchange.wait_for_exchange()
    os.utime(exchange.files.former, (0, 0))
    card = {"name": "other", "sha256": hashlib.sha256(FIRST).hexdigest()}
    files = {"card": json.dumps(card).encode(), "weights": FIRST}
    exchange.client.put("/models/other", files=files).raise_for_status()
    assert exchange.files.former.is_dir()


def test_workers_of_an_earlier_version_do_not_end_the_job(exchange: Exchange) -> None:
    """They would take it for a model that is gone; the API says what it waits for."""
    spec = exchange.worker.redis.hget(f"px:job:{exchange.job}", "spec")
    assert json.loads(spec)["version"] == 9
    exchange.worker.announce(GREY, exchange.former, version=8)
    job = exchange.client.get(f"/jobs/{exchange.job}").json()
    assert job["waits_for"] == "a worker of a later version to examine it"
    assert job["status"] == JobStatus.QUEUED


def test_model_that_is_put_in_the_place_by_hand_is_not_overwritten(
    exchange: Exchange,
) -> None:
    """The exchange is stuck then, and nothing is lost."""
    exchange.wait_for_exchange()
    exchange.files.model.rename(exchange.files.draft)
    exchange.files.model.mkdir()
    (exchange.files.model / "weights.safetensors").write_bytes(b"by hand")
    exchange.end("failed")
    time.sleep(2.5)
    assert exchange.on_disk() == b"by hand"
    assert exchange.files.former.is_dir()
