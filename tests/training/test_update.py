"""One update: the flat buffer, the rule, the average, the schedule, the batches."""

import copy
import math
import time
from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor

from model_core.config import preset
from model_core.errors import ConfigError
from model_core.layers.masked_conv import MaskedConv2d
from model_core.measures.likelihood import nats_per_image
from model_core.networks import PixelNetwork, build_network
from model_core.training.batches import Batches
from model_core.training.flat import FlatParameters
from model_core.training.learning_rate import highest_rate, learning_rate
from model_core.training.optimiser import (
    Average,
    Optimiser,
    moves_as_matrix,
    orthogonal,
)
from model_core.training.recipe import TrainingSection

CONFIG = preset("mnist-diagonal-bilstm").with_overrides(
    height=4, width=3, layers=2, hidden=3, head=4
)


@pytest.fixture
def network() -> PixelNetwork:
    """A Diagonal BiLSTM of 4 x 3 in double precision."""
    torch.manual_seed(0)
    made = build_network(CONFIG).double()
    assert isinstance(made, PixelNetwork)
    return made


@pytest.fixture
def values() -> torch.Tensor:
    """Five binary images."""
    return torch.randint(2, (5, 1, 4, 3), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", [{}, {"momentum": 0.9, "centered": True}])
def test_flat_updates_equal_those_of_separate_tensors(
    network: PixelNetwork, values: torch.Tensor, kind: dict[str, float]
) -> None:
    """One buffer is only faster: ten updates agree with torch.optim.RMSprop on the parameters themselves."""
    plain = copy.deepcopy(network)
    rule = torch.optim.RMSprop(plain.parameters(), lr=1e-2, alpha=0.9, **kind)  # type: ignore[arg-type]
    parameters = FlatParameters(network)
    optimiser = Optimiser(parameters, TrainingSection(epochs=1, alpha=0.9, **kind))  # type: ignore[arg-type]
    for _ in range(10):
        nats_per_image(network, values).mean().backward()
        optimiser.step(1e-2)
        rule.zero_grad()
        nats_per_image(plain, values).mean().backward()
        rule.step()
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("rule", ["rmsprop", "muon"])
@pytest.mark.parametrize("kind", ["mnist-pixelcnn", "cifar10-pixelcnn"])
def test_masked_weights_stay_masked_when_updated(rule: str, kind: str) -> None:
    """No update lets the future in, nor one colour of a pixel into another that comes before it."""
    config = preset(kind).with_overrides(
        height=4, width=3, layers=2, hidden=24, head=24
    )
    network = build_network(config)
    values = torch.randint(
        config.values,
        (5, config.channels, 4, 3),
        generator=torch.Generator().manual_seed(1),
    )
    optimiser = Optimiser(
        FlatParameters(network),
        TrainingSection.model_validate({"epochs": 1, "momentum": 0.9, "rule": rule}),
    )
    for _ in range(3):
        nats_per_image(network, values).mean().backward()
        optimiser.step(0.1)
    masked = [
        layer
        for layer in network.modules()
        if isinstance(layer, MaskedConv2d) and (layer.mask == 0).any()
    ]
    assert len(masked) > 2
    for layer in masked:
        assert (layer.weight[layer.mask.expand_as(layer.weight) == 0] == 0).all()


def test_orthogonal_keeps_singular_vectors_and_makes_values_alike() -> None:
    """Five steps bring each singular value of a random matrix near 1, tall and wide alike, and zeros stay."""
    matrices = torch.randn(
        3, 24, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    matrices[:, 5] = 0
    near = orthogonal(matrices)
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    between = u.mT @ near @ v.mT
    torch.testing.assert_close(
        between, torch.diag_embed(between.diagonal(dim1=1, dim2=2))
    )
    assert ((between.diagonal(dim1=1, dim2=2) - 1).abs() < 0.35).all()
    assert (near[:, 5] == 0).all()
    torch.testing.assert_close(orthogonal(matrices.mT), near.mT)


def test_muon_moves_hidden_matrices_by_a_given_size_and_the_rest_by_adams_rule() -> (
    None
):
    """One update from known gradients."""
    network = build_network(
        preset("mnist-pixelcnn").with_overrides(
            height=4, width=3, layers=2, hidden=16, head=16
        )
    )
    parameters = FlatParameters(network)
    optimiser = Optimiser(
        parameters,
        TrainingSection(epochs=1, rule="muon", momentum=0.5, alpha=0.75, epsilon=1e-12),
    )
    before = {name: view.clone() for name, view in parameters.views(parameters.weights)}
    parameters.gradients.copy_(
        torch.randn(parameters.size, generator=torch.Generator().manual_seed(0))
    )
    optimiser.step(0.1)
    moves = {
        name: (before[name] - view)
        for name, view in parameters.views(parameters.weights)
    }
    hidden = [move.flatten(1) for move in moves.values() if moves_as_matrix(move)]
    assert len(hidden) > 6
    for move in hidden:
        assert float(move.square().mean().sqrt()) == pytest.approx(0.1 * 0.2, rel=0.35)
    for name in (name for name, move in moves.items() if move.ndim == 1):
        torch.testing.assert_close(
            moves[name].abs(),
            torch.full_like(moves[name], 0.1 * 0.75 / math.sqrt(0.25)),
        )


def test_weight_decay_shrinks_what_muon_moves_and_nothing_else() -> None:
    """By its share times the rate, beside the update that is made without it."""
    moved: list[dict[str, Tensor]] = []
    for decay in (0.0, 0.5):
        torch.manual_seed(0)
        network = build_network(
            preset("mnist-pixelcnn").with_overrides(
                height=4, width=3, layers=1, hidden=8, head=8
            )
        )
        parameters = FlatParameters(network)
        before = {
            name: view.clone() for name, view in parameters.views(parameters.weights)
        }
        parameters.gradients.copy_(
            torch.randn(parameters.size, generator=torch.Generator().manual_seed(0))
        )
        Optimiser(
            parameters, TrainingSection(epochs=1, rule="muon", weight_decay=decay)
        ).step(0.1)
        moved.append(
            {name: view.clone() for name, view in parameters.views(parameters.weights)}
        )
    for name, weight in before.items():
        shrunk = 0.05 * weight if moves_as_matrix(weight) else torch.zeros(())
        torch.testing.assert_close(
            moved[0][name] - moved[1][name],
            shrunk.expand(weight.shape),
            atol=1e-6,
            rtol=1e-5,
        )


def test_a_rate_that_is_left_to_the_product_falls_with_the_length_of_the_run() -> None:
    """Muon's alone; a rate that is named is the rate."""
    told = {
        "epochs": 4,
        "rule": "muon",
        "learning_rate": "auto",
        "schedule": "constant",
    }
    auto = TrainingSection.model_validate(told)
    assert learning_rate(auto, 0, per_epoch=250) == pytest.approx(0.137 * 1000**-0.4)
    assert highest_rate(auto.model_copy(update={"learning_rate": 1e-3}), 1000) == 1e-3
    for told in ({"learning_rate": "auto"}, {"weight_decay": 0.1}):
        with pytest.raises(ValueError, match="expected that rule"):
            TrainingSection.model_validate({"epochs": 1, **told})


@pytest.mark.parametrize(
    ("name", "output_is_moved"),
    [("mnist-diagonal-bilstm", False), ("cifar10-row-lstm", True)],
)
def test_muon_leaves_recurrent_matrices_to_adams_rule(
    name: str, output_is_moved: bool
) -> None:
    """As its docstring says: also the first layer, biases and two values' output layer, but not that of colours."""
    network = build_network(preset(name).with_overrides(layers=1, hidden=16, head=16))
    left = {
        name.rpartition("blocks.0.")[2]
        for name, weight in network.named_parameters()
        if not moves_as_matrix(weight)
    }
    kernels = {
        name
        for name in left
        if not name.endswith(("bias", "initial_hidden", "initial_cell"))
    }
    recurrent = {name for name in kernels if name.endswith("state_to_state")}
    assert recurrent
    assert kernels - recurrent == {"input.weight"} | (
        set() if output_is_moved else {"head.output.weight"}
    )


def test_clipping_shortens_the_gradient_when_it_is_longer_than_allowed(
    network: PixelNetwork,
) -> None:
    """The norm before is returned; the direction stays."""
    parameters = FlatParameters(network)
    optimiser = Optimiser(parameters, TrainingSection(epochs=1, clip=2.0))
    parameters.gradients.fill_(1.0)
    assert optimiser.clip() == pytest.approx(math.sqrt(parameters.size))
    assert float(parameters.gradients.norm()) == pytest.approx(2.0)
    assert optimiser.clip() == pytest.approx(2.0)


def test_other_weights_are_held_only_for_a_while_and_announced(
    network: PixelNetwork,
) -> None:
    """What is derived from weights can see that they changed, by their version."""
    parameters = FlatParameters(network)
    before = network.input.weight.clone()
    version = network.input.weight._version
    with parameters.other_weights(torch.zeros(parameters.size, dtype=torch.float64)):
        assert (network.input.weight == 0).all()
        assert network.input.weight._version > version
    assert (network.input.weight == before).all()


def test_the_average_forgets_the_start_when_it_is_young(network: PixelNetwork) -> None:
    """The first average is nearly the first weights, the later ones decay as asked."""
    parameters = FlatParameters(network)
    average = Average(parameters, decay=0.5)
    start = average.weights.clone()
    parameters.weights.add_(1.0)
    average.update(0)
    torch.testing.assert_close(average.weights, start + 0.9)
    average.update(1000)
    torch.testing.assert_close(average.weights, start + 0.95)


def test_schedules_rise_and_fall_as_named() -> None:
    """Warmup is linear; constant, cosine and step end where they say."""

    def rate(iteration: int, **fields: object) -> float:
        return learning_rate(
            TrainingSection(epochs=4, learning_rate=1.0, **fields),
            iteration,
            per_epoch=10,
        )  # type: ignore[arg-type]

    assert [rate(i, schedule="constant", warmup=4) for i in range(5)] == [
        0.25,
        0.5,
        0.75,
        1.0,
        1.0,
    ]
    assert rate(0) == 1.0
    assert rate(20, final_factor=0.2) == pytest.approx(0.6)
    assert rate(40, final_factor=0.2) == pytest.approx(0.2)
    assert [
        rate(i, schedule="step", step_epochs=1, step_factor=0.5) for i in (9, 10, 39)
    ] == [1.0, 0.5, 0.125]
    stable = [rate(i, schedule="stable", decay=0.1) for i in (35, 36, 37, 39)]
    assert stable == [1.0, 1.0, 0.75, 0.25]
    whole = [rate(i, schedule="stable", decay=1) for i in (0, 20, 39)]
    assert whole == [1.0, 0.5, 1 / 40]


def test_an_epoch_sees_every_image_once_in_another_order_each_time() -> None:
    """A shuffle of (seed, epoch), asked for in any order."""
    images = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1)
    batches = Batches(images, batch=4, seed=3)
    epochs = [
        [batches.at(i).flatten().tolist() for i in range(start, start + 3)]
        for start in (0, 3)
    ]
    assert [sorted(chain(*epoch)) for epoch in epochs] == [list(range(12))] * 2
    assert epochs[0] != epochs[1]
    assert batches.at(1).flatten().tolist() == epochs[0][1]


def test_processes_share_each_batch_when_there_are_several() -> None:
    """Side by side, their shares are the batch of one process."""
    images = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1)
    whole = Batches(images, batch=4, seed=3).at(2).flatten().tolist()
    shares = [
        Batches(images, 4, 3, rank, 2).at(2).flatten().tolist() for rank in (0, 1)
    ]
    assert shares[0] + shares[1] == whole


def test_batches_are_refused_when_they_cannot_be_filled_or_shared() -> None:
    """Both are the recipe's mistakes."""
    images = np.zeros((12, 1, 1, 1), np.uint8)
    with pytest.raises(ConfigError, match="more than the 12"):
        Batches(images, 13, 0)
    with pytest.raises(ConfigError, match="3 equal shares"):
        Batches(images, 4, 0, 0, 3)


def test_the_next_batch_is_read_while_one_is_in_use() -> None:
    """What was handed out stays as it was until the next question."""
    images = np.arange(64, dtype=np.uint8).reshape(64, 1, 1, 1)
    batches = Batches(images, batch=4, seed=0)
    for iteration in range(40):
        expected = np.random.default_rng([0, iteration // 16]).permutation(64)[
            iteration % 16 * 4 :
        ][:4]
        values = batches.at(iteration)
        time.sleep(0.001)
        assert values.flatten().tolist() == expected.tolist()
