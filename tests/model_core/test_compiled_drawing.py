"""Compiled drawing against the slow truth, in float32 as served: networks, colours, switches, given pixels, scales."""

import numpy as np
import pytest
import torch

from model_core import sample, untrained, upsample
from model_core.image_request import ImageRequest
from model_core.kinds import part
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.compiled.weights import prepared
from model_core.sampling.engine import Engine
from model_core.sampling.noise import image_noise
from model_core.sampling.plain import PlainStage
from model_core.sampling.stage import Drawing
from tests.model_core.lively import roughen
from tests.model_core.reference import reference_sample

PRESETS = ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"]


def lively(preset: str, **size: int | bool | str) -> Model:
    """Random weights and biases that make images with structure; sizes that no vector width divides."""
    defaults = {
        "layers": 3,
        "hidden": 19,
        "head": 21,
        "height": 6,
        "width": 9,
        "channels": 3,
        "values": 5,
    }
    model = untrained(preset, seed=3, **{**defaults, **size})
    roughen(model)
    return model


def stage_of(engine: Engine) -> object:
    """The last stage of an engine's only network."""
    return engine._members[0].stages[-1]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "size",
    [
        {},
        {"channels": 1, "values": 2},
        {"residual": False},
        {"skip": False},
        {"hidden": 16, "width": 3},
        {"height": 1},
    ],
    ids=str,
)
def test_compiled_drawing_equals_the_reference(
    preset: str, size: dict[str, int | bool], way: type
) -> None:
    """Rows in flight together, colours in prefixes, padded vectors: the bytes of one dense pass a variable."""
    model = lively(preset, **size)
    assert isinstance(stage_of(Engine(model)), way)
    truth = reference_sample(model, 3, seed=11)
    assert torch.equal(sample(model, 3, seed=11), truth)
    assert len(truth.unique()) == model.config.values


@pytest.mark.usefixtures("way")
def test_weights_that_were_written_to_are_drawn_with() -> None:
    """Laid out once for all drawings (compiled/weights.py), and again after an optimiser's step or a loaded file."""
    model, other = lively("mnist-row-lstm"), lively("mnist-row-lstm")
    assert isinstance(model.network, PixelNetwork)
    before = sample(model, 3, seed=11)
    assert prepared(model.network) is prepared(model.network)
    parameters = [
        parameter.requires_grad_() for parameter in other.network.parameters()
    ]
    for parameter in parameters:
        parameter.grad = parameter.detach().sign()
    torch.optim.SGD(parameters, lr=0.3).step()
    model.network.load_state_dict(other.network.state_dict())
    drawn = sample(model, 3, seed=11)
    assert not torch.equal(drawn, before)
    assert torch.equal(drawn, reference_sample(model, 3, seed=11))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("preset", PRESETS)
def test_compiled_completion_equals_the_reference(preset: str) -> None:
    """Scattered given pixels and a temperature."""
    model = lively(preset)
    generator = torch.Generator().manual_seed(4)
    known = torch.randint(0, 5, (3, 6, 9), generator=generator)
    keep = torch.rand(6, 9, generator=generator) < 0.5
    drawn = sample(model, 2, 4, temperature=0.7, known=known, keep=keep)
    assert torch.equal(drawn, reference_sample(model, 2, 4, 0.7, known, keep))
    assert torch.equal(drawn[:, :, keep], known[:, keep].expand(2, -1, -1))


@pytest.mark.parametrize("preset", PRESETS)
def test_given_rows_leave_the_same_state_as_pixel_by_pixel(preset: str) -> None:
    """Worked off as whole rows, layer by layer: every map that is read later has the same bits."""
    model = lively(preset)
    assert isinstance(model.network, PixelNetwork)
    known = torch.randint(0, 5, (3, 6, 9), generator=torch.Generator().manual_seed(7))
    keep = torch.zeros(6, 9, dtype=torch.bool)
    keep[:3] = True
    noise = torch.from_numpy(image_noise(1, 0, 6, 9, 3))
    images, states = [], []
    for at_once in (True, False):
        stage = CompiledStage(model.network, slots=2)
        stage.open(1, Drawing(noise, 1.0, known, keep))
        if not at_once:
            stage._with_given.discard(1)
        while not any(row.is_last for row in stage.step()):
            pass
        images.append(stage.image(1).clone())
        kept = part(model.config.kind.compiled).kept
        states.append({name: getattr(stage._layers, name)[:-1, :-1] for name in kept})
    assert torch.equal(*images)
    for name, state in states[0].items():
        np.testing.assert_array_equal(state, states[1][name])


@pytest.mark.parametrize("preset", PRESETS)
def test_given_rows_of_several_images_have_the_same_bits_as_those_of_one(
    preset: str,
) -> None:
    """Wider than what is summed at once, side by side in one call, and each image given and weighed in its own way."""
    model, W = lively(preset, width=41), 41
    assert isinstance(model.network, PixelNetwork)
    generator, drawings = torch.Generator().manual_seed(7), []
    for i in range(6):
        known, keep = (
            torch.randint(0, 5, (3, 6, W), generator=generator),
            torch.zeros(6, W, dtype=torch.bool),
        )
        keep[: i + 1] = True
        weighed = keep & (torch.rand(6, W, generator=generator) < 0.3 * (i % 2))
        drawings.append(
            Drawing(
                torch.from_numpy(image_noise(1, i, 6, W, 3)),
                1.0,
                known,
                keep,
                weighed=weighed,
            )
        )
    together, alone = (
        CompiledStage(model.network, slots=6),
        CompiledStage(model.network, slots=1),
    )
    for i in range(6):
        together.open(i, drawings[i])
    while together._active:
        together.step()
    for i in range(6):
        alone.open(0, drawings[i])
        alone._with_given.discard(0)
        while alone._active:
            alone.step()
        assert torch.equal(together.image(i), alone.image(0))
        np.testing.assert_array_equal(together.log_p(i), alone.log_p(0))


@pytest.mark.parametrize("preset", PRESETS)
def test_rows_that_are_weighed_at_once_have_the_same_bits_as_pixel_by_pixel(
    preset: str,
) -> None:
    """ln p of each row, also where not all of it is weighed, and behind a hole; logits are those of the dense pass."""
    model = lively(preset)
    assert isinstance(model.network, PixelNetwork)
    known = torch.randint(0, 5, (3, 6, 9), generator=torch.Generator().manual_seed(7))
    keep, weighed = (
        torch.ones(6, 9, dtype=torch.bool),
        torch.rand(6, 9, generator=torch.Generator().manual_seed(8)) < 0.7,
    )
    keep[1, 2:5] = False
    weighed &= keep
    noise, found = torch.from_numpy(image_noise(1, 0, 6, 9, 3)), []
    for at_once in (True, False):
        stage = CompiledStage(model.network, slots=2)
        stage.open(1, Drawing(noise, 0.7, known, keep, weighed=weighed))
        if not at_once:
            stage._with_given.discard(1)
        while not any(row.is_last for row in stage.step()):
            stage.hold(
                1, int(stage._front.first_row[1]), 9
            )  # so that no row begins before the one above has ended
        found.append((stage.log_p(1), stage.image(1).clone()))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert (found[0][0] != 0).all()
    logits = CompiledStage.logits(model.network, known[None].numpy())
    torch.testing.assert_close(
        torch.from_numpy(logits), model.network(known[None]), rtol=0, atol=2e-5
    )


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("base", ["pixel-cnn", "row-lstm", "diagonal-bilstm"])
def test_compiled_multi_scale_equals_the_reference(base: str) -> None:
    """Both stages, with a conditioning map of an odd width."""
    model = lively(
        "cifar10-multi-scale",
        network=base,
        height=8,
        width=12,
        factor=4,
        conditioning=7,
    )
    assert torch.equal(sample(model, 2, seed=3), reference_sample(model, 2, seed=3))
    small = torch.randint(0, 5, (3, 2, 3), generator=torch.Generator().manual_seed(6))
    assert torch.equal(
        upsample(model, small, 2, seed=5),
        reference_sample(model, 2, seed=5, small=small),
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_compiled_logits_are_those_of_the_dense_pass(preset: str) -> None:
    """Within 2e-5, at every pixel of the last step's work list: the last pixel of each image."""
    model = lively(preset, channels=1, values=7)
    assert isinstance(model.network, PixelNetwork)
    stage = CompiledStage(model.network, slots=4)
    for slot in range(4):
        stage.open(
            slot,
            Drawing(torch.from_numpy(image_noise(1, slot, 6, 9, 1)), temperature=1.0),
        )
    images = {}
    while len(images) < 4:
        images |= {
            row.slot: stage.image(row.slot).clone()
            for row in stage.step()
            if row.is_last
        }
    dense = model.network(torch.stack([images[slot] for slot in range(4)]))[
        :, :, 0, -1, -1
    ]
    stepped = torch.from_numpy(stage._state.logits[:4, :7])
    torch.testing.assert_close(stepped, dense, rtol=0, atol=2e-5)


@pytest.mark.usefixtures("way")
def test_slots_are_as_new_for_the_next_image() -> None:
    """A slot that drew another image before gives the same bytes, whatever was left in its maps."""
    for preset in PRESETS:
        model = lively(preset)
        first = sample(model, 2, seed=1)
        engine = Engine(model, slots=1)
        images = []
        for seed in (9, 1, 9, 1):
            engine.admit(ImageRequest(seed, 0))
            rows = []
            while engine.busy:
                rows += engine.step()
            images.append(np.stack([row.values for row in rows], 1))
        assert np.array_equal(images[1], first[0].numpy())
        assert np.array_equal(images[3], first[0].numpy())


@pytest.mark.parametrize("preset", PRESETS[:2])
@pytest.mark.parametrize("few", [5, 100])
def test_rows_above_summed_ahead_give_the_same_bytes(preset: str, few: int) -> None:
    """Whether summed for several columns at once, at every step or while few pixels wait: also in a slot that drew
    another image, beside images that join and leave, and after given rows."""
    model = lively(preset)
    truth = sample(model, 4, seed=1)
    keep = torch.zeros(6, 9, dtype=torch.bool)
    keep[:2] = True
    engine = Engine(model, slots=3)
    stage = stage_of(engine)
    assert isinstance(stage, CompiledStage)
    assert stage._layers.few == 0
    stage._layers = stage._layers._replace(few=few)
    whole = [ImageRequest(1, i) for i in range(4)]
    rest = [
        ImageRequest(1, i, known=truth[i].numpy(), keep=keep.numpy()) for i in range(4)
    ]
    waiting, wanted, rows = [*whole, *rest, *whole], {}, {}
    while waiting or engine.busy:
        if waiting and engine.free:
            request = waiting.pop()
            wanted[engine.admit(request)] = truth[request.sample]
        for row in engine.step():
            rows.setdefault(row.ticket, []).append(row.values)
    for ticket, image in wanted.items():
        assert np.array_equal(np.stack(rows[ticket], 1), image.numpy())


@pytest.mark.usefixtures("way")
def test_broken_weights_end_in_an_error() -> None:
    """NaN passes through every rectifier and gate, and is found where it would be drawn."""
    for preset in PRESETS:
        for name in ("head.output.bias", "input.weight", "blocks.1.up.weight"):
            model = lively(preset)
            model.network.get_parameter(name).view(-1)[0] = float("nan")
            with pytest.raises(FloatingPointError, match="not finite"):
                sample(model, 1, seed=0)


def test_double_precision_is_drawn_in_plain_torch() -> None:
    """Compiled code is for float32, also of weights on a card, which are copied to main memory; every other network
    has the plain stage."""
    model = lively("mnist-pixelcnn")
    assert isinstance(model.network, PixelNetwork)
    assert CompiledStage.can(model.network, torch.device("cpu"))
    assert CompiledStage.can(model.network, torch.device("cuda"))
    model.network.double()
    assert not CompiledStage.can(model.network, torch.device("cpu"))
    assert isinstance(stage_of(Engine(model)), PlainStage)
