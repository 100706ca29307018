"""Which processors the engines get to themselves."""

import pytest

from worker.process.processors import (
    NoProcessorError,
    _interrupted,
    engine_processors,
    keep_to,
)


@pytest.mark.parametrize(
    ("available", "engines", "threads", "own"),
    [
        ([1, 0], 1, 1, [(0,)]),
        ([3, 0, 2, 1], 2, 1, [(1,), (2,)]),
        ([0, 1, 2, 3], 1, 3, [(1, 2, 3)]),
        ([0], 1, 1, [()]),
        ([0, 1], 2, 1, [(), ()]),
        ([0, 1, 2, 3], 1, 4, [()]),
        ([0, 1, 2], 1, 4, [()]),
        (list(range(8)), 1, 1, [()]),
        ([], 1, 1, [()]),
    ],
)
def test_engines_get_the_last_processors_when_there_are_few(
    available: list[int], engines: int, threads: int, own: list[tuple[int, ...]]
) -> None:
    """One at least is left for all else; a large machine needs no such care."""
    assert engine_processors(available, engines, threads) == own


def test_interrupts_are_read_when_the_system_tells() -> None:
    """Those of devices and those put off, of each processor."""
    stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 4 5 6 70 8 0 0\ncpu11 1 2 3 4 5 0 3 8 0 0\nintr 5\n"
    assert _interrupted(stat) == {0: 76, 11: 3}


def test_it_is_said_when_there_is_no_such_processor() -> None:
    """With the setting that asks for it."""
    with pytest.raises(
        NoProcessorError, match="processor 5000 here: see PIXELRNN_ENGINE_CPUS"
    ):
        keep_to([5000])
