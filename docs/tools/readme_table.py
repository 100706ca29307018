"""The README's table of models, from their cards. The page says which: the table is renewed for those that it names."""

import re
from collections.abc import Sequence
from pathlib import Path

from make_results import (
    TABLES,
    UNITS,
    PaperScore,
    PaperTable,
    describe_model,
    is_as_in_the_paper,
    score_of,
)

from model_core.card import Card
from model_core.errors import DataError

_HEAD = [
    "| name | network | data | measured on all test images | paper |",
    "|---|---|---|---|---|",
]


def renew_readme(path: Path, cards: Sequence[Card]) -> None:
    """Renew the lines of the table; DataError when the page cannot be read or written, or has no such table."""
    try:
        page = path.read_text(encoding="utf-8")
        table = "\n".join([*_HEAD, *models_table(named_in(page, cards))]) + "\n"
        renewed, count = re.subn(
            rf"^{re.escape(_HEAD[0])}\n(\|.*\n)+",
            lambda _: table,
            page,
            flags=re.MULTILINE,
        )
        if count != 1:
            raise DataError(f"{path} has no table that begins with {_HEAD[0]}")
        path.write_text(renewed, encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot renew {path}: {error.strerror}") from None


def named_in(page: str, cards: Sequence[Card]) -> list[Card]:
    """The models that have a line in the page's table."""
    return [card for card in cards if f"\n| `{card.name}` |" in page]


def models_table(cards: Sequence[Card]) -> list[str]:
    """A line for each model with a test score, the best first of those on the same data; weak models last."""
    rows = []
    for card in cards:
        if card.scores.get("split") != "test":
            continue
        table = _table_of(card)
        unit = (
            table.unit
            if table
            else "nats"
            if card.config.values == 2
            else "bits_per_dim"
        )
        measured = f"{score_of(card, unit)} {UNITS[unit]}"
        if is_weak(card):
            measured += f"; weak: {draws_of(card)}"
        data = f"{data_name(card)}, drawn anew" if card.drawn_anew else data_name(card)
        cells = (
            f"`{card.name}`",
            describe_model(card),
            data,
            measured,
            _paper(card, table),
        )
        rows.append(
            (
                is_weak(card),
                TABLES.index(table) if table else len(TABLES),
                card.scores[unit],
                f"| {' | '.join(cells)} |",
            )
        )
    return [line for *_, line in sorted(rows)]


def is_weak(card: Card) -> bool:
    """Whether the card says how improbable its model's own draws are, as one does whose draws are poor."""
    return "draws" in card.scores


def draws_of(card: Card) -> str:
    """How probable the draws of such a model are, and how its test images are."""
    draws = card.scores["draws"]
    nats = f"{draws['nats']:,.0f} ± {draws['standard_error']:.0f} nats"
    test = f"{card.scores['nats']:,.0f}"
    return f"its draws have {nats}, so it finds them less probable than test images ({test})"


def _table_of(card: Card) -> PaperTable | None:
    """The paper's table of test scores on the model's data."""
    return next(
        (
            table
            for table in TABLES
            if "test" in table.splits and card.data.startswith(table.data)
        ),
        None,
    )


def data_name(card: Card) -> str:
    """Name of the data that the model was trained on, without splits and sizes: `binarized MNIST`."""
    return card.data.partition(" (")[0].partition(",")[0]


def _paper(card: Card, table: PaperTable | None) -> str:
    """The paper's score of this network, else of the same kind at the size that it names, which is said.

    Nothing of the paper stands beside a mixture, or weights that were trained on more than the data set's own images.
    """
    config = card.config
    scores = table.scores if table and is_as_in_the_paper(card) else ()
    exact = [score for score in scores if score.config == config]
    kin = [score for score in scores if _kind(score) == config.network]
    if exact:
        return f"{exact[0].score:.2f}"
    return f"{kin[-1].score:.2f}{_size(kin[-1])}" if kin else "–"


def _kind(score: PaperScore) -> str:
    return score.config.network if score.config else score.network


def _size(score: PaperScore) -> str:
    return (
        f" with {score.config.layers} layers, h = {score.config.hidden}"
        if score.config
        else ", size not given"
    )
