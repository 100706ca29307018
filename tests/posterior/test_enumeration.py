"""Small holes are enumerated: draws, marginals and evidence are exact."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_core import complete, load_model
from model_core.models import Member, Model
from model_core.posterior import enumeration
from model_core.posterior.completion import Completion
from model_core.posterior.targets import FEW_SCORES, Target, most_scores
from tests.labelled_models import LOG_PRIORS, all_images, fitting, joint, labelled
from tests.posterior.tiny import Truth, awake, chi_square_excess, mask, mixture, truth


def given(
    keep: str, values: int, channels: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a picture of noise, which no model here finds probable, and a mask."""
    kept = torch.from_numpy(mask(keep))
    generator = torch.Generator().manual_seed(2)
    shape = channels, *kept.shape
    return torch.randint(0, values, shape, generator=generator), kept


def strict(model: Model, factor: float) -> Model:
    """Return the model with all weights multiplied, so that it is strict."""
    for member in model.members:
        for parameter in member.network.parameters():
            parameter.mul_(factor)
    return model


@dataclass(frozen=True)
class Case:
    model: Model
    keep: str
    temperature: float = 1.0


FOUR = "#### #..# #..# ####"
"""Four pixels in the middle, with given ones behind."""
CASES = {
    "V = 2": Case(awake("mnist-diagonal-bilstm", height=4, width=4), FOUR),
    "V = 2, strict, cold": Case(
        strict(awake("mnist-row-lstm", height=4, width=4), 2), FOUR, 0.7
    ),
    "V = 2, a mixture": Case(
        mixture("none", "rotate_180", "transpose", side=4, scale=2), FOUR, 1.3
    ),
    "V = 3": Case(
        awake("mnist-pixelcnn", height=4, width=4, values=3), "#### .#.# #.## .###"
    ),
    "V = 3, three colours": Case(
        awake("mnist-pixelcnn", height=4, width=4, values=3, channels=3),
        "#### #.## #### ####",
        0.9,
    ),
    "V = 17, categories": Case(
        awake("mnist-row-lstm", height=4, width=4, values=17, categories=True),
        "#### #.## #### ####",
        1.2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_draws_marginals_and_evidence_equal_an_enumeration(name: str) -> None:
    """By a teacher-forced pass over every filling, in double precision, written apart."""
    case = CASES[name]
    model, config = case.model, case.model.config
    known, keep = given(case.keep, config.values, config.channels)
    true = truth(model, known.numpy(), keep.numpy(), case.temperature)
    done = complete(model, known, keep, 300, 7, case.temperature)
    assert_exact(done, 300)
    assert done.receipt.evidence_nats == pytest.approx(true.nats, abs=1e-4)
    keys = {each.tobytes(): i for i, each in enumerate(true.outcomes)}
    drawn = [keys[each.tobytes()] for each in done.values.numpy()]
    nats = true.nats - np.log(true.p[drawn])
    assert done.receipt.nats == pytest.approx(nats, abs=1e-4)
    assert chi_square_excess(done.values.numpy(), true) < 4

    of_values = true.outcomes == np.arange(config.values)[:, None, None, None, None]
    shares = np.einsum("n,vnchw->vchw", true.p, of_values)
    expected = (
        shares.argmax(0)
        if config.categories
        else np.tensordot(np.arange(config.values), shares, 1)
    )
    bits = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(0)
    assert done.mean is not None
    assert done.entropy_bits is not None
    assert done.mean.numpy() == pytest.approx(expected, abs=1e-5)
    assert done.entropy_bits.numpy() == pytest.approx(bits, abs=1e-4)


def assert_exact(done: Completion, n: int) -> None:
    """The receipt names no particles, and calls every image exact."""
    receipt = done.receipt
    assert (receipt.exact, receipt.quality) == (True, "exact")
    assert receipt.qualities == ("exact",) * n
    assert receipt.particles == 0
    assert (receipt.ess, receipt.distinct, receipt.apart_nats) == (None, None, None)
    assert receipt.evidence_sd is None


@pytest.mark.parametrize("label", [None, "b"])
def test_a_model_with_labels_equals_an_enumeration(label: str | None) -> None:
    """Without a label, the sum over all; with one, p(hole | given, label)."""
    model, image = labelled(), all_images()[0b100111010]
    keep = torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 1]]).bool()
    fits, log_p = fitting(image, keep), joint(model)
    log_images = log_p.logsumexp(0) if label is None else log_p[1] - LOG_PRIORS[1]
    log_evidence = log_images[fits].logsumexp(0)
    done = complete(model, image, keep, 3, 5, label=label)
    assert_exact(done, 3)
    assert done.receipt.evidence_nats == pytest.approx(-float(log_evidence), abs=1e-4)
    p = (log_images[fits] - log_evidence).exp()
    expected = (p[:, None, None, None] * all_images()[fits]).sum(0)
    assert done.mean is not None
    assert done.mean.numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    index = int((done.values[-1].view(-1) * 2 ** torch.arange(8, -1, -1)).sum())
    likeliest = 1 if label else int(log_p[:, index].argmax())
    assert done.receipt.label == likeliest


def few(model: Model, missing: int) -> bool:
    """Return whether 256 scores enumerate a hole of so many pixels in the middle of the order."""
    config = model.config
    keep = np.ones(config.height * config.width, np.bool_)
    keep[1 : 1 + missing] = False
    known = np.zeros((config.channels, config.height, config.width), np.int64)
    kept: NDArray[np.bool_] = keep.reshape(config.height, config.width)
    return Target.of(model, known, kept, 1.0).scores <= FEW_SCORES


def test_scores_are_fillings_times_labels_times_members() -> None:
    """A hole of any size is judged without a power."""
    assert FEW_SCORES == 256
    one = awake("mnist-row-lstm", height=4, width=4)
    assert (few(one, 8), few(one, 9)) == (True, False)
    two = mixture("none", "rotate_180", side=4)
    assert (few(two, 7), few(two, 8)) == (True, False)
    of_labels = labelled(height=4, width=4)
    assert (few(of_labels, 6), few(of_labels, 7)) == (True, False)
    assert few(replace(of_labels, label=1), 8)
    colours = awake("mnist-pixelcnn", height=4, width=4, values=3, channels=3)
    assert (few(colours, 1), few(colours, 2)) == (True, False)
    assert not few(awake("mnist-row-lstm", height=60, width=60), 3000)


@pytest.mark.parametrize(
    ("name", "scores", "fillings"),
    [
        ("mnist-row-lstm", 1037, 1037),
        ("maps", 1194, 298),
        ("cifar10-row-lstm-deep", 256, 256),
    ],
)
def test_a_hole_may_take_1e11_operations(name: str, scores: int, fillings: int) -> None:
    """Two for each parameter and pixel, of each filling and member; never fewer than 256 scores."""
    model = load_model(name)
    found = most_scores(model.card)
    assert (found, found // len(model.members)) == (scores, fillings)


def test_fillings_are_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hole of 10 pixels has 1,024; images, marginals and receipt are those of a single part, and
    jobs of earlier versions, whose limit is 256, draw it by chains."""
    model = awake("mnist-row-lstm", height=4, width=4)
    known, keep = given("...# ..## #..# ...#", 2)
    done = complete(model, known, keep, 5, 3)
    assert_exact(done, 5)
    monkeypatch.setattr(enumeration, "PART", 10**6)
    at_once = complete(model, known, keep, 5, 3)
    assert torch.equal(done.values, at_once.values)
    assert done.receipt == at_once.receipt
    assert done.mean is not None
    assert at_once.mean is not None
    assert done.mean.numpy() == pytest.approx(at_once.mean.numpy(), abs=1e-12)
    true = truth(model, known.numpy(), keep.numpy(), 1.0)
    assert done.receipt.evidence_nats == pytest.approx(true.nats, abs=1e-4)
    earlier = complete(model, known, keep, 1, 3, sweeps=0, most_scores=FEW_SCORES)
    assert not earlier.exact


def test_images_are_functions_of_the_seed_alone() -> None:
    """Not of how many are asked for, of particles or sweeps; n = 0 has the same receipt."""
    case = CASES["V = 2, a mixture"]
    known, keep = given(case.keep, 2)
    five = complete(case.model, known, keep, 5, 2**40, first=3)
    three = complete(case.model, known, keep, 3, 2**40, first=5, particles=1, sweeps=0)
    assert torch.equal(five.values[2:], three.values)
    assert five.receipt.evidence_nats == three.receipt.evidence_nats
    none = complete(case.model, known, keep, 0, 9)
    assert none.values.shape == (0, 1, 4, 4)
    assert none.receipt.evidence_nats == five.receipt.evidence_nats
    assert none.receipt.qualities == ()
    assert five.mean is not None
    assert none.mean is not None
    assert torch.equal(none.mean, five.mean)


def test_a_cheaper_exact_draw_and_chains_are_as_before() -> None:
    """One network with nothing given behind draws once; most_scores=0 asks for chains."""
    model = awake("mnist-row-lstm", height=4, width=4)
    known, keep = given("#### #### #### ##..", 2)
    done = complete(model, known, keep, 4, 1)
    clamped = complete(model, known, keep, 4, 1, method="clamp")
    assert torch.equal(done.values, clamped.values)
    known, keep = given(FOUR, 2)
    assert not complete(model, known, keep, 1, 1, most_scores=0).exact


STRICT = strict(awake("mnist-row-lstm", height=4, width=4), 3)
LENDER = strict(awake("mnist-row-lstm", 3, height=4, width=4), 3)
GUIDED = replace(STRICT, guides=(Member(LENDER.network, "rotate_180"),))
CHECKERS, UPPER = ".##. #.#. .#.# ####", ".... .... #### ####"
IMPROBABLE = {
    "one network": (Case(STRICT, CHECKERS), 4),
    "one network, cold": (Case(STRICT, CHECKERS, 0.7), 4),
    "a guide": (Case(GUIDED, UPPER), 1),
    "a guide, all but certain": (Case(GUIDED, UPPER), 4),
    "a mixture": (
        Case(mixture("none", "rotate_180", "transpose", side=4, scale=3), CHECKERS),
        0,
    ),
    "particles that agree": (
        Case(strict(awake("mnist-pixelcnn", height=4, width=4), 2), CHECKERS),
        7069,
    ),
}


def distance(images: NDArray[np.int64], true: Truth) -> float:
    """Total variation between images (n, C, H, W) and the truth."""
    outcomes = true.outcomes.reshape(len(true.p), -1)
    drawn = images.reshape(len(images), 1, -1)
    shares = (drawn == outcomes).all(2).mean(0)
    return float(np.abs(shares - true.p).sum() / 2)


@pytest.mark.parametrize("name", IMPROBABLE)
def test_a_strict_network_without_quantiles_is_exact_or_poor(name: str) -> None:
    """Given pixels that it finds improbable: chains end up to 0.5 from the truth with the evidence
    nearly right, where fewer first particles count than `good` needs; or all agree on an image
    that is less probable than noise."""
    case, seed = IMPROBABLE[name]
    pixels = np.random.default_rng(seed).integers(0, 2, (1, 4, 4))
    known, keep = torch.from_numpy(pixels), torch.from_numpy(mask(case.keep))
    true = truth(case.model, pixels, keep.numpy(), case.temperature)
    random = np.random.default_rng(0)
    by_chance = [
        float(np.abs(random.multinomial(40, true.p) / 40 - true.p).sum() / 2)
        for _ in range(200)
    ]
    bound = 3 * float(np.mean(by_chance))
    done = complete(case.model, known, keep, 40, 7, case.temperature)
    assert_exact(done, 40)
    assert distance(done.values.numpy(), true) <= bound
    chains = complete(case.model, known, keep, 40, 7, case.temperature, most_scores=0)
    is_close = distance(chains.values.numpy(), true) <= bound
    assert is_close or chains.receipt.quality == "poor"


def test_a_strict_network_with_a_label_is_poor_where_chains_miss() -> None:
    """All particles agree, and the evidence is 47 nats off."""
    model = strict(labelled(height=4, width=4), 4)
    pixels = np.random.default_rng(551).integers(0, 2, (1, 4, 4))
    known, keep = torch.from_numpy(pixels), torch.from_numpy(mask(CHECKERS))
    true = complete(model, known, keep, 1, 7, 1.3, label="b").receipt
    found = complete(model, known, keep, 9, 7, 1.3, label="b", most_scores=0).receipt
    assert (true.quality, found.apart_nats, found.quality) == ("exact", 0, "poor")
    assert true.evidence_nats is not None
    assert found.evidence_nats is not None
    assert found.evidence_nats > true.evidence_nats + 40
