"""Labels in completions and classifications: Bayes' rule by enumeration, on every image and mask of 3 x 3."""

import itertools

import numpy as np
import pytest
import torch

from model_core import Model, complete
from model_core.components import Member
from model_core.elementary import log_sum
from model_core.errors import ConfigError, DataError
from model_core.posterior.classify import (
    MOST,
    PRIOR_PARTICLES,
    _estimated,  # pyright: ignore[reportPrivateUsage]
    can_be_exact,
    classify,
    evened,
)
from tests.labelled_models import (
    LOG_PRIORS,
    all_images,
    chi_square,
    fitting,
    joint,
    labelled,
)


def mixture() -> Model:
    """Two members of one shape and the same labels."""
    first, second = labelled(seed=1), labelled(seed=2)
    return Model(
        (first.members[0], Member(second.members[0].network, "rotate_180")), first.card
    )


@pytest.mark.parametrize("make", [labelled, mixture])
def test_a_whole_picture_has_the_label_that_bayes_gives(make: type) -> None:
    """Every image; nats of each label and of the whole."""
    model = make()
    found, log_p = classify(model, all_images()), joint(model)
    np.testing.assert_allclose(found.p, log_p.softmax(0).t(), atol=1e-5)
    np.testing.assert_allclose(found.nats, (LOG_PRIORS[:, None] - log_p).t(), rtol=1e-5)
    np.testing.assert_allclose(found.total_nats, -log_p.logsumexp(0), rtol=1e-5)
    assert (found.exact, found.quality) == (True, "exact")


def test_a_part_of_a_picture_too_with_every_mask() -> None:
    """Exact where what is given comes first; else by particles, close to it on average; of those every fourth mask."""
    model = labelled()
    log_p, image, errors, exact = joint(model), all_images()[0b100111010], [], 0
    for number, bits in enumerate(itertools.product((False, True), repeat=9)):
        keep = torch.tensor(bits).view(3, 3)
        if number % 4 and not can_be_exact(["none"], keep.numpy()):
            continue
        truth = log_p[:, fitting(image, keep)].logsumexp(1)
        found = classify(model, image, keep, particles=64)
        difference = np.abs(found.p[0] - truth.softmax(0).numpy())
        if found.exact:
            exact += 1
            assert difference.max() < 1e-5
            assert found.total_nats[0] == pytest.approx(
                -float(truth.logsumexp(0)), abs=1e-5
            )
        else:
            errors.append(difference.max())
    assert exact == 10
    assert np.mean(errors) < 0.03


def test_particles_find_what_enumeration_does_in_a_mixture() -> None:
    """Given pixels that lie behind the hole of one member only are not exact; many particles come close."""
    model, keep = mixture(), torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 0]]).bool()
    assert not can_be_exact(["none", "rotate_180"], keep.numpy())
    image = all_images()[0b110010001]
    truth = joint(model)[:, fitting(image, keep)].logsumexp(1)
    found = classify(model, image, keep, particles=256)
    np.testing.assert_allclose(found.p[0], truth.softmax(0), atol=0.03)
    assert found.sd is not None
    assert found.quality in ("good", "rough")


def test_two_particles_never_know_a_label_well() -> None:
    """However far their two halves agree: so few may both have missed what is likely."""
    model, image = labelled(), all_images()[0b100111010]
    keep = torch.tensor([[0, 0, 0], [0, 1, 0], [1, 1, 1]]).bool()
    found = [classify(model, image, keep, seed=seed, particles=4) for seed in range(20)]
    assert (
        min(float(np.max(each.p_sd)) for each in found if each.p_sd is not None) < 0.02
    )
    assert {each.quality for each in found} <= {"rough", "poor"}


def test_no_label_is_impossible_by_few_particles() -> None:
    """Each keeps a share of its prior."""
    model, image = labelled(), all_images()[0b100111010]
    keep = torch.tensor([[0, 0, 0], [0, 1, 0], [1, 1, 1]]).bool()
    found, priors = classify(model, image, keep, particles=4), LOG_PRIORS.exp().numpy()
    of_prior = PRIOR_PARTICLES[found.quality]
    by_particles = priors * np.exp(found.total_nats - found.nats[0])
    expected = (2 * by_particles + of_prior * priors) / (2 + of_prior)
    assert found.p[0] == pytest.approx(expected)
    assert (found.p[0] >= of_prior * priors / (2 + of_prior)).all()


@pytest.mark.parametrize(
    ("first", "second", "ess", "word", "of_prior"),
    [
        ([0.97, 0.02, 0.01], [0.95, 0.03, 0.02], 9.0, "good", 0.1),
        ([0.97, 0.02, 0.01], [0.95, 0.03, 0.02], 2.0, "rough", 0.3),
        ([0.97, 0.02, 0.01], [0.85, 0.08, 0.07], 9.0, "rough", 0.3),
        ([0.97, 0.02, 0.01], [0.40, 0.30, 0.30], 9.0, "poor", 1.0),
    ],
)
def test_the_prior_counts_more_the_less_two_estimates_agree(
    first: list[float], second: list[float], ess: float, word: str, of_prior: float
) -> None:
    """As 0.1, 0.3 or one particle, beside 16 of each estimate."""
    model = labelled()
    together = np.add(first, second) / 2
    joint = [np.log(np.array(each)) for each in (first, second, together)]
    found = _estimated(joint, ess, 16, model)
    priors = LOG_PRIORS.exp().numpy()
    assert found.quality == word
    expected = (16 * together + of_prior * priors) / (16 + of_prior)
    assert found.p[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "given"),
    [(labelled, "110000000"), (labelled, "000010010"), (mixture, "000010010")],
)
def test_completions_are_drawn_from_the_sum_over_labels(make: type, given: str) -> None:
    """Images as often as p(image | given), and their labels as p(label | given); evidence as the sum says."""
    model, keep = make(), torch.tensor([each == "1" for each in given]).view(3, 3)
    known, n = all_images()[0b110011010], 120
    fits, log_p = fitting(known, keep), joint(model)
    done = complete(model, known, keep, n, seed=4, particles=8, sweeps=2, most_scores=0)
    index = (done.values.view(n, -1) * 2 ** torch.arange(8, -1, -1)).sum(1)
    p = log_p.logsumexp(0).exp() * fits
    found, most = chi_square(torch.bincount(index, minlength=512), n * p / p.sum())
    assert found < most
    truth = log_p[:, fits].logsumexp(1)
    assert done.receipt.evidence_nats == pytest.approx(
        -float(truth.logsumexp(0)), abs=0.05
    )
    assert done.receipt.nats == pytest.approx(
        (-log_p.logsumexp(0)[index]).tolist(), abs=1e-4
    )
    assert done.receipt.label in range(3)
    alone = complete(
        model, known, keep, 60, seed=4, particles=8, label="b", most_scores=0
    )
    found, most = chi_square(
        torch.bincount(
            (alone.values.view(60, -1) * 2 ** torch.arange(8, -1, -1)).sum(1),
            minlength=512,
        ),
        60 * (log_p[1] - log_p[1, fits].logsumexp(0)).exp() * fits,
    )
    assert found < most


def test_what_cannot_be_classified_is_refused() -> None:
    """A model without labels, one label that is given, other shapes, no picture."""
    model, image = labelled(), all_images()[:1]
    for refused in (
        model.given("a"),
        Model(model.members[:0], labelled(seed=1).given(0).card, label=0),
    ):
        with pytest.raises(ConfigError, match="no labels to choose from"):
            classify(refused, image)
    with pytest.raises(DataError, match="values and keep must be"):
        classify(model, image, torch.ones(3, 4, dtype=torch.bool))
    with pytest.raises(DataError, match="values and keep must be"):
        classify(model, image[:0])


@pytest.mark.parametrize("heavy", [1, 3, 7])
def test_few_heavy_images_do_not_decide_alone(heavy: int) -> None:
    """Of 36 weights none is a larger share than it may be, light ones keep their order, and the sum stays."""
    log_weights = np.linspace(-3.0, 0.0, 36)
    log_weights[-heavy:] += 9.0
    cut = evened(log_weights)
    shares = np.exp(cut) / np.exp(cut).sum()
    assert shares.max() == pytest.approx(MOST / 6, rel=0.01)
    assert np.exp(cut).sum() == pytest.approx(np.exp(log_weights).sum())
    assert (np.diff(cut[:-heavy]) > 0).all()


@pytest.mark.parametrize("apart", [0.1, 1.0, 10.0, 300.0])
@pytest.mark.parametrize("count", [4, 5, 16, 37])
def test_no_weight_exceeds_its_bound_however_far_apart_they_are(
    count: int, apart: float
) -> None:
    """50 cases of each size: the bound holds, the sum stays, and no more is cut than must."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        log_weights = apart * generator.standard_normal(count) - 400
        cut = evened(log_weights)
        shares = np.exp(cut - log_sum(cut))
        most = MOST / count**0.5
        assert shares.max() <= most * (1 + 1e-9)
        assert log_sum(cut) == pytest.approx(log_sum(log_weights))
        heaviest = shares.max()
        is_cut = shares >= heaviest * (1 - 1e-9)
        lifted = (cut - log_weights)[~is_cut]
        assert lifted == pytest.approx(lifted.mean() if len(lifted) else 0)
        if is_cut.sum() > 1:
            assert heaviest == pytest.approx(most)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_weights_too_few_for_the_bound_become_equal(count: int) -> None:
    """One of three has a share of 0.33 at the least, and the bound would be 0.29."""
    cut = evened(np.arange(count, dtype=np.float64))
    np.testing.assert_allclose(cut, cut[0])


def test_even_weights_stay() -> None:
    log_weights = np.full(36, -80.0)
    np.testing.assert_allclose(evened(log_weights), log_weights)
