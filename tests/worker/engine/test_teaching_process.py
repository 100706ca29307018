"""The process of one training: whatever happens in it ends its job, and not its trainer."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.schema.event_data import ProgressEvent
from model_core import load_model, save_model, untrained
from model_core.errors import ModelError
from worker.contract.added import OWNER, JobFiles, Owner
from worker.contract.kinds.train import TrainOptions
from worker.engine import teaching
from worker.settings import Settings

SIZE: dict[str, Any] = {"layers": 1, "hidden": 5, "head": 5, "height": 6, "width": 5}


def test_a_fault_that_nobody_foresaw_ends_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else its trainer would die with it, again and again, and so would the trainings of others."""

    def broken(*_: object) -> None:
        raise StopIteration

    monkeypatch.setattr(teaching, "_train", broken)
    (tmp_path / "uploads" / "job").mkdir(parents=True)
    out = io.StringIO()
    teaching.main(out, os.getppid(), str(tmp_path), "job", "mine", "{}")
    assert json.loads(out.getvalue()) == {
        "failed": "This is a fault of the server, and was logged."
    }
    assert "StopIteration" in capsys.readouterr().err


def test_what_is_prepared_is_a_report_without_figures() -> None:
    """Each field of the event is there, so that a client can read it like any other."""
    out = io.StringIO()
    teaching._report_preparing(out, "compiling")
    said = json.loads(out.getvalue())
    assert (said["grid"], said["trained"]) == (None, {})
    event = ProgressEvent(type="progress", **said["progress"])
    assert set(said["progress"]) == set(ProgressEvent.model_fields) - {"type"}
    assert (event.share, event.told, event.nats) == (0, "compiling", None)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's death"
)
def test_a_process_whose_trainer_has_died_ends_before_it_imports_anything(
    tmp_path: Path,
) -> None:
    """It also ends if that happened before the kernel was asked to tell it, and without
    a word: its trainer's successor has the job."""
    command = [sys.executable, "-X", "importtime", "-P", "-m"]
    nobody = str(os.getppid())
    ended = subprocess.run(
        [*command, "worker.engine.teaching_start", nobody, str(tmp_path), "j", "n"],
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "torch" not in ended.stderr
    assert "pydantic" not in ended.stderr


def run(place: Path, settings: dict[str, str], **options: object) -> dict[str, str]:
    """The last word of the process of a training on place/pictures.

    Linux alone bounds the memory of a process by what it writes.
    """
    upload = place / "uploads" / "job"
    (upload / "run" / "mine").mkdir(parents=True)
    (place / "pictures").rename(upload / "pictures")
    said = TrainOptions.model_validate({"minutes": 0.05, **options}).model_dump_json()
    command = [sys.executable, "-P", "-m", "worker.engine.teaching_start"]
    done = subprocess.run(
        [*command, str(os.getpid()), str(place), "job", "mine", said],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(done.stdout.splitlines()[-1])


def save_pictures(folder: Path, count: int, side: int) -> None:
    folder.mkdir()
    for i in range(count):
        image = Image.new("1", (side, side))
        image.putpixel((i, i), 1)
        image.save(folder / f"{i:05}.png")


def test_too_many_pictures_for_this_machine_fail_at_once(tmp_path: Path) -> None:
    """By their headers, before one is decoded: 100 kB may be gigabytes of pixels."""
    save_pictures(tmp_path / "pictures", 12, 2048)
    limit = {"PIXELRNN_TRAINING_MIB": "256"}
    said = run(tmp_path, limit, crops=True, channels=3)
    assert said["failed"].startswith(
        "too many pictures for this machine: 12 have 144 MiB, unpacked, and crops may"
        " be of 128 MiB here"
    )


def test_a_failed_training_tells_no_path_of_the_server(tmp_path: Path) -> None:
    """Nor the real one of a directory that has a link in its path."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    save_pictures(tmp_path / "real" / "pictures", 1, 9)
    said = run(tmp_path / "link", {})
    assert said["failed"].startswith(
        "there is no picture for the valid split in pictures, which has 1: "
    )


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux's")
def test_a_training_that_needs_too_much_memory_fails(tmp_path: Path) -> None:
    """It says so, and is not begun again.

    250 MiB are enough to compile the loops, if nothing is in the cache: LLVM ends the
    process if it lacks memory. They are too few for pictures of this size.
    """
    save_pictures(tmp_path / "pictures", 30, 64)
    said = run(tmp_path, {"PIXELRNN_TRAINING_MIB": "250"}, size="64x64")
    assert "more memory than a training may have" in said["failed"]


def test_a_training_has_processes_for_its_processors_and_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that are named, or all but one; fewer where torch alone would fill memory."""
    machine = 2**40

    def processes(**settings: Any) -> int:
        return teaching._limits(Settings(_env_file=None, **settings)).count_for(
            100 * 2**20
        )

    monkeypatch.setattr(teaching, "usable", lambda: machine)
    monkeypatch.setattr(teaching, "spare_processors", lambda: 7)
    monkeypatch.setattr(teaching, "data_bytes", lambda: 300 * 2**20)
    assert processes() == 7
    assert processes(engine_cpus=(0,)) == 1
    assert processes(engine_cpus=(1, 2, 3)) == 3
    assert processes(training_mib=900) == 4
    machine = 4 * 2**30
    assert processes(training_mib=9000) == 4, "three more in a quarter of 4 GiB"


def test_the_limit_is_a_part_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter, and at least 1 GiB; or what the operator sets."""
    for machine, limit in ((2**30, 2**30), (2**33, 2**31)):
        monkeypatch.setattr(teaching, "usable", lambda machine=machine: machine)
        assert teaching.memory_limit(0) == limit
    assert teaching.memory_limit(300) == 300 * 2**20


class Models:
    """A models directory, and added models beside it."""

    def __init__(self, folder: Path) -> None:
        self.shipped = folder / "shipped"
        self.shipped.mkdir()
        self.added = folder / "added"

    def save(self, place: Path, seed: int, owner: Owner | None = None) -> str:
        """Save a model; return its identity."""
        card = save_model(untrained("mnist-pixelcnn", seed=seed, **SIZE), place)
        if owner is not None:
            (place / OWNER).write_text(owner.model_dump_json())
        return card.identity

    def add(self, seed: int, shared: bool = False) -> str:
        """Add bob's model called first; return its identity."""
        owner = Owner(owner="bob", shared=shared)
        return self.save(self.added / "models" / "first", seed, owner)

    def fetched(self, identity: str = "", owner: str = "alice") -> str:
        """Return the identity of the model that a training of this owner starts from."""
        files = JobFiles(self.added, f"job-{owner}-{identity}", "mine")
        files.place.mkdir(parents=True)
        asked = TrainOptions(start="first", start_identity=identity, owner=owner)
        try:
            teaching.fetch_start(files, asked)
        finally:
            left = sorted(path.name for path in files.place.iterdir())
            assert left in ([], ["start"]), "no draft is left"
        return load_model("first", models_dir=files.start).card.identity


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    there = Models(tmp_path)
    monkeypatch.setenv("PIXELRNN_MODELS_DIR", str(there.shipped))
    return there


def test_a_training_starts_from_the_identity_of_its_job(models: Models) -> None:
    """Another model of that name may be private: bob's lies behind the shipped one that
    alice saw, and is not used either when hers has gone."""
    private = models.add(seed=1)
    shipped = models.save(models.shipped / "first", seed=2)
    assert models.fetched(shipped) == shipped
    assert models.fetched(private, owner="bob") == private
    models.save(models.shipped / "first", seed=3)
    with pytest.raises(ModelError, match="first to start from was deleted or exchang"):
        models.fetched("f" * 64)


def test_a_training_starts_from_a_record(models: Models) -> None:
    """Records are not served, and come with the service."""
    record = models.save(models.shipped / "records" / "first", seed=2)
    assert models.fetched(record) == record


def test_a_job_of_an_earlier_version_starts_from_what_its_owner_sees(
    models: Models,
) -> None:
    """It says no identity."""
    private = models.add(seed=1)
    with pytest.raises(ModelError, match="is not yours"):
        models.fetched(owner="alice")
    assert models.fetched(owner="bob") == private
    shared = models.add(seed=4, shared=True)
    assert models.fetched(owner="carol") == shared
    shipped = models.save(models.shipped / "first", seed=2)
    assert models.fetched(owner="dave") == shipped


def test_the_start_is_copied_once(models: Models) -> None:
    """A training that goes on after its trainer's death has the same first weights,
    though the model was exchanged meanwhile."""
    identity = models.add(seed=1)
    files = JobFiles(models.added, "job", "mine")
    files.place.mkdir(parents=True)
    asked = TrainOptions(start="first", start_identity=identity, owner="bob")
    teaching.fetch_start(files, asked)
    models.add(seed=5)
    teaching.fetch_start(files, asked)
    assert load_model("first", models_dir=files.start).card.identity == identity
