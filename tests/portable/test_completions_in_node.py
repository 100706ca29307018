"""Completions from the posterior by the engine in JavaScript: every pixel, receipt and marginal as Python has them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_core import load_model, shipped
from model_core.models import Model
from model_core.posterior.chain import OF_LARGER, OF_SMALL, SMALL
from model_core.posterior.completion import Completion, complete
from tests.portable.completions import assert_same
from tests.portable.exporting import Ask

MODELS = (
    *(
        "tiny-cnn",
        "tiny-diagonal",
        "tiny-rgb",
        "tiny-row-rgb",
        "tiny-diagonal-rgb",
        "tiny-mixture",
    ),
    *(
        "tiny-labelled",
        "tiny-labelled-cnn-rgb",
        "tiny-labelled-row-rgb",
        "tiny-labelled-mixture",
    ),
    *("tiny-tiles", "tiny-labelled-tiles"),
    *(
        "tiny-diagonal-by-lender",
        "tiny-mixture-by-lender",
        "tiny-mixture-by-tiny-mixture",
        "tiny-labelled-by-lender",
    ),
    *("tiny-labelled-mixture-by-tiny-labelled-mixture", "larger-mixture"),
    *("tiny-mixture-judged", "tiny-mirrored", "tiny-labelled-mirrored"),
)
OF_EACH_KIND = ("tiny-cnn", "tiny-row-rgb", "tiny-diagonal")
Request = dict[str, Any]


def _holes(height: int, width: int) -> dict[str, NDArray[np.bool_]]:
    """keep (H, W) of several shapes: True where a pixel is given."""
    rng, every = np.random.default_rng(7), np.ones((height, width), np.bool_)
    lower, upper, left, centre, band = (every.copy() for _ in range(5))
    band[: height // 2], band[height // 2 + 1 :] = False, False
    (
        lower[height // 2 :],
        upper[: height // 2],
        left[:, : width // 2],
        centre[1:-1, 1:-1],
    ) = False, False, False, False
    return {
        "lower": lower,
        "upper": upper,
        "left": left,
        "centre": centre,
        "band": band,
        "scattered": rng.random((height, width)) < 0.5,
        "nothing given": ~every,
        "all given": every,
    }


def _requests(model: Model) -> list[Request]:
    config = model.config
    known = np.random.default_rng(3).integers(
        0, config.values, (config.channels, config.height, config.width)
    )
    holes = _holes(config.height, config.width)
    usual = {"known": known, "seed": 5, "n": 1, "particles": 8, "sweeps": 2}
    if config.dimensions > SMALL:
        return [{**usual, "keep": holes["scattered"]}]
    found = [{**usual, "keep": keep} for keep in holes.values()]
    other = {
        "temperature": 0.7,
        "seed": 2**40,
        "first": 3,
        "n": 2,
        "particles": 17,
        "sweeps": 3,
    }
    found.append({**usual, **other, "keep": holes["scattered"]})
    found += [
        {**usual, "keep": holes[name], "n": 0, "sweeps": 0}
        for name in ("upper", "lower")
    ]
    one_missing = np.ones((config.height, config.width), np.bool_)
    one_missing[1, 2] = False
    found.append({**usual, **other, "keep": one_missing})
    if config.values == 2 and not config.labels:
        few_missing = one_missing.copy()
        few_missing[2, 1:4] = False
        found.append({**usual, "keep": few_missing, "seed": 2**33, "n": 3})
        more_missing = few_missing.copy()
        more_missing[3] = False
        found.append({**usual, "keep": more_missing, "n": 2})
    if model.guides:
        found.append({**usual, "keep": holes["upper"], "particles": 64})
    if config.labels:
        found += [
            {**usual, "keep": holes[name], "label": label}
            for name, label in (("centre", "b"), ("lower", 2))
        ]
    return found


def _asked(request: Request) -> Request:
    return request | {
        name: request[name].ravel().tolist() for name in ("known", "keep")
    }


def _completed(model: Model, request: Request) -> Completion:
    known, keep = (torch.from_numpy(request[name]) for name in ("known", "keep"))
    return complete(
        model,
        known,
        keep,
        **{name: request[name] for name in request if name not in ("known", "keep")},
    )


@pytest.fixture(scope="module")
def expected(portable_models_dir: Path) -> dict[str, list[tuple[Request, Completion]]]:
    """Of each model: requests, and what Python completes."""
    models = {name: load_model(name, models_dir=portable_models_dir) for name in MODELS}
    return {
        name: [(each, _completed(model, each)) for each in _requests(model)]
        for name, model in models.items()
    }


def test_requests_take_every_way(
    expected: dict[str, list[tuple[Request, Completion]]],
) -> None:
    """Exact draws, also by mixtures, draws by the member that comes last, and chains, with
    labels and without, begun again or not."""
    receipts = [
        (done.receipt, done.receipt.label is not None)
        for of in expected.values()
        for _, done in of
    ]
    ways = {
        (receipt.exact, receipt.apart_nats is None, has_label)
        for receipt, has_label in receipts
    }
    assert ways == {
        (True, True, False),
        (True, True, True),
        (False, True, False),
        (False, False, False),
        (False, False, True),
    }
    for name in ("tiny-mirrored", "tiny-labelled-mirrored"):
        lower = [
            done
            for request, done in expected[name]
            if request["keep"][:3].all() and not request["keep"][3:].any()
        ]
        assert len(lower) >= 2
        assert all(done.exact for done in lower)
    assert {done.receipt.particles for of in expected.values() for _, done in of} >= {
        0,
        8,
        2 * OF_LARGER,
        2 * OF_SMALL,
    }
    judged = [
        (request.get("temperature", 1.0), receipt.apart_nats is None, receipt.quality)
        for request, done in expected["tiny-mixture-judged"]
        if not (receipt := done.receipt).exact
    ]
    assert {quality for _, _, quality in judged} >= {"poor", "good"}
    assert (1.0, True, "poor") in judged
    assert (0.7, False, "poor") in judged


@pytest.mark.parametrize(
    ("module", "names"), [("relaxed", MODELS), ("exact", OF_EACH_KIND)]
)
def test_completions_are_those_of_python(
    ask: Ask,
    exported: Path,
    exact_engine: Path,
    expected: dict[str, list[tuple[Request, Completion]]],
    module: str,
    names: Sequence[str],
) -> None:
    """Every kind of network, grey and in colour, mixtures, labels; holes of many shapes."""
    requests = {
        name: [_asked(request) for request, _ in expected[name]] for name in names
    }
    found = ask(
        "completeAll",
        exact_engine if module == "exact" else shipped.ENGINE,
        folder=str(exported),
        requests=requests,
    )
    for name in names:
        for its, (_, done) in zip(found[name], expected[name], strict=True):
            assert_same(its, done)


def test_completion_is_stopped_when_nobody_waits_for_it(
    ask: Ask, exported: Path
) -> None:
    """By the signal that was given."""
    found = ask("stop", folder=str(exported / "models" / "tiny-diagonal"))
    assert found.startswith("AbortError")


def test_rows_are_told_when_an_image_is_there(
    ask: Ask, exported: Path, expected: dict[str, list[tuple[Request, Completion]]]
) -> None:
    """From the top down, one image after the other."""
    request, done = next(
        each
        for each in expected["tiny-diagonal"]
        if not each[1].exact and each[0]["n"] == 2
    )
    values, rows = ask(
        "hear",
        folder=str(exported / "models" / "tiny-diagonal"),
        request=_asked(request),
    )
    assert np.array_equal(np.array(values).ravel(), done.values.numpy().ravel())
    assert [row[:2] for row in rows] == [
        [image, y] for image in range(2) for y in range(6)
    ]
    assert np.array_equal(np.array(rows)[:, 2:].ravel(), np.array(values).ravel())
