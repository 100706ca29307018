"""A reply that gets lost after Redis has acted."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from app.queue_entry import queue_key, rq_job_key
from app.settings import Settings
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import GREY, HandWorker, eventually
from tests.app.live import speaking
from tests.proxy import losing_replies_to
from worker.contract import scripts
from worker.contract.cards import ExaminedDraft

TRIES = 3
"""How often the store sends a command before it gives up."""


@contextlib.contextmanager
def losing_replies_to_script(
    script: str, times: int, worker: HandWorker, tmp_path: Path, **more: Any
) -> Iterator[httpx.Client]:
    """Speaks to a server to which so many replies of a script get lost."""
    target = worker.redis.connection_pool.connection_kwargs["path"]
    digest = worker.redis.script_load(script)
    path = str(tmp_path / "proxy")
    with (
        losing_replies_to(digest.encode(), path, target, times),
        speaking(Settings(redis_url=f"unix://{path}", port=0, **more)) as client,
    ):
        yield client


def test_job_is_queued_once_when_the_reply_is_lost(
    worker: HandWorker, tmp_path: Path
) -> None:
    """The client gets 503 and cannot know, but Redis never gets the same job twice."""
    with losing_replies_to_script(scripts.SUBMIT, 1000, worker, tmp_path) as client:
        is_problem(client.post("/sample", json={"model": "grey"}), 503)
    assert worker.redis.llen(queue_key()) == 1
    assert len(list(worker.redis.scan_iter("px:job:*"))) == 1


def test_added_model_is_kept_when_the_reply_is_lost(
    worker: HandWorker, tmp_path: Path
) -> None:
    """Its job may be in the queue, and is what a repeated request gets."""
    weights = b"weights"
    card = {"name": "mine", "sha256": hashlib.sha256(weights).hexdigest()}
    files = {"card": json.dumps(card).encode(), "weights": weights}
    key = {"Idempotency-Key": "once"}
    added = tmp_path / "added"
    with losing_replies_to_script(
        scripts.SUBMIT, TRIES, worker, tmp_path, added_dir=added
    ) as client:
        is_problem(client.put("/models/mine", headers=key, files=files), 503)
        again = client.put("/models/mine", headers=key, files=files)
        assert (again.status_code, again.json()["status"]) == (202, "queued")
        draft = ExaminedDraft(job=again.json()["id"], name="mine")
        worker.announce(GREY, drafts=[draft])
        model = added / "models" / "mine"
        eventually(lambda: (model / "weights.safetensors").exists())
        assert [path.name for path in model.parent.iterdir()] == ["mine"]


def test_cancel_is_sent_again_when_the_reply_is_lost(
    worker: HandWorker, tmp_path: Path
) -> None:
    """The second run finds the job canceled, and takes that for its own work: 202, the job is out of the queue, and
    nothing is deleted. A cancel that comes later is told that the job had ended."""
    with losing_replies_to_script(scripts.CANCEL, 1, worker, tmp_path) as client:
        job = submit_sample(client)
        link = job["links"]["self"]
        answer = client.post(f"{link}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "canceled")
        assert client.get(link).json() == answer.json()
        assert worker.redis.llen(queue_key()) == 0
        assert not worker.redis.exists(rq_job_key(job["id"]))
        assert client.post(f"{link}/cancel").status_code == 200


def test_cancel_knows_its_work_again_when_the_worker_was_faster(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Also where the job was running, and its worker had ended it before the second run."""
    client.post("/sample", json={"model": "grey"})
    spec = worker.take()
    assert worker.cancel(spec, "a") == b"canceling"
    worker.settle(spec, "canceled")
    assert worker.cancel(spec, "a") == b"canceled"
    assert worker.cancel(spec, "b") == b"settled"
