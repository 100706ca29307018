"""Completions of a picture: exact draws, receipts, and requests that are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core import log_likelihood, sample, untrained
from model_core.elementary import log_sum
from model_core.errors import ConfigError, DataError
from model_core.models import Member, Model
from model_core.orientation import Orientation
from model_core.posterior.classify import Classification, classify_steps
from model_core.posterior.completion import DRAWS, complete, drawn_receipt_steps
from model_core.posterior.islands import way_of
from model_core.posterior.particles import Stages
from model_core.posterior.targets import Target
from tests.posterior.tiny import (
    CENTRE,
    SCATTERED,
    awake,
    by_particles,
    mask,
    mixture,
    truth,
)

ENDS = mask("######### ######### ######### ######### ......... .........")


def test_a_hole_at_the_end_of_one_network_s_order_is_one_exact_draw() -> None:
    """In orientation none the bytes are clamp's; in another, those that the network draws by itself."""
    known = torch.randint(0, 2, (1, 6, 6), generator=torch.Generator().manual_seed(0))
    lower, left = torch.ones(6, 6, dtype=torch.bool), torch.ones(6, 6, dtype=torch.bool)
    lower[3:], left[:, :3] = False, False
    holes: list[tuple[Tensor, Orientation]] = [(lower, "none"), (left, "rotate_90")]
    for keep, orientation in holes:
        model = mixture(orientation)
        done = complete(model, known, keep, n=5, seed=3)
        assert (done.exact, done.member, done.receipt.particles, done.receipt.ess) == (
            True,
            orientation,
            0,
            None,
        )
        assert (done.receipt.quality, done.receipt.qualities) == (
            "exact",
            ("exact",) * len(done.values),
        )
        assert (done.values[:, 0, keep] == known[0, keep]).all()
        assert torch.equal(
            done.values,
            complete(model, known, keep, n=5, seed=3, method="clamp").values,
        )
        nats = -log_likelihood(model, done.values).double().numpy()
        assert done.receipt.nats == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 5), (5, 1), (1, 1)])
def test_pictures_of_one_row_or_column_are_completed_by_turned_networks(
    height: int, width: int
) -> None:
    """A network alone, and in a mixture, by both methods; given pixels are kept."""
    known = torch.ones(1, height, width, dtype=torch.int64)
    keep = torch.ones(height, width, dtype=torch.bool)
    keep[0, 0] = False
    models = [
        awake("mnist-row-lstm", seed, height=height, width=width) for seed in (0, 1)
    ]
    upright, other = (model.network for model in models)
    orientations: list[Orientation] = [
        "flip_left_right",
        "flip_top_bottom",
        "rotate_180",
    ]
    for orientation in orientations:
        turned = Member(other, orientation)
        for members in ((turned,), (Member(upright), turned)):
            model = Model(members, models[0].card)
            for method in ("posterior", "clamp"):
                done = by_particles(model, known, keep, n=2, seed=1, method=method)
                assert (done.values[:, 0, keep] == 1).all()


@pytest.mark.parametrize(
    ("rows", "is_exact"),
    [
        (".... .... .... ....", True),
        ("#### #### #### ###.", True),
        ("#### #### .... ....", False),
        ("#### #### #### ####", True),
    ],
    ids=["all", "last pixel", "lower half", "none"],
)
def test_a_multi_scale_model_draws_exactly_only_after_all_that_is_given(
    rows: str, is_exact: bool
) -> None:
    """Its small image, of every second pixel, comes before all other pixels."""
    model = awake("cifar10-multi-scale", height=4, width=4, factor=2)
    known = torch.zeros(3, 4, 4, dtype=torch.int64)
    keep = torch.from_numpy(mask(rows))
    done = complete(model, known, keep, n=1, seed=3, method="clamp")
    assert done.exact == is_exact


@pytest.mark.parametrize(
    ("rows", "label", "is_exact"),
    [
        ("###. .... #.#. ....", None, False),
        ("###. .... #.#. ....", 1, True),
        ("#.#. .... #.#. ....", None, True),
        ("#### #### #### ####", None, True),
    ],
    ids=["a pixel more", "label given", "small image", "no hole"],
)
def test_a_multi_scale_model_draws_a_label_exactly_only_given_its_small_image(
    rows: str, label: int | None, is_exact: bool
) -> None:
    """It draws the label from p(label | small image), which other given pixels do not
    change, although the large image depends on the label."""
    size = {"height": 4, "width": 4, "factor": 2}
    model = awake("cifar10-multi-scale", **size, channels=1, values=2, labels=2)
    known = torch.zeros(1, 4, 4, dtype=torch.int64)
    keep = torch.from_numpy(mask(rows))
    done = complete(model, known, keep, n=1, seed=3, method="clamp", label=label)
    assert done.exact == is_exact


@pytest.mark.parametrize(
    ("method", "sweeps"), [("clamp", 0), ("posterior", 0), ("posterior", 3)]
)
@pytest.mark.parametrize("keep", [CENTRE, SCATTERED, ENDS])
def test_how_much_is_done_is_told_on_the_way(
    keep: NDArray[np.bool_], method: str, sweeps: int
) -> None:
    """Never less than before, and all of it at the end: of exact draws, and of particles. With such weights the two
    chains differ at first, so that they take several rounds."""
    model = awake("mnist-pixelcnn", height=6, width=9)
    for parameter in model.network.parameters():
        parameter.mul_(1.5)
    told: list[float] = []
    known = torch.zeros(1, 6, 9, dtype=torch.int64)
    complete(
        model, known, torch.from_numpy(keep), 3, 1, 1.0, method, 4, sweeps, told.append
    )
    assert told == sorted(told)
    assert len(set(told)) >= 6
    assert 0 < told[0] < 0.5
    assert told[-1] == 1


def test_a_receipt_takes_a_step_for_each_image() -> None:
    """So no step takes as long as many images do: whoever draws others in between is not held up."""
    model = awake("mnist-pixelcnn", height=6, width=9)
    target = Target.of(model, np.zeros((1, 6, 9), np.int64), ENDS, 1.0)
    ten, twenty = (
        len(list(drawn_receipt_steps(target, np.zeros((n, 1, 6, 9), np.int64), 1)))
        for n in (10, 20)
    )
    assert twenty >= ten + 10


def test_a_step_compares_a_few_labels() -> None:
    """Of receipts and exact classifications, whose digits are those of all labels at once."""
    model = awake("mnist-row-lstm", height=6, width=9, labels=24)
    values = np.zeros((1, 6, 9), np.int64)
    target = Target.of(model, values, ENDS, 1.0)
    way = way_of(model.components, 24, Stages().of)
    together = way.log_p_before(target.given(1))

    *passes, told = drawn_receipt_steps(target, values[None], 1)
    assert len(passes) > 3 * DRAWS
    assert told is not None
    receipt, _ = told
    assert receipt.evidence_nats == -log_sum(together)
    *passes, found = classify_steps(model, values, ENDS)
    assert len(passes) == 3
    assert isinstance(found, Classification)
    np.testing.assert_array_equal(found.nats[0], way.log_priors - together)


@pytest.mark.parametrize(
    ("model", "keep"),
    [
        (awake("mnist-row-lstm", height=6, width=9), ENDS),
        (awake("mnist-pixelcnn", height=6, width=9, channels=3, values=4), CENTRE),
        (
            mixture("none", "rotate_180"),
            mask("###### ###### ###### ###### ...... ......"),
        ),
    ],
    ids=["exact", "by particles", "by the member that comes last"],
)
def test_marginals_are_the_same_with_an_image_or_without(
    model: Model, keep: NDArray[np.bool_]
) -> None:
    """n = 0: receipt and marginals of one image, and no image of which anything is told."""
    shape = model.config.channels, *keep.shape
    known = torch.randint(
        0, model.config.values, shape, generator=torch.Generator().manual_seed(0)
    )
    one, none = (
        complete(model, known, torch.from_numpy(keep), n, 8, particles=6, first=3)
        for n in (1, 0)
    )
    assert none.values.shape == (0, *shape)
    assert none.receipt == replace(one.receipt, nats=(), qualities=(), label=None)
    assert one.mean is not None
    assert one.entropy_bits is not None
    assert none.mean is not None
    assert none.entropy_bits is not None
    assert torch.equal(none.mean, one.mean)
    assert torch.equal(none.entropy_bits, one.entropy_bits)
    for n, method in ((0, "clamp"), (-1, "posterior")):
        with pytest.raises(ConfigError, match="n must be at least"):
            complete(model, known, torch.from_numpy(keep), n, 8, method=method)


def test_images_do_not_depend_on_how_many_are_asked_for() -> None:
    """Image i has the noise of (seed, i), with particles too; another seed draws others."""
    model = awake("mnist-diagonal-bilstm", height=6, width=9)
    known = torch.randint(0, 2, (1, 6, 9), generator=torch.Generator().manual_seed(0))
    keep = torch.from_numpy(CENTRE)
    three = by_particles(model, known, keep, n=3, seed=8, particles=5)
    assert torch.equal(
        three.values[:1],
        by_particles(model, known, keep, n=1, seed=8, particles=5).values,
    )
    assert not torch.equal(
        three.values, by_particles(model, known, keep, n=3, seed=9, particles=5).values
    )
    assert (three.exact, three.receipt.particles, three.member) == (
        False,
        4,
        "none",
    )  # two of each chain
    assert three.receipt.nats == pytest.approx(
        -log_likelihood(model, three.values).double().numpy(), rel=1e-5
    )
    assert three.receipt.apart_nats is not None
    assert three.receipt.quality in ("good", "rough", "poor")
    alone = [
        by_particles(
            model, known, keep, n=1, seed=8, particles=5, first=i
        ).receipt.quality
        for i in range(3)
    ]
    assert three.receipt.qualities == tuple(alone)
    assert three.receipt.ess is not None
    assert three.receipt.distinct is not None
    assert 1 <= three.receipt.ess <= 5
    assert 1 <= three.receipt.distinct <= 5
    assert three.receipt.evidence_sd is not None


def test_the_evidence_of_an_exact_draw_is_that_of_what_is_given() -> None:
    """-ln p of the given rows, by enumeration."""
    model = awake("mnist-diagonal-bilstm", height=4, width=4)
    keep = mask("#### #### .... ....")
    known = np.random.default_rng(1).integers(0, 2, (1, 4, 4))
    done = complete(model, torch.from_numpy(known), torch.from_numpy(keep), n=1, seed=2)
    assert done.receipt.evidence_nats == pytest.approx(
        truth(model, known, keep, 1.0).nats, abs=1e-5
    )


def test_a_hole_that_covers_everything_is_a_sample() -> None:
    """Nothing is given, so nothing lies behind: exact, with an evidence of 0."""
    model = awake("mnist-diagonal-bilstm", height=4, width=4)
    keep = torch.zeros(4, 4, dtype=torch.bool)
    done = complete(model, torch.zeros(1, 4, 4, dtype=torch.int64), keep, n=3, seed=2)
    assert (done.exact, done.receipt.evidence_nats) == (True, 0)
    assert torch.equal(done.values, sample(model, 3, seed=2))


def test_evidence_is_never_above_what_a_completion_proves() -> None:
    """p(given) is at least p(completed): one particle overstates the nats of a tied image by far, and is corrected."""
    model, keep = (
        awake("mnist-row-lstm", seed=6, height=6, width=6),
        mask("...... ...... ###### ...... ###### ######"),
    )
    for parameter in model.network.parameters():
        parameter.mul_(6)
    corrected = 0
    for i, image in enumerate(sample(model, 10, seed=1)):
        done = complete(
            model, image, torch.from_numpy(keep), n=1, seed=i, particles=1, sweeps=8
        )
        assert done.receipt.evidence_nats is not None
        proven = -float(log_likelihood(model, done.values)[0])
        assert done.receipt.evidence_nats <= proven + 1e-4
        corrected += done.receipt.evidence_nats > proven - 1e-4
    assert corrected


def test_bad_requests_are_refused_in_words() -> None:
    """Shapes, method, particles, sweeps, and a model with two scales."""
    model = awake("mnist-row-lstm", height=4, width=4)
    known, keep = (
        torch.zeros(1, 4, 4, dtype=torch.int64),
        torch.zeros(4, 4, dtype=torch.bool),
    )
    scales = untrained(
        "cifar10-multi-scale",
        layers=1,
        hidden=3,
        head=3,
        height=4,
        width=4,
        factor=2,
        conditioning=2,
    )
    with pytest.raises(
        DataError, match=r"known and keep must be \(1, 4, 4\) and \(4, 4\)"
    ):
        complete(model, known[:, :3], keep, 1, 0)
    with pytest.raises(
        ConfigError, match="unknown method 'best': expected posterior or clamp"
    ):
        complete(model, known, keep, 1, 0, method="best")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="particles must be from 1 to 256, not 0"):
        complete(model, known, keep, 1, 0, particles=0)
    with pytest.raises(ConfigError, match="sweeps must be from 0 to 16, not 17"):
        complete(model, known, keep, 1, 0, sweeps=17)
    with pytest.raises(ConfigError, match="Multi-Scale model, which has no posterior"):
        complete(scales, torch.zeros(3, 4, 4, dtype=torch.int64), keep, 1, 0)
