"""Fields: pictures wider and taller than the model, drawn and scored in windows of its height."""

from collections import Counter
from dataclasses import replace
from itertools import chain, product

import numpy as np
import pytest
import torch
from torch import Tensor

from model_core import log_likelihood, sample, untrained
from model_core.card import CardLabel
from model_core.components import Member
from model_core.errors import ConfigError, DataError
from model_core.image_request import ImageRequest
from model_core.measures.picture_score import score_picture
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.sampling.compiled.stage import PIECE, CompiledStage
from model_core.sampling.engine import Engine
from model_core.sampling.noise import chosen_member, image_noise
from model_core.sampling.stage import Drawing
from model_core.windows import Window, Windows
from tests.model_core.lively import roughen

KINDS = ["pixel-cnn", "row-lstm", "diagonal-bilstm"]


def tiny(network: str, **overrides: int) -> Model:
    """3 x 3 pixels of 2 values, in single precision; biases random, so that pixels hang together."""
    size = {
        "layers": 2,
        "hidden": 7,
        "head": 9,
        "height": 3,
        "width": 3,
        "channels": 1,
        "values": 2,
    }
    model = untrained(
        "mnist-pixelcnn", seed=3, network=network, **{**size, **overrides}
    )
    roughen(model)
    return model


def every_field(width: int, height: int) -> Tensor:
    """All of 2 values: (N, 1, H, W)."""
    return torch.tensor(list(product(range(2), repeat=width * height))).view(
        -1, 1, height, width
    )


def slow_truth(
    model: Model,
    width: int,
    height: int,
    seed: int,
    step: int,
    label: int | None = None,
) -> Tensor:
    """(C, H, W): one teacher-forced pass over a window for each variable."""
    config, network = model.config, model.network
    noise = torch.from_numpy(image_noise(seed, 0, height, width, config.channels))
    values = torch.zeros(1, config.channels, height, width, dtype=torch.int64)
    condition = None if label is None else network.of_labels(torch.tensor([label]))
    for y, x, c in product(range(height), range(width), range(config.channels)):
        top = 0 if y < config.height else ((y - config.height) // step + 1) * step
        logits = network(values[:, :, top : top + config.height], condition)[
            :, :, c, y - top, x
        ]
        values[:, c, y, x] = network.distribution.draw(
            logits, noise[None, y, x, c], torch.ones(1).double()
        )
    return values[0]


def test_windows_cover_every_row_once() -> None:
    """Each row is new in one window; the last one is cut off where the field ends."""
    assert list(Windows(4, 2, 7)) == [Window(0, 0, 4), Window(2, 4, 6), Window(4, 6, 7)]
    for height, step, rows in product(range(1, 7), range(1, 7), range(1, 25)):
        if step > height:
            continue
        new = [
            y
            for _, first, end in Windows(height, step, rows)
            for y in range(first, end)
        ]
        assert new == list(range(rows))


@pytest.mark.parametrize("network", KINDS)
@pytest.mark.parametrize("size", [(3, 4), (4, 3)])
def test_probabilities_of_all_fields_add_up_to_one(
    network: str, size: tuple[int, int]
) -> None:
    """4,096 fields of 12 pixels, a window at a time."""
    total = log_likelihood(tiny(network), every_field(*size)).double().exp().sum()
    assert abs(float(total) - 1) < 1e-4


@pytest.mark.parametrize("network", KINDS)
@pytest.mark.parametrize("double", [True, False], ids=["plain", "compiled"])
@pytest.mark.parametrize("step", [None, 1, 3])
def test_a_field_is_what_the_slow_truth_draws(
    network: str, double: bool, step: int | None
) -> None:
    """By both stages, wider and taller than the model, in three colours and at any step."""
    model = tiny(network, height=4, channels=3, values=4)
    model = replace(model, card=replace(model.card, field_step=step))
    if double:
        model.network.double()
    drawn = sample(model, 2, seed=8, size=(7, 11))
    assert torch.equal(drawn[0], slow_truth(model, 7, 11, 8, step or 2))


@pytest.mark.parametrize("network", KINDS)
def test_fields_are_as_frequent_as_they_are_likely(network: str) -> None:
    """Chi-squared of 4,000 draws, 3 wide and 4 tall: the likeliest each, the others together."""
    model, draws = tiny(network), 4_000
    every = every_field(3, 4)
    p = log_likelihood(model, every).double().exp().numpy()
    found = Counter(
        field.numpy().tobytes() for field in sample(model, draws, seed=1, size=(3, 4))
    )
    often = [i for i in range(len(p)) if p[i] * draws >= 10]
    counts = np.array([found[every[i].numpy().tobytes()] for i in often])
    expected = p[often] * draws
    counts, expected = (
        np.append(counts, draws - counts.sum()),
        np.append(expected, draws - expected.sum()),
    )
    deviation = ((counts - expected) ** 2 / expected).sum()
    assert len(often) > 5
    assert abs(deviation - len(often)) < 4 * (2 * len(often)) ** 0.5


def test_a_step_of_a_wide_field_ends_within_its_row_and_draws_nothing_else() -> None:
    """Others wait for their turn; a pixel of nobody's beside each of one field took as long as both."""
    model, _ = tiny("diagonal-bilstm").field(2 * PIECE, 3)
    assert isinstance(model.network, PixelNetwork)
    stage = CompiledStage(model.network, 1)
    stage.open(
        0, Drawing(torch.from_numpy(image_noise(1, 0, 3, 2 * PIECE, 1)), 1.0, end=3)
    )
    assert stage.step() == []
    assert stage._front.done.tolist() == [
        [PIECE, 0, 0, 2 * PIECE],
        [0, 0, 0, 2 * PIECE],
    ]


def test_a_field_of_the_models_size_is_its_image() -> None:
    """Byte for byte."""
    model = tiny("row-lstm")
    assert torch.equal(sample(model, 3, seed=5, size=(3, 3)), sample(model, 3, seed=5))


@pytest.mark.parametrize("network", KINDS)
def test_a_taller_field_begins_with_the_rows_of_a_shorter_one(network: str) -> None:
    """An image, and fields of any height."""
    model = tiny(network, height=4)
    tall = sample(model, 2, seed=2, size=(3, 13))
    for height in (5, 6, 8, 12):
        assert torch.equal(
            sample(model, 2, seed=2, size=(3, height)), tall[:, :, :height]
        )
    assert torch.equal(sample(model, 2, seed=2), tall[:, :, :4])


@pytest.mark.parametrize("network", KINDS)
def test_bytes_of_a_field_do_not_depend_on_company_or_on_where_it_goes_on(
    network: str,
) -> None:
    """Fields of several heights share an engine, one leaves in the midst, and each goes on from any given rows."""
    model = tiny(network, height=4, values=4)
    alone = {
        rows: sample(model, 1, seed=9, size=(6, rows))[0].numpy() for rows in (5, 9, 14)
    }
    engine = Engine(model.field(6, 4)[0], slots=4)
    asked = {rows: ImageRequest(9, 0, windows=Windows(4, 2, rows)) for rows in alone}
    left = engine.admit(ImageRequest(1, 0, windows=Windows(4, 2, 30)))
    tickets = {engine.admit(request): rows for rows, request in asked.items()}
    found = {rows: np.zeros_like(field) for rows, field in alone.items()}
    while engine.busy:
        for row in engine.step():
            if row.ticket == left and row.y == 6:
                engine.withdraw(left)
            if row.ticket in tickets:
                found[tickets[row.ticket]][:, row.y] = row.values
    assert all((found[rows] == alone[rows]).all() for rows in alone)

    for given in range(1, 14):
        keep = np.arange(14)[:, None].repeat(6, 1) < given
        engine.admit(replace(asked[14], known=alone[14] * keep, keep=keep))
        rows = []
        while engine.busy:
            rows += engine.step()
        assert [row.y for row in rows] == list(range(14))
        assert (np.stack([row.values for row in rows], 1) == alone[14]).all()


def test_upright_members_alone_draw_and_score_fields() -> None:
    """One of two upright ones by the field's noise, each as often; the turned one draws none."""
    first, second = tiny("row-lstm"), tiny("row-lstm", layers=3)
    members = (
        Member(first.network),
        Member(first.network, "rotate_180"),
        Member(second.network),
    )
    model = replace(first, members=members)
    drawn = sample(model, 8, seed=3, size=(4, 5))
    for i in range(8):
        of = (first, second)[chosen_member(3, i, 2)]
        assert torch.equal(drawn[i], sample(of, 1, seed=3, first=i, size=(4, 5))[0])
    each = torch.stack(
        [log_likelihood(part, drawn).double().exp() for part in (first, second)]
    )
    assert torch.allclose(log_likelihood(model, drawn).double().exp(), each.mean(0))


def test_a_label_is_chosen_once_for_a_field() -> None:
    """By the prior; p of a field is the sum over the labels of what each says of all its windows."""
    model = tiny("pixel-cnn", labels=2)
    model = replace(
        model,
        card=replace(model.card, labels=(CardLabel("a", 0.25), CardLabel("b", 0.75))),
    )
    drawn = sample(model, 1, seed=4, label="b", size=(5, 8))
    assert torch.equal(drawn[0], slow_truth(model, 5, 8, 4, step=1, label=1))
    each = [
        prior * log_likelihood(model, drawn, label).double().exp()
        for label, prior in enumerate((0.25, 0.75))
    ]
    assert torch.allclose(
        log_likelihood(model, drawn).double().exp(), sum(each, torch.zeros(1))
    )


def test_the_score_of_a_field_is_its_likelihood() -> None:
    """The map has the bits of every pixel, and they add up to the nats."""
    model = tiny("diagonal-bilstm", values=4)
    drawn = sample(model, 1, seed=4, size=(5, 8))
    score = score_picture(model, drawn[0].numpy())
    assert score.bits.shape == (1, 8, 5)
    assert score.nats == pytest.approx(-float(log_likelihood(model, drawn)), rel=1e-5)
    assert score.bits_per_dim == pytest.approx(float(score.bits.mean()), rel=1e-5)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ((2, 9), "smaller"),
        ((9, 2), "smaller"),
        ((-1, 9), "smaller"),
        ((9, 0), "smaller"),
    ],
)
def test_a_smaller_picture_is_refused(size: tuple[int, int], told: str) -> None:
    """In a sentence that says the least."""
    with pytest.raises(ConfigError, match=f"{told}.*at least 3x3"):
        sample(tiny("row-lstm"), 1, seed=0, size=size)


def test_models_that_have_no_fields_refuse_them() -> None:
    """Two scales, turned members alone, and given pixels."""
    scales = untrained(
        "cifar10-multi-scale",
        layers=1,
        hidden=6,
        head=6,
        height=4,
        width=4,
        factor=2,
        conditioning=6,
    )
    with pytest.raises(ConfigError, match="two scales"):
        sample(scales, 1, seed=0, size=(8, 8))
    model = tiny("row-lstm")
    with pytest.raises(ConfigError, match="no upright"):
        sample(
            replace(model, members=(Member(model.network, "rotate_180"),)),
            1,
            seed=0,
            size=(8, 8),
        )
    given = torch.zeros(1, 3, 3, dtype=torch.int64), torch.ones(3, 3).bool()
    with pytest.raises(DataError, match="cannot be completed"):
        sample(model, 1, 0, 1.0, *given, size=(8, 8))


def test_a_step_of_a_wide_field_comes_back_before_its_row_is_done() -> None:
    """Others have their turn meanwhile; images are drawn as before, a row a step."""
    model = tiny("row-lstm")
    for width, in_pieces in ((90, True), (3, False)):
        engine = Engine(model.field(width, 3)[0], slots=2)
        engine.admit(
            ImageRequest(9, 0, windows=Windows(3, 1, 9) if in_pieces else None)
        )
        rows = []
        while engine.busy:
            rows.append([row.y for row in engine.step()])
        assert list(chain(*rows)) == list(range(9 if in_pieces else 3))
        assert ([] in rows) == in_pieces
