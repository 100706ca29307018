"""Models that are added, exchanged, downloaded and taken away through the API, and who sees them."""

import hashlib
import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.access.api_keys import KeyEntry, digest_of
from app.services.added import AddedModels
from app.settings import Settings
from tests.app.answers import is_problem
from tests.app.hand_worker import COLOUR, GREY, HandWorker
from tests.app.holders import settings
from tests.app.live import serving, speaking
from worker.contract.added import NOBODY, OWNER, AddedCard, Owner, private_owner
from worker.contract.cards import RefusedModel

WEIGHTS = b"weights"
MINE = GREY.model_copy(update={"name": "mine", "identity": "e" * 64, "owner": "alice"})


def form(name: str, *weights: bytes, **card: Any) -> dict[str, Any]:
    """The files of a model whose card says so."""
    facts = {"name": name, "sha256": hashlib.sha256(WEIGHTS).hexdigest(), **card}
    sent = [("weights", ("w", each)) for each in weights or (WEIGHTS,)]
    return {"files": [("card", ("card.json", json.dumps(facts).encode())), *sent]}


@pytest.fixture
def keyed(redis_url: str, worker: HandWorker, tmp_path: Path) -> Iterator[str]:
    """A server with the keys of alice and carol, who may add models, and of bob, who may not."""
    entries = [
        KeyEntry(
            name=name,
            sha256=digest_of(f"{name}-key"),
            may=() if name == "bob" else ("train",),
        )
        for name in ("alice", "bob", "carol")
    ]
    given = settings(
        redis_url, api_keys=tuple(entries), added_dir=tmp_path, fleet_age_s=0
    )
    with serving(given) as (url, _):
        yield url


def refused(answer: httpx.Response, status: int, slug: str) -> None:
    is_problem(answer, status)
    assert answer.json()["type"] == f"urn:pixelrnn:problem:{slug}"


def holder(url: str, name: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"X-API-Key": f"{name}-key"}, timeout=60)


def open_to(redis_url: str, folder: Path | None, **more: Any) -> Settings:
    return settings(redis_url, api_keys=(), added_dir=folder, fleet_age_s=0, **more)


def test_a_model_is_put_where_workers_find_it(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """Whole, with who added it; it is downloaded as it came, and taken away."""
    with speaking(open_to(redis_url, tmp_path)) as client:
        assert client.get("/info").json()["training"]
        put = client.put("/models/mine", **form("mine"))
        job = put.json()
        assert (put.status_code, put.headers["location"]) == (202, f"/jobs/{job['id']}")
        assert (job["kind"], job["model"], job["status"]) == ("add", "mine", "queued")
        assert (
            client.get(f"/jobs/{job['id']}").json()["waits_for"]
            == "a worker to examine it"
        )
        is_problem(client.get(f"/jobs/{job['id']}/image"), 404)
        assert [path.name for path in (tmp_path / "models").iterdir()] == ["mine"]
        assert (
            tmp_path / "models" / "mine" / "weights.safetensors"
        ).read_bytes() == WEIGHTS
        assert private_owner(tmp_path / "models" / "mine") == ""
        archive = zipfile.ZipFile(
            io.BytesIO(client.get("/models/mine/download").raise_for_status().content)
        )
        assert archive.namelist() == ["mine/card.json", "mine/weights.safetensors"]
        assert client.delete("/models/mine").status_code == 204
        assert list((tmp_path / "models").iterdir()) == []
        refused(client.delete("/models/mine"), 404, "unknown-model")
        refused(client.get("/models/mine/download"), 404, "unknown-model")


def test_a_job_that_adds_a_model_comes_once_and_is_canceled(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """The same request under the same key makes no second one; of one that is canceled nothing is left."""
    key = {"Idempotency-Key": "once"}
    with speaking(open_to(redis_url, tmp_path)) as client:
        first, again = [
            client.put("/models/mine", headers=key, **form("mine")) for _ in range(2)
        ]
        assert first.json()["id"] == again.json()["id"]
        assert again.headers["idempotent-replayed"] == "true"
        assert (
            client.post(f"/jobs/{first.json()['id']}/cancel").json()["status"]
            == "canceled"
        )
        assert list((tmp_path / "models").iterdir()) == []
        assert client.put("/models/mine", **form("mine")).status_code == 202


def test_of_two_uploads_at_once_one_is_refused_and_its_job_ends(
    keyed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find the name free; the one that is late is refused, and its job does not
    wait for a model that is not there."""
    both_are_written = threading.Barrier(2)
    write = AddedModels.write

    def write_with_the_other(*arguments: Any) -> None:
        write(*arguments)
        both_are_written.wait(10)

    def put(name: str) -> tuple[int, httpx.Response, list[str]]:
        with holder(keyed, name) as client:
            answer = client.put("/models/mine", **form("mine"))
            jobs = client.get("/jobs").json()["jobs"]
        return answer.status_code, answer, [job["status"] for job in jobs]

    monkeypatch.setattr(AddedModels, "write", write_with_the_other)
    with ThreadPoolExecutor(2) as threads:
        in_time, late = sorted(threads.map(put, ("alice", "carol")), key=itemgetter(0))
    assert (in_time[0], in_time[2]) == (202, ["queued"])
    refused(late[1], 409, "name-taken")
    assert late[2] == ["canceled"]
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["mine"]


def test_what_an_api_left_that_died_is_swept_up(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """With the next model, an hour later; what another API is taking at the moment stays."""
    old, new = tmp_path / "models" / ".old", tmp_path / "models" / ".new"
    for draft in (old, new):
        draft.mkdir(parents=True)
    os.utime(old, (0, 0))
    with serving(open_to(redis_url, tmp_path)) as (url, _):
        httpx.put(f"{url}/models/mine", timeout=60, **form("mine")).raise_for_status()
    assert (old.exists(), new.exists()) == (False, True)


def test_networks_of_a_mixture_come_in_the_order_of_the_card(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """As many files as members."""
    members = [
        {
            "weights": f"{n}.safetensors",
            "sha256": hashlib.sha256(n.encode()).hexdigest(),
        }
        for n in "ab"
    ]
    with speaking(open_to(redis_url, tmp_path)) as client:
        refused(
            client.put("/models/two", **form("two", b"a", members=members)),
            422,
            "unusable-model",
        )
        assert (
            client.put(
                "/models/two", **form("two", b"a", b"b", members=members)
            ).status_code
            == 202
        )
        assert (tmp_path / "models" / "two" / "b.safetensors").read_bytes() == b"b"
        c = hashlib.sha256(b"c").hexdigest()
        guides = [
            {"sha256": members[0]["sha256"], "orientation": ""},
            {"sha256": c, "orientation": "none"},
        ]
        sent = form("guided", b"a", b"b", b"c", members=members, guides=guides)
        assert client.put("/models/guided", **sent).status_code == 202
        assert (
            f"guided/guides/{c}.safetensors"
            in zipfile.ZipFile(
                io.BytesIO(client.get("/models/guided/download").content)
            ).namelist()
        )


def test_weights_with_one_sha256_are_sent_once(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """Whether a card names one file twice or two files of equal weights, also one of a
    guide; clients of earlier versions send a part for each file."""
    a = hashlib.sha256(b"a").hexdigest()

    def card(*names: str) -> list[dict[str, str]]:
        return [
            {"weights": f"{name}.safetensors", "sha256": a, "orientation": turned}
            for name, turned in zip(names, ("none", "flip_left_right"), strict=True)
        ]

    guides = [{"sha256": a, "orientation": "rotate_180"}]
    one_file = {"x.safetensors"}
    two_files = {"x.safetensors", "y.safetensors"}
    guided = {*one_file, f"{a}.safetensors"}
    with speaking(open_to(redis_url, tmp_path)) as client:
        for name, parts, facts, files in (
            ("once", 1, {"members": card("x", "x")}, one_file),
            ("twice", 1, {"members": card("x", "y")}, two_files),
            ("as-before", 2, {"members": card("x", "y")}, two_files),
            ("guided", 1, {"members": card("x", "x"), "guides": guides}, guided),
        ):
            sent = form(name, *[b"a"] * parts, **facts)
            assert client.put(f"/models/{name}", **sent).status_code == 202, name
            found = list((tmp_path / "models" / name).rglob("*.safetensors"))
            assert {path.name for path in found} == files
            assert {path.read_bytes() for path in found} == {b"a"}
        for name, parts in (("once", 2), ("twice", 3)):
            members = card("x", "x" if name == "once" else "y")
            answer = client.put(
                f"/models/new-{name}",
                **form(f"new-{name}", *[b"a"] * parts, members=members),
            )
            refused(answer, 422, "unusable-model")
            assert "expected 1 files of weights" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (form("other"), "another name than the address"),
        (form("mine", b"other"), "not those whose sha256"),
        (form("mine", sha256="1"), "sha256 is not as expected"),
        (
            form("mine", members=[{"weights": "../x.safetensors", "sha256": "0"}]),
            "members.0.weights is not",
        ),
        (form("mine", WEIGHTS, WEIGHTS), "expected 1 files of weights"),
        ({"files": {"weights": b"x"}}, "#/card: expected this field"),
        (
            {**form("mine"), "data": {"share": "true"}},
            "#/share: this call has no such field",
        ),
        (
            {"files": [*form("mine")["files"], ("card", b"{}")]},
            "card: expected one file, not several",
        ),
        (
            {"files": {"weights": b"x"}, "data": {"card": "{}"}},
            "#/card: expected a file; curl sends one by -F card=@FILE",
        ),
        ({"files": {"card": b"{", "weights": b"x"}}, "the whole is not as expected"),
        (
            {"files": form("mine")["files"], "data": {"shared": "maybe"}},
            "#/shared: expected a valid boolean",
        ),
    ],
)
def test_what_is_no_model_is_refused_and_leaves_nothing(
    redis_url: str, worker: HandWorker, tmp_path: Path, sent: dict[str, Any], words: str
) -> None:
    """In a sentence."""
    with serving(open_to(redis_url, tmp_path)) as (url, _):
        answer = httpx.put(f"{url}/models/mine", timeout=60, **sent)
    is_problem(answer, 422)
    assert words in answer.json()["detail"]
    assert not [*(tmp_path / "models").glob("*")]


def test_names_that_are_taken_are_refused(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """One that the service has, and one's own unless its identity is named; a name must be one."""
    with speaking(open_to(redis_url, tmp_path)) as client:
        refused(client.put("/models/grey", **form("grey")), 409, "name-taken")
        is_problem(client.put("/models/UP", **form("UP")), 422)
        client.put("/models/mine", **form("mine")).raise_for_status()
        refused(client.put("/models/mine", **form("mine")), 409, "name-taken")
        other = {"If-Match": '"other"'}
        refused(
            client.put("/models/mine", headers=other, **form("mine")),
            412,
            "other-identity",
        )
        refused(
            client.put("/models/new", headers=other, **form("new")),
            412,
            "other-identity",
        )
        worker.announce(GREY, MINE.model_copy(update={"owner": ""}))
        named = {"If-Match": f'"{MINE.identity}"'}
        put = client.put("/models/mine", headers=named, **form("mine"))
        assert put.status_code == 202
        names = {path.name for path in (tmp_path / "models").iterdir()}
        assert names == {"mine", f".{put.json()['id']}"}, "it waits beside the model"


def test_models_have_bounds(
    redis_url: str, worker: HandWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model, of their number, and of all together."""
    monkeypatch.setattr("app.services.added.MOST_MODELS", 1)
    monkeypatch.setattr("app.routes.added.MOST_BYTES", 2**21)
    given = open_to(redis_url, tmp_path, added_mib=1)
    with speaking(given) as client:
        is_problem(
            client.put("/models/mine", **form("mine", bytes(2**21 + 2**17))), 413
        )
        large = bytes(2**20)
        card = {"sha256": hashlib.sha256(large).hexdigest()}
        refused(
            client.put("/models/mine", **form("mine", large, **card)), 503, "added-full"
        )
        client.put("/models/mine", **form("mine")).raise_for_status()
        refused(client.put("/models/further", **form("further")), 503, "added-full")


def test_only_the_right_train_adds_models(keyed: str) -> None:
    """Bob draws, and no more."""
    with holder(keyed, "bob") as bob, holder(keyed, "alice") as alice:
        refused(bob.put("/models/mine", **form("mine")), 403, "not-allowed")
        assert alice.put("/models/mine", **form("mine")).status_code == 202
        refused(bob.delete("/models/mine"), 403, "not-allowed")


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"training": False}, 404),
        ({"host": "0.0.0.0", "insecure": True}, 403),
        ({"host": "0.0.0.0", "insecure": True, "training": True}, 202),
    ],
)
def test_without_keys_the_operator_decides(
    redis_url: str,
    worker: HandWorker,
    tmp_path: Path,
    more: dict[str, Any],
    status: int,
) -> None:
    """Where other machines reach the server, he has to say so; /info says whether anybody may."""
    with serving(open_to(redis_url, tmp_path, **more)) as (url, _):
        assert (
            httpx.put(f"{url}/models/mine", timeout=60, **form("mine")).status_code
            == status
        )
        assert httpx.get(f"{url}/info", timeout=60).json()["training"] == (
            status == 202
        )


def test_without_a_directory_no_models_are_taken(
    redis_url: str, worker: HandWorker
) -> None:
    """Neither put nor given."""
    with serving(open_to(redis_url, None)) as (url, _):
        refused(
            httpx.put(f"{url}/models/mine", timeout=60, **form("mine")),
            404,
            "no-adding",
        )
        refused(
            httpx.get(f"{url}/models/mine/download", timeout=60), 404, "unknown-model"
        )


def test_two_keys_see_nothing_of_each_other(
    keyed: str, worker: HandWorker, tmp_path: Path
) -> None:
    """Neither in lists, nor by name, nor by what was drawn; to carol it is as if there were none."""
    with holder(keyed, "alice") as alice, holder(keyed, "carol") as carol:
        job = alice.put("/models/mine", **form("mine")).raise_for_status().json()
        assert Owner.model_validate_json(
            (tmp_path / "models" / "mine" / OWNER).read_bytes()
        ) == Owner(owner="alice", job=job["id"])
        assert (
            alice.get(f"/jobs/{job['id']}").status_code,
            carol.get(f"/jobs/{job['id']}").status_code,
        ) == (200, 404)
        bad = RefusedModel(name="bad", reason="it is bad", owner="alice")
        worker.announce(GREY, COLOUR, MINE, refused=[bad])
        lists = [each.get("/models").json() for each in (alice, carol)]
        assert [[model["name"] for model in found["models"]] for found in lists] == [
            ["colour", "grey", "mine"],
            ["colour", "grey"],
        ]
        assert [len(found["refused"]) for found in lists] == [1, 0]
        assert "mine" not in httpx.get(f"{keyed}/readyz", timeout=60).text
        for path in (
            "/models/mine",
            "/models/mine/download",
            "/models/mine/portable",
            "/v1/models/mine",
        ):
            assert carol.get(path).status_code == 404, path
        assert (
            alice.get("/models/mine").status_code
            == alice.get("/models/mine/download").status_code
            == 200
        )
        refused(carol.post("/sample", json={"model": "mine"}), 404, "unknown-model")
        assert alice.post("/sample", json={"model": "mine"}).status_code == 202
        refused(carol.delete("/models/mine"), 404, "unknown-model")
        refused(carol.put("/models/mine", **form("mine")), 409, "name-taken")
        assert alice.delete("/models/mine").status_code == 204


def test_a_model_is_private_if_one_worker_announces_it_so(
    keyed: str, redis_url: str, worker: HandWorker
) -> None:
    """Another worker may still announce what it was before."""
    worker.announce(GREY, MINE)
    HandWorker(redis_url, "w2").announce(GREY, MINE.model_copy(update={"owner": ""}))
    with holder(keyed, "alice") as alice, holder(keyed, "carol") as carol:
        listed = carol.get("/models").json()["models"]
        assert [model["name"] for model in listed] == ["grey"]
        assert carol.get("/models/mine").status_code == 404
        refused(carol.post("/sample", json={"model": "mine"}), 404, "unknown-model")
        assert "mine" not in carol.post("/sample", json={"model": "x"}).text
        assert alice.get("/models/mine").status_code == 200


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"data": "x" * 501}, "data"),
        ({"labels": [{"name": "x" * 65}]}, "labels.0.name"),
        ({"labels": [{"name": "a"}] * 1001}, "labels"),
        ({"names": ["x" * 65]}, "names.0"),
        ({"names": ["x"] * 257}, "names"),
        ({"palette": ["#" + "0" * 9]}, "palette.0"),
    ],
)
def test_texts_of_a_card_have_an_upper_bound(fields: Any, place: str) -> None:
    """Every client gets them, and every worker announces them twice a second."""
    card = {"name": "mine", "sha256": "0" * 64}
    AddedCard.model_validate({**card, "data": "x" * 500, "training": {}})
    with pytest.raises(ValidationError) as refused:
        AddedCard.model_validate({**card, **fields})
    (error,) = refused.value.errors()
    assert ".".join(map(str, error["loc"])) == place


def test_a_shared_model_is_everybodys_but_its_owners_to_take_away(
    keyed: str, tmp_path: Path
) -> None:
    """Others may have a copy of it."""
    with (
        holder(keyed, "alice") as alice,
        holder(keyed, "bob") as bob,
        holder(keyed, "carol") as carol,
    ):
        alice.put(
            "/models/mine", data={"shared": "true"}, **form("mine")
        ).raise_for_status()
        assert private_owner(tmp_path / "models" / "mine") == ""
        assert bob.get("/models/mine/download").status_code == 200
        refused(carol.delete("/models/mine"), 404, "unknown-model")
        (tmp_path / "models" / "mine" / OWNER).write_text("{")
        assert private_owner(tmp_path / "models" / "mine") == NOBODY
        assert bob.get("/models/mine/download").status_code == 404


def test_a_call_for_a_model_that_was_just_added_waits_for_its_announcement(
    keyed: str, worker: HandWorker
) -> None:
    """Between PUT and the worker's next looks it is accepted late, or refused for a
    moment; only if the model is not seen, or was refused, it is unknown."""
    with holder(keyed, "alice") as alice, holder(keyed, "bob") as bob:
        alice.put("/models/mine", **form("mine")).raise_for_status()

        def sample(client: httpx.Client) -> httpx.Response:
            return client.post("/sample", json={"model": "mine"})

        refused(sample(bob), 404, "unknown-model")
        late = sample(alice)
        refused(late, 503, "no-worker")
        assert late.headers["retry-after"]
        coming = MINE.model_copy(update={"compiling": True})
        soon = threading.Timer(1.0, worker.announce, [GREY, coming])
        soon.start()
        job = sample(alice).raise_for_status().json()
        soon.join()
        assert (job["model"], job["identity"]) == ("mine", MINE.identity)
        link = job["links"]["self"]
        assert "mine to be loaded" in alice.get(link).json()["waits_for"]
        why = RefusedModel(name="mine", reason="not finite", owner="alice")
        worker.announce(GREY, refused=[why])
        answer = sample(alice)
        refused(answer, 404, "unknown-model")
        assert "not finite" in answer.json()["detail"]
