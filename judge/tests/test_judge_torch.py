"""PyTorch modules: the three layouts, training mode, and what cannot be judged."""

import numpy as np
import pytest

from judge import CannotJudgeError, draw_leaks, judge, nats_from_logits, pixel_order

torch = pytest.importorskip("torch")
nn = torch.nn


class MaskedConvolution(nn.Conv2d):
    """A 3 x 3 convolution that sees pixels before, and its own if `own` is True."""

    def __init__(self, inputs: int, outputs: int, own: bool) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        mask = torch.ones(3, 3)
        mask[2] = 0
        mask[1, 2] = 0
        mask[1, 1] = float(own)
        self.register_buffer("mask", mask)
        nn.init.normal_(self.weight)

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight * self.mask, self.bias, padding=1)


class PixelCNN(nn.Module):
    """Two masked convolutions.

    Args:
        colours: colours of the images; their logits see no colour of the own pixel.
        values: values of a variable.
        first_sees_itself: True for the fault of a first convolution of type B.
        layer: layer between the convolutions.
    """

    def __init__(self, colours=1, values=4, first_sees_itself=False, layer=None):
        super().__init__()
        torch.manual_seed(1)
        self.shape = (values, colours)
        self.first = MaskedConvolution(colours, 8, own=first_sees_itself)
        self.layer = layer or nn.Identity()
        self.second = MaskedConvolution(8, values * colours, own=True)

    def forward(self, x):
        h = torch.relu(self.layer(self.first(x.float())))
        logits = self.second(h)
        return logits.unflatten(1, self.shape)


class WithoutColour(nn.Module):
    """The same with logits (N, V, H, W)."""

    def __init__(self):
        super().__init__()
        self.network = PixelCNN()

    def forward(self, x):
        return self.network(x)[:, :, 0]


class Transformer(nn.Module):
    """Embedding, layers of attention, and a head: row t predicts the value at t + 1."""

    def __init__(self, values=11, length=7, width=16, layers=2, heads=2, masked=True):
        super().__init__()
        torch.manual_seed(1)
        self.values = nn.Embedding(values, width)
        self.places = nn.Embedding(length, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.masked = masked

    def forward(self, x):
        length = x.shape[1]
        h = self.values(x) + self.places.weight[:length]
        mask = None
        if self.masked:
            mask = nn.Transformer.generate_square_subsequent_mask(length)
        for layer in self.layers:
            h = layer(h, src_mask=mask, is_causal=self.masked)
        return self.norm(h) @ self.values.weight.T


def test_images_with_colours_are_judged() -> None:
    """Logits (N, V, C, H, W)."""
    shape = (3, 3, 4)
    nats = nats_from_logits(PixelCNN(colours=3).eval())
    assert judge(nats, shape, 4, order=pixel_order(shape)).sound


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 4)])
def test_images_without_colours_are_judged(shape: tuple[int, ...]) -> None:
    """Logits (N, V, H, W), for values (N, 1, H, W) and (N, H, W)."""
    nats = nats_from_logits(
        WithoutColour().eval(), prepare=lambda x: x.reshape(-1, 1, 3, 4).float()
    )
    assert judge(nats, shape, 4).sound


def test_first_convolution_of_type_b_is_found() -> None:
    """A pixel that sees itself has sums that are not 1."""
    nats = nats_from_logits(PixelCNN(first_sees_itself=True).eval())
    assert judge(nats, (1, 3, 4), 4).found_by("sums")


@pytest.mark.parametrize("masked", [True, False])
def test_sequences_are_judged(masked: bool) -> None:
    """Logits (N, T, V) of a model of the next value, with and without its mask."""
    nats = nats_from_logits(Transformer(masked=masked).eval(), start=0)
    verdict = judge(nats, (7,), 11)
    assert verdict.sound is masked
    assert bool(verdict.found_by("causality")) is not masked


def test_a_model_of_the_next_value_that_is_not_shifted_is_found() -> None:
    """Without `start`, row t is taken for the value at t, which it has seen."""
    nats = nats_from_logits(Transformer().eval())
    assert judge(nats, (7,), 11).found_by("sums")


def test_dropout_in_training_mode_is_reported() -> None:
    """The answers vary, and the note names the layer."""
    network = PixelCNN(layer=nn.Dropout(0.2)).train()
    verdict = judge(nats_from_logits(network), (1, 3, 4), 4)
    assert verdict.found_by("repeat")
    assert "1 Dropout" in verdict.notes[0]
    assert judge(nats_from_logits(network.eval()), (1, 3, 4), 4).sound


def test_batch_norm_in_training_mode_is_reported_and_stays_as_it_was() -> None:
    """The batch changes the answers; the running mean of the module does not move."""
    network = PixelCNN(layer=nn.BatchNorm2d(8)).train()
    verdict = judge(nats_from_logits(network), (1, 3, 4), 4)
    assert verdict.found_by("batch")
    assert "1 BatchNorm2d" in verdict.notes[0]
    assert network.training
    assert int(network.layer.num_batches_tracked) == 0
    assert judge(nats_from_logits(network.eval()), (1, 3, 4), 4).sound


class OneValuePerChannel(nn.Module):
    """Batch norm of vectors, which raises for one image alone in training mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        h = self.norm(x.float())
        return torch.stack([h, -h], dim=2)


def test_batch_norm_of_vectors_does_not_raise() -> None:
    """One image alone is asked about twice in one batch."""
    verdict = judge(nats_from_logits(OneValuePerChannel().train()), (3,), 2)
    assert verdict.found_by("batch")


def test_half_precision_inside_is_normalised_in_single_precision() -> None:
    """Logits of bfloat16 have sums of 1 after a softmax in float32."""

    class Half(nn.Module):
        def forward(self, x):
            before = nn.functional.pad(x, (1, 0))[:, :-1]
            return nn.functional.one_hot(before, 5).bfloat16() * 3

    assert judge(nats_from_logits(Half()), (6,), 5).sound


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda x: (x, x), "tuple"),
        (lambda x: torch.zeros(len(x), 4, 9, 9), r"\(N, V, C, H, W\)"),
    ],
)
def test_other_results_are_refused(result, message: str) -> None:
    """The error says what came and which layouts are known."""

    class Module(nn.Module):
        def forward(self, x):
            return result(x)

    with pytest.raises(CannotJudgeError, match=message):
        judge(nats_from_logits(Module()), (1, 3, 4), 4)


def test_leaks_are_drawn() -> None:
    """A panel for each located leak: the reader blue, what it reads red."""
    pytest.importorskip("PIL")

    def next_pixel(x: np.ndarray) -> np.ndarray:
        nats = np.full(x.shape, np.log(2))
        nats[:, 0, 0, 0] += 0.1 * x[:, 0, 0, 1]
        return nats

    verdict = judge(next_pixel, (1, 3, 4), 2)
    picture = draw_leaks(verdict)
    assert picture.size == (4 * 12, 3 * 12)
    assert picture.getpixel((2, 2)) == (0, 90, 181)
    assert picture.getpixel((14, 2)) == (220, 50, 32)
    with pytest.raises(ValueError, match="no leak"):
        draw_leaks(judge(lambda x: np.full(x.shape, np.log(2)), (4,), 2))


@pytest.mark.weekly
@pytest.mark.timeout(3600)
def test_a_large_language_model_is_judged() -> None:
    """124 million random parameters, 50,257 values, a context of 64."""
    network = Transformer(50_257, 64, 768, layers=12, heads=12).eval()
    # As GPT-2 is initialised, roughly: logits of a standard deviation of about 1.
    nn.init.normal_(network.values.weight, std=0.04)
    parameters = sum(each.numel() for each in network.parameters())
    assert 123e6 < parameters < 125e6
    verdict = judge(nats_from_logits(network, start=0), (64,), 50_257)
    assert verdict.sound, verdict.report()
    assert verdict.file_variables == 32
    assert any("sums by questions" in reason for reason in verdict.not_made)
