"""An API beside workers and APIs of an earlier and a later version: one record that it cannot read breaks nothing."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import NoWorkerError
from app.schema.answers import OPTION_FIELDS
from app.services.fleet import Fleet
from app.store import Load, ServerState
from tests.app.answers import is_problem, metric, submit_sample
from tests.app.hand_worker import GREY, HandWorker, row_bytes
from tests.fakes import job_spec
from worker.contract import keys
from worker.contract.cards import RefusedModel, WorkerInfo
from worker.contract.events import Stage, row_entry
from worker.contract.jobs import VERSION, JobSpec
from worker.contract.kinds.sample import SampleOptions

SERVER = ServerState(used=0, limit=0, weaknesses=())


REPRICED = {"complete posterior": 610}
"""Jobs that earlier versions took for cheaper than they are."""
OLDER = json.loads(Path(__file__).with_name("older_records.json").read_text())
"""Jobs of version 3, one of each kind and more: the hash of each in Redis, and what its API answered."""


def announce_text(worker: HandWorker, name: str, text: str) -> None:
    worker.redis.sadd(keys.WORKERS, name)
    worker.redis.set(keys.worker(name), text)


def rewrite_spec(worker: HandWorker, job_id: str, **fields: object) -> None:
    """As a later API would have accepted it."""
    spec = json.loads(worker.redis.hget(keys.job(job_id), "spec") or "")
    worker.redis.hset(keys.job(job_id), "spec", json.dumps(spec | fields))


def submit(client: httpx.Client) -> str:
    return submit_sample(client)["id"]


def test_service_goes_on_when_an_announcement_cannot_be_read(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The others are what there is: nothing answers 500."""
    announce_text(worker, "garbage", "{")
    announce_text(worker, "otherwise", '{"name": "otherwise", "holds": []}')
    worker.redis.sadd(keys.WORKERS, b"\xff")
    job_id = submit(client)
    assert client.get("/readyz").json()["workers"] == 1
    assert [model["name"] for model in client.get("/models").json()["models"]] == [
        "colour",
        "grey",
    ]
    assert metric(client, "pixelrnn_workers") == 1
    for path in ("/jobs", f"/jobs/{job_id}", "/models/grey"):
        assert client.get(path).status_code == 200


def test_model_can_what_any_holder_does_when_versions_differ(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The worker that started last may be the older version."""
    both = GREY.model_copy(update={"can": ("sample", "score")})
    text = WorkerInfo(
        name="newer", device="cpu", slots=4, models=(both,), started_at=0.5
    ).entry()
    announce_text(worker, "newer", text)
    assert client.get("/models/grey").json()["can"] == ["sample", "complete", "score"]


@pytest.mark.parametrize("fields", [{"version": VERSION + 1}, {"kind": "dream"}])
def test_list_leaves_out_a_job_when_it_cannot_be_read(
    client: httpx.Client, worker: HandWorker, fields: dict[str, object]
) -> None:
    """It stays in the list of its owner, for the version that can; asked for by its id, it says why not."""
    later, job_id = submit(client), submit(client)
    rewrite_spec(worker, later, **fields)
    assert [job["id"] for job in client.get("/jobs").json()["jobs"]] == [job_id]
    assert worker.redis.zcard(keys.listed_ids("anyone")) == 2
    for path in (f"/jobs/{later}", f"/jobs/{later}/events", f"/jobs/{later}/image"):
        answer = client.get(path)
        is_problem(answer, 503)
        assert answer.json()["type"].endswith(":other-version")
        assert int(answer.headers["retry-after"]) > 0
    assert metric(client, "pixelrnn_queue_depth") == 2


def test_job_is_accepted_when_its_model_is_compiled(
    client: httpx.Client, worker: HandWorker, redis_url: str
) -> None:
    """The card says so, unless another worker can draw from it; nobody is ready until one model is."""
    for cold, state in ((True, "compiling"), (False, "loading")):
        worker.announce(GREY.model_copy(update={"compiling": True, "cold": cold}))
        found = client.get("/models/grey").json()
        assert (found["state"], found["compiling"]) == (state, True)
    assert "compiling" in is_problem(client.get("/readyz"), 503)["detail"]
    assert client.get(f"/jobs/{submit(client)}").json()["status"] == "queued"
    other = HandWorker(redis_url, "w2")
    other.announce(GREY)
    assert client.get("/models/grey").json()["compiling"] is False
    assert client.get("/models/grey").json()["state"] == "ready"
    assert client.get("/readyz").json()["workers"] == 1
    other.leave()
    other.redis.close()


def test_list_leaves_out_a_job_when_its_record_is_none(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Another type of key, no description, a time that is none: also at the head of the queue, where metrics look."""
    broken, timeless, wrong, job_id = (submit(client) for _ in range(4))
    rewrite_spec(worker, wrong, n="many")
    worker.redis.delete(keys.job(broken))
    worker.redis.set(keys.job(broken), "not a hash")
    worker.redis.hset(keys.job(timeless), "created_at", "yesterday")
    assert [job["id"] for job in client.get("/jobs").json()["jobs"]] == [job_id]
    assert client.get("/readyz").status_code == 200
    assert metric(client, "pixelrnn_queue_depth") == 4


def test_parked_job_has_no_place_and_no_estimate_when_asked(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Nobody knows when a worker comes that can do it; operators see how many wait so. Canceling still works."""
    submit(client)
    worker.draw()
    job_id = submit(client)
    assert client.get(f"/jobs/{job_id}").json()["eta_s"] is not None
    worker.redis.lpop("rq:queue:pixelrnn")
    worker.redis.zadd(keys.parked_ids(keys.QUEUE), {job_id: 1})
    worker.redis.hset(keys.job(job_id), "parked", 1)
    job = client.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["position"], job["eta_s"]) == ("queued", None, None)
    assert metric(client, "pixelrnn_parked_jobs") == 1
    assert client.post(f"/jobs/{job_id}/cancel").status_code == 202
    assert worker.redis.zcard(keys.parked_ids(keys.QUEUE)) == 0
    assert not worker.redis.exists(f"rq:job:{job_id}")


def test_job_waits_for_a_worker_that_supports_its_kind(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Those that hold the model do not: it is no question of versions."""
    link = submit_sample(client)["links"]["self"]
    worker.announce(GREY.model_copy(update={"can": ("score",)}))
    waits_for = client.get(link).json()["waits_for"]
    assert waits_for == "a worker that can sample: those that hold grey cannot"


def test_job_says_what_it_waits_for_when_no_worker_can_do_it(
    client: httpx.Client, worker: HandWorker
) -> None:
    """New weights under an old job, or no worker at all; nothing where it only waits for its turn."""
    link = submit_sample(client)["links"]["self"]
    assert client.get(link).json()["waits_for"] is None
    worker.announce(GREY.model_copy(update={"digest": "d" * 64}))
    assert "the weights and labels of grey" in client.get(link).json()["waits_for"]
    assert GREY.digest[:12] in client.get("/jobs").json()["jobs"][0]["waits_for"]
    worker.leave()
    assert "none is there" in client.get(link).json()["waits_for"]
    worker.announce()
    worker.draw()
    assert client.get(link).json()["waits_for"] is None


def test_job_goes_to_the_workers_that_can_do_it_when_versions_differ() -> None:
    """An earlier worker is passed by, and where there are no others the client is told so."""
    load = Load(1.0, {}, None, 0, 0, 0, 0, 0, 0, {}, {}, {}, {}, {}, {})
    older = WorkerInfo(
        name="old", device="cpu", slots=1, models=(GREY,), started_at=1.0, queue="old"
    )
    newer = older.model_copy(update={"name": "new", "queue": "new", "version": 2})
    spec = job_spec(GREY, version=2, options=SampleOptions())
    assert Fleet([older, newer], load, SERVER).queue_for(spec) == "new"
    with pytest.raises(NoWorkerError, match="earlier version"):
        Fleet([older], load, SERVER).queue_for(spec)
    with pytest.raises(NoWorkerError, match="has just left"):
        Fleet([], load, SERVER).queue_for(spec)


def test_model_that_a_worker_does_not_serve_is_named(
    client: httpx.Client, worker: HandWorker
) -> None:
    """With its reason, and by whom; a request for it is told the reason, too."""
    worker.announce(
        GREY, refused=[RefusedModel(name="leaky", reason="the network is not causal")]
    )
    found = client.get("/models").json()
    assert [model["name"] for model in found["models"]] == ["grey"]
    assert found["refused"] == [
        {"name": "leaky", "reason": "the network is not causal", "worker": "w1"}
    ]
    assert metric(client, "pixelrnn_models_refused") == 1
    problem = is_problem(client.post("/sample", json={"model": "leaky"}), 404)
    assert problem["detail"] == (
        "model: refused: the network is not causal; expected one of: grey"
    )


def test_model_that_a_gpu_does_not_draw_is_named(
    client: httpx.Client, worker: HandWorker
) -> None:
    """With the reason, and on which worker."""
    reason = "values of drawing 0 in block 3 differ from the CPU's"
    worker.announce(GREY.model_copy(update={"on_processors": reason}))
    (model,) = client.get("/models").json()["models"]
    assert [place["on_processors"] for place in model["loaded_on"]] == [reason]
    assert metric(client, "pixelrnn_models_on_processors") == 1
    worker.announce(GREY)
    (model,) = client.get("/models").json()["models"]
    assert [place["on_processors"] for place in model["loaded_on"]] == [None]
    assert metric(client, "pixelrnn_models_on_processors") == 0


@pytest.mark.parametrize("name", OLDER)
def test_job_of_another_version_is_what_it_was(
    client: httpx.Client, worker: HandWorker, name: str
) -> None:
    """View and cost of an earlier one, unless they were wrong, picture and events, also
    with fields of a later one; fields that are new since are null."""
    kept, answer = OLDER[name]["hash"], OLDER[name]["answer"]
    spec = JobSpec.read(kept["spec"])
    work = REPRICED.get(name, int(kept["work"]))
    assert (spec.work, spec.rows_total) == (work, int(kept["rows_total"]))
    result = kept.get("result")
    later = {"spec": with_more(spec.entry())}
    if result:
        later["result"] = with_more(result)
    worker.redis.hset(keys.image(spec.id), "heat", bytes(3 * spec.height * spec.width))
    for changes in ({}, {"spec": spec.entry()}, later):
        changed = {**kept, **changes}
        assert JobSpec.read(changed["spec"]) == spec
        worker.redis.hset(keys.job(spec.id), mapping=changed)
        rows = [with_more(row) if changes is later else row for row in all_rows(spec)]
        write_events(worker, spec.id, rows, changed.get("result", "{}"))

        link = f"/jobs/{spec.id}"
        found = client.get(link).json()
        own = {
            name: value
            for name, value in answer.items()
            if name in found or value is not None
        }
        assert own.keys() | OPTION_FIELDS.keys() >= answer.keys()
        assert without_new_nulls(found, own) == own
        events = client.get(f"{link}/events")
        assert (events.status_code, events.text.count("event: row")) == (200, len(rows))
        assert events.text.count("event: done") == 1
        has_picture = rows or spec.kind == "score"
        for query in ({}, {"grid": 1}):
            picture = client.get(f"{link}/image", params=query)
            assert picture.status_code == (200 if has_picture else 404)


def with_more(text: str) -> str:
    """Return the record with a field in each of its objects that this version does not know."""

    def more(value: Any) -> Any:
        if isinstance(value, list):
            return [more(each) for each in value]
        if not isinstance(value, dict):
            return value
        fields = {name: more(each) for name, each in value.items()}
        return fields | {"invented_later": {"deep": [1]}}

    return json.dumps(more(json.loads(text)))


def all_rows(spec: JobSpec) -> list[str]:
    """Return the events of a job's rows."""
    stages = [(Stage.FINAL, spec.height)] if spec.rows_total else []
    if spec.draws_small:
        stages.insert(0, (Stage.SMALL, spec.small_height))
    return [
        row_entry(n, y, row_bytes(spec, n, y, stage), stage is Stage.SMALL)
        for stage, height in stages
        for y in range(height)
        for n in range(spec.n)
    ]


def write_events(worker: HandWorker, job_id: str, rows: list[str], result: str) -> None:
    """Write an entry for each row, as workers of every version may, and the last event."""
    worker.redis.delete(keys.events(job_id))
    entries = [("row", row) for row in rows] + [("done", result)]
    for number, (kind, data) in enumerate(entries, 1):
        worker.redis.xadd(
            keys.events(job_id), {"type": kind, "data": data}, f"{number}-0"
        )


def without_new_nulls(shown: Any, then: Any) -> Any:
    """What is shown, less the fields that an earlier answer did not have and that are null, and less the number of the
    first image where that is 0, as it was for all."""
    if not isinstance(shown, dict) or not isinstance(then, dict):
        return shown
    shown = {
        name: value for name, value in shown.items() if (name, value) != ("first", 0)
    }
    kept = {
        name: value
        for name, value in shown.items()
        if name in then or value is not None
    }
    return {
        name: without_new_nulls(value, then.get(name)) for name, value in kept.items()
    }
