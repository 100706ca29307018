"""The table of kinds: each part that a record names is there, and nobody else has a table of his own."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numba import njit
from torch import nn

from model_core.compiled import LEAN, categorical
from model_core.config import NetworkConfig
from model_core.distribution import Categorical
from model_core.fused.network import FusedNetwork
from model_core.kinds import INPUT_REACH, KINDS, part
from model_core.sampling.compiled.kind import CompiledKind

ROOT = Path(__file__).parents[2]


@njit(**LEAN | {"no_cpython_wrapper": False})
def draw_value(logits, values, noise, temperature, weights):  # type: ignore[no-untyped-def]
    """Python cannot call categorical.draw_value itself."""
    return categorical.draw_value(logits, values, noise, temperature, weights)


@pytest.mark.parametrize("name", KINDS)
def test_every_part_of_a_record_is_there_and_of_its_type(name: str) -> None:
    """Parts are named by strings, which nothing else would check before they are used."""
    kind = KINDS[name]
    assert issubclass(part(kind.layer), nn.Module)
    assert isinstance(part(kind.fused), FusedNetwork | None)
    assert isinstance(part(kind.compiled), CompiledKind | None)
    config = NetworkConfig(name, 3, 5, channels=1, values=2, layers=2, hidden=4, head=8)
    assert part(kind.field)(config).shape == (config.channels, 3, 5) * 2
    assert all(kind.lag(width) >= min(width, INPUT_REACH + 1) for width in range(1, 40))


def test_nothing_but_the_table_asks_for_a_kind_by_name() -> None:
    """Names of kinds stand in the table and, as data, in presets; titles nowhere else.

    What is compiled before torch is installed, and the block programs, list the kinds that
    they have: the table names their parts by modules that import torch.
    """
    names = re.compile(
        "|".join(
            f'"{word}"' for name, kind in KINDS.items() for word in (name, kind.title)
        )
    )
    files = [
        *ROOT.glob("model_core/**/*.py"),
        *ROOT.glob("worker/**/*.py"),
        *ROOT.glob("benchmarks/*.py"),
    ]
    allowed = {
        "model_core/kinds.py",
        "model_core/config.py",
        "model_core/compiled/ahead.py",
        "model_core/blocks/program.py",
        "model_core/sampling/blocks/layout.py",
        "model_core/sampling/blocks/stage.py",
    }
    found = {
        str(path.relative_to(ROOT)) for path in files if names.search(path.read_text())
    }
    assert found <= allowed


def test_the_page_keeps_no_titles_of_its_own() -> None:
    """It shows those that the models' cards announce, so a network is named in one place. Only the view of what
    networks see has a sentence for some kinds; one without is shown without."""
    modules = {
        path.name: path.read_text()
        for path in (ROOT / "app/playground/js").rglob("*.js")
    }
    assert [
        kind.title
        for kind in KINDS.values()
        if f'"{kind.title}"' in "".join(modules.values())
    ] == []
    assert {
        module
        for module, text in modules.items()
        for name in KINDS
        if f'"{name}"' in text
    } == {"influence_panel.js"}
    assert '?? ""' in modules["influence_panel.js"]
    assert "networkOf({ title" in modules["kinds.js"]


def test_the_compiled_draw_is_the_twin_of_the_distribution() -> None:
    """The same value from the same logits and noise, unless the noise lies within float32 rounding of a border."""
    generator = torch.Generator().manual_seed(8)
    for values in (2, 5, 256):
        logits = 3 * torch.randn(2000, values, generator=generator)
        noise = torch.rand(2000, generator=generator, dtype=torch.float64)
        warmth = 0.5 + torch.rand(2000, generator=generator, dtype=torch.float64)
        drawn = Categorical(values).draw(logits, noise, warmth).numpy()
        scratch = np.zeros(-(-values // 16) * 16, np.float32)
        rows = zip(logits.numpy(), noise.tolist(), warmth.tolist(), strict=True)
        twin = np.array([draw_value(row, values, n, t, scratch) for row, n, t in rows])
        cumulative = (
            Categorical(values)
            .probabilities((logits.double() / warmth[:, None]).t())
            .cumsum(0)
            .t()
        )
        clear = ((cumulative - noise[:, None]).abs() > 1e-6).all(1).numpy()
        assert clear.mean() > 0.99
        assert np.array_equal(drawn[clear], twin[clear])
        assert (np.abs(drawn - twin) <= 1).all()


def test_the_compiled_draw_finds_logits_that_are_not_finite() -> None:
    """It says so with -1, where the distribution leaves the check to its caller."""
    scratch = np.zeros(16, np.float32)
    for bad in (np.nan, np.inf, -np.inf):
        assert (
            draw_value(np.array([0.0, bad, 1.0], np.float32), 3, 0.5, 1.0, scratch)
            == -1
        )
