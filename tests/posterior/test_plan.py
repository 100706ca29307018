"""Plans for a hole: members, stops and windows."""

import numpy as np

from model_core.orientation import turn
from model_core.posterior.plan import Stop, given_behind, is_mostly_last, stops, windows
from tests.posterior.tiny import mask


def test_windows_cover_the_hole_once() -> None:
    """Wherever the first one begins, and none is empty."""
    hole = np.random.default_rng(0).random((9, 7)) < 0.3
    for dy, dx in ((0, 0), (1, 0)):
        found = windows(hole, dy, dx)
        assert (np.sum(found, 0) == hole).all()
        assert all(part.any() for part in found)


def test_an_order_is_known_by_what_lies_behind() -> None:
    """Given pixels behind the hole's first; and whether most of the hole is drawn after all of them."""
    keep = mask("###. #..# #### ####")
    assert given_behind(keep) == 10
    assert given_behind(np.ones((2, 2), bool)) == 0
    assert given_behind(turn(keep, "rotate_180")) == 4
    rows = {
        "... #.. ...": True,
        "... ### ...": False,
        "... ... ###": False,
        "... ...": True,
    }
    assert {each: is_mostly_last(mask(each)) for each in rows} == rows


def test_particles_are_compared_where_given_pixels_follow_the_hole() -> None:
    """At the ends of rows; within a row where both alternate; not for what is given before the hole."""
    assert stops(mask("#### #..# #### ....")) == [Stop(1, 4), Stop(2, 4)]
    assert stops(mask("###. .... ....")) == []
    assert stops(mask("..##..##.#")) == [Stop(0, 4), Stop(0, 8), Stop(0, 10)]
    assert stops(mask("..##..##.#"), within_rows=False) == [Stop(0, 10)]
