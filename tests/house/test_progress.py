"""What a person hears while models become ready, by what a worker announces in a real store."""

import pytest

from pixelrnn import progress
from pixelrnn.progress import Readiness, StatusLines
from tests.app.hand_worker import COLOUR, GREY, HandWorker
from worker.contract.cards import RefusedModel


class Heard(StatusLines):
    """Keeps what is said, and what is shown."""

    def __init__(self, by_a_person: bool) -> None:
        super().__init__()
        self.by_a_person = by_a_person
        self.said: list[str] = []
        self.shown: list[tuple[str, int, int | None]] = []

    @property
    def is_at_terminal(self) -> bool:
        return self.by_a_person

    def say(self, line: str) -> None:
        self.said.append(line)

    def show(self, doing: str, done: int, of: int | None) -> None:
        self.shown.append((doing, done, of))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look looks, from the first on."""
    monkeypatch.setattr(progress, "USUAL_S", 0.0)
    monkeypatch.setattr(progress, "LOOK_S", 0.0)


@pytest.mark.parametrize("by_a_person", [True, False])
@pytest.mark.parametrize("cold", [True, False])
def test_person_hears_which_model_is_made_ready(
    redis_url: str, by_a_person: bool, cold: bool
) -> None:
    """Which, how many of how many; and nothing of compiling where nothing is compiled."""
    heard, worker = Heard(by_a_person), HandWorker(redis_url)
    readiness = Readiness(redis_url, heard)
    assert readiness.look() is None
    state = {"compiling": True, "cold": cold}
    worker.announce(GREY.model_copy(update=state), COLOUR.model_copy(update=state))
    assert readiness.look() is None
    worker.announce(GREY, COLOUR.model_copy(update=state))
    assert readiness.look() == 1
    worker.announce(GREY, COLOUR)
    assert readiness.look() == 0
    doing = "compiling" if cold else "loading"
    assert heard.shown == [
        ("starting", 0, None),
        (f"{doing} grey (0 of 2 models are ready)", 0, 2),
        (f"{doing} colour (1 of 2 models are ready)", 1, 2),
    ]
    once = ["compiling the drawing loops for this processor, once"] if cold else []
    lines = ["grey is ready (1 of 2 models)", "colour is ready (2 of 2 models)"]
    assert heard.said == once + ([] if by_a_person else lines)


@pytest.mark.parametrize("by_a_person", [True, False])
def test_line_a_minute_says_how_far_a_long_start_is(
    redis_url: str, by_a_person: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first worker is there, and while models become ready. A terminal has a
    bar instead."""
    monkeypatch.setattr(progress, "REPEAT_S", 0.0)
    heard, worker = Heard(by_a_person), HandWorker(redis_url)
    readiness = Readiness(redis_url, heard)
    readiness.look()
    worker.announce(GREY.model_copy(update={"compiling": True}))
    readiness.look()
    worker.announce(GREY)
    readiness.look()
    expected = [
        "still starting",
        "still loading grey (0 of 1 models are ready)",
        "grey is ready (1 of 1 models)",
    ]
    assert heard.said == ([] if by_a_person else expected)


def test_refused_models_are_named_with_the_reason(redis_url: str) -> None:
    """Once each, at a terminal too; again if there is another reason."""
    heard, worker = Heard(by_a_person=True), HandWorker(redis_url)
    readiness = Readiness(redis_url, heard)
    for reason in ("busy", "busy", "broken"):
        worker.announce(GREY, refused=[RefusedModel(name="odd", reason=reason)])
        readiness.look()
    assert heard.said == ["odd is not served: busy", "odd is not served: broken"]
