"""Shares of a batch: their sum has the same bits, whoever computes them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model_core.config import preset
from model_core.errors import ConfigError
from model_core.networks import build_network
from model_core.training.batches import Batches
from model_core.training.checkpoint import read_checkpoint, write_checkpoint
from model_core.training.evaluate import evaluate
from model_core.training.ranks import Ranks
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from model_core.training.shares import expect_shares

MUON = ("training.rule=muon", "training.momentum=0.9")


def stop_after(updates: int) -> Callable[[], bool]:
    """Become true at the question before update number `updates` (from 0)."""
    asked = iter(range(1_000_000))
    return lambda: next(asked) >= updates


def tensors_of(directory: Path) -> dict[str, Tensor]:
    return read_checkpoint(directory / "last.safetensors")[0]


def shares_of(directory: Path) -> int:
    """The number of shares that the checkpoint of a run says."""
    _, facts = read_checkpoint(directory / "last.safetensors")
    return facts["recipe"]["training"]["shares"]


def expect_equal(ours: Path, theirs: Path) -> None:
    """Weights, average and the optimiser's state have the same bits."""
    expected, tensors = tensors_of(theirs), tensors_of(ours)
    assert tensors.keys() == expected.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("changes", [(), MUON], ids=["rmsprop", "muon"])
def test_a_recipe_without_shares_has_one(
    recipe_file: Path, tmp_path: Path, changes: Sequence[str]
) -> None:
    """Its checkpoint stays free of them, and four shares give other bits."""
    for name, shares in (("none", 0), ("one", 1), ("four", 4)):
        recipe = Recipe.load(recipe_file, [*changes, f"training.shares={shares}"])
        assert train(RunRequest(recipe, tmp_path / name)).finished
        assert shares_of(tmp_path / name) == shares
    expect_equal(tmp_path / "none", tmp_path / "one")
    one, four = tensors_of(tmp_path / "one"), tensors_of(tmp_path / "four")
    assert any(not torch.equal(one[name], four[name]) for name in one)


def test_shares_are_added_in_the_order_of_their_numbers() -> None:
    """Here another order gives another sum: 1 is lost beside 1e8."""
    numbers = torch.tensor([1e8, 1.0, -1e8, 1.0])
    assert Ranks(shares=4).add_shares(lambda share: numbers[share]).item() == 1
    assert numbers[[0, 2, 1, 3]].cumsum(0)[-1].item() == 2


def test_a_share_is_the_same_part_of_a_batch_in_every_process() -> None:
    """Its images, its labels, and what is drawn for it at random."""
    greys = np.full((12, 1, 5, 7), 127, np.uint8)
    labels = np.arange(12)

    def shares(rank: int, processes: int) -> list[tuple[list[float], list[int]]]:
        batches = Batches(
            greys, 8, 3, rank, processes, redraw=True, labels=labels, shares=4
        )
        batch = batches.batch_at(5)
        own = len(range(rank, 4, processes))
        return [
            (part.values.flatten().tolist(), part.labels.tolist())
            for part in batch.parts(own)
            if part.labels is not None
        ]

    whole = shares(0, 1)
    assert len({str(share) for share in whole}) == 4
    for processes in (2, 3, 4):
        for rank in range(processes):
            assert shares(rank, processes) == whole[rank::processes]


def test_a_score_by_shares_is_the_score() -> None:
    """Up to rounding, also where some shares have no images, and counted once."""
    changes = {"height": 6, "width": 5, "layers": 1, "hidden": 6, "head": 6}
    network = build_network(preset("mnist-pixelcnn").with_overrides(**changes))
    values = np.random.default_rng(0).integers(0, 2, (11, 1, 6, 5), np.uint8)
    for count in (11, 3):
        expected = evaluate(network, values[:count])
        counts: list[int] = []
        for batch in (2, 50):
            found = evaluate(
                network,
                values[:count],
                batch,
                Ranks(shares=4),
                on_images=counts.append,
            )
            assert found.nats == pytest.approx(expected.nats, rel=1e-6)
            assert found.standard_error == pytest.approx(
                expected.standard_error, rel=1e-4
            )
        assert sum(counts) == 2 * count


def test_a_run_is_bound_to_the_shares_of_its_checkpoint(
    recipe_file: Path, tmp_path: Path
) -> None:
    """A recipe that says nothing goes on with them; another number is refused."""
    four = Recipe.load(recipe_file, ["training.shares=4"])
    assert not train(RunRequest(four, tmp_path), is_over=stop_after(5)).finished
    two = Recipe.load(recipe_file, ["training.shares=2"])
    with pytest.raises(ConfigError, match=r"started with training\.shares = 4: .* 2"):
        train(RunRequest(two, tmp_path, resume=True))
    none = Recipe.load(recipe_file)
    assert train(RunRequest(none, tmp_path, resume=True)).finished
    assert shares_of(tmp_path) == 4
    assert train(RunRequest(four, tmp_path / "whole")).finished
    expect_equal(tmp_path, tmp_path / "whole")


def test_a_checkpoint_of_an_earlier_version_goes_on_as_there(
    recipe: Recipe, tmp_path: Path
) -> None:
    """It says no shares: one process computes whole batches."""
    assert not train(RunRequest(recipe, tmp_path), is_over=stop_after(5)).finished
    last = tmp_path / "last.safetensors"
    tensors, facts = read_checkpoint(last)
    del facts["recipe"]["training"]["shares"]
    write_checkpoint(last, tensors, facts)
    assert train(RunRequest(recipe, tmp_path, resume=True)).finished
    assert train(RunRequest(recipe, tmp_path / "whole")).finished
    expect_equal(tmp_path, tmp_path / "whole")


def test_shares_that_cannot_be_computed_are_refused(
    recipe_file: Path, tmp_path: Path
) -> None:
    """They divide the batch, each process has one, and each of several GPUs too."""
    three = Recipe.load(recipe_file, ["training.shares=3"])
    with pytest.raises(ConfigError, match="batch = 8 cannot be divided into 3 equal"):
        train(RunRequest(three, tmp_path))
    with pytest.raises(ConfigError, match="2 is too few for 3 processes"):
        expect_shares(2, 3, "cpu")
    with pytest.raises(ConfigError, match="on GPUs: expected 1 or 4 processes, not 2"):
        expect_shares(4, 2, "cuda:1")
    expect_shares(4, 3, "cpu")
    expect_shares(4, 1, "cuda:0")
    expect_shares(4, 4, "cuda:3")
