"""Measure what every network sees, and write docs/internals/causality.md.

python docs/tools/make_causality.py
"""

from pathlib import Path
from typing import Annotated

import typer

from model_core.config import NetworkConfig
from model_core.kinds import KINDS
from tests.model_core.causality import Causality, measure

SIZES = {1: (8, 12, 2), 3: (6, 10, 3)}
"""Height, width and values by colours. Wide enough for every network to have something that it cannot see."""

HEAD = """# What each network sees

A network is causal if the logits of a variable never depend on the variable itself or on one that is drawn later
(equation 2 of the paper: row by row, left to right, and red, green, blue within a pixel). This page measures whether
that is so, and on how many of the earlier variables the logits do depend. `python docs/tools/make_causality.py` writes
it, with `tests/model_core/causality.py`; `tests/model_core/test_causality.py` compares the page with the code.

Each network has three layers, random weights and biases, and double precision. Every variable of an image is set to
every other value in turn, and all logits are compared with those of the unchanged image, bit by bit.

- **pairs**: all pairs of a changed variable and a variable whose logits are compared. A pair *moved* if these logits
  changed.
- **leaks**: pairs that moved although the changed variable is drawn later, or is the compared one. Must be 0.
- **allowed**: pairs whose first variable is drawn before the second. **Moved**: the number of allowed pairs that moved;
  **coverage**: their share.
- **predicted**: allowed pairs in the field that the paper's layers should have (see below). Equal to *moved* if the
  network sees exactly that field; the tests compare pair by pair.

Each trained network is checked in the same way, with its own weights, before it is published and when it is evaluated:
`model_core/measures/leaks.py` cuts a small image at every variable, changes all values after the cut, and refuses the
network if a logit up to the cut changes.
[judge](../../judge/README.md) checks any network, yours too, and its sums, units and files as well.
"""

FIELDS = """
## The fields

A network's field is the set of pixels, above and beside the predicted one, on which its logits can depend. The table is
for L layers. Every field begins with the 7 x 7 convolution, mask A. All colours of a pixel in the field are seen; of
the predicted pixel, the colours before the predicted one.

| network | own row, to the left | d rows up, to the left | d rows up, to the right | rows |
|---|---|---|---|---|
| PixelCNN: 3 x 3 in each layer | L + 3 | L + 3 | min(d - 1, L) + 3 | L + 3 |
| Row LSTM: k = 3 along the row and to the row above | L + 3 | L + 3 + d | d + 2 | all |
| Diagonal BiLSTM | all | all | all, but for one variable | all |

The variable that the Diagonal BiLSTM leaves out is the last colour of the last pixel of the row above, where the 7 x 7
convolution does not reach it; [architecture.md](../architecture.md) says why.

The large stage of a Multi-Scale network sees the whole small image before its first pixel. It was measured with the
small image held fixed, so that the field of its base remains.
"""


def main(
    out: Annotated[Path, typer.Option(help="The Markdown page to write.")] = Path(
        "docs/internals/causality.md"
    ),
) -> None:
    """Measure and write; takes about a quarter of a minute."""
    out.write_text(page(), encoding="utf-8")
    typer.echo(out)


def page() -> str:
    """The whole page, measured now."""
    lines = [row(config, measure(config)) for config in configs()]
    return "\n".join([HEAD, *table_head(), *lines, FIELDS])


def configs() -> list[NetworkConfig]:
    """Every network of the table: each kind alone and as the base of a Multi-Scale one, in one and three colours."""
    return [
        NetworkConfig(
            kind,
            H,
            W,
            C,
            V,
            layers=3,
            hidden=13,
            head=61,
            factor=factor,
            conditioning=5 * (factor - 1),
        )
        for factor in (1, 2)
        for kind in KINDS
        for C, (H, W, V) in SIZES.items()
    ]


def table_head() -> list[str]:
    """The table's first two lines."""
    titles = "network | colours | image | variables changed | pairs | leaks | allowed | moved | coverage | predicted"
    return [f"| {titles} |", "|---" + "|---:" * titles.count("|") + "|"]


def row(config: NetworkConfig, found: Causality) -> str:
    """One network's line."""
    name = config.kind.title
    cells = [
        f"Multi-Scale, large stage, {name}" if config.multi_scale else name,
        config.channels,
        f"{config.height} x {config.width}, {config.values} values",
        found.variables,
        f"{found.pairs:,}",
        found.leaks,
        f"{found.allowed:,}",
        f"{found.moved:,}",
        f"{found.coverage:.2%}",
        f"{found.predicted:,}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    typer.run(main)
