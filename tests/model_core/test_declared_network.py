"""A network declared in this file alone: one record and one layer. Everything else takes it as it is."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from docs.tools.make_results import describe_network
from model_core import load_model, log_likelihood, sample, save_model
from model_core.card import Card
from model_core.config import NetworkConfig
from model_core.distribution import Categorical
from model_core.image_request import ImageRequest
from model_core.kinds import INPUT_REACH, KINDS, Kind, input_lag
from model_core.layers.conditioning import conditioning_map
from model_core.layers.field import distances, drawn_before, seen
from model_core.layers.groups import colour_of
from model_core.layers.masked_conv import MaskedConv2d
from model_core.measures.picture_score import score_picture
from model_core.measures.pixel_belief import pixel_belief
from model_core.models import Model, count_parameters
from model_core.networks import build_network
from model_core.sampling.stages import numerics_of, slot_bytes
from model_core.training.batches import Batches
from model_core.training.ranks import Ranks
from model_core.training.recipe import TrainingSection
from model_core.training.step import Learner
from tests.fakes import Outlet
from tests.model_core.causality import moved_pairs, predicted_field
from tests.model_core.reference import reference_sample
from worker.engine.assessment import make_pass
from worker.engine.cohort import Cohort
from worker.engine.model_pool import ModelPool
from worker.engine.runner import Runner
from worker.engine.slot_plan import SlotPlan
from worker.orders.claims import SUCCEEDED, Claim
from worker.orders.drawing import DrawOrder
from worker.orders.images import PlannedImage

NAME = "three-by-three"


class ThreeByThree(nn.Module):
    """ReLU - 3x3, mask B: (B, 2h, H, W) -> (B, h, H, W)."""

    def __init__(
        self, features: int, hidden: int, colours: int, conditioning: int = 0
    ) -> None:
        super().__init__()
        self.spread = MaskedConv2d(
            colour_of(features, colours), colour_of(hidden, colours), kernel=3
        )
        self.condition = conditioning_map(conditioning, hidden)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        x = self.spread(x.relu())
        return x if self.condition is None else x + self.condition(condition)


def field(config: NetworkConfig) -> Tensor:
    """Each layer reads a pixel further to the left, up, and, one up, to the right."""
    up, right = distances(config)
    reach = config.layers + INPUT_REACH
    return seen(
        config,
        (up <= reach)
        & (-right <= reach)
        & (right <= (up - 1).clamp(max=config.layers) + INPUT_REACH),
    )


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Kind("Three by three", ThreeByThree, input_lag, field)
    monkeypatch.setitem(KINDS, NAME, record)


SIZES = [(12, 1), (12, 3), (16, 1), (16, 3)]
"""h and colours. At h = 16 the fused passes and the compiled loop would fit, if the record named them."""


@pytest.fixture(
    params=SIZES, ids=lambda size: f"h{size[0]}-{'grey' if size[1] == 1 else 'colour'}"
)
def config(request: pytest.FixtureRequest) -> NetworkConfig:
    hidden, channels = request.param
    return NetworkConfig(
        NAME,
        height=6,
        width=9,
        channels=channels,
        values=4,
        layers=2,
        hidden=hidden,
        head=61,
    )


@pytest.fixture
def model(config: NetworkConfig) -> Model:
    return untrained(config)


def untrained(config: NetworkConfig) -> Model:
    """Random weights and biases, so that images have structure."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build_network(config).eval().requires_grad_(False)
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.5 * torch.randn_like(parameter))
    return Model.of(network, Card(NAME, config, count_parameters(network)))


def test_a_declared_network_trains(config: NetworkConfig) -> None:
    """A few updates on one batch make it likelier, and every weight that no mask hides moves."""
    images = (
        np.random.default_rng(1)
        .integers(0, 4, (8, config.channels, 6, 9))
        .astype(np.uint8)
    )
    images[:] = images[:1]
    section = TrainingSection(batch=8, epochs=1, learning_rate=0.0003)
    network = untrained(config).network.requires_grad_(True)
    learner = Learner(network, Batches(images, 8, seed=0), section, Ranks())
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    nats = [learner.advance(i, stop=False).nats for i in range(12)]
    assert nats[-1] < nats[0]
    assert all(
        (parameter != before[name]).any()
        for name, parameter in network.named_parameters()
    )


def test_a_declared_network_scores(model: Model) -> None:
    """The likelihood of an image, of each variable, and the belief of one pixel are of one mind."""
    images = sample(model, 2, seed=5)
    nats = -log_likelihood(model, images)
    score = score_picture(model, images[1].numpy())
    assert score.nats == pytest.approx(float(nats[1]), rel=1e-5)
    beliefs = pixel_belief(model, images[1].numpy(), y=3, x=4)
    assert [belief.bits for belief in beliefs] == pytest.approx(
        score.bits[:, 3, 4].tolist(), rel=1e-4
    )
    assert model.network.distribution == Categorical(4)


def test_a_declared_network_sees_its_own_field(config: NetworkConfig) -> None:
    """The causality check takes the record's field: nothing leaks, and nothing is missing."""
    assert torch.equal(moved_pairs(config), predicted_field(config))
    assert not (predicted_field(config) & ~drawn_before(config)).any()


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)
def test_a_declared_network_is_drawn_as_the_reference_draws(
    model: Model, dtype: torch.dtype
) -> None:
    """Byte by byte, samples and completions, by the plain stage: the record names no faster one."""
    model.network.to(dtype)
    assert numerics_of(model) == "cpu-pass"
    assert torch.equal(sample(model, 3, seed=11), reference_sample(model, 3, seed=11))
    generator = torch.Generator().manual_seed(4)
    known = torch.randint(0, 4, (model.config.channels, 6, 9), generator=generator)
    keep = torch.rand(6, 9, generator=generator) < 0.5
    keep[:2] = True
    assert torch.equal(
        sample(model, 3, 4, 0.7, known, keep),
        reference_sample(model, 3, 4, 0.7, known, keep),
    )


def test_a_declared_network_makes_a_multi_scale_one(config: NetworkConfig) -> None:
    """Both of its networks are of the declared kind, and the large one is conditioned on the small image."""
    scales = untrained(
        config.with_overrides(height=6, width=8, factor=2, conditioning=5)
    )
    assert torch.equal(sample(scales, 2, seed=2), reference_sample(scales, 2, seed=2))


def test_a_declared_network_is_kept_and_described(model: Model, tmp_path: Path) -> None:
    """Its weights are saved and found again, and reports call it by its title."""
    save_model(model, tmp_path / "declared")
    again = load_model("declared", models_dir=tmp_path)
    assert torch.equal(sample(again, 1, seed=1), sample(model, 1, seed=1))
    assert describe_network(again.config).startswith("Three by three, 2 layers, h = ")


@pytest.fixture
def outlet() -> Outlet:
    return Outlet()


@pytest.fixture
def runner(model: Model, outlet: Outlet) -> Iterator[Runner]:
    pool = ModelPool({"declared": model}, SlotPlan(2, 0, slot_memory_mib=64))
    cohort = Cohort(lambda: pool.engine("declared"))
    runner = Runner(
        {"declared": cohort},
        outlet,
        lambda task: make_pass(task, pool.model(task.model)),
    )
    runner.start()
    yield runner
    runner.stop()
    runner.join(60)


def test_a_declared_network_is_served(
    model: Model, runner: Runner, outlet: Outlet
) -> None:
    """The worker's own pool, cohorts and runner, in this process: the rows are those of `sample`."""
    images = [PlannedImage(ImageRequest(seed=9, sample=i), 0) for i in range(3)]
    runner.submit(DrawOrder(Claim("job", "token", last_seq=0), "declared", 4, images))
    outlet.wait(lambda: "token" in outlet.ends, timeout_s=60)
    assert outlet.ends["token"] == [SUCCEEDED]
    C, H, W = model.config.channels, 6, 9
    drawn = np.zeros((3, H, W, C), np.uint8)
    for row in outlet.rows["token"]:
        drawn[row.sample, row.y] = np.frombuffer(row.pixel_bytes(), np.uint8).reshape(
            W, C
        )
    assert np.array_equal(
        drawn // 85, sample(model, 3, seed=9).permute(0, 2, 3, 1).numpy()
    )
    assert slot_bytes(model) > C * H * W * 8


def test_a_name_that_nobody_declared_is_refused() -> None:
    """One line that lists the names there are."""
    with pytest.raises(
        Exception, match=f"unknown network 'lstm': expected one of pixel-cnn, .*{NAME}"
    ):
        NetworkConfig("lstm", 6, 9, 1, 4, layers=2, hidden=12, head=12)
