"""Multi-Scale (section 3.6): two networks, one likelihood, and the small image first."""

import itertools

import numpy as np
import pytest
import torch

from model_core import log_likelihood, sample, untrained, upsample
from model_core.errors import ConfigError, DataError
from model_core.image_request import ImageRequest
from model_core.layers.conditioning import Upsampler, subsample
from model_core.models import Model
from model_core.networks import MultiScaleNetwork
from model_core.sampling.engine import Engine
from tests.model_core.lively import roughen
from tests.model_core.reference import reference_sample

BASES = ["pixel-cnn", "row-lstm", "diagonal-bilstm"]


def two_scales(
    base: str, height: int = 8, width: int = 4, factor: int = 2, **more: int
) -> Model:
    """A double-precision Multi-Scale model on any of the three networks, awake enough to draw structure."""
    size = {
        "layers": 2,
        "hidden": 7,
        "head": 12,
        "height": height,
        "width": width,
        "values": 4,
        "conditioning": 5,
    }
    model = untrained(
        "cifar10-multi-scale", seed=2, network=base, factor=factor, **{**size, **more}
    )
    model.network.double()
    roughen(model, 0.4)
    return model


def network_of(model: Model) -> MultiScaleNetwork:
    assert isinstance(model.network, MultiScaleNetwork)
    return model.network


@pytest.mark.parametrize("base", BASES)
def test_given_the_small_image_no_logit_sees_ahead(base: str) -> None:
    """The conditional network is causal at every (y, x, colour) when the condition is held fixed."""
    network = network_of(two_scales(base))
    values = torch.randint(
        0, 4, (1, 3, 8, 4), generator=torch.Generator().manual_seed(1)
    )
    condition = network.condition(subsample(values, 2))
    base_logits = network.large(values, condition)
    order = torch.arange(8 * 4 * 3).view(8, 4, 3).permute(2, 0, 1)
    for c, y, x in itertools.product(range(3), range(8), range(4)):
        changed = values.clone()
        changed[0, c, y, x] = (changed[0, c, y, x] + 1) % 4
        moved = (network.large(changed, condition) != base_logits).any(1)[0]
        assert not (moved & (order <= order[c, y, x])).any(), (c, y, x)


@pytest.mark.parametrize("base", BASES)
def test_every_pixel_of_the_small_image_biases_the_large_one(base: str) -> None:
    """Changing any pixel of the small image moves logits of the large one, in the first row too."""
    network = network_of(two_scales(base))
    values = torch.randint(
        0, 4, (1, 3, 8, 4), generator=torch.Generator().manual_seed(1)
    )
    small = subsample(values, 2)
    before = network.large(values, network.condition(small))
    for c, y, x in itertools.product(range(3), range(4), range(2)):
        changed = small.clone()
        changed[0, c, y, x] = (changed[0, c, y, x] + 1) % 4
        assert (network.large(values, network.condition(changed)) != before).any(), (
            c,
            y,
            x,
        )


def test_the_likelihood_is_that_of_the_small_image_plus_that_of_the_rest() -> None:
    """log p(x) = log p(small) + log p(x | small), the small image being every second pixel."""
    model = two_scales("row-lstm")
    network = network_of(model)
    values = torch.randint(
        0, 4, (3, 3, 8, 4), generator=torch.Generator().manual_seed(1)
    )
    small = values[:, :, ::2, ::2]
    parts = network.small.nats_map(small).flatten(1).sum(1)
    rest = network.large.nats_map(values, network.condition(small))
    rest[:, :, ::2, ::2] = 0  # given by the small image
    parts = parts + rest.flatten(1).sum(1)
    torch.testing.assert_close(log_likelihood(model, values), -parts)


@pytest.mark.parametrize("base", BASES)
def test_cached_sampling_equals_the_reference(base: str) -> None:
    """Both stages, completion and upsampling included, draw the bytes that the teacher-forced passes draw."""
    model = two_scales(base)
    truth = reference_sample(model, 2, seed=3)
    assert torch.equal(sample(model, 2, seed=3), truth)
    assert len(truth.unique()) == 4
    generator = torch.Generator().manual_seed(4)
    known = torch.randint(0, 4, (3, 8, 4), generator=generator)
    keep = torch.rand(8, 4, generator=generator) < 0.5
    completed = sample(model, 2, 4, known=known, keep=keep)
    assert torch.equal(completed, reference_sample(model, 2, 4, known=known, keep=keep))
    small = torch.randint(0, 4, (3, 4, 2), generator=generator)
    assert torch.equal(
        upsample(model, small, 2, seed=5),
        reference_sample(model, 2, seed=5, small=small),
    )


def test_the_large_image_holds_the_small_one() -> None:
    """Sampling and upsampling keep the pixels that the first stage drew, or that the user gave."""
    model = two_scales("row-lstm")
    small = torch.randint(0, 4, (3, 4, 2), generator=torch.Generator().manual_seed(6))
    assert torch.equal(
        upsample(model, small, 2, seed=5)[:, :, ::2, ::2], small.expand(2, -1, -1, -1)
    )


def test_both_stages_are_streamed_small_first() -> None:
    """The rows of the small image come first, each once and in order, then those of the large one."""
    model = two_scales("row-lstm")
    engine = Engine(model, slots=2)
    ticket = engine.admit(ImageRequest(seed=1, sample=0))
    rows = []
    while engine.busy:
        rows += engine.step()
    assert [(row.of_small, row.y) for row in rows] == [(True, y) for y in range(4)] + [
        (False, y) for y in range(8)
    ]
    assert {row.ticket for row in rows} == {ticket}
    large = np.stack([row.values for row in rows[4:]], 1)
    assert np.array_equal(large, sample(model, 1, seed=1)[0].numpy())


def test_bytes_are_the_same_alone_and_in_any_company() -> None:
    """Images in different stages share an engine without a trace, in float32 as served."""
    model = untrained(
        "cifar10-multi-scale",
        seed=2,
        layers=2,
        hidden=16,
        head=12,
        height=8,
        width=8,
        conditioning=16,
        factor=2,
    )
    together = sample(model, 3, seed=8)
    small = torch.full((3, 4, 4), 9)
    engine = Engine(model, slots=3)
    engine.admit(ImageRequest(seed=5, sample=0, small=small.numpy()))
    for _ in range(7):
        engine.step()
    late = engine.admit(ImageRequest(seed=8, sample=2))
    rows = []
    while engine.busy:
        rows += [
            row for row in engine.step() if row.ticket == late and not row.of_small
        ]
    assert np.array_equal(
        np.stack([row.values for row in rows], 1), together[2].numpy()
    )


@pytest.mark.parametrize("base", BASES)
def test_fused_networks_equal_plain_torch_when_conditioned(base: str) -> None:
    """Logits and gradients of the float32 path against float64, the deconvolutions included."""
    size = {
        "layers": 2,
        "hidden": 16,
        "head": 12,
        "height": 8,
        "width": 4,
        "values": 4,
        "conditioning": 16,
        "factor": 2,
    }
    network = untrained(
        "cifar10-multi-scale", seed=2, network=base, **size
    ).network.requires_grad_(True)
    values = torch.randint(
        0, 4, (3, 3, 8, 4), generator=torch.Generator().manual_seed(1)
    )

    def run(dtype: torch.dtype) -> dict[str, torch.Tensor]:
        network.to(dtype).zero_grad()
        network.nats_map(values).sum().backward()
        return {
            name: p.grad.double()
            for name, p in network.named_parameters()
            if p.grad is not None
        }

    compiled, plain = run(torch.float32), run(torch.float64)
    assert compiled.keys() == plain.keys() == dict(network.named_parameters()).keys()
    for name, gradient in plain.items():
        scale = float(gradient.abs().max()) + 1e-6
        assert float((compiled[name] - gradient).abs().max()) <= 5e-5 * scale, name


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"factor": 3}, "power of two"),
        ({"factor": 8}, "multiples of factor"),
        ({"conditioning": 0}, "conditioning must be"),
        ({"factor": 1}, "for Multi-Scale"),
    ],
)
def test_impossible_scales_are_refused(fields: dict[str, int], words: str) -> None:
    """Said when the config is read."""
    with pytest.raises(ConfigError, match=words):
        two_scales("row-lstm", **fields)


def test_upsampling_needs_a_small_image_of_the_right_size_and_two_scales() -> None:
    """Bad input says what was expected."""
    with pytest.raises(DataError, match="needs a Multi-Scale"):
        upsample(
            untrained("mnist-pixelcnn", layers=1, hidden=2, head=2),
            torch.zeros(1, 4, 4),
            1,
            seed=0,
        )
    with pytest.raises(DataError, match=r"small must be \(3, 4, 2\)"):
        upsample(two_scales("row-lstm"), torch.zeros(3, 8, 4), 1, seed=0)


def test_an_untrained_upsampler_lets_the_small_image_through() -> None:
    """Its map differs between images about as much as they do: from a faint one the network learns little."""
    small = torch.rand(64, 3, 8, 8) * 2 - 1
    for features in (16, 48):
        over_images = Upsampler(3, features, 4)(small).std(0).mean()
        assert 0.1 < over_images < 1
