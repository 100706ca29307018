"""Make docs/results.md and docs/internals/records.md: the paper's tables 2 to 6 (paper.toml), beside them our
measured scores, and how each model was made.

    python docs/tools/make_results.py

They are those of the cards of models/ and models/records/.
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from model_core.card import Card, CardMember
from model_core.config import NetworkConfig, preset
from model_core.data.splits import BINARIZED_MNIST
from model_core.models_directory import RECORDS, cards_in, models_in

SOURCE = "arXiv 1601.06759"
MEMORY = "*"
_FILE: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("paper.toml").read_text(encoding="utf-8")
)
WHERE_READ: dict[str, str] = _FILE["where_read"]
"""Sources of the paper's numbers, by the mark that each number bears."""


@dataclass(frozen=True)
class PaperScore:
    """One line of a table.

    read, train_read: where the numbers were read, marks of WHERE_READ. config, or where the paper gives no size,
    network: what a model of ours must be to stand beside it.
    """

    model: str
    score: float
    read: str = MEMORY
    bound: str = ""
    train: float | None = None
    train_read: str = MEMORY
    config: NetworkConfig | None = None
    network: str = ""

    def is_of(self, config: NetworkConfig) -> bool:
        """True if a network of this config is the one that this line scores."""
        return (
            config == self.config
            if self.config is not None
            else config.network == self.network
        )


@dataclass(frozen=True)
class PaperTable:
    """One table: its unit is `nats` or `bits_per_dim`, its data the beginning of what our cards call the data."""

    number: int
    title: str
    unit: Literal["nats", "bits_per_dim"]
    data: str
    splits: tuple[str, ...]
    """Splits of our scores that compare with it."""
    scores: tuple[PaperScore, ...]
    takes_others: bool = False
    """Lists models of ours at other sizes below the paper's."""


def _score(line: dict[str, Any]) -> PaperScore:
    name, changes = line.pop("preset", None), line.pop("changes", {})
    return PaperScore(
        **line, config=preset(name).with_overrides(**changes) if name else None
    )


TABLES = tuple(
    PaperTable(
        **{
            **table,
            "splits": tuple(table["splits"]),
            "scores": tuple(map(_score, table["scores"])),
        }
    )
    for table in _FILE["tables"]
)

_NOTHING = "–"
DRAWN_ANEW = "†"
"""Marks a score of weights that were trained on more than the data set's one draw of each image."""
UNITS = {"nats": "nats", "bits_per_dim": "bits/dim"}
_SOURCES = "\n".join(
    f"- {mark.replace('*', chr(92) + '*')} {place}"
    for mark, place in WHERE_READ.items()
)
_HEAD = f"""# Results

The tables of *Pixel Recurrent Neural Networks* ({SOURCE}) that report likelihoods, and beside each of its networks
what ours reached. Lower is better. Nats are the negative log-likelihood of an image; bits/dim are nats / (ln 2 ·
colours · height · width), what a perfect coder would spend on each value. ± is the standard error of the mean over
images.

The paper's networks saw the fixed binarization of MNIST, without any augmentation (its sections 5.2 and 5.5), and only
models of ours that were trained in the same way stand in a line of the paper. {DRAWN_ANEW} stands beside weights, of a
mixture some, that were trained in the end on images drawn anew from their grey originals whenever they were seen
(`data.originals`, [data.md](data.md)). That is augmentation: the distribution is the same, but a network cannot learn
the noise of one draw by heart, as it can with the data set's files. Such scores, and those of mixtures, have lines of
their own, with no number of the paper beside them. Test images are the files' in every line.

{_NOTHING} means that nothing was trained. Of several models that match a line, the one with the best validation score
stands there. Three of ours were scored on test images, trained on, and scored again: [records](internals/records.md)
has all their scores, and how each model was made.

Where a number of the paper was read, by its mark ([fidelity.md](internals/fidelity.md) says more):

{_SOURCES}
"""


_RECORDS_HEAD = """# Records: how each model was made

What it takes to repeat each model of the [results](../results.md), from the cards in models/ and models/records/.
Weights in records/ only prove a line of the paper's tables: they are not served. `python docs/tools/make_results.py`
writes both pages.

Three models were scored on test images more than once, because their training went on. The record of one layer had
81.05 nats, then 80.57; that of seven 79.28, 79.26 and 79.19; `cifar10-row-lstm-deep` 3.211 bits/dim, then 3.177. Each
is one lineage of weights, begun with one seed; others are in the history of the repository.

An even mixture of `cifar10-row-lstm-deep` with its own mirror image takes no training and no other weights, so no
record holds it. It has 3.171 ± 0.007 bits/dim on all test images ([how](posterior.md#members)).
"""


def write_report(models_dir: Path | None, out: Path) -> int:
    """Write the page of results to `out`, and beside it internals/records.md, of the models and the records beside
    them; returns how many have a score. ModelError for a damaged card or no such directory."""
    cards = reported(models_dir)
    out.write_text(render(cards), encoding="utf-8")
    records = out.parent / "internals" / "records.md"
    records.parent.mkdir(exist_ok=True)
    records.write_text(render_records(cards), encoding="utf-8")
    return sum(bool(card.scores) for card in cards)


def reported(models_dir: Path | None) -> list[Card]:
    """The cards of a directory's models, then of its records; ModelError when one is damaged, or none is there."""
    directory, _ = models_in(models_dir)
    return [
        Card.read(path)
        for place in (directory, directory / RECORDS)
        for path in cards_in(place)
    ]


def render(cards: Sequence[Card]) -> str:
    """The page of results, as Markdown."""
    scored = [card for card in cards if card.scores]
    return "\n".join([_HEAD, *(_table(table, scored) for table in TABLES)])


def render_records(cards: Sequence[Card]) -> str:
    """The page of how each model was made."""
    return "\n".join([_RECORDS_HEAD, *map(_origin, cards)])


def describe_network(config: NetworkConfig) -> str:
    """`Row LSTM, 4 layers, h = 24`, and what else tells it from others."""
    words = [config.kind.title, _count(config.layers, "layer"), f"h = {config.hidden}"]
    words += [
        f"no {name} connections"
        for name in ("residual", "skip")
        if not getattr(config, name)
    ]
    if config.multi_scale:
        small = config.small
        words[0] = f"Multi-Scale {words[0]}"
        is_alike = (small.layers, small.hidden) == (config.layers, config.hidden)
        of_its_own = (
            ""
            if is_alike
            else f" with {_count(small.layers, 'layer')}, h = {small.hidden}"
        )
        words.append(f"after {small.height} x {small.width}{of_its_own}")
    if config.labels:
        words.append(_count(config.labels, "label"))
    return ", ".join(words)


def describe_model(card: Card) -> str:
    """The network of a model, and how many of them it mixes, or how its one sees images turned."""
    network = describe_network(card.config)
    if len(card.members) > 1:
        return f"even mixture of {len(card.members)}: {network}"
    turns = [
        member.orientation for member in card.members if member.orientation != "none"
    ]
    return f"{network}, images turned by {turns[0]}" if turns else network


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _table(table: PaperTable, cards: Sequence[Card]) -> str:
    """One table: the paper's lines, and below them models of ours at sizes that the paper does not have."""
    here = [
        c
        for c in cards
        if c.data.startswith(table.data) and c.scores["split"] in table.splits
    ]
    lines = [
        f"## Table {table.number}: {table.title}\n",
        f"| model | paper, {UNITS[table.unit]} | ours | our model |",
        "|---|---|---|---|",
    ]
    taken: set[str] = set()
    for score in table.scores:
        matches = [
            card
            for card in here
            if is_as_in_the_paper(card) and score.is_of(card.config)
        ]
        best = min(matches, key=_validation, default=None)
        taken |= {best.name} if best else set()
        lines.append(f"| {score.model} | {_paper(score)} | {_ours(best, table)} |")
    others = (
        [card for card in here if card.name not in taken] if table.takes_others else []
    )
    lines += [
        f"| {describe_model(card)}{_anew(card)} | {_NOTHING} | {_ours(card, table)} |"
        for card in others
    ]
    return "\n".join(lines) + "\n"


def is_as_in_the_paper(card: Card) -> bool:
    """Tell a model that the paper's lines could score: one network of one scale, trained on the files' own images."""
    return (
        not card.config.multi_scale and len(card.members) <= 1 and not card.drawn_anew
    )


def _anew(card: Card) -> str:
    return ", drawn anew" if card.drawn_anew else ""


def _validation(card: Card) -> float:
    """The score by which models are chosen; those whose card has none come last."""
    nats = card.training.get("valid_nats")
    return float("inf") if nats is None else nats


def _paper(score: PaperScore) -> str:
    train = f" ({score.train:.2f}{score.train_read})" if score.train is not None else ""
    return f"{score.bound}{score.score:.2f}{score.read}{train}"


def _ours(card: Card | None, table: PaperTable) -> str:
    """Two cells: the score, and the model's name."""
    if card is None:
        return f"{_NOTHING} | {_NOTHING}"
    mark = DRAWN_ANEW if card.drawn_anew else ""
    address = f"internals/records.md#{card.name.replace('.', '')}"
    return f"{score_of(card, table.unit)}{mark} | [{card.name}]({address})"


def score_of(card: Card, unit: str) -> str:
    """A model's score with its standard error: `79.96 ± 0.20`."""
    digits = 2 if unit == "nats" else 3
    error = card.scores.get(
        {"nats": "standard_error", "bits_per_dim": "bits_standard_error"}[unit]
    )
    return f"{card.scores[unit]:.{digits}f}" + (
        f" ± {error:.{digits}f}" if error is not None else ""
    )


def _origin(card: Card) -> str:
    """Everything that it takes to repeat a model."""
    return f"## {card.name}\n\n" + "".join(f"- {line}\n" for line in _facts(card))


def _facts(card: Card) -> Iterator[str]:
    config, training = card.config, card.training
    colours = (
        "in a palette"
        if config.categories
        else "grey"
        if config.channels == 1
        else "colour"
    )
    yield f"{describe_model(card)}; {config.height} x {config.width} {colours}, {config.values} values"
    yield f"{card.parameters:,} parameters; data: {card.data}"
    for member in card.members:
        yield _member(member)
    if start := training.get("start"):
        yield f"begun with the weights that `{start['model']}` had, sha256 {start['sha256'][:12]}..."
    if training:
        hardware = training.get("hardware") or "hardware not recorded"
        effort = f"{_count(training['epochs'], 'epoch')}, {training['images']:,} images, {_hours(training)}"
        yield f"trained: {effort}; {hardware}"
        yield from _history(training)
        yield from _validated(training)
    yield _measured(card)


def _hours(training: dict[str, Any]) -> str:
    """Hours by the clock and, if there was more than one process, those of all."""
    text = f"{training['hours']:.2f} hours"
    core_hours = training.get("core_hours") or training["hours"]
    more = core_hours > training["hours"]
    return f"{text}, {core_hours:.1f} core-hours" if more else text


def _history(training: dict[str, Any]) -> Iterator[str]:
    """The command of the only sitting, or where those of several are."""
    sittings = training.get("history", [training])
    if len(sittings) > 1:
        yield f"trained in {len(sittings)} sittings: card.json beside its weights has the command of each"
        return
    command = sittings[0].get("command")
    drawn = ", on images drawn anew" if sittings[0].get("drawn_anew") else ""
    yield (
        f"train with `{command}`{drawn}" if command else "training command not recorded"
    )


def _validated(training: dict[str, Any]) -> Iterator[str]:
    """The score by which the weights were chosen, out of all epochs."""
    if (nats := training.get("valid_nats")) is not None:
        images = training.get("valid_images")
        yield f"validation: {nats:,.2f} nats" + (
            f" on {images:,} images" if images else ""
        )


def _member(member: CardMember) -> str:
    scores = ("validation", member.valid_nats), ("test", member.test_nats)
    measured = [
        f"{nats:.2f} nats on {split}" for split, nats in scores if nats is not None
    ]
    origin = member.training.get("turned_from")
    trained = (
        f"the weights of the member {origin}" if origin else f"{member.images:,} images"
    )
    return f"member of images turned by {member.orientation}: " + ", ".join(
        [trained, *measured]
    )


def _measured(card: Card) -> str:
    if not card.scores:
        return "not scored yet"
    split = card.scores["split"]
    images = f"{card.scores['images']:,} {split} images"
    score = f"{score_of(card, 'nats')} nats, {score_of(card, 'bits_per_dim')} bits/dim on {images}"
    colours = card.scores.get("colour_bits", [])
    named = ", ".join(
        f"{name} {bits:.3f}"
        for name, bits in zip(("red", "green", "blue"), colours, strict=False)
    )
    by_colour = f" ({named})" if len(colours) > 1 else ""
    labels = ""
    if "label_nats" in card.scores:
        labels = f"; labels: {card.scores['label_nats']:.3f} nats, {card.scores['label_errors']:.2%} wrong"
    return f"scored: {score}{by_colour}{labels}, with `{_evaluation(card, split)}`"


def _evaluation(card: Card, split: str) -> str:
    has_others = (
        "label_nats" in card.scores and card.data == BINARIZED_MNIST
    )  # whose labels are those of MNIST's files
    originals = " --originals MNIST" if has_others else ""
    return f"pixelrnn evaluate {card.name} --data DATA{originals} --split {split} --write-card"


if __name__ == "__main__":
    place = Path(__file__).parents[1] / "results.md"
    print(
        f"wrote {place}: {write_report(Path(__file__).parents[2] / 'models', place)} scored models"
    )
