"""Which models the engine proposes to unload, and what it does with the answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_core import load_model, save_model, untrained
from model_core.image_request import ImageRequest
from model_core.models import Model
from tests.fakes import VALUES, FakeEngine, Outlet
from worker.engine import process
from worker.engine.arrivals import Directory
from worker.engine.cohort import Cohort
from worker.engine.kept import KeptWeights
from worker.engine.model_pool import FullPoolError, ModelPool
from worker.engine.process import _bring
from worker.engine.runner import FetchedModel, Runner
from worker.engine.slot_plan import SlotPlan
from worker.engine.unloading import FRESH_S, REST_S, Unloading
from worker.orders.catalogue import kept_name
from worker.orders.claims import Claim
from worker.orders.drawing import DrawOrder
from worker.orders.images import PlannedImage

SIZE: dict[str, Any] = {"layers": 2, "hidden": 5, "head": 8, "height": 4, "width": 3}
NETWORK = untrained("mnist-pixelcnn", seed=1, **SIZE)


def named(name: str, sha256: str = "0") -> Model:
    return replace(NETWORK, card=replace(NETWORK.card, name=name, sha256=sha256))


def order(token: str, model: str) -> DrawOrder:
    image = PlannedImage(ImageRequest(seed=1, sample=0), 0)
    return DrawOrder(Claim(f"job-{token}", token, last_seq=0), model, VALUES, [image])


class Rig:
    """A pool for three models, one of them shipped, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        plan = SlotPlan(1, 0, slot_memory_mib=64)
        self.pool = ModelPool({"ours": named("ours")}, plan, most=3)
        self.unloading = Unloading(
            self.pool, lambda name: name != "ours", lambda: self.now
        )
        self.unloading.mark_ready("ours")
        self.serving = {"ours": "ours"}

    def add(self, name: str, sha256: str = "0") -> str:
        called = kept_name(self.pool.add(named(name, sha256)))
        self.unloading.mark_ready(called)
        self.serving[name] = called
        self.now += 1.0
        return called

    def proposed(self, in_use: tuple[str, ...] = ()) -> list[str]:
        return list(self.unloading.proposals(self.serving, in_use, needs_room=True))


def test_the_added_model_that_was_used_least_recently_leaves_a_full_pool() -> None:
    """One at a time, never a shipped one, nor one that a job draws with."""
    rig = Rig()
    first, second = rig.add("a"), rig.add("b")
    with pytest.raises(FullPoolError, match="holds 3 models"):
        rig.pool.add(named("c"))
    rig.now += 1
    rig.unloading.mark_used(first)
    assert rig.proposed(in_use=(first, second)) == []
    rig.now += 1
    rig.unloading.mark_used(first)
    (proposal,) = rig.unloading.proposals(rig.serving, (), needs_room=True).items()
    assert proposal[0] == second
    assert rig.proposed() == [], "one is on its way"
    rig.unloading.withdraw(second)
    assert not rig.unloading.is_open(*proposal)
    assert rig.proposed(in_use=(second,)) == [first]


def test_exchanged_models_leave_when_they_have_rested_or_room_is_needed() -> None:
    """Not before: jobs that were accepted for them may still come."""
    rig = Rig()
    former = rig.add("a", "1")
    rig.serving["a"] = "a@2"
    assert not rig.unloading.proposals(rig.serving, (), needs_room=False)
    rig.now += REST_S - 2
    rig.unloading.mark_used(former)
    rig.now += REST_S - 1
    assert not rig.unloading.proposals(rig.serving, (), needs_room=False)
    rig.now += 1
    assert not rig.unloading.proposals(rig.serving, (former,), needs_room=False)
    rig.now += REST_S
    assert list(rig.unloading.proposals(rig.serving, (), needs_room=False)) == [former]

    rig = Rig()
    served, former = rig.add("b"), rig.add("a", "1")
    rig.serving["a"] = "a@2"
    assert served
    assert rig.proposed() == [former], "before one that is served"


def test_a_model_that_a_job_has_asked_for_stays_until_it_is_used() -> None:
    """Else two jobs could take each other's model away, in turns."""
    rig = Rig()
    first, second = rig.add("a"), rig.add("b")
    rig.unloading.mark_ready(first, asked_for=True)
    rig.unloading.mark_ready(second, asked_for=True)
    assert rig.proposed() == []
    rig.unloading.mark_used(second)
    assert rig.proposed() == [second]
    rig.unloading.withdraw(second)
    rig.now += FRESH_S
    assert rig.proposed() == [first]


def test_a_model_that_is_loaded_again_has_the_plan_that_was_announced() -> None:
    """However much memory the others have by then."""
    rig = Rig()
    first = rig.add("a")
    plan, card = rig.pool.plans[first], rig.pool.cards[first]
    rig.pool.unload(first)
    assert rig.pool.loaded == 1
    for name in "bc":
        rig.pool.add(named(name))
    rig.pool.unload(kept_name(rig.pool.cards[f"b@{named('b').card.identity}"]))
    assert rig.pool.add(named("a")) == card.model_copy(
        update={"compiling": False, "cold": False}
    )
    assert rig.pool.plans[first] == plan


def test_an_order_that_came_before_the_answer_keeps_the_model() -> None:
    """And an answer counts once, for the proposal that it is about."""
    rig, outlet = Rig(), Outlet()
    said: list[tuple[Any, ...]] = []
    outlet.report_model = lambda *words: said.append(words)  # type: ignore[method-assign]
    runner = Runner(
        {"ours": Cohort(lambda: FakeEngine(1))},
        outlet,
        lambda task: None,
        pool=rig.pool,
        unloading=rig.unloading,
    )
    called = kept_name(card := rig.pool.add(named("a")))
    runner._serve(card, called, Cohort(lambda: FakeEngine(1)))
    other = kept_name(rig.pool.add(named("b")))
    runner._serve(rig.pool.cards[other], other, Cohort(lambda: FakeEngine(1)))
    said.clear()

    def proposal() -> int:
        runner._propose(needs_room=True)
        ((word, proposed, number),) = said
        assert (word, proposed) == ("unloadable", called)
        said.clear()
        return number

    number = proposal()
    runner._accept(order("t", model=called))
    runner._unload(called, number)
    assert [words[0] for words in said] == ["brought"]
    assert called in rig.pool.names()
    runner._forget("t")
    said.clear()
    rig.now += 1
    rig.unloading.mark_used(other)
    stale, number = number, proposal()
    runner._unload(called, stale)
    assert [words[0] for words in said] == ["brought"], "it was withdrawn since"
    said.clear()
    runner._unload(called, proposal())
    assert rig.pool.names() == [other, "ours"]
    runner.start()
    runner.submit(order("u", model=other))
    outlet.wait(lambda: "u" in outlet.ends)
    runner.stop()
    runner.join(60)
    assert number != stale


def test_only_what_has_been_in_memory_is_loaded_from_the_added_models(
    tmp_path: Path,
) -> None:
    """Its copy may have been deleted, unused for a week. What nobody has examined never
    gets into the engine's process."""
    (tmp_path / "ours").mkdir()
    card = save_model(NETWORK, tmp_path / "added" / "mine")
    directory = Directory(tmp_path / "ours", added=tmp_path / "added")
    kept = KeptWeights(tmp_path / "kept")
    pool = Rig().pool

    def brought() -> FetchedModel | None:
        return _bring(pool, kept, directory, "cpu", "mine", card.identity)

    assert brought() is None
    model = load_model(tmp_path / "added" / "mine")
    called = kept_name(pool.add(model))
    pool.unload(called)
    found = brought()
    assert found is not None
    assert found[0].identity == card.identity
    assert called in pool.names()


def test_nothing_is_read_from_disk_while_the_pool_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model for which a job waits is tried again five times a second, and nothing is
    drawn while one is loaded."""
    (tmp_path / "ours").mkdir()
    card = save_model(NETWORK, tmp_path / "added" / "mine")
    directory = Directory(tmp_path / "ours", added=tmp_path / "added")
    kept = KeptWeights(tmp_path / "kept")
    kept.keep("mine", card.identity, tmp_path / "added" / "mine")
    rig = Rig()
    others = rig.add("a"), rig.add("b")
    read: list[Path] = []

    def load(place: Path, device: str) -> Model:
        read.append(place)
        return load_model(place, device=device)

    monkeypatch.setattr(process, "load_model", load)
    for _ in range(3):
        with pytest.raises(FullPoolError, match="holds 3 models"):
            _bring(rig.pool, kept, directory, "cpu", "mine", card.identity)
    assert read == []
    rig.pool.unload(others[0])
    assert _bring(rig.pool, kept, directory, "cpu", "mine", card.identity) is not None
    assert len(read) == 1
