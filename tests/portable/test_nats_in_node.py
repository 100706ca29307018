"""-ln p of each draw in the engine in JavaScript: the numbers of Python, bit for bit."""

import math
from pathlib import Path
from typing import Any

import pytest

from model_core import load_model, shipped
from model_core.image_request import ImageRequest
from tests.portable.exporting import Ask, export
from tests.weighed_draws import draw_weighed

MODELS = (
    "tiny-cnn",
    "tiny-rgb",
    "tiny-row-rgb",
    "tiny-diagonal-rgb",
    "tiny-mixture",
    "tiny-labelled",
    "tiny-labelled-cnn-rgb",
    "tiny-labelled-mixture",
    "tiny-tiles",
    "tiny-labelled-tiles",
)
SEED, FIRST, N = 17, 3, 9
OPTIONS = {"seed": SEED, "first": FIRST, "n": N}


def expected(
    name: str, models_dir: Path, temperature: float, label: int | None = None
) -> list[list[float]]:
    """-ln p of the images in nats, and in bits of each variable, as a worker says it."""
    model = load_model(name, models_dir=models_dir)
    requests = [
        ImageRequest(SEED, FIRST + i, temperature, label=label) for i in range(N)
    ]
    values, log_p = draw_weighed(model, requests)
    bit = math.log(2) * values[0].numel()
    return [[0.0 - each, (0.0 - each) / bit] for each in log_p.tolist()]


@pytest.mark.parametrize("engine", ["relaxed", "exact"])
def test_draws_have_the_nats_of_python(
    ask: Ask,
    exported: Path,
    exact_engine: Path,
    portable_models_dir: Path,
    engine: str,
) -> None:
    """Every kind of network, grey, in colour and of categories; of a mixture that of all
    members, and of a model with labels that of all labels: no bit differs."""
    found = ask(
        "weigh",
        exact_engine if engine == "exact" else shipped.ENGINE,
        folder=str(exported),
        models=MODELS,
        options={**OPTIONS, "temperature": 0.7},
    )
    for name in MODELS:
        assert [each[:2] for each in found[name]] == expected(
            name, portable_models_dir, 0.7
        ), name


@pytest.mark.parametrize("label", [0, 2])
def test_label_that_is_asked_for_is_given(
    ask: Ask, exported: Path, portable_models_dir: Path, label: int
) -> None:
    """-ln p(image | label), also of a mixture."""
    names = [name for name in MODELS if "labelled" in name]
    options = {**OPTIONS, "label": label}
    found = ask("weigh", folder=str(exported), models=names, options=options)
    for name in names:
        assert [each[:2] for each in found[name]] == expected(
            name, portable_models_dir, 1.0, label
        ), name


def test_nobody_has_to_wait_for_them(ask: Ask, exported: Path) -> None:
    """An option leaves them out; the images are the same."""
    name = "tiny-labelled-mixture"
    bare, weighed = (
        ask(
            "weigh",
            folder=str(exported),
            models=[name],
            options={"seed": 1, "n": 3, **more},
        )[name]
        for more in ({"weighed": False}, {})
    )
    assert [each[:2] for each in bare] == [[None, None]] * 3
    assert [each[2] for each in bare] == [each[2] for each in weighed]


@pytest.mark.parametrize("name", ["characters", "mnist-labelled"])
def test_shipped_models_have_the_nats_of_python(
    ask: Ask, tmp_path: Path, name: str
) -> None:
    """A trained mixture, and ten labels."""
    done = export(tmp_path / "site", name)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = ask(
        "weigh", folder=str(tmp_path / "site"), models=[name], options=OPTIONS
    )
    assert [each[:2] for each in found[name]] == expected(name, shipped.MODELS, 1.0)
