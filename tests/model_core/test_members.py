"""A model of several networks: one distribution, exact on every image of a tiny size; one member draws each image."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model_core import load_model, log_likelihood, sample, save_model, untrained
from model_core.card import Card
from model_core.errors import ConfigError, ModelError
from model_core.image_request import ImageRequest
from model_core.measures.picture_score import score_picture
from model_core.measures.pixel_belief import pixel_belief
from model_core.mixing import mix, turned_copies
from model_core.models import Member, Model
from model_core.orientation import ORIENTATIONS, Orientation, turn, turn_back
from model_core.sampling.engine import Engine
from model_core.training.evaluate import evaluate_model

SIDE = 3
SIZE = {"height": SIDE, "width": SIDE, "layers": 1, "hidden": 4, "head": 4}
FOUR: tuple[Orientation, ...] = ("none", "flip_top_bottom", "transpose", "rotate_90")


def single(seed: int, orientation: Orientation, **size: int) -> Model:
    """Random weights, awake: the biases too."""
    model = untrained("mnist-diagonal-bilstm", seed=seed, **{**SIZE, **size})
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.network.parameters():
        parameter.add_(
            0.5
            * torch.randn(parameter.shape, generator=generator)
            * (parameter.dim() == 1)
        )
    return Model((Member(model.network, orientation),), model.card)


@pytest.fixture(scope="module")
def singles(tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    """One model of each of four orientations, saved and loaded again."""
    directory, models = tmp_path_factory.mktemp("singles"), []
    for seed, orientation in enumerate(FOUR):
        save_model(single(seed, orientation), directory / orientation)
        models.append(
            Model(
                (Member(load_model(directory / orientation).network, orientation),),
                single(seed, "none").card,
            )
        )
    return models


@pytest.fixture(scope="module")
def mixture(singles: list[Model], tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Their even mixture, from its directory."""
    directory = tmp_path_factory.mktemp("models") / "four"
    mix(singles, directory)
    return load_model(directory)


def all_images() -> Tensor:
    """Every binary image of the size: (512, 1, 3, 3)."""
    images = torch.tensor(list(itertools.product((0, 1), repeat=SIDE * SIDE)))
    return images.view(-1, 1, SIDE, SIDE)


def test_a_mixture_is_the_mean_of_its_members_and_adds_up_to_one(
    mixture: Model, singles: list[Model]
) -> None:
    """Over every image there is; each member sees the images turned."""
    images = all_images()
    p = log_likelihood(mixture, images).double().exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    upright = [Model.of(model.network, model.card) for model in singles]
    parts = [
        log_likelihood(model, turn(images, o))
        for model, o in zip(upright, FOUR, strict=True)
    ]
    assert torch.allclose(p, torch.stack(parts).double().exp().mean(0), rtol=1e-5)


def test_images_are_drawn_from_the_mixture(mixture: Model) -> None:
    """Of 20,000 images, chi-square over the 512 there are; rare ones pooled."""
    n = 20_000
    drawn = sample(mixture, n, seed=5).view(n, -1)
    index = (drawn * 2 ** torch.arange(SIDE * SIDE - 1, -1, -1)).sum(1)
    counts = torch.bincount(index, minlength=512).double()
    expected = n * log_likelihood(mixture, all_images()).double().exp()
    often = expected >= 5
    pools = [
        (counts[often], expected[often]),
        (counts[~often].sum()[None], expected[~often].sum()[None]),
    ]
    chi2 = sum(
        float(((c - e).square() / e).sum()) for c, e in pools if float(e.sum()) > 0
    )
    cells = int(often.sum())
    assert chi2 < cells + 4 * (2 * cells) ** 0.5


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_member_draws_what_its_network_draws_turned_back(
    orientation: Orientation,
) -> None:
    """The noise is that of the image as the network sees it."""
    turned = single(3, orientation, channels=3, values=5, hidden=6, head=6)
    upright = Model.of(turned.network, turned.card)
    assert torch.equal(
        sample(turned, 5, seed=1), turn_back(sample(upright, 5, seed=1), orientation)
    )


def test_an_image_is_the_same_whoever_is_drawn_beside_it(mixture: Model) -> None:
    """Image i of n is what it is alone, with few slots and with many; rows come from the top down."""
    together = sample(mixture, 9, seed=3)
    for i in range(9):
        engine = Engine(mixture, slots=2)
        tickets = [engine.admit(ImageRequest(3, i)), engine.admit(ImageRequest(77, 5))]
        rows = [
            row
            for _ in range(40)
            if engine.busy
            for row in engine.step()
            if row.ticket == tickets[0]
        ]
        assert [row.y for row in rows] == list(range(SIDE))
        assert (np.stack([row.values for row in rows], 1) == together[i].numpy()).all()
    assert len({int(each.sum()) for each in together}) > 1


def test_given_pixels_stay_and_the_first_member_draws_the_rest(
    mixture: Model, singles: list[Model]
) -> None:
    """Without a word on the method, a completion is what the upright network draws."""
    known, keep = (
        torch.ones(1, SIDE, SIDE, dtype=torch.int64),
        torch.zeros(SIDE, SIDE, dtype=torch.bool),
    )
    keep[:, 1] = True
    drawn = sample(mixture, 6, seed=2, known=known, keep=keep)
    assert (drawn[:, 0, :, 1] == 1).all()
    assert torch.equal(drawn, sample(singles[0], 6, seed=2, known=known, keep=keep))
    turned = sample(singles[3], 6, seed=2, known=known, keep=keep)
    assert (turned[:, 0, :, 1] == 1).all()


def test_slots_are_shared_by_all_members(mixture: Model) -> None:
    """A mixture has as many free slots as it was asked for, whoever draws; a withdrawn image frees its own."""
    engine = Engine(mixture, slots=3)
    tickets = [engine.admit(ImageRequest(0, i)) for i in range(3)]
    assert (engine.free, engine.busy) == (0, 3)
    engine.step()
    engine.withdraw(tickets[1])
    assert (engine.free, engine.busy) == (1, 2)
    while engine.busy:
        engine.step()
    assert engine.free == 3


def test_a_score_is_the_mixture_s_and_its_map_that_of_the_likeliest_member(
    mixture: Model,
) -> None:
    """The bits of the map add up to member_nats, and the belief of a pixel is the map's there."""
    for image in all_images()[[5, 200, 431]]:
        score = score_picture(mixture, image.numpy())
        each = [
            -float(log_likelihood(Model((member,), mixture.card), image[None]))
            for member in mixture.members
        ]
        assert score.nats == pytest.approx(
            -float(log_likelihood(mixture, image[None])), abs=1e-4
        )
        assert score.member_nats == pytest.approx(min(each), abs=1e-4)
        assert score.member == FOUR[int(np.argmin(each))]
        assert float(score.bits.sum()) * np.log(2) == pytest.approx(
            score.member_nats, abs=1e-4
        )
        for y, x in itertools.product(range(SIDE), repeat=2):
            (belief,) = pixel_belief(mixture, image.numpy(), y, x, score.member)
            assert belief.bits == pytest.approx(float(score.bits[0, y, x]), abs=1e-4)


def test_a_mixture_is_evaluated_as_one_and_by_member(mixture: Model) -> None:
    """The mean over images, and each member's own, whatever the batch."""
    images = all_images()[::7]
    score = evaluate_model(mixture, images.numpy().astype(np.uint8), batch=16)
    nats = -log_likelihood(mixture, images).double()
    assert score.nats == pytest.approx(float(nats.mean()), rel=1e-5)
    assert score.standard_error == pytest.approx(
        float(nats.std(correction=1)) / len(images) ** 0.5, rel=1e-4
    )
    assert list(score.member_nats) == list(FOUR)
    assert score.nats < max(score.member_nats.values())


def test_a_model_of_one_network_is_kept_as_before(tmp_path: Path) -> None:
    """No members in its card, and the digest of its weights."""
    card = save_model(untrained("mnist-pixelcnn", **SIZE), tmp_path / "plain")
    facts = json.loads((tmp_path / "plain" / "card.json").read_text())
    assert "members" not in facts
    assert facts["sha256"] == card.sha256
    assert Card.read(tmp_path / "plain" / "card.json") == card


def test_a_changed_member_is_refused(singles: list[Model], tmp_path: Path) -> None:
    """Its weights, its orientation, and a path that leaves the directory."""
    mix(singles, tmp_path / "four")
    path = tmp_path / "four" / "card.json"
    facts = json.loads(path.read_text())
    for change, words in (
        ({"orientation": "rotate_180"}, "its sha256 is not that of its members"),
        ({"sha256": "0" * 64}, "its sha256 is not that of its members"),
        (
            {"weights": "../four/weights-none.safetensors"},
            "weights must be a file beside the card",
        ),
        ({"orientation": "sideways"}, "unknown orientation 'sideways'"),
        ({"colour": "blue"}, "is not a model card"),
    ):
        members = [{**facts["members"][0], **change}, *facts["members"][1:]]
        path.write_text(json.dumps({**facts, "members": members}))
        with pytest.raises(ModelError, match=words):
            load_model(tmp_path / "four")
    path.write_text(json.dumps(facts))
    (tmp_path / "four" / "weights-transpose.safetensors").write_bytes(b"?")
    with pytest.raises(
        ModelError, match=r"weights-transpose.safetensors is not a safetensors file"
    ):
        load_model(tmp_path / "four")


def test_a_better_member_takes_its_place_in_a_mixture(
    singles: list[Model], tmp_path: Path
) -> None:
    """The others keep their weights and all that their mixture's card said of them."""
    before = mix(singles, tmp_path / "four").members
    better = single(9, "transpose")
    after = mix([load_model(tmp_path / "four"), better], tmp_path / "four")
    found = {member.orientation: member.sha256 for member in after.members}
    assert found == {member.orientation: member.sha256 for member in before} | {
        "transpose": found["transpose"]
    }
    assert found["transpose"] not in {member.sha256 for member in before}
    assert [
        member for member in after.members if member.orientation != "transpose"
    ] == [member for member in before if member.orientation != "transpose"]
    weights = load_model(tmp_path / "four").members[-1].network.state_dict()
    assert all(
        torch.equal(weights[name], tensor)
        for name, tensor in better.members[0].network.state_dict().items()
    )


def test_one_training_gives_all_orders(singles: list[Model], tmp_path: Path) -> None:
    """The weights of a network, turned, are members too, and the card says whose they are."""
    first = singles[0]
    mix([first, *turned_copies(first, ["rotate_180"])], tmp_path / "both")
    both = load_model(tmp_path / "both")
    images = torch.randint(
        0,
        first.config.values,
        (2, 1, SIDE, SIDE),
        generator=torch.Generator().manual_seed(0),
    )
    expected = torch.stack(
        [log_likelihood(first, images), log_likelihood(first, images.flip((-2, -1)))]
    )
    assert torch.allclose(
        log_likelihood(both, images),
        expected.double().logsumexp(0) - math.log(2),
        atol=1e-4,
    )
    assert both.card.members[1].training["turned_from"] == "none"
    with pytest.raises(ConfigError, match="unknown orientation"):
        turned_copies(first, ["sideways"])


def test_what_cannot_be_mixed_is_refused(
    singles: list[Model], mixture: Model, tmp_path: Path
) -> None:
    """One sentence each, and nothing is written."""
    other = single(9, "rotate_180", hidden=5)
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
    for models, words in (
        (singles[:1], "needs at least two models"),
        ([singles[0], other], "is another network than"),
        (
            [singles[0], singles[1], singles[1]],
            "both have the orientation flip_top_bottom",
        ),
        ([scales, scales], "is a Multi-Scale model"),
    ):
        with pytest.raises(ConfigError, match=words):
            mix(models, tmp_path / "mixed")
    assert not (tmp_path / "mixed").exists()
