"""Make docs/models.md, a section for each model in models/, and the picture of its samples that stands there.
`make weights` does the same when it ships weights.

    python docs/tools/make_models.py

The words are those of the cards, and of benchmarks/sampling.json, where a network of these sizes was timed.
docs/img/samples-NAME.png: samples of the model, and in the file the digest of the weights that drew them. Only pictures
of other weights than the card's are drawn again.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer
from make_colour_pictures import TEMPERATURES, is_completer, is_enlarger
from make_pictures import Picture, pixels_of, side_by_side
from make_results import describe_model, score_of
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from readme_table import data_name, draws_of, is_weak

from model_core import Model, load_model, model_names, sample
from model_core.card import Card
from model_core.config import PRESETS
from model_core.measures.speed import useful_operations
from model_core.models_directory import CARD
from model_core.networks import build_network

SEED = 2016
WEIGHTS = "Weights"
"""Name of the digest in a picture's file."""
Speeds = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""benchmarks/sampling.json: processor, then preset/images/threads, then what was measured."""
TIMED = "16/1"
"""Images at once and threads, of the speed that the page tells."""

WARM, COOL = TEMPERATURES

HEAD = f"""# The models

These models are in `models/`, and draw at once. Each is shown with samples of seed {SEED}, of
which none was left out. Draw 16 of your own:

```sh
pixelrnn sample characters --n 16 --out characters.png
```

The score is the negative log-likelihood of a test image: lower is better, and
[results](results.md) sets it beside the paper's. The last column says how to make the
model again.
"""
CAPTIONS = f"""
Colour models are also shown at work on test images, spread evenly, none left out. Draws have
the seeds after {SEED}.

- *Completions*: the upper half of an image, six completions of its lower half, and the
  whole image.
- *Upper halves*: an image, what is given of it, and the upper half drawn without the
  model's [guide](internals/posterior.md#guides) and with it.
- *Upsamplings*: the small picture that was given, the image from which it was taken, and
  two draws, at temperatures {WARM:g} and {COOL:g}.
"""
COLUMNS = ("model", "draws", "network", "score", "test images", "parameters", "made")


def main() -> None:
    """The page, and the pictures of those models whose weights are others now."""
    renew(Path())
    for name in model_names(Path("models")):
        picture = picture_of(name, Path())
        if drawn_by(picture) != Card.read(Path("models") / name / CARD).sha256:
            draw(load_model(name, models_dir=Path("models")), picture)


def renew(root: Path) -> None:
    """docs/models.md of a checkout, from its cards and its figures."""
    cards = [
        Card.read(root / "models" / name / CARD)
        for name in model_names(root / "models")
    ]
    page = root / "docs" / "models.md"
    page.write_text(render(cards, read_speeds(root)), encoding="utf-8")
    typer.echo(page)


def read_speeds(root: Path) -> Speeds:
    """Figures of `benchmarks/sampling.py`; empty if there are none."""
    figures = root / "benchmarks" / "sampling.json"
    return json.loads(figures.read_text(encoding="utf-8")) if figures.exists() else {}


def render(cards: Sequence[Card], speeds: Speeds) -> str:
    """The page, as Markdown; weak models come last."""
    in_order = sorted(cards, key=is_weak)
    rows = [COLUMNS, ["---"] * len(COLUMNS), *map(_row, in_order)]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    sections = [_section(card, speeds) for card in in_order]
    return "\n".join([HEAD, table + CAPTIONS, *sections])


def _row(card: Card) -> Sequence[str]:
    anchor = card.name.replace(".", "")
    score, images = "", ""
    if card.scores:
        score = (
            f"{score_of(card, 'nats')} nats, {score_of(card, 'bits_per_dim')} bits/dim"
        )
        images = f"{card.scores['images']:,}"
    return (
        f"[{card.name}](#{anchor})",
        _drawn(card),
        describe_model(card),
        score,
        images,
        f"{card.parameters:,}",
        f"[how](internals/records.md#{anchor})",
    )


def _drawn(card: Card) -> str:
    """The size and colours of a model's pictures, and what they show."""
    config = card.config
    colours = (
        "colour"
        if config.channels == 3
        else "black and white"
        if config.values == 2
        else "grey"
    )
    colours = f"{config.values} colours" if config.categories else colours
    small = (
        f"; enlarges {config.small.height} x {config.small.width}"
        if config.multi_scale
        else ""
    )
    return f"{config.height} x {config.width}, {colours}: {data_name(card)}{small}"


def _section(card: Card, speeds: Speeds) -> str:
    lines = [
        f"## {card.name}",
        f"![Samples of {card.name}](img/samples-{card.name}.png)",
    ]
    lines += [*_below(card), *_pictures(card)]
    if speed := "; ".join(_speeds(card, speeds)):
        page = "[performance](internals/performance.md#drawing)"
        lines.append(f"16 images at once on one thread: {speed} ({page}).")
    return "\n\n".join(lines) + "\n"


def _below(card: Card) -> Iterator[str]:
    """What a reader of the samples has to know."""
    if card.labels:
        names = ", ".join(label.name for label in card.labels)
        yield f"*A row for each label: {names}.*"
    if is_weak(card):
        draws = card.scores["draws"]
        of = f"{draws['images']} draws, seed {draws['seed']}"
        yield f"The weakest model here: {draws_of(card)} ({of})."


def _pictures(card: Card) -> Iterator[str]:
    """Pictures of what a colour model makes of test images."""
    name = card.name
    if is_enlarger(card):
        yield f"![Upsamplings by {name}](img/upsampling-{name}.png)"
    elif is_completer(card):
        yield f"![Completions by {name}](img/completions-{name}.png)"
        if card.guides:
            yield f"![Upper halves by {name}](img/upper-halves-{name}.png)"


def _speeds(card: Card, speeds: Speeds) -> Iterator[str]:
    """A line for each processor on which a network of these very sizes was timed; mixtures were not."""
    names = [
        name
        for name, config in PRESETS.items()
        if config == card.config and len(card.members) <= 1
    ]
    operations = useful_operations(build_network(card.config)) / 1e9 if names else 0
    for processor, figures in speeds.items():
        for name in names:
            timed = figures.get(f"{name}/{TIMED}")
            if timed and math.isclose(
                timed["gflop_per_image"], operations
            ):  # the preset may have had other sizes then
                yield f"{timed['images_per_s']:,.0f} images/s ({processor})"


def picture_of(name: str, root: Path) -> Path:
    return root / "docs" / "img" / f"samples-{name}.png"


def drawn_by(picture: Path) -> str | None:
    """The digest of the weights that drew it; None where there is no such picture."""
    if not picture.exists():
        return None
    with Image.open(picture) as opened:
        return opened.info.get(WEIGHTS)


def draw(model: Model, picture: Path) -> None:
    """Samples in rows and columns, a row for each label where there are any, into a file that says whose they are."""
    rows, columns, scale = (4, 12, 2) if model.config.channels == 3 else (8, 8, 3)
    rows = len(model.card.labels) or rows
    each = [label.name for label in model.card.labels for _ in range(columns)] or None
    drawn = pixels_of(
        sample(model, rows * columns, seed=SEED, label=each).cpu().numpy(), model
    )
    tiles: list[Picture] = list(drawn.transpose(0, 2, 3, 1))  # (H, W, C)
    table = side_by_side([tiles[columns * row :][:columns] for row in range(rows)])
    enlarged = table.repeat(scale, axis=0).repeat(scale, axis=1)
    info = PngInfo()
    info.add_text(WEIGHTS, model.card.sha256)
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.squeeze(enlarged)).save(picture, optimize=True, pnginfo=info)
    typer.echo(picture)


if __name__ == "__main__":
    typer.run(main)
