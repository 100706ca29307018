"""What POST /train takes and refuses, before any trainer looks at it."""

import io
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from app.access.api_keys import KeyEntry, digest_of
from app.services import added
from tests.app.answers import is_problem
from tests.app.hand_worker import GREY, HandWorker
from tests.app.holders import settings
from tests.app.live import process_serving, serving, speaking
from tests.app.pictures import encoded, with_preview
from tests.archives import npz, picture
from worker.contract import keys
from worker.contract.added import AddedCard, JobFiles, is_trained
from worker.contract.jobs import JobSpec
from worker.contract.kinds.train import TrainOptions


def zipped(*files: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return file.getvalue()


@pytest.fixture
def client(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> Iterator[httpx.Client]:
    given = settings(redis_url, api_keys=(), added_dir=tmp_path, training_minutes=30)
    with speaking(given) as speaker:
        yield speaker


def send(
    client: httpx.Client,
    *files: bytes,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> httpx.Response:
    """Ask for a training on crops, of which one picture is enough, unless the fields say
    otherwise."""
    sent = [("images", (f"../{i}", file)) for i, file in enumerate(files)]
    data = {"name": "mine", "crops": "true", **fields}
    return client.post("/train", data=data, files=sent, headers=headers)


def refused(answer: httpx.Response, status: int, said: str) -> None:
    is_problem(answer, status)
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: zipped(("../x.png", picture())), "leads out of it"),
        (lambda: zipped(*((f"{i}.png", bytes(2**24)) for i in range(5))), "unpacked"),
        (lambda: zipped(("x.npy", bytes(65 * 2**20))), "unpacked"),
        (lambda: zipped(*((f"{i}.txt", b"") for i in range(25_001))), "entries"),
        (
            lambda: zipped((f"{'c' * 61}/1.png", picture()), ("d/1.png", picture())),
            "no label",
        ),
        (
            lambda: zipped((f"{'🙂' * 61}/1.png", picture()), ("d/1.png", picture())),
            "no label",
        ),
        (lambda: zipped(("1.png", picture()))[:-30], "damaged"),
        (
            lambda: zipped(("1.txt", b"text"), ("2.png", picture()[:60])),
            "none of the files can be read as a picture (1.txt, 2.png)",
        ),
        (lambda: picture(10_000, 10_000), "too small or large"),
        (lambda: picture(1, 1), "too small or large"),
        (lambda: picture(5000, 2), "too small or large"),
        (lambda: b"%!PS-Adobe-3.0 EPSF-3.0", "none of the files"),
        (lambda: b"", "none of the files"),
    ],
)
def test_hostile_files_are_refused_with_a_sentence(
    client: httpx.Client, tmp_path: Path, make: Callable[[], bytes], said: str
) -> None:
    """Nothing of them is left, and no job.

    The files are made here, because each process of the suite collects all tests.
    """
    refused(send(client, make()), 422, said)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert (
        list((tmp_path / "uploads").iterdir())
        == client.get("/jobs").json()["jobs"]
        == []
    )


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([picture(4), picture(5)], "there are 2: expected 3 different pictures"),
        ([picture(4), picture(5), picture(4)], "there are 2: expected 3"),
        ([zipped(("a/1.png", picture()), ("b/1.png", picture()))], "there is 1:"),
        (
            [npz(x=np.zeros((2, 8, 8), np.uint8))],
            "there are 2: expected 3 different pictures",
        ),
    ],
    ids=["two", "a copy", "labelled copies", "arrays"],
)
def test_fewer_than_three_different_pictures_are_refused_at_once(
    client: httpx.Client, tmp_path: Path, files: list[bytes], said: str
) -> None:
    """Their training would fail a minute later. Parts of one picture are enough."""
    refused(send(client, *files, crops="false"), 422, said)
    assert list((tmp_path / "uploads").iterdir()) == []
    enough = [picture(4), picture(5), picture(6)]
    answer = send(client, *enough, crops="false", name="enough")
    assert answer.json()["pictures"] == 3
    assert send(client, *files, name="crops").status_code == 202


def test_files_that_cannot_be_used_are_left_out_counted_and_named(
    client: httpx.Client,
) -> None:
    """The first ten that cannot be read, those that are cut off among them, and the first
    five of an unsupported size."""
    good = [(f"{i}.png", picture(4 + i)) for i in range(3)]
    bad = [(f"b\n{i}.png", picture(1, 1)) for i in range(4)]
    bad += [("wide.png", picture(5000, 2)), ("huge.png", picture(10_000, 10_000))]
    formats = "bmp", "gif", "jpeg", "png", "webp"
    noise = Image.effect_noise((64, 64), 50)
    whole = [(each, encoded(noise, each.upper())) for each in formats]
    bad += [(f"cut.{each}", data[:-9]) for each, data in whole]
    bad += [(f"{i}.txt", b"x") for i in range(10)]
    good += [(f"whole.{each}", data + b"more") for each, data in whole]
    job = send(client, zipped(*good, *bad), crops="false").json()
    assert (job["pictures"], job["unreadable"], job["unsupported"]) == (8, 15, 6)
    cut = [f"cut.{each}" for each in formats]
    assert job["unreadable_names"] == [*cut, *(f"{i}.txt" for i in range(5))]
    assert job["unsupported_names"] == [f"b?{i}.png" for i in range(4)] + ["wide.png"]
    single = send(client, picture(), picture(1, 1), name="single").json()
    assert single["unsupported_names"] == ["picture 2"]
    assert (single["pictures"], single["unreadable"]) == (1, 0)


def test_a_label_may_be_as_long_as_a_folder_may_be_called(
    client: httpx.Client, tmp_path: Path
) -> None:
    """60 characters of four bytes each are a name for every disk."""
    name = "🙂" * 60
    job = (
        send(client, zipped((f"{name}/1.png", picture()), ("d/1.png", picture())))
        .raise_for_status()
        .json()
    )
    assert (
        tmp_path / "uploads" / job["id"] / "pictures" / name / "00001.png"
    ).is_file()


def test_channels_that_are_no_number_are_refused_in_our_words(
    client: httpx.Client,
) -> None:
    """Python's words for it speak of base 10 and of its settings."""
    for channels in ("abc", "", "9" * 5000):
        answer = send(client, picture(), channels=channels)
        refused(answer, 422, "#/channels: expected 1 or 3")


def test_folders_are_labels_and_no_name_of_a_file_is_kept(
    client: httpx.Client, tmp_path: Path
) -> None:
    """A folder around all is taken off; other files are counted."""
    files = [
        ("all/Cats/secret.png", picture()),
        ("all/dogs/deep/b.gif", picture(kind="GIF")),
        ("all/dogs/phone.jpg", with_preview(Image.new("L", (4, 4)))),
    ]
    sent = zipped(
        *files,
        ("all/dogs/readme.txt", b"x"),
        ("__MACOSX/all/._secret.png", b"x"),
        ("all/.x/1.png", b"x"),
    )
    job = send(client, sent, size="24x16", shared="true").raise_for_status().json()
    assert (
        job["kind"],
        job["model"],
        job["pictures"],
        job["unreadable"],
        job["minutes"],
    ) == ("train", "mine", 3, 1, 5)
    assert (job["status"], job["eta_s"], job["n"], job["rows_total"]) == (
        "queued",
        None,
        0,
        0,
    )
    upload = tmp_path / "uploads" / job["id"]
    found = sorted(
        str(path.relative_to(upload)) for path in upload.rglob("*") if path.is_file()
    )
    assert found == [
        "pictures/Cats/00001.png",
        "pictures/dogs/00002.gif",
        "pictures/dogs/00003.jpg",
    ]
    assert client.get("/jobs?kind=train").json()["jobs"][0]["id"] == job["id"]


def test_arrays_and_single_pictures_are_taken(
    client: httpx.Client, tmp_path: Path
) -> None:
    """An .npz is written anew; of single pictures the name is made up."""
    job = send(client, npz(images=np.zeros((5, 4, 4), np.uint8))).json()
    assert job["pictures"] is None
    with np.load(tmp_path / "uploads" / job["id"] / "pictures.npz") as arrays:
        assert (arrays["images"] == np.zeros((5, 4, 4), np.uint8)).all()
    assert send(client, picture(), picture(), name="other").json()["pictures"] == 2


def test_fields_that_make_no_sense_are_refused(
    client: httpx.Client, tmp_path: Path
) -> None:
    """Before any file is written; a name that is served or being trained is taken."""
    for name, value, status in (
        ("minutes", "31", 422),
        ("minutes", "nan", 422),
        ("size", "7x8", 422),
        ("size", "65x8", 422),
        ("channels", "2", 422),
        ("values", "1", 422),
        ("name", "../mine", 422),
        ("name", "grey", 409),
        ("mine", "1", 422),
        ("webhook", "https://elsewhere.example", 422),
    ):
        fields: Any = {name: value}
        is_problem(send(client, picture(), **fields), status)
    assert not list(tmp_path.glob("uploads/*"))


def test_a_model_may_be_called_as_directories_of_a_training_are(
    client: httpx.Client, tmp_path: Path
) -> None:
    """A training decodes its pictures into `cache`, which is no model's name."""
    job = send(client, picture()).json()["id"]
    files = JobFiles(tmp_path, job, "mine")
    files.cache.mkdir()
    assert is_trained(tmp_path, "mine")
    assert send(client, picture(), name="cache").status_code == 202


def test_a_name_that_is_being_trained_is_taken(
    client: httpx.Client, tmp_path: Path
) -> None:
    """For a training and for a model alike; the same request once more is the same job."""
    key = {"Idempotency-Key": "k"}
    first = send(client, picture(), headers=key).json()["id"]
    assert send(client, picture(), headers=key).json()["id"] == first
    refused(
        send(client, picture(), headers=key, retention="100"),
        422,
        "came with another request",
    )
    refused(send(client, picture()), 409, "being trained has this name")
    card = {"card": ("card.json", b"{}"), "weights": ("w", b"")}
    assert client.put("/models/mine", files=card).status_code == 409
    is_problem(client.post(f"/jobs/{first}/finish"), 409)
    client.post(f"/jobs/{first}/cancel").raise_for_status()
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_repeated_request_for_a_deleted_training_is_answered_by_410(
    client: httpx.Client,
) -> None:
    """The key is remembered for a day: no second training begins."""
    key = {"Idempotency-Key": "k"}
    job = send(client, picture(), headers=key).json()["id"]
    client.post(f"/jobs/{job}/cancel").raise_for_status()
    client.delete(f"/jobs/{job}").raise_for_status()
    is_problem(send(client, picture(), headers=key), 410)


SHIPPED = GREY.model_copy(update={"name": "shipped", "identity": "c" * 64})
OWN = GREY.model_copy(update={"name": "own", "identity": "d" * 64, "owner": "bob"})


def spec_of(worker: HandWorker, job: dict[str, Any]) -> JobSpec:
    return JobSpec.read(worker.redis.hget(keys.job(job["id"]), "spec"))


def test_a_training_starts_from_what_its_owner_sees(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """A model of another key is unknown; of any other, the job has the identity, and so
    has that of a shipped model which no worker serves."""
    worker.announce(GREY, OWN, SHIPPED)
    worker.reserve(**{"shipped": SHIPPED.identity, "a-record": "9" * 64})
    entries = tuple(
        KeyEntry(name=name, sha256=digest_of(f"{name}-key"), may=("train",))
        for name in ("alice", "bob")
    )
    given = settings(redis_url, api_keys=entries, added_dir=tmp_path)
    with serving(given) as (url, _):
        alice, bob = (
            httpx.Client(base_url=url, headers={"X-API-Key": f"{name}-key"}, timeout=60)
            for name in ("alice", "bob")
        )
        with alice, bob:
            answer = send(alice, picture(), start="own")
            refused(answer, 404, "expected one of: grey, shipped")
            assert list(tmp_path.rglob("*.png")) == []
            for client, start, identity in (
                (bob, "own", OWN.identity),
                (alice, "shipped", SHIPPED.identity),
                (alice, "a-record", "9" * 64),
            ):
                answer = send(client, picture(), start=start, name=f"of-{start}")
                spec = spec_of(worker, answer.raise_for_status().json())
                assert isinstance(spec.options, TrainOptions)
                assert spec.options.start_identity == identity
                assert spec.version == 10, "earlier trainers would publish any model"


def test_a_start_without_an_identity_is_refused(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Workers of an earlier version announce none: the training could not be sure."""
    refused(send(client, picture(), start="grey"), 503, "identity of grey is not known")
    is_problem(send(client, picture(), start="nowhere"), 404)


def test_a_start_that_is_no_name_is_refused_in_our_words(client: httpx.Client) -> None:
    """Not in those for a size."""
    answer = send(client, picture(), start="Bad Name")
    refused(answer, 422, "#/start: expected a model's name: at most 64 of a-z 0-9")
    refused(send(client, picture(), size="Bad"), 422, "#/size: expected WIDTHxHEIGHT")


def test_names_are_taken_only_while_those_of_the_service_are_known(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """Before any worker has announced them, a user could take the name of a shipped
    model. They stay reserved after the last worker has left, for a day."""
    worker.reserve(left_out="1" * 64)
    card = {"card": ("card.json", b"{}"), "weights": ("w", b"")}
    with speaking(settings(redis_url, api_keys=(), added_dir=tmp_path)) as client:
        worker.leave()
        for name in ("grey", "left_out"):
            refused(send(client, picture(), name=name), 409, "of the service")
            answer = client.put(f"/models/{name}", files=card)
            refused(answer, 409, "of the service")
        for digest in worker.redis.smembers(keys.RESERVED):
            name = keys.reserved_names(digest.decode())
            left_s = worker.redis.ttl(name)
            assert keys.RESERVED_TTL_S - 60 < left_s <= keys.RESERVED_TTL_S
            worker.redis.delete(name)  # a day has passed
        refused(send(client, picture(), name="grey"), 503, "no worker has announced")
        answer = client.put("/models/grey", files=card)
        refused(answer, 503, "no worker has announced")
        assert "retry-after" in answer.headers
        assert worker.redis.exists(keys.RESERVED) == 0, "what has expired is removed"
        assert list(tmp_path.rglob("*.png")) == []
        worker.announce()
        assert send(client, picture()).status_code == 202


def test_of_two_trainings_for_one_name_one_is_accepted(
    redis_url: str,
    worker: HandWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if two APIs receive them at the same moment, from two addresses."""
    monkeypatch.setenv("PIXELRNN_ADDED_DIR", str(tmp_path))
    with (
        process_serving(redis_url) as (_, first_url),
        process_serving(redis_url) as (_, second_url),
        client_at(first_url, "127.0.0.1") as first,
        client_at(second_url, "127.0.0.2") as second,
        ThreadPoolExecutor(2) as threads,
    ):
        for pair in range(50):
            answers = threads.map(
                lambda at, name=f"pair{pair}": send(at, picture(), name=name),
                (first, second),
            )
            accepted, late = sorted(answers, key=lambda answer: answer.status_code)
            assert (accepted.status_code, late.status_code) == (202, 409), late.text
            first.post(f"/jobs/{accepted.json()['id']}/cancel").raise_for_status()
        assert list((tmp_path / "uploads").iterdir()) == []


def client_at(url: str, address: str) -> httpx.Client:
    """A client that calls from this address of this machine."""
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=url, transport=transport, timeout=60)


def test_an_open_training_is_no_work(
    client: httpx.Client, worker: HandWorker, tmp_path: Path
) -> None:
    """What is drawn beside it is not judged slow; /metrics counts it, and its bytes."""
    send(client, picture()).raise_for_status()
    time.sleep(1.0)
    client.post("/sample", json={"model": "grey"}).raise_for_status()
    began = time.monotonic()
    worker.draw()
    assert (
        sum(map(float, worker.redis.hvals(keys.BUSY))) < 0.5 + time.monotonic() - began
    )
    figures = client.get("/metrics").text
    assert "pixelrnn_open_trainings 1.0" in figures
    assert f"pixelrnn_added_bytes {float(len(picture()))}" in figures


def test_unpacked_bytes_are_refused_before_they_are_written(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """What is unpacked counts with all that is added; of a wrong card and a bomb nothing
    is left."""
    given = settings(redis_url, api_keys=(), added_dir=tmp_path, added_mib=30)
    with speaking(given) as client:
        bomb = zipped(("1.png", bytes(31 * 2**20)))
        answer = send(client, bomb)
        refused(answer, 503, "added models may have 30 MiB")
        assert list((tmp_path / "uploads").iterdir()) == []


def test_a_card_with_many_faults_is_refused_at_the_first(tmp_path: Path) -> None:
    """Each fault of half a million would take a kilobyte."""
    text = f'{{"name": "x", "sha256": "{"0" * 64}", "members": [{"0," * 400_000}0]}}'
    tracemalloc.start()
    with pytest.raises(ValidationError) as raised:
        AddedCard.model_validate_json(text)
    faults = raised.value.errors()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(faults) == 1
    assert peak < 8 * 2**20


def test_there_is_room_for_so_many_bytes(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a request, and of all that is kept."""
    is_problem(send(client, bytes(65 * 2**20)), 413)
    monkeypatch.setattr(added, "_MIB", 0)
    is_problem(send(client, picture()), 503)
    assert list((tmp_path / "uploads").iterdir()) == []


def test_only_who_may_add_models_may_train(
    redis_url: str, worker: HandWorker, tmp_path: Path
) -> None:
    """By key, by the operator's word, and not where it is switched off."""
    alice, bob = (
        KeyEntry(name=name, sha256=digest_of(f"{name}-key"))
        for name in ("alice", "bob")
    )
    entries = alice.model_copy(update={"may": ("train",)}), bob
    with serving(settings(redis_url, api_keys=entries, added_dir=tmp_path)) as (url, _):
        for name, status in (("bob", 403), ("alice", 202)):
            with httpx.Client(
                base_url=url, headers={"X-API-Key": f"{name}-key"}, timeout=60
            ) as client:
                assert send(client, picture()).status_code == status
    for off in ({"added_dir": None}, {"training": False}):
        given = settings(redis_url, **{"api_keys": (), "added_dir": tmp_path, **off})
        with speaking(given) as client:
            is_problem(send(client, picture()), 404)
            assert client.get("/info").json()["training"] is False
