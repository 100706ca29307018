"""Models of one's own in a running service: by the command, and by the client."""

import asyncio
import io
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from model_core.card import Card
from model_core.mixing import mix, turned_copies
from model_core.models import save_model, untrained
from pixelrnn.client import ApiError, AsyncClient, Client, JobEndedError, calls
from pixelrnn.models_there import _left_out, _score, _unpack
from pixelrnn.remote_job import RemoteError
from pixelrnn.verbs import root
from tests.client.by_command import ended, pixelrnn
from tests.client.flaky import Answer, flaky
from tests.house.processes import eventually
from tests.house.running import READY_LIMIT_S

SIZE = {"height": 6, "width": 5, "layers": 2, "hidden": 5, "head": 8}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A model of one's own."""
    save_model(
        untrained("mnist-pixelcnn", seed=9, **SIZE), tmp_path / "own" / "of-mine"
    )
    return tmp_path / "own" / "of-mine"


def test_a_model_is_added_drawn_from_fetched_and_taken_away(
    service: str, own: Path, tmp_path: Path
) -> None:
    """Served as soon as the command says so; what is fetched is what was sent."""
    assert (
        "of-mine is served by"
        in pixelrnn("remote", "add", own, "--url", service).stderr
    )
    with Client(service) as client:
        card = next(model for model in client.models() if model["name"] == "of-mine")
        assert card["identity"] == Card.read(own / "card.json").identity
        assert np.array(client.sample("of-mine", n=2).array()).shape == (2, 6, 5, 1)
    pixelrnn(
        "remote",
        "download",
        "of-mine",
        "--models-dir",
        tmp_path / "there",
        "--url",
        service,
    )
    for file in ("card.json", "weights.safetensors"):
        assert (tmp_path / "there" / "of-mine" / file).read_bytes() == (
            own / file
        ).read_bytes()
    assert (
        "is there already"
        in ended("remote", "download", "of-mine", "--models-dir", own.parent).stderr
    )
    taken = ended("remote", "add", own, "--url", service).stderr
    assert "you have a model of this name; --exchange puts this one in" in taken
    pixelrnn("remote", "remove", "of-mine", "--url", service)
    with Client(service) as client:
        wait_until_gone(client)
        with pytest.raises(ApiError, match="no model of this name was added"):
            client.remove_model("of-mine")


def test_a_network_and_its_mirror_image_are_sent_as_one_file(tmp_path: Path) -> None:
    """The service puts it where both members of the card find it."""
    upright = untrained("mnist-pixelcnn", seed=9, **SIZE)
    both = [upright, *turned_copies(upright, ["flip_left_right"])]
    mix(both, tmp_path / "of-mirrors")
    sent = calls.add_model(tmp_path / "of-mirrors", shared=False, instead_of=None)
    assert [role for role, _ in sent.files or ()] == ["card", "weights"]


def wait_until_gone(client: Client) -> None:
    """Until no worker announces the model: before that its name is not free."""
    eventually(
        lambda: "of-mine" not in [model["name"] for model in client.models()],
        READY_LIMIT_S,
    )


def test_a_model_that_is_none_is_refused_with_the_workers_reason(
    service: str, own: Path
) -> None:
    """The weights are those of the card, and no network's; the client hears of a directory without a card at once."""
    (own / "weights.safetensors").write_bytes(b"nothing")
    text = (own / "card.json").read_text()
    digest = "1785cfc3bc6ac7738e8b38cdccd1af12563c2b9070e07af336a1bf8c0f772b6a"  # sha256 of "nothing"
    (own / "card.json").write_text(
        text.replace(Card.read(own / "card.json").sha256, digest)
    )
    refused = ended("remote", "add", own, "--url", service).stderr
    assert "of-mine is not served: " in refused
    with Client(service) as client:
        wait_until_gone(client)
        with pytest.raises(OSError, match=r"card\.json"):
            client.add_model(own.parent)


@pytest.mark.parametrize(
    ("served", "status", "answer", "told"),
    [
        (
            [{"name": "of-mine", "identity": "i"}],
            202,
            {"status": "failed", "error": {"detail": "it is none"}},
            "of-mine is not exchanged: it is none; the earlier one stays",
        ),
        (
            [],
            409,
            {"type": "urn:pixelrnn:name-taken", "detail": "you have one: PUT"},
            "of-mine: you have one; it is not served: `pixelrnn remote remove of-mine`",
        ),
    ],
)
def test_nobody_is_advised_to_remove_a_good_model(
    served: list[Any], status: int, answer: dict[str, Any], told: str, own: Path
) -> None:
    """If an exchange fails, the earlier version is served on. Only a model that was
    never served has to be removed before another one can have its name."""
    models = Answer(200, json.dumps({"models": served}))
    job = {"id": "a", "model": "of-mine", "title": "?", "error": None}
    sent = Answer(status, json.dumps({**job, **answer}))
    with flaky([models, sent]) as (url, _):
        words = ["remote", "add", str(own), "--exchange", "--url", url]
        result = CliRunner().invoke(root, words)
    assert isinstance(result.exception, RemoteError)
    assert str(result.exception).startswith(told)


def test_a_model_that_is_taken_away_before_it_is_examined(
    service: str, own: Path
) -> None:
    """Its job says so; one that is canceled leaves the name free for the next, whose result says what is served."""
    with Client(service) as client:
        job = client.add_model(own)
        client.remove_model("of-mine")
        with pytest.raises(JobEndedError, match="taken away, or exchanged"):
            job.wait(READY_LIMIT_S)
        client.add_model(own).cancel()
        served = client.add_model(own).result(READY_LIMIT_S)
        assert served["identity"] == Card.read(own / "card.json").identity
        assert client.sample("of-mine", n=1).array().shape == (1, 6, 5, 1)
        client.remove_model("of-mine")


def test_a_model_that_nobody_examines_is_not_waited_for_for_ever(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends and says so; here patience is over before any worker has looked."""
    save_model(untrained("mnist-pixelcnn", seed=9, **SIZE), tmp_path / "unseen")
    monkeypatch.setattr("pixelrnn.models_there._PATIENCE_S", 0.0)
    result = CliRunner().invoke(
        root, ["remote", "add", str(tmp_path / "unseen"), "--url", service]
    )
    assert "no worker has examined it" in str(result.exception)
    pixelrnn("remote", "remove", "unseen", "--url", service)


def test_a_directory_without_a_card_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Before anybody is called; and one whose card is none."""
    assert (
        "is no model: its card.json cannot be read"
        in ended("remote", "add", tmp_path).stderr
    )
    (tmp_path / "card.json").write_text("[]")
    assert (
        "is no model: its card.json is none" in ended("remote", "add", tmp_path).stderr
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Black and white ones, in a folder with something else."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "notes.txt").write_text("none")
    for i in range(24):
        values = np.random.default_rng(i).random((8, 8)) < 0.3
        Image.fromarray((255 * values).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def test_what_came_of_a_training_is_told_with_its_number_of_pictures() -> None:
    """And its standard error, unless an earlier version of the service knows none; and
    which files were left out."""
    facts: dict[str, Any] = {"bits_per_dim": 1.25}
    assert _score(facts) == "1.250 bits/dim of pictures"
    facts |= {"bits_standard_error": None, "valid_images": 1}
    assert _score(facts) == "1.250 bits/dim of 1 picture"
    facts |= {"bits_standard_error": 0.5, "valid_images": 3}
    assert _score(facts) == "1.250 +- 0.500 bits/dim of 3 pictures"
    assert _left_out({"unreadable": 0, "unsupported": 0}) == ""
    state = {"unreadable": 2, "unreadable_names": ["x", "y"]}
    state |= {"unsupported": 9, "unsupported_names": ["a", "b"]}
    assert _left_out(state) == (
        "left out: 2 files are no pictures that can be read (x, y); 9 are too small or too "
        "large (a, b)"
    )


def test_files_of_any_date_are_sent(pictures: Path) -> None:
    """Those of container layers and reproducible archives are of 1970, and a zip knows
    no year before 1980."""
    for year, picture in zip(
        (1970, 2200), sorted(pictures.glob("*.png")), strict=False
    ):
        seconds = (year - 1970) * 365.25 * 86400
        os.utime(picture, (seconds, seconds))
    ((_, content),) = calls.train(pictures, "old", {}).files or []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 24


def test_files_of_any_name_are_sent(tmp_path: Path) -> None:
    """Those of old archives may be no UTF-8, which a zip's names are."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    for name in (b"na\xefve.png", b"na\xeeve.png", "naïve.png".encode()):
        (folder / os.fsdecode(name)).write_bytes(name)
    ((_, content),) = calls.train(tmp_path, "old", {}).files or []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert {archive.read(name) for name in names} == {
            b"na\xefve.png",
            b"na\xeeve.png",
            "naïve.png".encode(),
        }
    assert len(set(names)) == 3
    assert {name.partition("/")[0] for name in names} == {"caf\ufffd"}


def test_pictures_are_trained_on_by_the_command_and_by_the_client(
    service: str, pictures: Path
) -> None:
    """The service serves what came of them as soon as the training has ended; one that
    is canceled leaves its name free; both clients can."""
    done = pixelrnn(
        "train",
        pictures,
        "--name",
        "noise",
        "--minutes",
        0.1,
        "--publish-anyway",
        "--url",
        service,
    )
    assert re.search(r"bits/dim of \d+ pictures? held back", done.stderr)
    with Client(service) as client:
        assert client.sample("noise", n=1).array().shape == (1, 8, 8, 1)
        (job,) = [
            job for job in client.jobs(kind="train") if job.state["model"] == "noise"
        ]
        assert job.state["pictures"] == 24
        assert job.image()[:4] == b"\x89PNG"
        with pytest.raises(ApiError, match="has ended"):
            job.finish()
        client.remove_model("noise")

    async def canceled() -> str:
        async with AsyncClient(service) as client:
            job = await client.train(pictures, "noisier", minutes=30)
            await job.cancel()
            with pytest.raises(JobEndedError):
                await job.wait()
            return job.state["status"]

    assert asyncio.run(canceled()) == "canceled"


def test_the_command_says_what_goes_on_when_it_is_left(
    service: str, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the waiting, and not the training: the words that do are told."""

    def leave(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pixelrnn.client.Job.result", leave)
    done = ended(
        "remote", "train", pictures, "--name", "left", "--minutes", 30, "--url", service
    )
    said = " ".join(done.stderr.split())
    found = re.search(
        r"left goes on .* `pixelrnn remote cancel ([\w-]+)` leaves nothing", said
    )
    assert found, said
    pixelrnn("remote", "cancel", found[1], "--url", service)
    assert (
        "canceled"
        in ended("remote", "job", found[1], "--wait", "--url", service).stderr
    )


def test_a_download_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Half a model would be looked at by a service, and keep the next download out."""
    sent = io.BytesIO()
    with zipfile.ZipFile(sent, "w") as archive:
        archive.writestr("mine/card.json", "{}")
        archive.writestr(f"mine/{'long' * 100}.safetensors", b"")
    with pytest.raises(OSError, match="File name too long"):
        _unpack(sent.getvalue(), "mine", tmp_path / "models" / "mine")
    assert not list((tmp_path / "models").iterdir())


def test_a_download_that_would_unpack_to_more_is_refused(tmp_path: Path) -> None:
    """Before any of it is read: ours are not packed."""
    for how, said in (
        (zipfile.ZIP_DEFLATED, "larger, unpacked"),
        (zipfile.ZIP_STORED, "other files"),
    ):
        sent = io.BytesIO()
        with zipfile.ZipFile(sent, "w", how) as archive:
            archive.writestr("bomb/card.txt", bytes(2**20))
        with pytest.raises(RemoteError, match=said):
            _unpack(sent.getvalue(), "bomb", tmp_path / "bomb")
    assert not (tmp_path / "bomb").exists()
