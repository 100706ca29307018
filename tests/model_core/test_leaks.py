"""A network that sees what it must not is found out, whatever its weights are, and the words say what it saw."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model_core import load_model, model_names, untrained
from model_core.errors import ModelError
from model_core.fused import diagonal_bilstm as fused
from model_core.fused.canvas import Canvas
from model_core.kinds import KINDS
from model_core.measures.leaks import require_causal
from model_core.networks import MultiScaleNetwork, Network, PixelNetwork

SMALL = {"layers": 2, "head": 9, "values": 5}


def network(kind: str = "pixel-cnn", hidden: int = 16, **overrides: int) -> Network:
    """Of three colours; 16 hidden units are computed by the fused pass, 7 by the plain one alone."""
    return untrained(
        "cifar10-pixelcnn", **{"network": kind, "hidden": hidden, **SMALL, **overrides}
    ).network


def scales() -> MultiScaleNetwork:
    small = {"conditioning": 16, "small_layers": 1, "small_hidden": 16}
    built = untrained("cifar10-multi-scale", **{"hidden": 16, **SMALL, **small}).network
    assert isinstance(built, MultiScaleNetwork)
    return built


@pytest.mark.parametrize("name", model_names())
def test_every_shipped_model_is_causal(name: str) -> None:
    """With the weights that ship."""
    assert require_causal(
        *(member.network for member in load_model(name).members)
    ).startswith("causal: none of ")


@pytest.mark.parametrize("hidden", [7, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_is_causal_as_it_is_built(kind: str, hidden: int) -> None:
    """Every kind; the logits that were watched are counted, of the plain pass and, if there is one, the fused one."""
    passes = 2 if hidden == 16 else 1
    images, variables, values = 3, 60, 5
    built = network(kind, hidden)
    weights = {name: tensor.clone() for name, tensor in built.state_dict().items()}
    assert (
        f"none of {passes * images * variables * values:,} logits moved"
        in require_causal(built)
    )
    assert all(
        torch.equal(tensor, weights[name])
        for name, tensor in built.state_dict().items()
    )


def look_right(stage: PixelNetwork) -> None:
    """Let the first layer see the pixel to the right, as if its mask had one hole."""
    stage.input.weight.data[:, :, -1, 4] = 0.1


def look_at_itself(stage: PixelNetwork) -> None:
    """Let the first layer see green where green is predicted."""
    green = slice(11, 22)  # of 32 features in three groups
    stage.input.weight.data[green, 1, -1, 3] = 0.1


@pytest.mark.parametrize(
    ("hole", "words"),
    [
        (
            look_right,
            r"the logits of \(y 0, x 0, red\) moved when the later value \(y 0, x 1, red\) changed",
        ),
        (
            look_at_itself,
            r"the logits of \(y 0, x 0, green\) moved when their own value changed",
        ),
    ],
)
def test_a_hole_in_a_mask_is_named(
    hole: Callable[[PixelNetwork], None], words: str
) -> None:
    """Which logits moved, and when which value changed."""
    built = network()
    assert isinstance(built, PixelNetwork)
    hole(built)
    with pytest.raises(ModelError, match=f"not causal: {words} \\(plain pass\\)"):
        require_causal(built)


@pytest.mark.parametrize("stage", ["first", "second"])
def test_both_stages_of_a_multi_scale_network_are_looked_at(stage: str) -> None:
    """A hole in either is found, and without one there is none."""
    built = scales()
    assert "causal: none of " in require_causal(built)
    look_right(built.small if stage == "first" else built.large)
    with pytest.raises(ModelError, match=rf"\(plain pass of the {stage} stage\)"):
        require_causal(built)


def test_a_leak_of_the_fused_pass_alone_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The right-to-left map of the Diagonal BiLSTM must be moved down by one row (section 3.2)."""

    def not_moved(left: Tensor, right: Tensor, canvas: Canvas) -> Tensor:
        row = canvas.row * canvas.batch
        return left + functional.pad(right[row : canvas.height * row], (0, 0, row, row))

    monkeypatch.setattr(fused, "_add_shifted_down", not_moved)
    with pytest.raises(
        ModelError,
        match=r"the logits of \(y 0, .* moved when .* changed \(fused pass\)",
    ):
        require_causal(network("diagonal-bilstm"))


def test_logits_that_are_no_numbers_are_refused() -> None:
    """They would compare as moved, or as unmoved."""
    built = network()
    next(built.parameters()).data.fill_(float("inf"))
    with pytest.raises(ModelError, match="not finite"):
        require_causal(built)
