"""The zoo: every fault is found by the check that must find it, nothing else is."""

import pytest
from judge.zoo import SIZES, main, specimens

SEEDS = (1, 2, 3)


def wrong_verdicts(size_name: str, seed: int) -> list[str]:
    """Judge the whole zoo at one size, and return the verdicts that are wrong."""
    size = SIZES[size_name]
    wrong = []
    for specimen in specimens(size, seed):
        verdict = specimen.judged(size, seed)
        if not specimen.is_judged_right(verdict):
            wrong.append(f"{specimen.name}: {verdict.report()}")
    return wrong


@pytest.mark.timeout(600)
def test_zoo_is_judged_right() -> None:
    """No fault is missed and there is no false alarm, in colour images."""
    assert wrong_verdicts("colour", seed=0) == []


@pytest.mark.weekly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size_name", SIZES)
def test_zoo_is_judged_right_at_every_size(size_name: str, seed: int) -> None:
    """The same at all sizes, with other weights and other images."""
    assert wrong_verdicts(size_name, seed) == []


@pytest.mark.parametrize("size_name", SIZES)
def test_zoo_is_large_enough(size_name: str) -> None:
    """At each size there are at least 30 faults and 12 sound models."""
    found = list(specimens(SIZES[size_name], seed=0))
    sound = [each for each in found if each.fault is None]
    claims = [each for each in found if each.fault == "units"]
    assert len(sound) >= 12
    assert len(found) - len(sound) - len(claims) >= 30
    assert len({each.name for each in found}) == len(found)


@pytest.mark.timeout(600)
def test_zoo_command_prints_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """The command judges the zoo of a hexadecimal seed and counts."""
    assert main(["--seed", "1f3a9c20", "--size", "grey"]) == 0
    assert "0 false alarms" in capsys.readouterr().out
