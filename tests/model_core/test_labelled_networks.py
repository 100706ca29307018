"""Labels: a network given one is a network with other biases; a model of them is one distribution."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from model_core import Model, log_likelihood, sample, save_model, untrained
from model_core.card import Card, CardLabel
from model_core.components import Member
from model_core.config import preset
from model_core.data.labels import Labels
from model_core.errors import ConfigError, DataError, ModelError
from model_core.image_request import ImageRequest
from model_core.measures.leaks import require_causal
from model_core.measures.picture_score import score_picture
from model_core.measures.pixel_belief import pixel_belief
from model_core.measures.pixel_influence import pixel_influence
from model_core.models import load_model
from model_core.networks import PixelNetwork, build_network
from model_core.sampling import label_choice
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.engine import Engine
from model_core.sampling.stage import Stage
from model_core.sampling.stages import new_stage
from model_core.training.evaluate import evaluate_model
from tests.labelled_models import PRIORS, SIDE, SIZE, all_images, chi_square, labelled
from tests.model_core.reference import reference_sample

PRESETS = ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"]


def with_biases_of(model: Model, label: int) -> Model:
    """The plain network whose biases are those of a label."""
    config = model.config.with_overrides(labels=0)
    network, tensors = build_network(config), dict(model.network.state_dict())
    for name in [name for name in tensors if name.endswith("condition.weight")]:
        table, layer = (
            tensors.pop(name)[:, label, 0, 0],
            name.removesuffix("condition.weight"),
        )
        bias = (
            f"{layer}input_to_state.bias"
            if f"{layer}input_to_state.bias" in tensors
            else f"{layer}spread.bias"
        )
        tensors[bias] = tensors[bias] + table
    network.load_state_dict(tensors)
    return Model.of(network.eval().requires_grad_(False), Card("plain", config, 0))


@pytest.mark.parametrize("name", PRESETS)
def test_all_images_and_labels_add_up_to_one(name: str) -> None:
    """Of each label, and of all by their priors."""
    model, images = labelled(name), all_images()
    each = torch.stack(
        [log_likelihood(model, images, label).double().exp() for label in range(3)]
    )
    assert each.sum(1).tolist() == pytest.approx([1] * 3, abs=1e-5)
    whole = log_likelihood(model, images).double().exp()
    assert torch.allclose(
        whole, torch.tensor(PRIORS, dtype=torch.float64) @ each, rtol=1e-6
    )
    assert float((each[0] - each[1]).abs().max()) > 0.01


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [{}, {"channels": 3, "values": 5}], ids=str)
def test_a_label_is_the_network_with_other_biases(
    name: str, size: dict[str, int]
) -> None:
    """Teacher-forced, fused, and drawn in compiled code and by the slow truth: the same as that network."""
    sizes = {"layers": 2, "hidden": 16, "head": 8, "height": 5, "width": 7} | size
    model = labelled(name, **sizes)
    images = sample(model, 6, seed=2)
    for label in range(3):
        plain, given = with_biases_of(model, label), model.given(label)
        assert torch.equal(
            sample(model, 3, seed=1, label=label), reference_sample(plain, 3, seed=1)
        )
        np.testing.assert_allclose(
            log_likelihood(given, images), log_likelihood(plain, images), rtol=1e-5
        )
        score, expected = (
            score_picture(given, images[0].numpy()),
            score_picture(plain, images[0].numpy()),
        )
        np.testing.assert_allclose(score.bits, expected.bits, atol=1e-4)
        place = images[0].numpy(), 3, 4
        for ours, theirs in zip(
            pixel_belief(given, *place), pixel_belief(plain, *place), strict=True
        ):
            np.testing.assert_allclose(
                ours.probabilities, theirs.probabilities, atol=1e-5
            )
        np.testing.assert_allclose(
            pixel_influence(given, *place), pixel_influence(plain, *place), atol=1e-5
        )


@pytest.mark.parametrize("name", PRESETS)
def test_an_image_is_the_same_beside_whatever_labels(name: str) -> None:
    """In compiled code and in plain torch; also in a slot that drew another label before, and after given rows."""
    for dtype in (torch.float32, torch.float64):
        model = labelled(
            name, layers=2, height=6, width=5, channels=3, values=4, hidden=6, head=6
        )
        model.network.to(dtype)
        alone = {
            (i, k): sample(model, i + 1, seed=4, label=k)[i]
            for i in range(4)
            for k in range(3)
        }
        mixed = sample(model, 4, seed=4, label=["c", "a", "b", "c"])
        for i, k in enumerate((2, 0, 1, 2)):
            assert torch.equal(mixed[i], alone[i, k])
        keep = torch.zeros(6, 5, dtype=torch.bool)
        keep[:2] = True
        engine, found = Engine(model, slots=3, kept=2), {}
        wanted = [(i, k) for i in range(4) for k in range(3)]
        waiting = [
            ImageRequest(4, i, known=alone[i, k].numpy(), keep=keep.numpy(), label=k)
            for i, k in wanted
        ]
        while waiting or engine.busy:
            while waiting and engine.free:
                request = waiting.pop()
                found[engine.admit(request)] = request, []
            for row in engine.step():
                found[row.ticket][1].append(row.values)
        for request, rows in found.values():
            assert np.array_equal(
                np.stack(rows, 1), alone[request.sample, request.label].numpy()
            )


@pytest.mark.parametrize("name", PRESETS)
def test_the_biases_of_labels_have_the_right_gradients(name: str) -> None:
    """By finite differences in double precision; the fused pass gives the same in single, for odd batches too."""
    torch.manual_seed(1)
    config = preset(name).with_overrides(
        height=4, width=5, layers=2, hidden=16, head=8, labels=4
    )
    network = build_network(config)
    assert isinstance(network, PixelNetwork)
    values, labels = torch.randint(0, 2, (5, 1, 4, 5)), torch.tensor([0, 3, 1, 3, 0])
    weigh = torch.arange(1.0, 6.0)

    def loss(network: PixelNetwork) -> Tensor:
        nats = network.nats_map(values, network.of_labels(labels)).flatten(1).sum(1)
        return (nats * weigh.to(nats)).sum()

    assert network.fuses(values)
    loss(network).backward()
    fused = {
        name: parameter.grad
        for name, parameter in network.named_parameters()
        if "condition" in name
    }
    double = build_network(config).double()
    double.load_state_dict(network.state_dict())
    assert isinstance(double, PixelNetwork)
    loss(double).backward()
    for name, parameter in double.named_parameters():
        if "condition" not in name:
            continue
        assert parameter.grad is not None
        assert (parameter.grad[:, 2] == 0).all()
        torch.testing.assert_close(
            fused[name], parameter.grad.float(), rtol=1e-4, atol=1e-4
        )
        for unit, label in ((0, 0), (7, 3), (len(parameter) - 1, 1)):
            with torch.no_grad():
                slopes = []
                for step in (1e-5, -2e-5):
                    parameter[unit, label] += step
                    slopes.append(loss(double).item())
                parameter[unit, label] += 1e-5
            assert (slopes[0] - slopes[1]) / 2e-5 == pytest.approx(
                parameter.grad[unit, label].item(), rel=1e-4, abs=1e-6
            )


def test_labels_are_drawn_as_often_as_the_prior_says() -> None:
    """And images as often as their sum: chi-square over 10,000; an image says which label it has."""
    model, n = labelled(), 10_000
    drawn = sample(model, n, seed=5).view(n, -1)
    counts = torch.bincount(
        (drawn * 2 ** torch.arange(8, -1, -1)).sum(1), minlength=512
    )
    found, most = chi_square(
        counts, n * log_likelihood(model, all_images()).double().exp()
    )
    assert found < most
    engine = Engine(model, slots=2000)
    labels = torch.tensor(
        [engine.label(engine.admit(ImageRequest(5, i))) for i in range(2000)]
    )
    found, most = chi_square(
        torch.bincount(labels, minlength=3), 2000 * torch.tensor(PRIORS)
    )
    assert found < most
    for i in range(5):
        assert torch.equal(
            sample(model, i + 1, seed=5, label=int(labels[i]))[i],
            drawn[i].view(1, SIDE, SIDE),
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_completion_draws_its_label_from_what_is_given(dtype: torch.dtype) -> None:
    """Given come first, and a pixel of the next row: images as often as p(image | given), at a temperature too."""
    model = labelled()
    model.network.to(dtype)
    keep = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    keep.view(-1)[:4] = True
    known, n = all_images()[0b101100000], 2000
    fitting = all_images()[((all_images() == known) | ~keep).all((1, 2, 3))]
    p = log_likelihood(model, fitting).double().exp()
    drawn = sample(model, n, seed=3, known=known, keep=keep)
    index = (drawn.view(n, -1)[:, 4:] * 2 ** torch.arange(4, -1, -1)).sum(1)
    found, most = chi_square(torch.bincount(index, minlength=32), n * p / p.sum())
    assert found < most
    given = [
        log_likelihood(model, fitting, label).double().exp().sum() for label in range(3)
    ]
    shares = torch.stack(given) * torch.tensor(PRIORS)
    assert float((shares / shares.sum() - torch.tensor(PRIORS)).abs().max()) > 0.05
    for hot in (1.0, 2.0):
        engine = Engine(model, slots=4)
        requests = [
            ImageRequest(
                3, i, hot, known.numpy(), keep.numpy(), label_from=keep.numpy()
            )
            for i in range(4)
        ]
        labels = [engine.label(engine.admit(request)) for request in requests]
        own = [*engine._last_shares[1]]
        if hot == 1:
            np.testing.assert_allclose(own, shares / shares.sum(), rtol=1e-4)
            assert labels == [engine_label(model, request) for request in requests]


def engine_label(model: Model, request: ImageRequest) -> int | None:
    """The label of an image that another engine takes up when some of its rows are drawn."""
    assert request.known is not None
    assert request.keep is not None
    drawn = sample(
        model,
        request.sample + 1,
        3,
        1.0,
        torch.from_numpy(request.known),
        torch.from_numpy(request.keep),
    )
    keep = np.zeros((SIDE, SIDE), np.bool_)
    keep[:2] = True
    engine = Engine(model, slots=1)
    ticket = engine.admit(replace(request, known=drawn[-1].numpy(), keep=keep))
    return engine.label(ticket)


def test_a_score_names_the_likeliest_member_and_label() -> None:
    """A mixture of two members of three labels: its map is that of one of six, and the whole is their sum."""
    first, second = labelled(seed=1), labelled(seed=2)
    members = first.members[0], Member(second.members[0].network, "transpose")
    model, images = Model(members, first.card), all_images()
    assert float(log_likelihood(model, images).double().exp().sum()) == pytest.approx(
        1, abs=1e-5
    )
    assert len(model.components) == 6
    for image in images[[5, 200, 431]]:
        score = score_picture(model, image.numpy())
        each = {
            (c.orientation, c.label): -float(
                log_likelihood(
                    Model((c.member,), model.card, label=c.label), image[None]
                )
            )
            for c in model.components
        }
        assert each[score.member, score.label] == pytest.approx(
            min(each.values()), abs=1e-4
        )
        assert score.nats == pytest.approx(
            -float(log_likelihood(model, image[None])), abs=1e-4
        )
        belief = pixel_belief(model, image.numpy(), 1, 2, score.member, score.label)[0]
        assert belief.bits == pytest.approx(float(score.bits[0, 1, 2]), abs=1e-4)


def test_an_evaluation_says_how_well_labels_are_told() -> None:
    """Mean -ln p(true label | image), and errors, against Bayes' rule; nats of the whole, whatever the batch."""
    model, images = labelled(), all_images()[::7]
    joint = torch.stack(
        [
            log_likelihood(model, images, k).double() + math.log(PRIORS[k])
            for k in range(3)
        ]
    )
    true = np.arange(len(images)) % 3
    score = evaluate_model(
        model, images.numpy().astype(np.uint8), batch=16, labels=true
    )
    posterior = joint.log_softmax(0)
    assert score.label_nats == pytest.approx(
        -float(posterior.gather(0, torch.from_numpy(true)[None]).mean()), rel=1e-4
    )
    assert score.label_errors == pytest.approx(
        float((posterior.argmax(0).numpy() != true).mean())
    )
    assert score.nats == pytest.approx(-float(joint.logsumexp(0).mean()), rel=1e-5)


def test_no_label_lets_the_future_in(tmp_path: object) -> None:
    """Measured with every label, plain and fused."""
    assert "causal" in require_causal(labelled(hidden=16).network)
    broken = labelled(hidden=16)
    assert isinstance(broken.network, PixelNetwork)
    broken.network.input.mask.fill_(1)
    broken.network.input.weight.add_(0.1)
    with pytest.raises(ModelError, match="not causal"):
        require_causal(broken.network)


def test_a_card_says_labels_and_their_priors(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Saved and loaded again; a card without labels has no word of them; what is wrong is refused."""
    model, odd = labelled(), tmp_path / "odd"
    save_model(model, tmp_path / "tiny")
    loaded = load_model(tmp_path / "tiny")
    assert loaded.card.labels == model.card.labels
    assert torch.equal(sample(loaded, 3, seed=1), sample(model, 3, seed=1))
    assert "labels" not in str(
        save_model(untrained("mnist-pixelcnn", **SIZE), tmp_path / "none").to_dict()
    )
    for asked, words in (
        ("d", "no label 'd': there is a, b, c"),
        (3, "no label '3'"),
        (-1, "no label '-1'"),
    ):
        with pytest.raises(ConfigError, match=words):
            sample(loaded, 1, seed=0, label=asked)
    with pytest.raises(ConfigError, match="none has no labels"):
        log_likelihood(load_model(tmp_path / "none"), all_images()[:1], label=0)
    for labels in (
        (),
        model.card.labels[:2],
        (*model.card.labels[:2], CardLabel("a", 0.2)),
    ):
        save_model(Model(model.members, replace(model.card, labels=labels)), odd)
        with pytest.raises(ModelError, match="expected 3 labels"):
            load_model(odd)
    for name in ("", 65 * "n"):
        labels = (*model.card.labels[:2], CardLabel(name, 0.2))
        save_model(Model(model.members, replace(model.card, labels=labels)), odd)
        with pytest.raises(ModelError, match="1 to 64 characters"):
            load_model(odd)
        with pytest.raises(
            DataError, match="here: a label's name must have 1 to 64 characters"
        ):
            Labels.from_numbers([0, 1], ["a", name], "here")
    assert CompiledStage.can(model.network, torch.device("cpu"))  # type: ignore[arg-type]


@pytest.mark.parametrize("preset_name", PRESETS)
def test_a_label_is_chosen_in_the_slots_that_the_engine_has(
    preset_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 16, and not one for each label; the probabilities are the same to the
    last bit."""
    model = untrained(preset_name, seed=2, **{**SIZE, "labels": 40})
    slots: list[int] = []

    def stage_of(network: PixelNetwork, count: int) -> Stage:
        slots.append(count)
        return new_stage(network, count)

    monkeypatch.setattr(label_choice, "new_stage", stage_of)
    keep = np.ones((SIDE, SIDE), np.bool_)
    keep[-1, 1:] = False
    known = (np.arange(SIDE * SIDE) % 2).reshape(1, SIDE, SIDE)
    request = ImageRequest(seed=1, sample=0, known=known, keep=keep, label_from=keep)
    found = []
    for count in (1, 3, 64):
        engine = Engine(model, count)
        engine.admit(request)
        found.append(engine._last_shares[1])
    assert slots == [1, 3, 16]
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) > 1


def test_an_image_that_cannot_begin_keeps_no_slot() -> None:
    """One of a label that the model does not have."""
    engine = Engine(labelled("mnist-pixelcnn"), 1)
    with pytest.raises((RuntimeError, IndexError)):
        engine.admit(ImageRequest(seed=1, sample=0, label=9))
    assert engine.free == 1
    assert engine.step() == []
    engine.admit(ImageRequest(seed=1, sample=0, label=1))
    assert engine.step()
