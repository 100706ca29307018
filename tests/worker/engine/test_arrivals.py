"""Models come, change and go while workers run."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import structlog
import torch

from model_core import load_model, sample, save_model, untrained
from model_core.card import Card, CardLabel, Validation
from model_core.data.pixels import values_to_pixels
from tests.labelled_models import labelled
from tests.worker.harness import (
    COLD_START_S,
    Client,
    StartWorker,
    WorkerProcess,
    wait_for,
)
from worker.contract import keys
from worker.contract.added import OWNER, Owner, private_owner
from worker.contract.cards import ExaminedDraft, ModelCard, WorkerInfo
from worker.contract.jobs import JobSpec
from worker.engine import process
from worker.engine.arrivals import Arrivals, Directory
from worker.engine.examination import Examination, Repeats
from worker.engine.examiner import Examiner, InconclusiveError
from worker.engine.kept import FORGOTTEN_AFTER_S, KEPT_FOR_S, USED, KeptWeights
from worker.engine.model_pool import ModelPool
from worker.engine.slot_plan import SlotPlan
from worker.settings import Settings

SIZE: dict[str, Any] = {"layers": 2, "hidden": 5, "head": 8, "height": 6, "width": 5}


def touched(directory: Path, name: str, text: str = "{}") -> None:
    """A file that is other than it was, also by a coarse clock."""
    (directory / name).mkdir(exist_ok=True)
    (directory / name / "card.json").write_text(text)
    os.utime(directory / name / "card.json", ns=(len(text), len(text)))


def test_change_is_told_once_and_when_it_is_over(tmp_path: Path) -> None:
    """Not while it goes on, nor what was there before; a directory that is away for a moment loses nothing."""
    models = tmp_path / "models"
    models.mkdir()
    touched(models, "old")
    directory = Directory(models)
    assert directory.changes() == ([], [])
    touched(models, "new")
    assert directory.changes() == ([], [])
    touched(models, "new", "{ }")
    assert directory.changes() == ([], [])
    assert directory.changes() == (["new"], [])
    assert directory.changes() == ([], [])
    models.rename(tmp_path / "away")
    assert [directory.changes() for _ in range(3)] == 3 * [([], [])]
    (tmp_path / "away").rename(models)
    touched(models, "old", "{  }")
    shutil.rmtree(models / "new")
    assert directory.changes() == ([], [])
    assert directory.changes() == (["old"], ["new"])
    assert Directory(models, asked=["other"]).changes() == ([], [])


def test_a_model_that_is_asked_for_may_become_a_record(tmp_path: Path) -> None:
    """It is found in the folder of records then, and is not gone; other records are not
    served."""
    touched(tmp_path, "kept")
    touched(tmp_path, "other")
    directory = Directory(tmp_path, asked=["kept"])
    usual = Directory(tmp_path)
    (tmp_path / "records").mkdir()
    for name in ("kept", "other"):
        (tmp_path / name).rename(tmp_path / "records" / name)
    for _ in range(3):
        assert directory.changes() == ([], [])
    assert directory.place("kept") == tmp_path / "records" / "kept"
    assert usual.changes() == ([], [])
    assert usual.changes() == ([], ["kept", "other"])

    again = Directory(tmp_path, asked=["kept"])
    assert again.place("kept") == tmp_path / "records" / "kept"
    shutil.rmtree(tmp_path / "records" / "kept")
    again.changes()
    assert again.changes() == ([], ["kept"])


def test_added_models_belong_to_the_others(tmp_path: Path) -> None:
    """Those of other names; each is found at its place, also a moment after it is gone; who sees it is a change."""
    ours, added = tmp_path / "ours", tmp_path / "added"
    for place, names in ((ours, "ab"), (added, "bc")):
        place.mkdir()
        for name in names:
            touched(place, name)
    directory = Directory(ours, added=added)
    assert directory.added_places() == {"c": added / "c"}
    assert [directory.place(name) for name in "abc"] == [
        ours / "a",
        ours / "b",
        added / "c",
    ]
    (added / "c" / OWNER).write_text(Owner(owner="alice").model_dump_json())
    assert [directory.changes() for _ in range(2)] == [([], []), (["c"], [])]
    added.rename(tmp_path / "away")
    assert [directory.changes() for _ in range(3)] == 3 * [([], [])]
    (tmp_path / "away").rename(added)
    shutil.rmtree(added / "c")
    shutil.rmtree(ours / "a")
    assert [directory.changes() for _ in range(2)] == [([], []), ([], ["a", "c"])]
    assert [directory.is_added(name) for name in "abc"] == [False, False, True]


def test_drafts_of_exchanges_are_seen_until_they_are_gone(tmp_path: Path) -> None:
    """Those that came before the worker too; nothing that is being written or deleted,
    and no former version."""
    ours, added = tmp_path / "ours", tmp_path / "added"
    for place in (ours, added):
        place.mkdir()
    touched(ours, "a")
    for name, job in ((".job", "job"), (".job.part", "job"), (".f.former", "f")):
        touched(added, name)
        (added / name / OWNER).write_text(Owner(owner="al", job=job).model_dump_json())
    touched(added, ".unfinished")
    touched(added, ".other")
    (added / ".other" / OWNER).write_text(Owner(owner="al", job="x").model_dump_json())
    directory = Directory(ours, added=added)
    assert directory.added_places() == {}, "a draft is not loaded at the start"
    assert directory.changes() == ([".job"], [])
    assert directory.place(".job") == added / ".job"
    shutil.rmtree(added / ".job")
    assert [directory.changes() for _ in range(2)] == [([], []), ([], [".job"])]


@pytest.mark.parametrize(
    ("text", "sees"),
    [
        (None, ""),
        ('{"owner":"al"}', "al"),
        ('{"owner":"al","shared":true}', ""),
        ("{", "?"),
    ],
)
def test_a_damaged_owner_shows_a_model_to_nobody(
    tmp_path: Path, text: str | None, sees: str
) -> None:
    """A model without one is everybody's: an operator put it there."""
    if text is not None:
        (tmp_path / OWNER).write_text(text)
    assert private_owner(tmp_path) == sees


@pytest.fixture
def served(models_dir: Path, tmp_path: Path) -> Path:
    """A models directory of this test's own."""
    shutil.copytree(models_dir / "tiny-cnn", tmp_path / "served" / "tiny-cnn")
    return tmp_path / "served"


def published(directory: Path, name: str, seed: int) -> str:
    """Weights as `publish` leaves them; their digest."""
    return save_model(
        untrained("mnist-pixelcnn", seed=seed, **SIZE), directory / name
    ).sha256


def info(client: Client, worker: WorkerProcess) -> WorkerInfo:
    text = wait_for(
        lambda: client.redis.get(keys.worker(worker.name)), "its announcement"
    )
    return WorkerInfo.model_validate_json(text)


def digests(client: Client, worker: WorkerProcess) -> dict[str, str]:
    return {
        card.name: card.digest
        for card in info(client, worker).models
        if not card.compiling
    }


def of_further(client: Client, digest: str, seed: int, identity: str = "") -> JobSpec:
    return client.spec(digest=digest, identity=identity, seed=seed, n=3).model_copy(
        update={"model": "further"}
    )


def accepted(client: Client, spec: JobSpec) -> JobSpec:
    client.accept(spec)
    client.enqueue(spec.id)
    return spec


def submitted(client: Client, digest: str, seed: int) -> JobSpec:
    return accepted(client, of_further(client, digest, seed))


def drawn(client: Client, directory: Path, spec: JobSpec) -> None:
    """The job is drawn, from these weights."""
    client.succeeded(spec)
    model = load_model(directory)
    pixels = values_to_pixels(
        sample(model, n=spec.n, seed=spec.seed).numpy(), model.config.values
    )
    np.testing.assert_array_equal(client.images(spec), pixels.transpose(0, 2, 3, 1))


@pytest.mark.timeout(COLD_START_S)
def test_models_come_change_and_go(
    client: Client, start_worker: StartWorker, served: Path, tmp_path: Path
) -> None:
    """Both workers that see the directory serve what is in it; jobs on weights that were exchanged end with those."""
    how: dict[str, Any] = {
        "models_dir": str(served),
        "models_look_s": "0.2",
        "kept_dir": str(tmp_path / "kept"),
    }
    workers = [start_worker(**how), start_worker(**how)]
    first = digests(client, workers[0])["tiny-cnn"]
    one = published(served, "further", seed=5)
    wait_for(
        lambda: all(digests(client, each).get("further") == one for each in workers),
        "the new model",
        120,
    )
    drawn(client, served / "further", submitted(client, one, seed=7))
    waiting = of_further(client, one, seed=11)
    shutil.copytree(served / "further", tmp_path / "before")
    two = published(served, "further", seed=6)
    wait_for(
        lambda: all(digests(client, each).get("further") == two for each in workers),
        "other weights",
        120,
    )
    drawn(client, tmp_path / "before", accepted(client, waiting))
    drawn(client, served / "further", submitted(client, two, seed=11))
    shutil.rmtree(served / "further")
    wait_for(
        lambda: all(digests(client, each) == {"tiny-cnn": first} for each in workers),
        "only the old one",
    )
    drawn(client, tmp_path / "before", submitted(client, one, seed=12))
    client.wait_idle()


def test_a_job_for_a_model_that_is_being_examined_waits_for_it(
    client: Client, start_worker: StartWorker, served: Path, tmp_path: Path
) -> None:
    """As for one that is there from the start: calls need not be repeated."""
    where = {"models_dir": str(served), "kept_dir": str(tmp_path / "kept")}
    worker = start_worker(**where, models_look_s="0.2")
    digest = published(served, "further", seed=5)

    def coming() -> bool:
        cards = {card.name: card for card in info(client, worker).models}
        return "further" in cards and cards["further"].compiling

    wait_for(coming, "its announcement before it is ready", 120)
    drawn(client, served / "further", submitted(client, digest, seed=7))
    assert set(digests(client, worker)) == {"tiny-cnn", "further"}
    client.wait_idle()


class TrustingExaminer(Examiner):
    """Finds nothing wrong."""

    def call(
        self,
        look: Callable[..., object],
        *arguments: object,
        limit_s: float,
        waiting: Callable[[], object] = lambda: None,
    ) -> None:
        return None


class BusyExaminer(TrustingExaminer):
    """Gets no processor, the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.is_busy = True

    def call(self, *arguments: Any, **limits: Any) -> None:
        if self.is_busy:
            raise InconclusiveError("this machine is too busy", is_passing=True)


def test_draft_whose_examination_took_too_long_is_examined_again(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job waits for the verdict, and the model that it is to replace is no concern
    of that."""
    monkeypatch.setattr("worker.engine.examination.FIRST_REPEAT_S", 0.0)
    served = load_model(models_dir / "tiny-cnn")
    draft = tmp_path / ".job"
    published(tmp_path / "shelf", "mine", seed=3)
    shutil.copytree(tmp_path / "shelf" / "mine", draft)
    (draft / OWNER).write_text(Owner(owner="al", job="job").model_dump_json())
    examiner = BusyExaminer()
    told: list[Any] = []
    arrivals = Arrivals(
        ModelPool({"tiny-cnn": served}, SlotPlan(1, 0, slot_memory_mib=64)),
        KeptWeights(tmp_path / "kept"),
        Examination(KeptWeights(tmp_path / "kept"), 64, 64, examiner),
        Directory(models_dir, added=tmp_path),
        "cpu",
        lambda *words: told.append(words),
        lambda identities: None,
    )
    arrivals.look()
    assert told == []
    examiner.is_busy = False
    arrivals.look()
    assert told == [("examined", ExaminedDraft(job="job", name="mine", owner="al"))]


def test_a_good_draft_is_known_for_an_hour_and_in_no_memory(
    models_dir: Path, tmp_path: Path
) -> None:
    """Then it is served without another examination; and if its exchange is cancelled,
    the worker has no weights of its owner for longer than that."""
    served = load_model(models_dir / "tiny-cnn")
    pool = ModelPool({"tiny-cnn": served}, SlotPlan(1, 0, slot_memory_mib=64))
    kept = KeptWeights(tmp_path / "kept")
    draft = tmp_path / "added" / ".job"
    published(tmp_path / "shelf", "mine", seed=3)
    shutil.copytree(tmp_path / "shelf" / "mine", draft)
    (draft / OWNER).write_text(Owner(owner="al", job="job").model_dump_json())
    told: list[Any] = []
    arrivals = Arrivals(
        pool,
        kept,
        Examination(kept, 64, 64, TrustingExaminer()),
        Directory(models_dir, added=tmp_path / "added"),
        "cpu",
        lambda *words: told.append(words),
        lambda identities: None,
    )
    arrivals.take([".job"], [])
    assert told == [("examined", ExaminedDraft(job="job", name="mine", owner="al"))]
    assert pool.names() == ["tiny-cnn"]
    card = Card.read(draft / "card.json")
    assert kept.knows(card)
    used = tmp_path / "kept" / card.identity / "mine" / USED
    left_s = used.stat().st_mtime + KEPT_FOR_S - time.time()
    assert 0 < left_s <= FORGOTTEN_AFTER_S
    arrivals.take([], [".job"])
    assert told[1:] == [("draft_gone", "job")]


def test_a_bad_draft_is_reported_with_the_reason(
    models_dir: Path, tmp_path: Path
) -> None:
    """It names no place, and the model that it was to replace is not touched."""
    pool = ModelPool(
        {"tiny-cnn": load_model(models_dir / "tiny-cnn")},
        SlotPlan(1, 0, slot_memory_mib=64),
    )
    touched(tmp_path, ".job", '{"name": "tiny-cnn"}')
    (tmp_path / ".job" / OWNER).write_text(Owner(owner="", job="job").model_dump_json())
    kept = KeptWeights(tmp_path / "kept")
    told: list[Any] = []
    arrivals = Arrivals(
        pool,
        kept,
        Examination(kept, 64, 64, TrustingExaminer()),
        Directory(models_dir, added=tmp_path),
        "cpu",
        lambda *words: told.append(words),
        lambda identities: None,
    )
    arrivals.take([".job"], [])
    ((word, found),) = told
    assert (word, found.job, found.name) == ("examined", "job", "tiny-cnn")
    assert found.reason.startswith("card.json is not a model card")
    assert pool.names() == ["tiny-cnn"]


def test_model_that_comes_is_laid_out_for_browsers(served: Path) -> None:
    """At once; one that is refused is not."""
    card = Card.read(served / "tiny-cnn" / "card.json")

    class Shown:
        def model_copy(self, update: object) -> object:
            return update

    class Pool:
        cards: ClassVar[dict[str, ModelCard]] = {}
        expected: ClassVar[dict[str, Card]] = {}

        def engine_name(self, name: str, identity: str) -> str:
            return name

        def has_known(self, name: str) -> bool:
            return True

        def renew(self, called: str, card: Card) -> Shown:
            return Shown()

    class Examiner:
        repeats = Repeats()

        def card(self, place: Path) -> Card:
            return Card.read(place / "card.json")

        def end(self) -> None:
            return None

    pool: Any = Pool()
    examination: Any = Examiner()
    kept: Any = None
    offered: list[object] = []
    told: list[Any] = []
    arrivals = Arrivals(
        pool,
        kept,
        examination,
        Directory(served),
        "cpu",
        lambda *words: told.append(words),
        offered.append,
    )
    arrivals.take(["absent"], [])
    arrivals.take(["tiny-cnn", "absent"], [])
    assert offered == [{"tiny-cnn": card.identity}]
    (served / "tiny-cnn" / OWNER).write_text('{"owner": "al"}')
    told.clear()
    arrivals.take(["tiny-cnn"], [])
    assert [words[1]["owner"] for words in told] == ["al"], (
        "who alone sees it is announced with it"
    )


def test_a_model_of_one_key_is_not_laid_out_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers read without a key what lies there."""
    offered: list[Any] = []
    monkeypatch.setattr(
        process, "offer", lambda folder, models, usable, mib: offered.append(models)
    )
    for name, owner in (
        ("shared", '{"owner": "al", "shared": true}'),
        ("private", '{"owner": "al"}'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / OWNER).write_text(owner)
    settings = Settings(portable_dir=tmp_path)
    process.offer_meanwhile(
        settings, (), lambda name: tmp_path / name, {"shared": "1", "private": "2"}
    )
    wait_for(lambda: offered, "the thread")
    assert offered == [{tmp_path / "shared": "1"}]


def test_no_thread_is_needed_to_prepare_models_for_browsers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is started without a folder; if none can start, that is only logged."""

    class NoThread:
        def __init__(self, **_: Any) -> None:
            pass

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "Thread", NoThread)
    with structlog.testing.capture_logs() as logs:
        for folder in (None, tmp_path):
            process.offer_meanwhile(
                Settings(portable_dir=folder), (), tmp_path.joinpath, {"a": "1"}
            )
    assert logs == [
        {
            "event": "not_laid_out",
            "folder": str(tmp_path),
            "error": repr(RuntimeError("can't start new thread")),
            "log_level": "warning",
        }
    ]


def with_card(directory: Path, **changes: Any) -> Card:
    """The model's card with some of it said anew, as a person edits it."""
    card = replace(Card.read(directory / "card.json"), **changes)
    card.write(directory / "card.json")
    return card


@pytest.mark.timeout(COLD_START_S)
def test_cards_that_change_are_served_at_once(
    client: Client, start_worker: StartWorker, served: Path, tmp_path: Path
) -> None:
    """Labels that were renamed, or other priors, make another model: jobs that were accepted before are drawn as they
    would have been. What is beside the identity is only said anew."""
    save_model(labelled(height=6, width=5), served / "further")
    how: dict[str, Any] = {
        "models_dir": str(served),
        "models_look_s": "0.2",
        "kept_dir": str(tmp_path / "kept"),
    }
    worker = start_worker(**how)
    before = load_model(served / "further")
    shutil.copytree(served / "further", tmp_path / "before")

    def is_said(card: Card) -> bool:
        cards = {each.name: each for each in info(client, worker).models}
        found = cards.get("further")
        return found is not None and (found.identity, found.data) == (
            card.identity,
            card.data,
        )

    wait_for(lambda: is_said(before.card), "the first card", 120)
    calibrated = with_card(
        served / "further", data="said anew", validation=Validation(1, (1.0, 2.0))
    )
    assert calibrated.identity == before.card.identity
    wait_for(lambda: is_said(calibrated), "its new words", 120)
    names, priors = ("x", "y", "z"), (0.125, 0.125, 0.75)
    relabelled = with_card(
        served / "further", labels=tuple(map(CardLabel, names, priors))
    )
    wait_for(lambda: is_said(relabelled), "the other labels", 120)
    now = load_model(served / "further")
    assert not torch.equal(sample(before, n=3, seed=7), sample(now, n=3, seed=7))
    for directory, card in (
        (tmp_path / "before", before.card),
        (served / "further", relabelled),
    ):
        drawn(
            client,
            directory,
            accepted(
                client, of_further(client, card.sha256, seed=7, identity=card.identity)
            ),
        )
    drawn(client, served / "further", submitted(client, before.card.sha256, seed=8))
    client.wait_idle()


def not_a_number(directory: Path) -> str:
    model = untrained("mnist-pixelcnn", seed=1, **SIZE)
    with torch.no_grad():
        next(model.network.parameters()).fill_(float("nan"))
    save_model(model, directory)
    return "not finite"


def of_another_name(directory: Path) -> str:
    save_model(
        untrained("mnist-pixelcnn", seed=1, **SIZE), directory.with_name("right")
    )
    shutil.move(directory.with_name("right"), directory)
    return "its card says 'right', and it lies in 'wrong'"


@pytest.mark.timeout(COLD_START_S)
def test_model_that_is_not_to_be_served_is_refused(
    client: Client, start_worker: StartWorker, served: Path, tmp_path: Path
) -> None:
    """With a reason, in the announcement and in the log; the worker goes on, and takes it once it is mended."""
    where: dict[str, Any] = {
        "models_dir": str(served),
        "models_look_s": "0.2",
        "kept_dir": str(tmp_path / "kept"),
    }
    worker = start_worker(**where)
    for damage in (not_a_number, of_another_name):
        reason = damage(tmp_path / "wrong")
        shutil.move(tmp_path / "wrong", served / "wrong")

        def is_told(reason: str = reason) -> bool:
            return any(
                one.name == "wrong" and reason in one.reason
                for one in info(client, worker).refused
            )

        wait_for(is_told, f"the reason {reason!r}", 120)
        assert set(digests(client, worker)) == {"tiny-cnn"}
        shutil.rmtree(served / "wrong")
        wait_for(lambda: not info(client, worker).refused, "it to be forgotten")
    published(served, "wrong", seed=3)
    wait_for(lambda: "wrong" in digests(client, worker), "the mended model", 120)
    refused = [event for event in worker.events() if event["event"] == "model_refused"]
    assert [event["model"] for event in refused] == 2 * ["wrong"]
    client.wait_idle()


class WatchingExaminer(TrustingExaminer):
    """Notes which models had been announced when it was first asked."""

    def __init__(self, said: list[Any]) -> None:
        super().__init__()
        self._said = said
        self.announced: list[str] | None = None

    def call(self, *arguments: Any, **limits: Any) -> None:
        if self.announced is None:
            self.announced = [words[1].name for words in self._said]


def test_all_models_that_come_are_announced_before_the_first_is_examined(
    models_dir: Path, tmp_path: Path
) -> None:
    """Each examination may take minutes; jobs for the others are accepted meanwhile, and
    wait. What is announced is what a worker finds later."""
    names = ["one", "two"]
    for number, name in enumerate(names):
        published(tmp_path / "added", name, seed=number)
    refused = replace(load_model(models_dir / "tiny-cnn").card, name="two")
    pool = ModelPool(
        {
            "tiny-cnn": load_model(models_dir / "tiny-cnn"),
            "two": replace(load_model(models_dir / "tiny-cnn"), card=refused),
        },
        SlotPlan(1, 0, slot_memory_mib=64),
    )
    said: list[Any] = []
    examiner = WatchingExaminer(said)
    kept = KeptWeights(tmp_path / "kept")
    arrivals = Arrivals(
        pool,
        kept,
        Examination(kept, 64, 64, examiner),
        Directory(models_dir, added=tmp_path / "added"),
        "cpu",
        lambda *words: said.append(words),
        lambda identities: None,
    )
    pool.remove("two")  # one that was refused at the start, and is mended
    arrivals.take(names, [])
    assert examiner.announced == names
    early = {words[1].name: words[1] for words in said[:2]}
    served = {words[1].name: words[1] for words in said if words[0] == "served"}
    for name in names:
        card = early[name]
        assert card.compiling
        update = {"compiling": False, "max_particles": served[name].max_particles}
        assert card.model_copy(update=update) == served[name]
    assert pool.expected == {}
    one = served["one"]
    pool.unload(f"one@{one.identity}")
    said.clear()
    published(tmp_path / "added", "one", seed=7)
    arrivals.take(["one"], [])
    assert [words[0] for words in said] == ["served"], "the former one was served"
