"""Masks, skewing and the LSTM scans, each against its definition."""

import itertools

import pytest
import torch

from model_core import untrained
from model_core.compiled.vector_code import HAS_BF16
from model_core.layers.diagonal_bilstm import DiagonalLSTM, shift_down
from model_core.layers.groups import colour_of
from model_core.layers.lstm import lstm_cell
from model_core.layers.masked_conv import MaskedConv2d
from model_core.layers.skew import inside, skew, unskew


@pytest.mark.parametrize(
    ("features", "colours", "sizes"),
    [(7, 3, [3, 2, 2]), (6, 3, [2, 2, 2]), (5, 1, [5])],
)
def test_features_split_into_colours_when_three_does_not_divide_them(
    features: int, colours: int, sizes: list[int]
) -> None:
    """Groups are contiguous, differ by at most one, and cover all features."""
    owner = colour_of(features, colours)
    assert owner.tolist() == sorted(owner.tolist())
    assert torch.bincount(owner).tolist() == sizes


@pytest.mark.parametrize(("mask", "sees_own"), [("A", False), ("B", True)])
def test_masks_hide_what_is_not_drawn_yet(mask: str, sees_own: bool) -> None:
    """When a colour's features at one pixel change, the pixels after it move, and of its own the later colours.

    The colour itself moves with mask B, and nothing else moves at all.
    """
    in_colour, out_colour = colour_of(4, 3), colour_of(5, 3)
    convolution = MaskedConv2d(in_colour, out_colour, kernel=3, mask=mask).double()
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    after = torch.zeros(5, 5, dtype=torch.bool)
    after[2, 3] = after[3, 1] = after[3, 2] = after[3, 3] = True
    for c_in in range(3):
        changed = x.clone()
        changed[:, in_colour == c_in, 2, 2] += 1
        moved = (convolution(changed) != convolution(x))[0]  # (5, H, W)
        for feature, c_out in enumerate(out_colour.tolist()):
            expected = after.clone()
            expected[2, 2] = c_in < c_out or (sees_own and c_in == c_out)
            assert torch.equal(moved[feature], expected)
    assert not convolution.weight[convolution.mask == 0].any()


def test_hidden_weights_stay_zero_when_trained_or_loaded() -> None:
    """Neither an update nor a foreign checkpoint can open a mask."""
    convolution = MaskedConv2d(colour_of(4, 3), colour_of(5, 3), kernel=3)
    optimiser = torch.optim.RMSprop(convolution.parameters(), lr=0.1)
    for _ in range(3):
        convolution(torch.randn(2, 4, 5, 6)).square().sum().backward()
        optimiser.step()
    assert not convolution.weight[convolution.mask == 0].any()
    convolution.load_state_dict(
        {"weight": torch.ones_like(convolution.weight), "bias": torch.zeros(5)}
    )
    assert torch.equal(convolution.weight, convolution.mask)


@pytest.mark.parametrize(("height", "width"), [(3, 4), (5, 2), (1, 3), (4, 1)])
def test_skewing_puts_each_diagonal_into_a_column(height: int, width: int) -> None:
    """Pixel (y, x) lands in column y + x, the rest is zero, and unskew brings it back."""
    x = torch.arange(1.0, height * width + 1).view(1, 1, height, width)
    skewed = skew(x)
    assert skewed.shape == (1, 1, height, width + height - 1)
    for row, column in itertools.product(range(height), range(width)):
        assert skewed[0, 0, row, row + column] == x[0, 0, row, column]
    assert torch.equal(skewed[0, 0] != 0, inside(height, width))
    assert torch.equal(unskew(skewed), x)


def test_diagonal_lstm_equals_equation_3_pixel_by_pixel() -> None:
    """The skewed scan is the recurrence over (y, x-1) and (y-1, x), with the learned state outside the image."""
    lstm = DiagonalLSTM(features=6, hidden=3, colours=3).double()
    with torch.no_grad():
        lstm.initial_hidden.uniform_(-1, 1)
        lstm.initial_cell.uniform_(-1, 1)
    x = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    drawn = lstm(x)
    from_input = lstm.input_to_state(x)
    up, left = lstm.state_to_state
    outside = lstm.initial_hidden.expand(2, 3), lstm.initial_cell.expand(2, 3)
    states = {}
    for row, column in itertools.product(range(4), range(5)):
        hidden_left, cell_left = states.get((row, column - 1), outside)
        hidden_up, _ = states.get((row - 1, column), outside)
        gates = (
            from_input[:, :, row, column] + hidden_left @ left.t() + hidden_up @ up.t()
        )
        states[row, column] = lstm_cell(gates, cell_left, dim=1)
        torch.testing.assert_close(drawn[:, :, row, column], states[row, column][0])


def test_shifting_down_moves_rows_and_clears_the_first() -> None:
    """Row y becomes row y + 1; row 0 sees nothing."""
    x = torch.randn(1, 2, 3, 4)
    down = shift_down(x)
    assert not down[:, :, 0].any()
    assert torch.equal(down[:, :, 1:], x[:, :, :-1])


@pytest.mark.parametrize(
    ("batch", "channels", "height", "width", "hidden"),
    [(3, 1, 5, 4, 16), (5, 3, 4, 6, 32), (4, 1, 1, 3, 16)],
)
@pytest.mark.parametrize(
    "preset", ["mnist-diagonal-bilstm", "mnist-row-lstm", "mnist-pixelcnn"]
)
@pytest.mark.parametrize(
    "switches", [{}, {"residual": False}, {"skip": False}], ids=str
)
def test_fused_networks_equal_plain_torch_in_logits_and_gradients(
    batch: int,
    channels: int,
    height: int,
    width: int,
    hidden: int,
    preset: str,
    switches: dict[str, bool],
) -> None:
    """The float32 path with its hand-written backward pass against autograd in float64, every parameter."""
    size = {
        "layers": 2,
        "hidden": hidden,
        "head": 8,
        "channels": channels,
        "height": height,
        "width": width,
    }
    network = untrained(preset, seed=1, **size, **switches).network.requires_grad_(True)
    values = torch.randint(
        0,
        2,
        (batch, channels, height, width),
        generator=torch.Generator().manual_seed(2),
    )
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.uniform_(-0.5, 0.5)

    def run(dtype: torch.dtype) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        network.to(dtype).zero_grad()
        logits = network(values)
        (
            logits * torch.linspace(-1, 1, logits.numel(), dtype=dtype).view_as(logits)
        ).sum().backward()
        gradients = {
            name: p.grad.double()
            for name, p in network.named_parameters()
            if p.grad is not None
        }
        return logits.detach().double(), gradients

    compiled, compiled_gradients = run(torch.float32)
    plain, plain_gradients = run(torch.float64)
    torch.testing.assert_close(compiled, plain, rtol=0, atol=2e-6)
    assert (
        compiled_gradients.keys()
        == plain_gradients.keys()
        == dict(network.named_parameters()).keys()
    )
    for name, gradient in plain_gradients.items():
        scale = float(gradient.abs().max()) + 1e-6
        assert (
            float((compiled_gradients[name] - gradient).abs().max()) <= 2e-5 * scale
        ), name


def test_a_second_backward_through_the_fused_pass_adds_the_same_again() -> None:
    """What the forward pass keeps, no backward pass uses up."""
    size = {
        "layers": 1,
        "hidden": 16,
        "head": 16,
        "height": 3,
        "width": 3,
        "values": 16,
    }
    for preset in ("mnist-diagonal-bilstm", "mnist-row-lstm", "mnist-pixelcnn"):
        network = untrained(preset, **size).network.requires_grad_(True)
        loss = network.nats_map(torch.zeros(4, 1, 3, 3, dtype=torch.int64)).sum()
        once = torch.autograd.grad(loss, tuple(network.parameters()), retain_graph=True)
        again = torch.autograd.grad(loss, tuple(network.parameters()))
        assert all(torch.equal(*pair) for pair in zip(once, again, strict=True))


@pytest.mark.parametrize(
    "preset", ["mnist-diagonal-bilstm", "mnist-row-lstm", "mnist-pixelcnn"]
)
@pytest.mark.parametrize("head", [8, 48])
def test_fused_nats_equal_those_of_the_distribution(
    preset: str, head: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With gradients, the gradients too, and without, in two parts; though the logits are never put together."""
    monkeypatch.setattr("model_core.fused.network.PART_BYTES", 1)
    size = {
        "layers": 1,
        "hidden": 16,
        "head": head,
        "channels": 3,
        "values": 32,
        "height": 3,
        "width": 5,
    }
    network = untrained(preset, seed=1, **size).network.requires_grad_(True)
    values = torch.randint(
        0, 32, (5, 3, 3, 5), generator=torch.Generator().manual_seed(2)
    )
    weight = torch.rand(5, 3, 3, 5, generator=torch.Generator().manual_seed(3))

    def run(dtype: torch.dtype) -> tuple[torch.Tensor, list[torch.Tensor]]:
        nats = network.to(dtype).nats_map(values)
        gradients = torch.autograd.grad(
            (nats * weight.to(dtype)).sum(), tuple(network.parameters())
        )
        with torch.inference_mode():
            assert torch.equal(network.nats_map(values), nats)
        return nats, [gradient.double() for gradient in gradients]

    fused, fused_gradients = run(torch.float32)
    plain, plain_gradients = run(torch.float64)
    torch.testing.assert_close(fused.double(), plain, rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(fused_gradients, plain_gradients, strict=True):
        assert float((ours - theirs).abs().max()) <= 2e-5 * (
            float(theirs.abs().max()) + 1e-6
        )


@pytest.mark.skipif(
    not HAS_BF16, reason="wants a processor that multiplies bf16 numbers"
)
@pytest.mark.parametrize(
    "preset", ["cifar10-diagonal-bilstm", "cifar10-row-lstm", "cifar10-pixelcnn"]
)
def test_fused_bf16_is_no_further_from_the_truth_than_autocast_is(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nats and gradients against float64, beside torch's own mixed precision of the plain modules."""
    size = {
        "layers": 2,
        "hidden": 32,
        "head": 48,
        "values": 32,
        "height": 6,
        "width": 5,
    }
    network = untrained(preset, seed=1, **size).network.requires_grad_(True)
    values = torch.randint(
        0, 32, (4, 3, 6, 5), generator=torch.Generator().manual_seed(2)
    )

    def run(dtype: torch.dtype, *, autocast: bool) -> tuple[torch.Tensor, torch.Tensor]:
        network.to(dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            nats = network.nats_map(values)
        gradients = torch.autograd.grad(nats.sum(), tuple(network.parameters()))
        assert all(gradient.dtype == dtype for gradient in gradients)
        return nats.detach().double(), torch.cat(
            [gradient.double().flatten() for gradient in gradients]
        )

    fused = run(torch.float32, autocast=True)
    monkeypatch.setattr("model_core.fused.network.HAS_BF16", False)
    plain = run(torch.float32, autocast=True)
    truth = run(torch.float64, autocast=False)
    for ours, theirs, right in zip(fused, plain, truth, strict=True):
        assert float((ours - right).norm()) <= 1.2 * float((theirs - right).norm())
        assert not torch.equal(ours, theirs)


def test_every_parameter_receives_a_gradient() -> None:
    """No weight of either network is left out of the computation, learned initial states included."""
    for preset in ("mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"):
        network = untrained(
            preset, layers=2, hidden=6, height=5, width=4, channels=3, values=4
        ).network
        network.double().requires_grad_(True)
        network(torch.randint(0, 4, (2, 3, 5, 4))).square().sum().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name
