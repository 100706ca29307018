"""Whatever lies in the models directory costs the model at most."""

import errno
import itertools
import os
import shutil
import signal
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from model_core import load_model, save_model, untrained
from model_core.card import Card
from model_core.errors import ModelError
from tests.worker.engine.bad_models import BAD, SIZE, diverged, whole, with_card
from tests.worker.harness import COLD_START_S, Client, StartWorker, wait_for
from worker.contract import keys
from worker.contract.added import OWNER, Owner
from worker.contract.cards import WorkerInfo
from worker.contract.jobs import JobStatus
from worker.engine import examination as examination_module
from worker.engine import examiner as examiner_module
from worker.engine.arrivals import Arrivals, Directory
from worker.engine.compiling import make_ready
from worker.engine.examination import Examination, Repeats
from worker.engine.examiner import Examiner, InconclusiveError, bound_memory
from worker.engine.kept import KeptWeights
from worker.engine.model_pool import MOST_LOADED, ModelPool, load_pool
from worker.engine.slot_plan import SlotPlan


@pytest.mark.timeout(COLD_START_S)
def test_each_bad_model_is_refused_and_the_others_are_served(
    client: Client, start_worker: StartWorker, models_dir: Path, tmp_path: Path
) -> None:
    """With its reason; the worker goes on."""
    served = tmp_path / "served"
    shutil.copytree(models_dir / "tiny-cnn", served / "tiny-cnn")
    for name, (make, _) in BAD.items():
        make(served / name)
    worker = start_worker(models_dir=str(served))

    def refused() -> dict[str, str]:
        text = client.redis.get(keys.worker(worker.name))
        info = WorkerInfo.model_validate_json(text)
        return {one.name: one.reason for one in info.refused}

    reasons = wait_for(
        lambda: len(found := refused()) == len(BAD) and found,
        "all reasons",
        COLD_START_S,
    )
    for name, (_, words) in BAD.items():
        assert words in reasons[name]
        assert str(served) not in reasons[name]
    assert client.wait_end(client.submit().id).status is JobStatus.SUCCEEDED
    assert worker.process.poll() is None
    client.wait_idle()


@pytest.fixture
def quick_examiners(monkeypatch: pytest.MonkeyPatch) -> None:
    """Examiners that have imported what they need, as the programs of tests.nursery."""
    forking = get_context("forkserver")
    monkeypatch.setattr(examiner_module, "get_context", lambda method: forking)


@pytest.mark.usefixtures("quick_examiners")
def test_examiner_is_ended_when_its_work_has_no_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And another does the next: so too where it is killed, lacks memory or raises what nobody foresaw."""
    monkeypatch.setattr(examiner_module, "CLOCK_PER_PROCESSOR", 1)
    examiner = Examiner()
    for work, reason in (
        ((time.sleep, 1e6), "looking at it was not done after"),
        (
            (signal.raise_signal, signal.SIGKILL),
            "the process that looked at it was killed: this machine lacks memory",
        ),
        ((os._exit, 3), "the process that looked at it ended with status 3"),
        ((bytes, 2**62), "there is not enough memory for it"),
        ((int, "x"), "looking at it failed: ValueError: invalid literal"),
        ((str.encode, "\udce9"), "looking at it failed: UnicodeEncodeError"),
        ((unreadable, errno.EIO), "cannot read it"),
        ((unreadable, errno.ENOENT), "cannot read it"),
    ):
        with pytest.raises(ModelError) as found:
            examiner.call(*work, limit_s=1 if work[0] is time.sleep else 60)
        assert reason in str(found.value)
        proves_little = work[0] is time.sleep or work[1] in (signal.SIGKILL, errno.EIO)
        assert isinstance(found.value, InconclusiveError) == proves_little
    examiner.call(bound_memory, 2**26, limit_s=60)
    with pytest.raises(ModelError, match="not enough memory"):
        examiner.call(bytes, 2**28, limit_s=60)
    examiner.call(int, "1", limit_s=60)
    examiner.end()


def unreadable(number: int) -> None:
    """Fail as a model does whose file cannot be read for this reason."""
    try:
        raise OSError(number, os.strerror(number))
    except OSError:
        raise ModelError("cannot read it") from None


@pytest.mark.usefixtures("quick_examiners")
def test_an_examination_is_limited_in_seconds_of_a_processor() -> None:
    """On a busy machine it takes far longer by the clock, and that is no fault of the
    model. Whoever waits for it says meanwhile that all is well."""
    examiner, waits = Examiner(), list[str]()
    examiner.call(time.sleep, 1.5, limit_s=1, waiting=lambda: waits.append("still"))
    assert waits
    with pytest.raises(
        InconclusiveError, match="more than 1 s of a processor"
    ) as found:
        examiner.call(sum, itertools.count(), limit_s=1)
    assert not found.value.is_passing
    with pytest.raises(
        InconclusiveError, match="it hangs, or this machine is too busy"
    ):
        examiner.call(time.sleep, 1e6, limit_s=60, clock_s=1)
    examiner.call(int, "1", limit_s=1)
    examiner.end()


class NoExaminer(Examiner):
    """Answers each call with an error; `calls` counts them."""

    def __init__(self, *errors: ModelError) -> None:
        super().__init__()
        self.errors = [*errors]
        self.calls = 0

    def call(
        self,
        look: Callable[..., object],
        *arguments: object,
        limit_s: float,
        clock_s: float | None = None,
        waiting: Callable[[], object] = lambda: None,
    ) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


def refused_on(directory: Directory, pool: ModelPool, examiner: Examiner) -> Arrivals:
    """Arrivals that look at `directory`, with that examiner; `said` has their words."""
    kept = KeptWeights(directory._path.parent / "kept")
    looks = Examination(kept, 64, 64, examiner)
    said: list[Any] = []

    def put(word: str, *arguments: object) -> None:
        said.append((word, arguments[0]))

    arrivals = Arrivals(pool, kept, looks, directory, "cpu", put, lambda _: None)
    arrivals.said = said  # type: ignore[attr-defined]
    return arrivals


def test_a_model_whose_examination_took_too_long_is_examined_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is served, if the machine was busy: its job waits for the verdict. Of
    the second time that it used up its seconds of a processor it stays refused."""
    monkeypatch.setattr(examination_module, "FIRST_REPEAT_S", 0.0)
    models = tmp_path / "models"
    save_model(untrained("mnist-pixelcnn", seed=1, **SIZE), models / "first")
    directory = Directory(models)
    pool = ModelPool({"first": load_model(models / "first")}, SlotPlan(1, 0, 64))
    busy, slow = InconclusiveError("busy", True), InconclusiveError("slow", False)
    examiner = NoExaminer(busy, busy, busy, slow)
    arrivals: Any = refused_on(directory, pool, examiner)
    save_model(untrained("mnist-pixelcnn", seed=2, **SIZE), models / "late")
    owner = Owner(owner="al", job="job").model_dump_json()
    (models / "late" / OWNER).write_text(owner)
    for _ in range(20):
        arrivals.look()
    words = [word for word, _ in arrivals.said]
    assert words == ["coming", "refused"] * 4 + ["coming", "coming", "served"]
    for _, refused in arrivals.said[1:8:2]:
        assert "it is looked at again in" in refused.reason
        assert (refused.owner, refused.job, refused.identity) == ("al", "", "")
    coming, served = (card for _, card in arrivals.said[-2:])
    assert (coming.compiling, coming.owner, coming.job) == (True, "al", "job")
    assert (served.compiling, served.owner, served.job) == (False, "al", "job")

    examiner.errors = [slow, slow, slow]
    arrivals.said.clear()
    save_model(untrained("mnist-pixelcnn", seed=3, **SIZE), models / "slow")
    (models / "slow" / OWNER).write_text(owner)
    for _ in range(20):
        arrivals.look()
    refusals = [one for word, one in arrivals.said if word == "refused"]
    assert [(one.reason, one.job, one.identity) for one in refusals] == [
        ("slow; it is looked at again in 0 s", "", ""),
        ("slow", "job", Card.read(models / "slow" / "card.json").identity),
    ]


def test_only_a_model_of_a_new_name_is_announced_before_it_is_measured(
    tmp_path: Path,
) -> None:
    """Its jobs are accepted and wait; if it is bad it is refused after all. Other
    weights of a model that is served come once they are known to be good."""
    models = tmp_path / "models"
    save_model(untrained("mnist-pixelcnn", seed=1, **SIZE), models / "first")
    directory = Directory(models)
    pool = ModelPool({"first": load_model(models / "first")}, SlotPlan(1, 0, 64))
    examiner = NoExaminer()
    arrivals: Any = refused_on(directory, pool, examiner)
    save_model(untrained("mnist-pixelcnn", seed=2, **SIZE), models / "first")
    for _ in range(3):
        arrivals.look()
    assert [word for word, _ in arrivals.said] == ["served"]

    arrivals.said.clear()
    diverged(models / "bad")
    usual = pool.warm_up

    def warm_up(name: str) -> None:
        card = pool.cards[name]
        assert pool.prioritise(card.name, card.identity)
        usual(name)

    pool.warm_up = warm_up  # type: ignore[method-assign]
    for _ in range(3):
        arrivals.look()
    assert [word for word, _ in arrivals.said] == ["coming", "coming", "refused"]
    early, card = arrivals.said[0][1], arrivals.said[1][1]
    assert early == card.model_copy(update={"max_particles": early.max_particles})
    assert not pool.prioritise(card.name, card.identity)
    info = WorkerInfo(name="w", device="cpu", slots=1, models=(), started_at=0)
    with_it = info.with_served(card)
    assert [one.name for one in with_it.models] == ["bad"]
    assert with_it.ready == ()
    assert with_it.with_refused(arrivals.said[2][1]).models == ()


def test_repeats_are_later_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to ten minutes; and each comes once."""
    repeats, now_s = Repeats(), 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    for delay in (60, 120, 240, 480, 600, 600):
        error = repeats.note("m", InconclusiveError("busy", True))
        assert str(error).endswith(f"again in {delay} s")
        assert repeats.due() == []
        now_s += delay
        assert repeats.due() == ["m"]
        assert repeats.due() == []


def test_what_a_worker_has_served_is_not_examined_again(tmp_path: Path) -> None:
    """As long as it is the same in all that gives it its meaning; its card is read each time."""
    kept, place = KeptWeights(tmp_path / "kept"), whole(tmp_path / "m")
    was_examined = ModelError("it was examined")
    examination = Examination(
        kept, 64, 64, NoExaminer(was_examined, was_examined, was_examined)
    )
    with pytest.raises(ModelError, match="it was examined"):
        examination.load("m", place, "cpu")
    kept.keep("m", Card.read(place / "card.json").identity, place)
    assert examination.load("m", place, "cpu").card.name == "m"
    examination.measure("m", place)
    with_card(place, lambda facts: facts.update(data="caf\udce9"))
    with pytest.raises(ModelError, match="cannot be told as JSON"):
        ModelPool(
            {"m": examination.load("m", place, "cpu")},
            SlotPlan(1, 0, slot_memory_mib=64),
        )
    with_card(place, lambda facts: facts["config"].update(height=7))
    with pytest.raises(ModelError, match="it was examined"):
        examination.load("m", place, "cpu")


def test_worker_begins_with_no_more_models_than_it_may_hold(tmp_path: Path) -> None:
    """The others are refused, as they would be if they came later."""
    places = {f"m{i:03}": tmp_path for i in range(MOST_LOADED + 1)}
    model = untrained("mnist-pixelcnn", **SIZE)
    pool = load_pool(
        places,
        "cpu",
        SlotPlan(1, 0, slot_memory_mib=64),
        lambda name, place, device: model,
    )
    assert pool.loaded == MOST_LOADED
    assert list(pool.refused) == ["m064"]
    assert "this worker holds 64 models" in pool.refused["m064"]


def test_models_that_were_added_take_no_memory_from_the_others(tmp_path: Path) -> None:
    """Also where a worker begins with them: the others have what they would have alone."""
    model = untrained("mnist-pixelcnn", **SIZE)
    plan = SlotPlan(0, 0, slot_memory_mib=1)
    places = dict.fromkeys(("own", "added", "more"), tmp_path)
    pool = load_pool(
        places,
        "cpu",
        plan,
        lambda name, place, device: model,
        further=("added", "more"),
    )
    assert (
        pool.plans["own"]
        == load_pool({"own": tmp_path}, "cpu", plan, lambda *_: model).plans["own"]
    )
    assert (
        0
        < pool.plans["more"].slots
        < pool.plans["added"].slots
        < pool.plans["own"].slots
    )


def test_model_that_cannot_be_made_ready_keeps_no_other_from_it(tmp_path: Path) -> None:
    """It is refused and leaves the memory."""
    diverged(tmp_path / "bad")
    save_model(untrained("mnist-pixelcnn", seed=1, **SIZE), tmp_path / "good")
    models = {name: load_model(tmp_path / name) for name in ("bad", "good")}
    pool, told = ModelPool(models, SlotPlan(1, 0, slot_memory_mib=64)), []
    with capture_logs() as logs:
        make_ready(
            pool,
            {name: tmp_path / name for name in models},
            (),
            told.append,
            lambda name, reason: told.append(f"{name}: {reason}"),
        )
    assert "good" in told
    assert [word for word in told if word.startswith("bad: ")]
    assert pool.names() == ["good"]
    assert [line["model"] for line in logs if line["event"] == "model_refused"] == [
        "bad"
    ]
