"""Two models are examined at once, of different owners."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model_core import load_model, save_model, untrained
from tests.worker.harness import wait_for
from worker.contract.added import OWNER, Owner
from worker.engine import arrivals
from worker.engine.arrivals import Arrivals, Directory
from worker.engine.examination import Examination
from worker.engine.examiner import Examiner
from worker.engine.kept import KeptWeights
from worker.engine.model_pool import ModelPool
from worker.engine.slot_plan import SlotPlan

SIZE: dict[str, Any] = {"layers": 2, "hidden": 5, "head": 8, "height": 6, "width": 5}


class GatedExaminer(Examiner):
    """Finds nothing wrong; models whose names begin with `slow` take until they are let
    go. It notes which models it has begun with."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.gates = {name: threading.Event() for name in ("slow",)}
        self.examiners: list[Examiner] = [self]

    def another(self) -> Examiner:
        other = GatedExaminer()
        vars(other).update(vars(self))
        self.examiners.append(other)
        return other

    def call(self, look: Callable[..., object], *arguments: Any, **limits: Any) -> None:
        name = arguments[0]
        if name not in self.begun:
            self.begun.append(name)
        if gate := self.gates.get(name):
            assert gate.wait(60)


class Scene:
    """A directory of added models, and a worker that serves them; `said` has its words."""

    def __init__(self, folder: Path) -> None:
        self.added = folder / "added"
        shipped = folder / "models"
        save_model(untrained("mnist-pixelcnn", seed=1, **SIZE), shipped / "first")
        self.added.mkdir()
        self.said: list[tuple[str, str]] = []
        self.examiner = GatedExaminer()
        kept = KeptWeights(folder / "kept")
        pool = ModelPool({"first": load_model(shipped / "first")}, SlotPlan(1, 0, 64))
        self.arrivals = Arrivals(
            pool,
            kept,
            Examination(kept, 64, 64, self.examiner),
            Directory(shipped, added=self.added),
            "cpu",
            self._put,
            lambda identities: None,
        )
        self._threads: list[threading.Thread] = []

    def _put(self, word: str, *arguments: Any) -> None:
        what = arguments[0] if arguments else ""
        self.said.append((word, getattr(what, "name", what)))

    def add(self, name: str, owner: str) -> None:
        """Put a model there."""
        seed = len(list(self.added.iterdir())) + 2
        save_model(untrained("mnist-pixelcnn", seed=seed, **SIZE), self.added / name)
        text = Owner(owner=owner, job=name).model_dump_json()
        (self.added / name / OWNER).write_text(text)

    def look(self) -> None:
        """Look twice at the directory, beside what is going on."""
        for _ in range(2):
            changes = self.arrivals._changes()
            take = threading.Thread(target=self.arrivals.take, args=changes)
            take.start()
            self._threads.append(take)

    def served(self) -> list[str]:
        return [name for word, name in self.said if word == "served"]

    def wait_until_served(self, *names: str) -> None:
        wait_for(lambda: self.served() == [*names], f"{names} to be served")

    def end(self) -> None:
        for gate in self.examiner.gates.values():
            gate.set()
        for take in self._threads:
            take.join(60)
            assert not take.is_alive()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.end()


def test_a_slow_model_holds_up_none_but_its_owners(scene: Scene) -> None:
    """Whoever comes meanwhile is served; the owner's next one waits its turn."""
    scene.add("slow", "alice")
    scene.look()
    wait_for(lambda: scene.examiner.begun == ["slow"], "the slow one to be begun")
    scene.add("again", "alice")
    scene.add("one", "bob")
    scene.add("other", "bob")
    scene.add("third", "carol")
    scene.look()
    wait_for(lambda: len(scene.served()) == 3, "three to be served")
    assert scene.served() == ["one", "third", "other"], "owners take turns"
    assert "again" not in scene.examiner.begun
    scene.examiner.gates["slow"].set()
    scene.wait_until_served("one", "third", "other", "slow", "again")
    assert len(scene.examiner.examiners) == 2


def test_a_thread_that_cannot_start_is_tried_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For lack of memory: the owner's place is free for the next try."""

    class NoThread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    scene.add("one", "alice")
    scene.add("other", "alice")
    with monkeypatch.context() as lacking:
        lacking.setattr(arrivals.threading, "Thread", NoThread)
        scene.arrivals._note(*scene.arrivals._changes())
    assert scene.examiner.begun == []
    scene.look()
    scene.wait_until_served("one", "other")


def test_a_model_that_goes_while_it_is_examined_is_dropped_after_it(
    scene: Scene,
) -> None:
    """Else it would be served for ever."""
    scene.add("slow", "alice")
    scene.add("waits", "alice")
    scene.look()
    wait_for(lambda: scene.examiner.begun == ["slow"], "the slow one to be begun")
    for name in ("slow", "waits"):
        shutil.rmtree(scene.added / name)
    scene.look()
    assert ("dropped", "waits") in scene.said
    assert ("dropped", "slow") not in scene.said
    scene.examiner.gates["slow"].set()
    wait_for(lambda: ("dropped", "slow") in scene.said, "the slow one to be dropped")
    of_slow = [word for word, name in scene.said if name == "slow"]
    assert of_slow[-1] == "dropped"
    assert "waits" not in scene.examiner.begun
