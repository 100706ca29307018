"""The results page: the paper's numbers, ours beside them where they belong, and a dash where there is nothing."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from docs.tools.make_results import (
    MEMORY,
    TABLES,
    WHERE_READ,
    describe_network,
    render,
    render_records,
    write_report,
)
from model_core.card import Card, CardMember
from model_core.config import NetworkConfig, preset
from model_core.models import save_model, untrained

CONFIGS = Path(__file__).parents[2] / "configs"
TRAINING = {
    "epochs": 2,
    "images": 90_000,
    "hours": 1.5,
    "hardware": "a machine",
    "command": "pixelrnn train configs/a.toml",
}


def card(
    name: str, config: NetworkConfig, data: str, split: str = "test", **scores: object
) -> Card:
    facts = {
        "split": split,
        "nats": 81.234,
        "bits_per_dim": 3.456,
        "images": 100,
        **scores,
    }
    return Card(
        name, config, 1234, data=f"{data} (its splits)", training=TRAINING, scores=facts
    )


def line(page: str, start: str) -> str:
    """The one table line that starts so."""
    (found,) = [text for text in page.splitlines() if text.startswith(f"| {start} |")]
    return found


def test_every_score_of_the_paper_has_a_dash_when_nothing_was_trained() -> None:
    """All lines of all tables are there, with both of our cells empty."""
    page = render([])
    for table in TABLES:
        assert f"## Table {table.number}: " in page
        for score in table.scores:
            assert line(page, score.model).endswith("| – | – |")
    assert "1601.06759" in page
    assert "| 79.20² |" in line(page, "Diagonal BiLSTM (7 layers, h = 16)")
    assert "| 80.54* |" in line(page, "Row LSTM (size not given)")
    assert "| 3.00⁴ (2.93*) |" in line(page, "Diagonal BiLSTM (12 layers, h = 128)")


def test_every_number_of_the_paper_says_where_it_was_read() -> None:
    """Each bears a mark that the page explains; no mark is explained that no number bears."""
    page = render([])
    marks = {score.read for table in TABLES for score in table.scores}
    marks |= {
        score.train_read
        for table in TABLES
        for score in table.scores
        if score.train is not None
    }
    assert marks == set(WHERE_READ)
    assert all(f"{mark} {place}\n" in page for mark, place in WHERE_READ.items())


def test_number_quoted_from_memory_says_so_where_it_is_an_aim() -> None:
    """Recipes name the paper's scores as what they try to reach."""
    scores = [score for table in TABLES for score in table.scores]
    read = {score.score for score in scores if score.read != MEMORY}
    memory = {score.score for score in scores} - read
    assert 80.54 in memory
    aims = re.compile(r"scores?(?: is)? ([0-9.]+) (?:nats|bits/dim)([^.;]*)")
    found = [
        (float(number), words)
        for config in CONFIGS.glob("*.toml")
        for number, words in aims.findall(config.read_text().replace("\n# ", " "))
    ]
    assert len(found) > 5
    for number, words in found:
        assert number not in memory or "from memory" in words, number


def test_our_score_stands_beside_the_network_it_is_of() -> None:
    """Same config, data and split; with its error, its origin and its commands."""
    ours = card(
        "ours",
        preset("mnist-diagonal-bilstm"),
        "binarized MNIST",
        standard_error=0.351,
    )
    assert line(render([ours]), "Diagonal BiLSTM (7 layers, h = 16)").endswith(
        "| 79.20² | 81.23 ± 0.35 | [ours](internals/records.md#ours) |"
    )
    page = render_records([ours])
    for text in (
        "## ours",
        "1,234 parameters",
        "2 epochs, 90,000 images, 1.50 hours; a machine",
        "configs/a.toml",
    ):
        assert text in page
    assert "pixelrnn evaluate ours --data DATA --split test --write-card" in page


def test_of_two_models_the_one_with_the_better_validation_score_stands_beside_the_paper() -> (
    None
):
    """Test images choose nothing: the lucky one is listed below. A mixture is no network of the paper's."""
    config = preset("mnist-diagonal-bilstm")
    lucky = card("lucky", config, "binarized MNIST", nats=79.0)
    better = card("better", config, "binarized MNIST", nats=80.0)
    two = (
        CardMember("none", "a.safetensors"),
        CardMember("transpose", "b.safetensors"),
    )
    mixture = replace(
        card("mixture", config, "binarized MNIST", nats=70.0), members=two
    )
    lucky, better = (
        replace(each, training={**TRAINING, "valid_nats": nats})
        for each, nats in ((lucky, 81.0), (better, 80.5))
    )
    page = render([mixture, lucky, better])
    assert line(page, "Diagonal BiLSTM (7 layers, h = 16)").endswith(
        "| 80.00 | [better](internals/records.md#better) |"
    )
    assert line(page, "Diagonal BiLSTM, 7 layers, h = 16").endswith(
        "| – | 79.00 | [lucky](internals/records.md#lucky) |"
    )
    mixed = line(page, "even mixture of 2: Diagonal BiLSTM, 7 layers, h = 16")
    assert mixed.endswith("| – | 70.00 | [mixture](internals/records.md#mixture) |")
    assert "- validation: 80.50 nats\n" in render_records([better])


def test_ablations_stand_in_tables_2_and_3_when_scored_on_validation() -> None:
    """A test score does not compare with them; another size has no line there."""
    ablated = preset("cifar10-row-lstm").with_overrides(residual=False)
    page = render(
        [
            card("skip", ablated, "CIFAR-10", split="valid"),
            card("test-only", preset("cifar10-row-lstm"), "CIFAR-10"),
            card("small", ablated.with_overrides(hidden=24), "CIFAR-10", split="valid"),
        ]
    )
    assert "| 3.09⁶ | 3.456 | [skip](internals/records.md#skip) |" in line(
        page, "skip only"
    )
    assert line(page, "both").endswith("| – | – |")
    assert "[small]" not in page
    assert "[test-only]" in line(page, "Row LSTM (12 layers, h = 128)")


def test_other_data_never_mixes_with_the_paper_s() -> None:
    """The same network trained on thresholded MNIST, or Multi-Scale on CIFAR-10, is not what the paper scores."""
    thresholded = card(
        "thresholded",
        preset("mnist-diagonal-bilstm"),
        "MNIST, bytes mapped to the network's values",
    )
    two_stages = card(
        "two-stages",
        preset("cifar10-multi-scale"),
        "CIFAR-10",
        colour_bits=[4.0, 3.0, 2.5],
    )
    page = render([thresholded, two_stages])
    assert "[thresholded]" not in page
    assert line(page, "Row LSTM (12 layers, h = 128)").endswith("| – | – |")
    assert "| – | 3.456 | [two-stages]" in page
    assert "(red 4.000, green 3.000, blue 2.500)" in render_records([two_stages])


def test_the_weights_that_a_model_began_with_are_named() -> None:
    """Its epochs are then not all that it took."""
    began = replace(
        card("further", preset("mnist-pixelcnn"), "binarized MNIST"),
        training={
            "epochs": 1,
            "images": 5,
            "hours": 0.1,
            "start": {"model": "first", "sha256": "abcdef" * 10},
        },
    )
    assert (
        "- begun with the weights that `first` had, sha256 abcdefabcdef..."
        in render_records([began])
    )


def test_a_network_is_described_by_what_tells_it_from_others() -> None:
    """Kind, depth, width, missing connections, scales."""
    assert (
        describe_network(preset("imagenet64-row-lstm"))
        == "Row LSTM, 4 layers, h = 512, no residual connections"
    )
    small = preset("cifar10-multi-scale").with_overrides(small_layers=1, small_hidden=9)
    assert (
        describe_network(small)
        == "Multi-Scale Row LSTM, 12 layers, h = 128, after 8 x 8 with 1 layer, h = 9"
    )


@pytest.mark.parametrize("scored", [True, False])
def test_the_page_is_written_from_the_cards_on_disk(
    tmp_path: Path, scored: bool
) -> None:
    """Also from cards that say nothing of their training, and are not scored yet."""
    model = untrained("mnist-pixelcnn", layers=1, hidden=2, head=2)
    scores = (
        {"split": "test", "nats": 99.0, "bits_per_dim": 0.2, "images": 5}
        if scored
        else {}
    )
    bare = replace(model.card, data="binarized MNIST", scores=scores)
    save_model(replace(model, card=bare), tmp_path / "models" / "tiny")
    assert write_report(tmp_path / "models", tmp_path / "results.md") == scored
    page = (tmp_path / "results.md").read_text()
    assert (
        "[tiny](internals/records.md#tiny)" in line(page, "PixelCNN (size not given)")
    ) == scored
    assert "## tiny" in (tmp_path / "internals" / "records.md").read_text()
