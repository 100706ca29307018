"""Completion given everything: particles equal their slow truth, and on tiny images their distribution is exact."""

import itertools
import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core import log_likelihood, sample, untrained
from model_core.elementary import exp, log, log_sum
from model_core.errors import ConfigError, DataError
from model_core.measures.likelihood import nats_per_image
from model_core.models import Member, Model
from model_core.networks.pixel_network import PixelNetwork
from model_core.orientation import Orientation, turn
from model_core.posterior.chain import Chain, Weighted, seat
from model_core.posterior.completion import complete
from model_core.posterior.island import ImpossibleError, Island
from model_core.posterior.mixture import Given, Mixture, Way
from model_core.posterior.particles import Particles, StageParticles
from model_core.posterior.plan import Stop, given_behind, ranked_members, stops, windows
from model_core.posterior.reference import ReferenceParticles
from model_core.sampling.noise import choice_noise
from model_core.sampling.stage import Drawing
from model_core.sampling.stages import stage_for

KINDS = ("mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm")


def awake(preset: str, seed: int = 1, **size: int) -> Model:
    """Random weights, and biases that make a difference."""
    model = untrained(preset, seed=seed, **{"layers": 2, "hidden": 6, "head": 6, **size})
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.network.parameters():
        if parameter.dim() == 1:
            parameter.add_(0.6 * torch.randn(parameter.shape, generator=generator))
    return model


def network_of(model: Model) -> PixelNetwork:
    assert isinstance(model.network, PixelNetwork)
    return model.network


@dataclass
class Run:
    """The chain of one network, at its end, and its last particles."""

    chain: Chain
    last: Weighted

    @property
    def image(self) -> NDArray[np.int64]:
        return self.chain.image

    @property
    def log_evidence(self) -> float:
        return self.chain.start.log_evidence


def finished(
    particles: Particles, given: Given, size: int, rounds: int = 0, within_rows: bool = True, moves: int = 0
) -> Run:
    """One chain of one network, after so many rounds and moves of the whole hole."""
    mixture, heard = Mixture([Way("none", lambda: particles, within_rows)]), []
    chain = Chain(mixture, given, size, [0], took=lambda draws, block: heard.append(draws))
    deque(chain.begin(), maxlen=0)
    draws = seat([chain], float(choice_noise(given.seed, given.sample, 1 << 30, 0, 0, 1)[0]))
    deque(chain.rounds(rounds), maxlen=0)
    for _ in range(moves):
        deque(chain.move(~given.keep), maxlen=0)
    return Run(chain, heard[-1] if heard else draws)


def mask(rows: str) -> NDArray[np.bool_]:
    """keep (H, W) from rows like "##. ..#": # is given."""
    return np.array([[pixel == "#" for pixel in row] for row in rows.split()])


SCATTERED = mask("######### .#.##.#.# #..##..## .#######. #.#.#.#.# ##..##..#")
LEFT = mask(" ".join(["....#####"] * 6))
CENTRE = mask("######### ######### ###...### ###...### ######### #########")


@pytest.mark.parametrize("preset", KINDS)
@pytest.mark.parametrize(("keep", "channels", "values"), [(SCATTERED, 3, 4), (LEFT, 1, 2), (CENTRE, 3, 4)])
def test_particles_in_compiled_code_equal_the_slow_truth(
    preset: str, keep: NDArray[np.bool_], channels: int, values: int
) -> None:
    """Images of all particles byte for byte, ln p to the last digits, also where they are copied within a row, and with
    an image that is retained."""
    network = network_of(awake(preset, height=6, width=9, channels=channels, values=values))
    known = np.random.default_rng(3).integers(0, values, (channels, 6, 9))
    hole = Given(known, keep, seed=5, sample=0, temperature=0.7)
    ours = finished(StageParticles(network, 8), hole, 8, moves=1)
    theirs = finished(ReferenceParticles(network), hole, 8, moves=1)
    assert (ours.image == theirs.image).all()
    assert (ours.last.images == theirs.last.images).all()
    assert ours.last.weights == pytest.approx(theirs.last.weights, abs=1e-5)
    assert ours.log_evidence == pytest.approx(theirs.log_evidence, abs=1e-4)
    assert (ours.image[:, keep] == known[:, keep]).all()


@pytest.mark.parametrize("preset", KINDS)
def test_particles_in_plain_torch_equal_the_slow_truth(preset: str) -> None:
    """In double precision, compared after whole rows."""
    network = network_of(awake(preset, height=6, width=9, channels=3, values=3)).double()
    known = np.random.default_rng(3).integers(0, 3, (3, 6, 9))
    hole = Given(known, SCATTERED, seed=5, sample=1, temperature=1.0)
    assert not stage_for(network).stops_within_rows
    runs = [
        finished(particles, hole, 6, within_rows=False, moves=1)
        for particles in (StageParticles(network, 6), ReferenceParticles(network))
    ]
    mine, true = (run.last for run in runs)
    assert (mine.images == true.images).all()
    assert mine.weights == pytest.approx(true.weights, abs=1e-9)
    assert runs[0].log_evidence == pytest.approx(runs[1].log_evidence, abs=1e-9)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize("preset", KINDS)
def test_ln_p_of_given_pixels_is_the_teacher_forced_pass_s(preset: str, precision: torch.dtype) -> None:
    """Summed by row, of a whole image, to a millionth of its nats; of no pixel that was not asked for."""
    network = network_of(awake(preset, height=5, width=7, channels=3, values=6)).to(precision)
    image = torch.randint(0, 6, (3, 5, 7), generator=torch.Generator().manual_seed(2))
    keep, asked = torch.ones(5, 7, dtype=torch.bool), torch.ones(5, 7, dtype=torch.bool)
    asked[3] = False
    with torch.inference_mode():
        stage = stage_for(network)(network, 2)
        for slot, weighed in enumerate((torch.ones_like(asked), asked)):
            stage.open(slot, Drawing(torch.zeros(5, 7, 3, dtype=torch.float64), 1.0, image, keep, weighed=weighed))
        while stage.step():
            pass
        rows = -network.double().nats_map(image[None])[0].sum((0, 2)).numpy()  # (H,)
    assert stage.log_p(0) == pytest.approx(rows, rel=1e-6)
    assert stage.log_p(1) == pytest.approx(np.where(asked.all(1).numpy(), rows, 0), rel=1e-6)


@dataclass(frozen=True)
class Truth:
    """All outcomes of a hole of a tiny binary image, and their probabilities."""

    outcomes: NDArray[np.int64]
    """(M, C, H, W)"""
    p: NDArray[np.float64]
    """(M,) p(outcome | given)"""
    nats: float
    """-ln p(given)"""


def truth(model: Model, known: NDArray[np.int64], keep: NDArray[np.bool_], temperature: float) -> Truth:
    """By enumeration, with the teacher-forced pass of every member in double precision."""
    holes, C = np.argwhere(~keep), len(known)
    fillings = np.array(list(itertools.product(range(model.config.values), repeat=C * len(holes))))
    outcomes = np.repeat(known[None], len(fillings), 0)
    outcomes[:, :, holes[:, 0], holes[:, 1]] = fillings.reshape(-1, C, len(holes))
    members = np.stack([_joint(member, torch.from_numpy(outcomes), temperature) for member in model.members])
    joint = members.mean(0)
    return Truth(outcomes, joint / joint.sum(), -float(np.log(joint.sum())))


def _joint(member: Member, outcomes: Tensor, temperature: float) -> NDArray[np.float64]:
    images = turn(outcomes, member.orientation)
    with torch.inference_mode():
        assert isinstance(member.network, PixelNetwork)
        log_p = torch.log_softmax(member.network(images).double() / temperature, 1).gather(1, images[:, None])
    return log_p.sum((1, 2, 3, 4)).exp().numpy()


def chi_square_excess(images: NDArray[np.int64], true: Truth) -> float:
    """How many standard deviations the chi-square of images (n, C, H, W) lies above its mean; rare ones pooled."""
    keys = {outcome.tobytes(): i for i, outcome in enumerate(true.outcomes)}
    counts = np.bincount([keys[image.tobytes()] for image in images], minlength=len(true.p)).astype(float)
    expected = len(images) * true.p
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    counts, expected = counts[expected > 0], expected[expected > 0]
    freedom = max(1, len(counts) - 1)
    return float((((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom))


TINY = {
    "centre": mask("#### #..# #..# ####"),
    "scattered": mask(".##. #.#. .#.# ####"),
    "upper": mask(".... .... #### ####"),
}


@pytest.mark.parametrize(
    ("preset", "hole", "temperature"),
    [
        ("mnist-pixelcnn", "centre", 1.0),
        ("mnist-row-lstm", "scattered", 0.7),
        ("mnist-diagonal-bilstm", "scattered", 1.0),
        ("mnist-diagonal-bilstm", "upper", 0.7),
    ],
)
def test_completions_follow_the_exact_posterior(preset: str, hole: str, temperature: float) -> None:
    """600 islands of 64 particles against enumeration; and their evidence is unbiased. benchmarks/completion.py looks
    at 20,000 each, and docs/completion.md has what it found."""
    model, keep = awake(preset, height=4, width=4), TINY[hole]
    known = np.random.default_rng(1).integers(0, 2, (1, 4, 4))
    true = truth(model, known, keep, temperature)
    particles = StageParticles(network_of(model), 64)
    holes = (Given(known, keep, seed=11, sample=i, temperature=temperature) for i in range(600))
    runs = [finished(particles, each, 64) for each in holes]
    images = np.stack([run.image for run in runs])
    assert chi_square_excess(images, true) < 4
    p = np.exp([run.log_evidence for run in runs])
    assert abs(p.mean() - np.exp(-true.nats)) < 3 * p.std() / np.sqrt(len(p)) + 1e-9


def test_sweeps_bring_few_particles_to_the_exact_posterior() -> None:
    """Three particles alone are biased; after five rounds, of the whole hole and of windows, they are not. Larger
    weights tie the hole to what is given."""
    model, keep = awake("mnist-row-lstm", seed=6, height=3, width=3), mask("... ... ###")
    for parameter in model.network.parameters():
        parameter.mul_(2)
    known = np.random.default_rng(1).integers(0, 2, (1, 3, 3))
    true = truth(model, known, keep, 1.0)
    particles = StageParticles(network_of(model), 3)
    excess = []
    for sweeps in (0, 5):
        holes = (Given(known, keep, seed=4, sample=i, temperature=1.0) for i in range(100))
        images = [finished(particles, hole, 3, sweeps).image for hole in holes]
        excess.append(chi_square_excess(np.stack(images), true))
    assert excess[0] > 50
    assert excess[1] < 4


def test_completions_of_a_mixture_follow_the_mixture_s_posterior() -> None:
    """Two members that disagree, few particles, and the hole at the end of one member's order: the images follow the
    model's posterior and not that member's alone; and the evidence is the model's."""
    model = mixture("none", "rotate_180", side=3, scale=1.5)
    keep, known = mask("### #.. ..."), np.random.default_rng(1).integers(0, 2, (1, 3, 3))
    true = truth(model, known, keep, 0.7)
    done = complete(model, torch.from_numpy(known), torch.from_numpy(keep), 80, 4, 0.7, particles=8, sweeps=1)
    assert not done.exact
    assert chi_square_excess(done.values.numpy(), true) < 4
    alone = [truth(Model((member,), model.card), known, keep, 0.7) for member in model.members]
    assert max(chi_square_excess(done.values.numpy(), each) for each in alone) > 4
    assert done.evidence_nats == pytest.approx(true.nats, abs=0.1)


def test_completions_in_colour_follow_the_exact_posterior() -> None:
    """Three colours of three values, two pixels apart."""
    model = awake("mnist-row-lstm", seed=2, height=3, width=3, channels=3, values=3)
    keep, known = mask("#.# ### .##"), np.random.default_rng(1).integers(0, 3, (3, 3, 3))
    done = complete(model, torch.from_numpy(known), torch.from_numpy(keep), 60, 4, 1.0, particles=16, sweeps=1)
    true = truth(model, known, keep, 1.0)
    assert chi_square_excess(done.values.numpy(), true) < 4
    assert done.evidence_nats == pytest.approx(true.nats, abs=0.1)


def test_windows_cover_the_hole_once() -> None:
    """Wherever the first one begins, and none is empty."""
    hole = np.random.default_rng(0).random((9, 7)) < 0.3
    for dy, dx in ((0, 0), (1, 0)):
        found = windows(hole, dy, dx)
        assert (np.sum(found, 0) == hole).all()
        assert all(part.any() for part in found)


def mixture(*orientations: Orientation, side: int = 6, scale: float = 1) -> Model:
    models = [awake("mnist-row-lstm", seed, height=side, width=side) for seed in range(len(orientations))]
    for parameter in (each for model in models for each in model.network.parameters()):
        parameter.mul_(scale)
    members = [Member(model.network, orientation) for model, orientation in zip(models, orientations, strict=True)]
    return Model(tuple(members), models[0].card)


def test_a_hole_at_the_end_of_one_network_s_order_is_one_exact_draw() -> None:
    """In orientation none the bytes are clamp's; in another, those that the network draws by itself."""
    known = torch.randint(0, 2, (1, 6, 6), generator=torch.Generator().manual_seed(0))
    lower, left = torch.ones(6, 6, dtype=torch.bool), torch.ones(6, 6, dtype=torch.bool)
    lower[3:], left[:, :3] = False, False
    holes: list[tuple[Tensor, Orientation]] = [(lower, "none"), (left, "rotate_90")]
    for keep, orientation in holes:
        model = mixture(orientation)
        done = complete(model, known, keep, n=5, seed=3)
        assert (done.exact, done.member, done.receipt.particles, done.ess) == (True, orientation, 0, None)
        assert done.receipt.quality == "exact"
        assert (done.values[:, 0, keep] == known[0, keep]).all()
        assert torch.equal(done.values, complete(model, known, keep, n=5, seed=3, method="clamp").values)
        nats = -log_likelihood(model, done.values).double().numpy()
        assert done.receipt.nats == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize(("method", "sweeps"), [("clamp", 0), ("posterior", 0), ("posterior", 2)])
@pytest.mark.parametrize("keep", [CENTRE, mask("######### ######### ######### ######### ......... .........")])
def test_how_much_is_done_is_told_on_the_way(keep: NDArray[np.bool_], method: str, sweeps: int) -> None:
    """Never less than before, and all of it at the end: of exact draws, and of particles."""
    model = awake("mnist-pixelcnn", height=6, width=9)
    told: list[float] = []
    known = torch.zeros(1, 6, 9, dtype=torch.int64)
    complete(model, known, torch.from_numpy(keep), 3, 1, 1.0, method, 4, sweeps, told.append)
    assert told == sorted(told)
    assert len(set(told)) >= 6
    assert 0 < told[0] < 0.5
    assert told[-1] == 1


def test_members_are_ranked_by_what_lies_behind() -> None:
    """The one with the fewest given pixels behind the hole's first comes first; of equals the order stays."""
    keep = mask("###. #..# #### ####")
    assert given_behind(keep) == 10
    assert given_behind(np.ones((2, 2), bool)) == 0
    assert ranked_members(keep, ["none", "rotate_180"]) == [1, 0]
    assert ranked_members(np.zeros((4, 4), bool), ["none", "transpose"]) == [0, 1]
    assert given_behind(turn(keep, "rotate_180")) == 4


def test_particles_are_compared_where_given_pixels_follow_the_hole() -> None:
    """At the ends of rows; within a row where both alternate; not for what is given before the hole."""
    assert stops(mask("#### #..# #### ....")) == [Stop(1, 4), Stop(2, 4)]
    assert stops(mask("###. .... ....")) == []
    assert stops(mask("..##..##.#")) == [Stop(0, 4), Stop(0, 8), Stop(0, 10)]
    assert stops(mask("..##..##.#"), within_rows=False) == [Stop(0, 10)]


def test_images_do_not_depend_on_how_many_are_asked_for() -> None:
    """Image i has the noise of (seed, i), with particles too; another seed draws others."""
    model = awake("mnist-diagonal-bilstm", height=6, width=9)
    known = torch.randint(0, 2, (1, 6, 9), generator=torch.Generator().manual_seed(0))
    keep = torch.from_numpy(CENTRE)
    three = complete(model, known, keep, n=3, seed=8, particles=5)
    assert torch.equal(three.values[:1], complete(model, known, keep, n=1, seed=8, particles=5).values)
    assert not torch.equal(three.values, complete(model, known, keep, n=3, seed=9, particles=5).values)
    assert (three.exact, three.receipt.particles, three.member) == (False, 5, "none")
    assert three.receipt.nats == pytest.approx(-log_likelihood(model, three.values).double().numpy(), rel=1e-5)
    assert three.receipt.apart_nats is not None
    assert three.receipt.quality in ("good", "rough", "poor")
    assert three.ess is not None
    assert three.distinct is not None
    assert 1 <= three.ess <= 5
    assert 1 <= three.distinct <= 5
    assert three.evidence_sd is not None


@pytest.mark.parametrize("hole", ["centre", "upper", "lower"])
def test_marginals_are_those_of_the_exact_posterior(hole: str) -> None:
    """The mean of each pixel within a few hundredths of enumeration; entropy from it; what is given is certain."""
    model = awake("mnist-diagonal-bilstm", height=4, width=4)
    keep = {**TINY, "lower": mask("#### #### .... ....")}[hole]
    known = np.random.default_rng(1).integers(0, 2, (1, 4, 4))
    true = truth(model, known, keep, 1.0)
    done = complete(model, torch.from_numpy(known), torch.from_numpy(keep), n=150, seed=2, particles=64, sweeps=0)
    expected = np.tensordot(true.p, true.outcomes, 1)
    assert done.mean is not None
    assert done.entropy_bits is not None
    assert done.mean.numpy() == pytest.approx(expected, abs=0.04)
    assert (done.mean.numpy()[0, keep] == known[0, keep]).all()
    assert (done.entropy_bits.numpy()[0, keep] == 0).all()
    p = done.mean.numpy()[0, ~keep]
    assert ((p > 0) & (p < 1)).all()
    assert done.entropy_bits.numpy()[0, ~keep] == pytest.approx(-p * np.log2(p) - (1 - p) * np.log2(1 - p), abs=1e-9)


def test_the_evidence_of_an_exact_draw_is_that_of_what_is_given() -> None:
    """-ln p of the given rows, by enumeration."""
    model = awake("mnist-diagonal-bilstm", height=4, width=4)
    keep = mask("#### #### .... ....")
    known = np.random.default_rng(1).integers(0, 2, (1, 4, 4))
    done = complete(model, torch.from_numpy(known), torch.from_numpy(keep), n=1, seed=2)
    assert done.evidence_nats == pytest.approx(truth(model, known, keep, 1.0).nats, abs=1e-5)


def test_a_hole_that_covers_everything_is_a_sample() -> None:
    """Nothing is given, so nothing lies behind: exact, with an evidence of 0."""
    model = awake("mnist-diagonal-bilstm", height=4, width=4)
    keep = torch.zeros(4, 4, dtype=torch.bool)
    done = complete(model, torch.zeros(1, 4, 4, dtype=torch.int64), keep, n=3, seed=2)
    assert (done.exact, done.evidence_nats) == (True, 0)
    assert torch.equal(done.values, sample(model, 3, seed=2))


def test_completions_are_as_likely_as_images_of_the_model() -> None:
    """Images of the model, a hole in each, completed: the mean nats are the same; clamped ones cost more."""
    model = awake("mnist-diagonal-bilstm", seed=3, height=6, width=9)
    keep = torch.from_numpy(mask("......... ......... ######### ######### ......... #########"))
    originals = sample(model, 40, seed=1)
    nats = {}
    for method in ("posterior", "clamp"):
        drawn = [
            complete(model, image, keep, n=1, seed=i, method=method, particles=48, sweeps=0).values
            for i, image in enumerate(originals)
        ]
        nats[method] = -log_likelihood(model, torch.cat(drawn)).double()
    with torch.inference_mode():
        paired = nats["posterior"] - nats_per_image(model.network, originals).double()
    assert abs(float(paired.mean())) < 3 * float(paired.std()) / 40**0.5 + 0.1


def test_one_draw_makes_no_pixel_certain() -> None:
    """A single particle has one value for each pixel; the marginals know that there are others."""
    model = awake("mnist-row-lstm", height=6, width=9)
    known = torch.randint(0, 2, (1, 6, 9), generator=torch.Generator().manual_seed(0))
    done = complete(model, known, torch.from_numpy(SCATTERED), n=1, seed=8, particles=1, sweeps=0)
    assert done.mean is not None
    p = done.mean.numpy()[0, ~SCATTERED]
    assert p.min() > 0.01
    assert p.max() < 0.99


def test_evidence_is_never_above_what_a_completion_proves() -> None:
    """p(given) is at least p(completed): one particle overstates the nats of a tied image by far, and is corrected."""
    model, keep = awake("mnist-row-lstm", seed=6, height=6, width=6), mask("...... ...... ###### ...... ###### ######")
    for parameter in model.network.parameters():
        parameter.mul_(6)
    corrected = 0
    for i, image in enumerate(sample(model, 10, seed=1)):
        done = complete(model, image, torch.from_numpy(keep), n=1, seed=i, particles=1, sweeps=8)
        assert done.evidence_nats is not None
        proven = -float(log_likelihood(model, done.values)[0])
        assert done.evidence_nats <= proven + 1e-4
        corrected += done.evidence_nats > proven - 1e-4
    assert corrected


def test_exp_log_and_sums_are_right_to_the_last_places() -> None:
    """Against the standard library, over all that weights can be; the sum of many does not depend on their order."""
    x = np.concatenate([np.random.default_rng(0).uniform(-700, 700, 20_000), [0.0, -1e-300, 1e-9, -746.0, -np.inf]])
    assert exp(x) == pytest.approx([math.exp(each) for each in x], rel=5e-16)
    y = np.abs(np.random.default_rng(1).normal(0, 1, 20_000)) ** 9 + 5e-324
    assert log(y) == pytest.approx([math.log(each) for each in y], rel=5e-16, abs=2e-16)
    terms = np.random.default_rng(2).normal(0, 30, 500)
    assert log_sum(terms) == log_sum(terms[::-1])
    assert log_sum(terms) == pytest.approx(np.logaddexp.reduce(terms), rel=1e-13)


def test_an_island_resamples_in_place_and_keeps_count() -> None:
    """Parents keep their places; copies come by weight; ESS, evidence and ancestors follow."""
    island = Island(4)
    island.weigh(np.log([0.7, 0.1, 0.1, 0.1]))
    assert island.ess == pytest.approx(1 / 0.52)
    assert island.is_poor
    parents = island.resample(np.array([0.1, 0, 0, 0]))
    assert parents[0] == 0
    assert (parents == 0).sum() == 3
    assert island.evidence() == pytest.approx(np.log(0.25))
    assert len(set(island.ancestors)) == 2
    retained = Island(3, retained=1)
    retained.weigh(np.array([0.0, -50.0, 0.0]))
    assert retained.resample(np.array([0.1, 0.2, 0.9]))[1] == 1


def test_what_the_model_finds_impossible_is_said() -> None:
    """No NaN: when all weights are zero, a sentence."""
    with pytest.raises(ImpossibleError, match="finds the given pixels impossible"):
        Island(2).weigh(np.array([-np.inf, -np.inf]))


def test_bad_requests_are_refused_in_words() -> None:
    """Shapes, method, particles, sweeps, and a model with two scales."""
    model = awake("mnist-row-lstm", height=4, width=4)
    known, keep = torch.zeros(1, 4, 4, dtype=torch.int64), torch.zeros(4, 4, dtype=torch.bool)
    scales = untrained("cifar10-multi-scale", layers=1, hidden=3, head=3, height=4, width=4, factor=2, conditioning=2)
    with pytest.raises(DataError, match=r"known and keep must be \(1, 4, 4\) and \(4, 4\)"):
        complete(model, known[:, :3], keep, 1, 0)
    with pytest.raises(ConfigError, match="unknown method 'best': expected posterior or clamp"):
        complete(model, known, keep, 1, 0, method="best")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="particles must be from 1 to 256, not 0"):
        complete(model, known, keep, 1, 0, particles=0)
    with pytest.raises(ConfigError, match="sweeps must be from 0 to 16, not 17"):
        complete(model, known, keep, 1, 0, sweeps=17)
    with pytest.raises(ConfigError, match="Multi-Scale model, which has no posterior"):
        complete(scales, torch.zeros(3, 4, 4, dtype=torch.int64), keep, 1, 0)
