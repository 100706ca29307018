"""A network mixed with its own mirror image, whose weights are stored once."""

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from model_core import complete, load_model, log_likelihood, sample, save_model
from model_core.card import Card, mixture_digest
from model_core.errors import ModelError
from model_core.mixing import mix, turned_copies
from model_core.models import Model
from model_core.models_directory import weights_in
from pixelrnn.verbs import root
from tests.posterior.tiny import awake, by_particles, chi_square_excess, mask, truth

SIDE = 3
FLIP = "flip_left_right"


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`upright`, and `mirrored`, which the verb makes of it."""
    directory = tmp_path_factory.mktemp("models")
    model = awake("mnist-row-lstm", seed=3, height=SIDE, width=SIDE)
    save_model(model, directory / "upright")
    command = ["mix", "mirrored", "upright", "--also", FLIP]
    result = CliRunner().invoke(root, [*command, "--models-dir", str(directory)])
    assert result.exit_code == 0, result.output
    return directory


@pytest.fixture(scope="module")
def upright(models_dir: Path) -> Model:
    return load_model("upright", models_dir=models_dir)


@pytest.fixture(scope="module")
def mirrored(models_dir: Path) -> Model:
    return load_model("mirrored", models_dir=models_dir)


def all_images() -> Tensor:
    """Every binary image of the size: (512, 1, 3, 3)."""
    images = torch.tensor(list(itertools.product((0, 1), repeat=SIDE * SIDE)))
    return images.view(-1, 1, SIDE, SIDE)


def test_equal_weights_are_stored_once(models_dir: Path, upright: Model) -> None:
    """Both members name the file, and the identity is that of a model with a file for
    each member, as earlier versions wrote it."""
    place = models_dir / "mirrored"
    assert [path.name for path in weights_in(place)] == ["weights-none.safetensors"]
    card = Card.read(place / "card.json")
    assert [(each.orientation, each.weights) for each in card.members] == [
        ("none", "weights-none.safetensors"),
        (FLIP, "weights-none.safetensors"),
    ]
    assert {each.sha256 for each in card.members} == {upright.card.sha256}

    twice = models_dir.parent / "twice" / "mirrored"
    shutil.copytree(place, twice)
    shutil.copyfile(
        twice / "weights-none.safetensors", twice / f"weights-{FLIP}.safetensors"
    )
    facts = json.loads((twice / "card.json").read_text())
    facts["members"][1]["weights"] = f"weights-{FLIP}.safetensors"
    (twice / "card.json").write_text(json.dumps(facts))
    before = load_model(twice)
    assert before.card.identity == card.identity
    images = all_images()[::37]
    now = log_likelihood(load_model(place), images)
    assert torch.equal(log_likelihood(before, images), now)


def test_members_with_one_file_share_its_weights_in_memory(mirrored: Model) -> None:
    """Each is a network of its own, because its particles need arrays of their own."""
    first, second = (member.network for member in mirrored.members)
    assert first is not second
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert one.data_ptr() == other.data_ptr()


def test_p_is_the_mean_of_an_image_and_its_mirror_image(
    mirrored: Model, upright: Model
) -> None:
    """For every image of the size; the probabilities add up to 1, and an image is as
    probable as its mirror image."""
    images = all_images()
    p = log_likelihood(mirrored, images).double().exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-6)
    alone = log_likelihood(upright, images).double().exp()
    turned = log_likelihood(upright, images.flip(-1)).double().exp()
    assert torch.allclose(p, (alone + turned) / 2, rtol=1e-5, atol=0)
    assert not torch.allclose(p, alone, rtol=0.1), "the network is not symmetric itself"
    assert torch.allclose(
        p, log_likelihood(mirrored, images.flip(-1)).double().exp(), rtol=1e-5
    )


def test_images_are_drawn_from_the_mirrored_mixture(mirrored: Model) -> None:
    """Chi-square of 10,000 images over the 512 that exist."""
    nothing = torch.zeros(1, SIDE, SIDE, dtype=torch.int64)
    keep = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    true = truth(mirrored, nothing.numpy(), keep.numpy(), 1.0)
    drawn = sample(mirrored, 10_000, seed=2)
    assert chi_square_excess(drawn.numpy(), true) < 4


@pytest.mark.parametrize(
    "rows", ["### .## .##", "##. ##. ###", "### #.# ###", "### ### ...", "... ### ###"]
)
def test_completions_are_drawn_from_the_posterior_of_the_mixture(
    mirrored: Model, rows: str
) -> None:
    """Enumerated, as the service draws small holes, evidence, expected pixels and draws
    are exact; by particles, as larger holes are drawn, they are close."""
    keep = torch.from_numpy(mask(rows))
    known = all_images()[0b101_110_011]
    true = truth(mirrored, known.numpy(), keep.numpy(), 1.0)
    done = complete(mirrored, known, keep, 2000, seed=4)
    assert done.receipt.exact
    assert done.receipt.evidence_nats == pytest.approx(true.nats, abs=1e-4)
    assert done.mean is not None
    mean = (true.p[:, None, None] * true.outcomes[:, 0]).sum(0)
    assert done.mean[0].numpy() == pytest.approx(mean, abs=1e-4)
    assert chi_square_excess(done.values.numpy(), true) < 4

    drawn = by_particles(mirrored, known, keep, 150, seed=5)
    assert chi_square_excess(drawn.values.numpy(), true) < 5


def test_a_file_that_is_named_twice_must_have_both_digests(
    models_dir: Path, tmp_path: Path
) -> None:
    """A card that names one file with two digests is refused, even if its own sha256 is
    that of its members."""
    shutil.copytree(models_dir / "mirrored", tmp_path / "mirrored")
    card = Card.read(tmp_path / "mirrored" / "card.json")
    members = (card.members[0], replace(card.members[1], sha256="0" * 64))
    changed = replace(card, members=members, sha256=mixture_digest(members))
    changed.write(tmp_path / "mirrored" / "card.json")
    with pytest.raises(ModelError, match="one of them was changed"):
        load_model(tmp_path / "mirrored")


def test_members_of_a_mirrored_mixture_can_be_mixed_again(
    mirrored: Model, tmp_path: Path
) -> None:
    """With another network in one orientation there are two files, with a further
    orientation of the same weights there is one."""
    other = awake("mnist-row-lstm", seed=8, height=SIDE, width=SIDE)
    replaced = mix([mirrored, *turned_copies(other, [FLIP])], tmp_path / "replaced")
    assert len({member.weights for member in replaced.members}) == 2
    assert len(weights_in(tmp_path / "replaced")) == 2
    first = next(mirrored.member_models())
    more = mix([mirrored, *turned_copies(first, ["rotate_180"])], tmp_path / "more")
    assert len({member.weights for member in more.members}) == 1
    assert len(weights_in(tmp_path / "more")) == 1
    images = all_images()[::61]
    expected = (
        torch.stack(
            [
                log_likelihood(mirrored, images).double() + torch.tensor(2.0).log(),
                log_likelihood(first, images.flip((-2, -1))).double(),
            ]
        ).logsumexp(0)
        - torch.tensor(3.0).log()
    )
    found = log_likelihood(load_model(tmp_path / "more"), images).double()
    assert torch.allclose(found, expected, atol=1e-4)
