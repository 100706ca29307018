"""Ship weights: publish the best of a run, score them, and renew everything that shows them.

    make weights NAME=mnist-row-lstm DATA=data/binarized-mnist RUN=runs/mnist-row-lstm
    python docs/tools/make_weights.py mnist-row-lstm --data data/binarized-mnist --run runs/mnist-row-lstm

NAME may be that of a model which is there, or a new one. Without a run the weights in models/NAME stay, as for a
mixture that was put together from others. One after another, each line saying what was written:

- models/NAME, unless the network is not causal, and in its card its score on all test images, and quantiles of those of
  all validation images;
- models/examined.json: the files that workers need not examine again;
- tests/model_core/promised_bytes.json: the digest of what the model draws for one seed;
- pictures: the page's, the model's samples in docs/img/, and the completions there that it draws (whose digits are of
  MNIST thresholded, not of the fixed binarization: --digits says where that is);
- docs/results.md, docs/internals/records.md, docs/models.md, and the lines of the models that the README's table names.

At last it names the measured tables that are of older weights.

What remains to be done by hand: a line in CHANGELOG.md, because seeds give other images now, and the pictures of the
page itself (docs/tools/make_screenshots.py needs a browser).
"""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import make_colour_pictures
import make_models
import make_page_pictures
import make_pictures
import typer
from make_results import reported, write_report
from readme_table import renew_readme

from model_core import Model, load_model, sample
from model_core.card import Card
from model_core.data.datasets import open_dataset, read_dataset
from model_core.data.options import ReadOptions
from model_core.errors import DataError, PixelRNNError
from model_core.examined import renew as renew_examined
from model_core.measures.standing import validation_scores
from model_core.models_directory import CARD
from model_core.training.publish import best_checkpoint, publish
from model_core.training.recipe import Recipe
from model_core.training.scoring import (
    keep_score,
    keep_validation,
    log_p_of_split,
    score_model,
)

PINS = Path("tests/model_core/promised_bytes.json")
SEED = 2016
_WEIGHTS = re.compile(r"`([a-z0-9._-]+)` ([0-9a-f]{12})\b")
"""How a table says which weights it was measured with: benchmarks/sections.py writes it."""
_ROW = re.compile(r"^\| `([a-z0-9._-]+)`", re.MULTILINE)
"""A line of a table, of this model."""
_OF_SIZES = {"performance.md", "results.md", "records.md", "models.md"}
"""Pages whose tables are the same with any weights of a network, or are renewed here."""
README_MODEL = "mnist-diagonal-bilstm"
"""The model that draws docs/img/completions.png."""


def main(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    data: Annotated[Path, typer.Option(help="The data set that it is scored on.")],
    run: Annotated[
        Path | None, typer.Option(help="The run whose best weights are shipped.")
    ] = None,
    digits: Annotated[
        Path | None, typer.Option(help="MNIST: see above. [default: the data]")
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(help="The card has its data.title. [default: the run's]"),
    ] = None,
    root: Annotated[Path, typer.Option(help="The checkout that is renewed.")] = Path(),
) -> None:
    """Publish, score, and renew; takes as long as the scoring of all test images, and a minute."""
    try:
        ship(
            name,
            data,
            run,
            digits,
            root,
            Recipe.load(recipe).data.title if recipe else "",
        )
    except PixelRNNError as error:
        typer.echo(f"make_weights: {error}", err=True)
        raise typer.Exit(2) from None


def ship(
    name: str,
    data: Path,
    run: Path | None,
    digits: Path | None,
    root: Path,
    title: str = "",
) -> None:
    """All of it, in order: nothing is drawn or written elsewhere before the score is in the card."""
    models = root / "models"
    if run is not None:
        typer.echo(publish(best_checkpoint(run), models, say=typer.echo, name=name))
    if title:
        retitle(models / name / CARD, title, data)
    score = score_model(
        load_model(name, models_dir=models),
        data,
        "test",
        say=typer.echo,
        originals=digits,
    )
    keep_score(models / name, "test", score)
    typer.echo(
        f"{score.nats:.2f} nats, {score.bits_per_dim:.4f} bits/dim on {score.images} test images"
    )
    typer.echo(calibrate(name, data, models))
    model = load_model(name, models_dir=models)
    typer.echo(pin(model, root / PINS))
    typer.echo(renew_examined(models))
    draw_pictures(model, digits if digits and name == README_MODEL else data, root)
    renew_pages(root)
    for line in older_tables(root):
        typer.echo(line)


def retitle(path: Path, title: str, data: Path) -> None:
    """Call the data of a card so: a title says whose pictures they are, where their licence wants that."""
    card = Card.read(path)
    training = card.training
    options = ReadOptions(
        training.get("resize", "lanczos"),
        None,
        card.palette,
        training.get("crops", False),
    )
    replace(card, data=f"{title}: {open_dataset(data, options).description}").write(
        path
    )


def calibrate(name: str, data: Path, models: Path) -> str:
    """Keep what p-values are taken from in the card; says what was kept, or why nothing could be."""
    try:
        validation = validation_scores(
            log_p_of_split(load_model(name, models_dir=models), data, "valid")
        )
    except DataError as error:
        return f"no p-values: {error}"
    keep_validation(models / name, validation)
    return f"p-values from {validation.images} validation images"


def pin(model: Model, path: Path) -> Path:
    """Keep the digest of four images of the model, by which a test knows that a seed still gives the same bytes."""
    drawn = sample(model, 4, seed=SEED).numpy().astype("uint8").tobytes()
    pins = json.loads(path.read_text(encoding="utf-8"))
    pins[model.card.name] = hashlib.sha256(drawn).hexdigest()[:16]
    path.write_text(json.dumps(pins, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def draw_pictures(model: Model, data: Path, root: Path) -> None:
    """Every picture that shows the model, as the makers of pictures draw it."""
    name, images = model.card.name, root / "docs" / "img"
    page = make_page_pictures.samples(root / "models" / name)
    make_page_pictures.save(page, root / make_page_pictures.OUT / f"model-{name}.webp")
    make_models.draw(model, make_models.picture_of(name, root))
    if model.config.channels == 3:
        make_colour_pictures.draw(model, data, images)
    if name == README_MODEL:
        make_pictures.draw(model, read_dataset(data, "test", model.config), images)


def renew_pages(root: Path) -> None:
    """docs/results.md, internals/records.md, models.md and the README's table, from the cards of all models."""
    models = root / "models"
    write_report(models, root / "docs" / "results.md")
    typer.echo(root / "docs" / "results.md")
    make_models.renew(root)
    renew_readme(root / "README.md", reported(models))
    typer.echo(root / "README.md")


def older_tables(root: Path) -> list[str]:
    """Tables in docs/ that were measured with other weights than the models have now, or do not say with which: a line
    for each."""
    cards = {card.name: card.sha256 for card in reported(root / "models")}
    lines: list[str] = []
    for path in sorted((root / "docs").rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        named = {found for found in _WEIGHTS.findall(page) if found[0] in cards}
        silent = {name for name in _ROW.findall(page) if name in cards} - {
            name for name, _ in named
        }
        lines += [
            f"{path}: measured with {name} {digest}, which is now {cards[name][:12]}: measure again"
            for name, digest in sorted(named)
            if not cards[name].startswith(digest)
        ]
        lines += [
            f"{path}: a table does not say which weights of {name} it was measured with"
            for name in sorted(silent)
            if path.name not in _OF_SIZES
        ]
    return lines


if __name__ == "__main__":
    typer.run(main)
