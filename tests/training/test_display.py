"""What a run reports to whoever waits for it."""

import math
import time

import pytest

from model_core import slow_steps
from model_core.training.display import Display, nats_and_bits


def test_lines_say_how_far_a_run_is_if_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first update at once, and then a line a minute, though nothing else is said."""
    monkeypatch.setattr(slow_steps, "REPEAT_S", 0.01)
    with Display(leads=True, iteration=4, total=9) as display:
        display.advance(5, 80.0)
        display.advance(6, 80.0)
        time.sleep(0.1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "update 5 of 9, 80.00 nats"
    assert lines[-1] == "update 6 of 9, 80.00 nats"


def test_a_process_that_does_not_lead_says_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of several that train together one reports."""
    with Display(leads=False, iteration=0, total=9) as display:
        display.advance(1, 80.0)
        display.say("a line")
    assert capsys.readouterr().err == ""


def test_a_score_that_is_no_number_is_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither before the first update nor of a validation that overflowed."""
    with Display(leads=True, iteration=0, total=9) as display:
        assert "nats" not in display._line()
        display.advance(1, math.nan)
        display.advance(2, 80.0)
        assert display._line() == "update 2 of 9, 80.00 nats"
    assert "nan" not in capsys.readouterr().err
    assert "nan" not in nats_and_bits(math.nan, 10)
    assert nats_and_bits(math.log(2), 1) == "0.69 nats (1.000 bits/dim)"
