"""`make weights`: one command ships the weights of a run, and everything that shows them is renewed; in a tiny form."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from docs.tools.make_results import render, render_records, reported
from model_core import load_model, save_model, untrained
from model_core.card import Card, CardMember
from model_core.config import preset
from model_core.measures.speed import useful_operations
from model_core.models_directory import CARD, models_in
from model_core.networks import build_network
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train

ROOT = Path(__file__).parents[2]


@pytest.fixture
def make_models(readme_table: ModuleType) -> ModuleType:
    """The maker of docs/models.md, beside that of the table."""
    return importlib.import_module("make_models")


@pytest.fixture
def make_weights(make_models: ModuleType) -> ModuleType:
    """The command's own module."""
    return importlib.import_module("make_weights")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the command renews, without models."""
    root = tmp_path / "checkout"
    for directory in ("models", "docs/img", "app/playground/img", "tests/model_core"):
        (root / directory).mkdir(parents=True)
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (root / "README.md").write_text(
        page.replace("| `mnist-row-lstm` |", "| `tiny` |"), encoding="utf-8"
    )
    (root / "tests/model_core/promised_bytes.json").write_text("{}")
    return root


def ship(root: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        ROOT / "docs" / "tools" / "make_weights.py",
        *words,
        "--root",
        root,
    ]
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=120
    )


def test_a_new_model_and_then_better_weights_for_it_are_shipped(
    checkout: Path,
    recipe: Recipe,
    recipe_file: Path,
    stripes: Path,
    tmp_path: Path,
    make_models: ModuleType,
    readme_table: ModuleType,
) -> None:
    """The name is new, then one that is there: card, score, pin, pictures, pages and README, whose
    table names it, each time."""
    longer = Recipe.load(recipe_file, ["training.epochs=4"])
    shown = []
    for i, each in enumerate((recipe, longer)):
        train(RunRequest(each, tmp_path / f"run-{i}"))
        titled = tmp_path / "titled.toml"
        titled.write_text(
            recipe_file.read_text().replace(
                "[data]", f'[data]\ntitle = "stripes (by X; {i})"'
            )
        )
        ended = ship(
            checkout,
            "tiny",
            "--data",
            stripes,
            "--run",
            tmp_path / f"run-{i}",
            "--recipe",
            titled,
        )
        assert ended.returncode == 0, ended.stderr
        assert "causal: none of " in ended.stdout
        card = load_model(checkout / "models" / "tiny").card
        assert (card.name, card.scores["images"], card.scores["split"]) == (
            "tiny",
            7,
            "test",
        )
        assert card.data.startswith(f"stripes (by X; {i}): MNIST, ")
        (row,) = [
            line
            for line in (checkout / "README.md").read_text().splitlines()
            if line.startswith("| `")
        ][:1]
        assert [row] == readme_table.models_table([card])
        assert (checkout / "docs/results.md").read_text() == render([card])
        assert (checkout / "docs/models.md").read_text() == make_models.render(
            [card], {}
        )
        assert (
            make_models.drawn_by(make_models.picture_of("tiny", checkout))
            == card.sha256
        )
        assert (checkout / "app/playground/img/model-tiny.webp").is_file()
        pins = json.loads(
            (checkout / "tests/model_core/promised_bytes.json").read_text()
        )
        assert list(pins) == ["tiny"]
        shown.append((card.sha256, card.scores["nats"], row, pins["tiny"]))
    assert shown[0] != shown[1]
    assert shown[0][0] != shown[1][0]
    assert "| `mnist-row-lstm` |" not in (checkout / "README.md").read_text()


def test_a_colour_model_without_a_run_is_scored_and_drawn(
    checkout: Path, tmp_path: Path
) -> None:
    """Weights that are there already, as those of a mixture; a Multi-Scale model is drawn upsampling too."""
    sizes = {
        "layers": 1,
        "hidden": 6,
        "head": 8,
        "small_layers": 1,
        "small_hidden": 6,
        "conditioning": 4,
    }
    model = untrained("cifar10-multi-scale", **sizes, height=8, width=8)
    save_model(model, checkout / "models" / "tiny-scales")
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    np.savez(tmp_path / "images.npz", train=images, test=images)
    ended = ship(checkout, "tiny-scales", "--data", tmp_path / "images.npz")
    assert ended.returncode == 0, ended.stderr
    assert load_model(checkout / "models" / "tiny-scales").card.scores["images"] == 4
    assert sorted(path.name for path in (checkout / "docs/img").iterdir()) == [
        "samples-tiny-scales.png",
        "upsampling-tiny-scales.png",
    ]


def test_nothing_is_renewed_when_the_data_cannot_be_read(
    checkout: Path, models_dir: Path
) -> None:
    """One line, exit code 2, and the card as it was."""
    shutil.copytree(models_dir / "tiny-cnn", checkout / "models" / "tiny-cnn")
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    ended = ship(checkout, "tiny-cnn", "--data", checkout / "nowhere")
    assert ended.returncode == 2
    assert ended.stderr.startswith("make_weights: no data at ")
    assert {
        path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()
    } == before


def test_the_paper_stands_beside_what_was_trained_as_its_networks_were(
    readme_table: ModuleType,
) -> None:
    """Not beside a mixture, weights that were trained on images drawn anew, or a model of other data."""
    config = preset("mnist-diagonal-bilstm")
    two = (
        CardMember("none", "a.safetensors"),
        CardMember("transpose", "b.safetensors"),
    )
    scores = {"split": "test", "nats": 78.5, "bits_per_dim": 0.1, "images": 5}
    mixture = Card(
        "m", config, 2, "binarized MNIST (its splits)", scores=scores, members=two
    )
    other = Card("o", config, 2, "my pictures, bytes", scores=scores)
    mixed = "| `m` | even mixture of 2: Diagonal BiLSTM, 7 layers, h = 16 | binarized MNIST | 78.50 nats |"
    own = "| `o` | Diagonal BiLSTM, 7 layers, h = 16 | my pictures | 78.50 nats | – |"
    same = Card(
        "p", config, 2, "binarized MNIST (its splits)", scores={**scores, "nats": 79.0}
    )
    anew = replace(
        same,
        name="a",
        training={
            "images": 5,
            "epochs": 1,
            "hours": 0.1,
            "history": [{"images": 5, "hours": 0.1, "drawn_anew": True}],
        },
    )
    assert readme_table.models_table([other, mixture]) == [f"{mixed} – |", own]
    lines = readme_table.models_table([same, anew])
    assert sorted(line.split(" | ")[-1] for line in lines) == ["79.20 |", "– |"]
    page = render([same, anew])
    assert (
        "| Diagonal BiLSTM (7 layers, h = 16) | 79.20² | 79.00 | [p](internals/records.md#p) |"
        in page
    )
    assert (
        "| Diagonal BiLSTM, 7 layers, h = 16, drawn anew | – | 79.00† | [a](internals/records.md#a) |"
        in page
    )


def test_a_model_is_shown_with_what_is_known_of_it(make_models: ModuleType) -> None:
    """Speed only where a network of its very sizes was timed, and not of a mixture; what it enlarges, if it does."""
    scores = {"split": "test", "nats": 78.5, "bits_per_dim": 0.1, "images": 5}
    card = Card(
        "m",
        preset("mnist-row-lstm"),
        12_345,
        "binarized MNIST (its splits)",
        scores=scores,
    )
    timed = {
        "images_per_s": 1234.5,
        "gflop_per_image": useful_operations(build_network(card.config)) / 1e9,
    }
    of_other_sizes = timed | {"gflop_per_image": 1}
    speeds = {
        "A processor": {"mnist-row-lstm/16/1": timed},
        "Another": {"mnist-row-lstm/16/1": of_other_sizes},
    }
    page = make_models.render([card], speeds)
    for words in (
        "## m\n",
        "](img/samples-m.png)",
        "| [m](#m) | 28 x 28, black and white: binarized MNIST | ",
        " | 78.50 nats, 0.100 bits/dim | 5 | 12,345 | ",
        "1,234 images/s (A processor) ([",
    ):
        assert words in page
    narrow = replace(card, config=card.config.with_overrides(hidden=3))
    two = (
        CardMember("none", "a.safetensors"),
        CardMember("transpose", "b.safetensors"),
    )
    unscored = Card("s", preset("cifar10-multi-scale"), 2)
    for other in (narrow, replace(card, members=two), unscored):
        assert "images/s" not in make_models.render([other], speeds)
    assert "; enlarges 8 x 8 |" in make_models.render([unscored], {})


def test_the_pages_are_those_of_the_shipped_cards(
    make_models: ModuleType, readme_table: ModuleType
) -> None:
    """docs/results.md, internals/records.md, models.md, its pictures and the README's table are of the models that
    are there: `make weights` was not forgotten."""
    directory, names = models_in(ROOT / "models")
    cards = [Card.read(directory / name / CARD) for name in names]
    shown = reported(directory)
    docs = ROOT / "docs"
    assert (docs / "results.md").read_text(encoding="utf-8") == render(shown)
    records = (docs / "internals" / "records.md").read_text(encoding="utf-8")
    assert records == render_records(shown)
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (
        "\n".join(
            readme_table.models_table(readme_table.named_in(page, reported(directory)))
        )
        in page
    )
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert page == make_models.render(cards, make_models.read_speeds(ROOT))
    assert [
        path
        for path in re.findall(r"\]\(([^)#]+)", page)
        if not (ROOT / "docs" / path).exists()
    ] == []
    for card in cards:
        assert (
            make_models.drawn_by(make_models.picture_of(card.name, ROOT)) == card.sha256
        ), card.name


def test_tables_of_older_weights_are_named(
    tmp_path: Path, models_dir: Path, make_weights: ModuleType
) -> None:
    """A table says which weights it was measured with; those of other models and of records count as well. One that
    does not say it is named, too."""
    shutil.copytree(models_dir / "tiny-cnn", tmp_path / "models" / "tiny-cnn")
    now = Card.read(models_dir / "tiny-cnn" / CARD).sha256[:12]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(
        f"`tiny-cnn` {now}; `unknown` 012345678901\n", encoding="utf-8"
    )
    assert make_weights.older_tables(tmp_path) == []
    (tmp_path / "docs" / "b.md").write_text(
        "`tiny-cnn` 012345678901, 10 images\n", encoding="utf-8"
    )
    (line,) = make_weights.older_tables(tmp_path)
    assert line.endswith(
        f"b.md: measured with tiny-cnn 012345678901, which is now {now}: measure again"
    )
    (tmp_path / "docs" / "c.md").write_text(
        "| `tiny-cnn` | 12.3 |\n| `unknown` | 1 |\n", encoding="utf-8"
    )
    assert make_weights.older_tables(tmp_path)[1:] == [
        f"{tmp_path / 'docs' / 'c.md'}: a table does not say which weights of tiny-cnn it was measured with"
    ]
