"""Which variables a logit can see: every variable changed in turn, and exactly the right logits move (equation 2)."""

import runpy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model_core.config import NetworkConfig
from model_core.kinds import KINDS
from tests.model_core.causality import (
    drawn_before,
    measure,
    moved_pairs,
    predicted_field,
)

DOCS = Path(__file__).parents[2] / "docs"
MAKER = runpy.run_path(str(DOCS / "tools" / "make_causality.py"))
SIZES = {
    "one colour": (1, 2, 7, 13),
    "three colours": (3, 3, 5, 11),
    "a column": (1, 3, 6, 1),
    "tall": (3, 3, 7, 3),
}


def network(kind: str, size: str, layers: int) -> NetworkConfig:
    channels, values, height, width = SIZES[size]
    return NetworkConfig(
        kind, height, width, channels, values, layers, hidden=13, head=61
    )


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_exactly_the_logits_of_the_field_move_when_a_variable_changes(
    kind: str, size: str, layers: int
) -> None:
    """Nothing leaks, everything in the network's field is seen, and nothing outside: for every variable and colour."""
    config = network(kind, size, layers)
    assert torch.equal(moved_pairs(config), predicted_field(config))
    assert not (predicted_field(config) & ~drawn_before(config)).any()


def seen_by(config: NetworkConfig, y: int, x: int) -> Tensor:
    """(C, H, W) bool: the variables that move the logits of the first colour at a pixel."""
    return moved_pairs(config)[..., 0, y, x]


@pytest.mark.parametrize("colours", [1, 3])
def test_a_row_lstm_sees_the_triangle_of_section_3_1(colours: int) -> None:
    """Drawn by hand, one layer, k = 3: the states widen the field by a pixel to each side with every row up."""
    rows = [
        ". . X X X X X X X X X X X X X X X",
        ". . . X X X X X X X X X X X X X .",
        ". . . . X X X X X X X X X X X . .",
        ". . . . . X X X X X X X X X . . .",
        ". . . . . . X X X X o . . . . . .",
        ". . . . . . . . . . . . . . . . .",
    ]
    drawn = torch.tensor([[mark == "X" for mark in row.split()] for row in rows])
    H, W = drawn.shape
    config = NetworkConfig(
        "row-lstm", H, W, colours, values=2, layers=1, hidden=13, head=61
    )
    assert torch.equal(seen_by(config, y=4, x=10), drawn.expand(colours, -1, -1))


def test_a_wide_diagonal_bilstm_misses_only_the_last_pixel_of_the_row_above() -> None:
    """What the paper's construction leaves out, exactly.

    Features at a pixel are made by mask A and do not hold the pixel itself, and the right-to-left map that the row
    below sees is made of the features of its own row. So the last pixel of a row is first seen in the next row by
    pixels whose 7 x 7 field reaches it; those further left than that miss this one pixel, and no other.
    """
    config = network("diagonal-bilstm", "three colours", layers=3)
    missed = torch.nonzero(drawn_before(config) & ~moved_pairs(config)).tolist()
    left_of_the_field = range(11 - 1 - 3)
    expected = [
        [2, y, 10, c, y + 1, x]
        for y in range(4)
        for c in range(3)
        for x in left_of_the_field
    ]
    assert missed == sorted(expected)


def test_a_narrow_diagonal_bilstm_sees_everything() -> None:
    """The Diagonal BiLSTM captures the entire available context (section 3.2), colours of the pixel included."""
    config = network("diagonal-bilstm", "tall", layers=3)
    assert torch.equal(moved_pairs(config), drawn_before(config))


@pytest.mark.parametrize(
    "config",
    MAKER["configs"](),
    ids=lambda c: f"{c.network}-{c.channels}-factor-{c.factor}",
)
def test_the_page_says_what_is_measured(config: NetworkConfig) -> None:
    """docs/internals/causality.md is current: no leaks, and exactly the predicted pairs moved."""
    found = measure(config)
    assert found.leaks == 0
    assert found.moved == found.predicted
    assert (
        MAKER["row"](config, found)
        in (DOCS / "internals" / "causality.md")
        .read_text(encoding="utf-8")
        .splitlines()
    )


def test_the_page_is_the_one_that_is_written() -> None:
    """Its words are those of docs/tools/make_causality.py, and it has a row for each network."""
    page = (DOCS / "internals" / "causality.md").read_text(encoding="utf-8")
    assert page.startswith("\n".join([MAKER["HEAD"], *MAKER["table_head"]()]))
    assert page.endswith(MAKER["FIELDS"])
    rows = (
        page.removeprefix(MAKER["HEAD"])
        .removesuffix(MAKER["FIELDS"])
        .strip()
        .splitlines()[2:]
    )
    assert len(rows) == len(MAKER["configs"]())
