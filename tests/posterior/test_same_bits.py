"""Completions and classifications have the same bits on every processor, as the loops that draw do."""

import ast
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numba import njit
from numpy._core._multiarray_umath import __cpu_dispatch__

from model_core import untrained
from model_core.compiled.logarithm import logarithm
from model_core.elementary import log
from model_core.models import Member, Model
from model_core.posterior.classify import classify
from model_core.posterior.completion import complete
from tests.posterior.tiny import mask

PACKAGE = Path(complete.__code__.co_filename).parent
DIFFERING = {
    *(
        "exp",
        "exp2",
        "expm1",
        "log",
        "log1p",
        "log10",
        "logaddexp",
        "power",
        "pow",
        "softmax",
        "log_softmax",
    ),
    *(
        "logsumexp",
        "sigmoid",
        "dot",
        "matmul",
        "tensordot",
        "einsum",
        "inner",
        "vdot",
        "sum",
        "mean",
        "std",
        "var",
    ),
}
"""Functions of NumPy, torch and the C library that may differ between processors, or sum in an order of their own."""
LESS_ABLE = {
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
    "OPENBLAS_CORETYPE": "Prescott",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
}
"""Environments in which libraries do without what this processor has."""


def test_the_loop_s_logarithm_is_that_of_the_weights() -> None:
    """Bit for bit, over all sums of up to 256 exponentials."""
    x = np.concatenate(
        [
            np.random.default_rng(0).uniform(1, 2, 2000),
            2 ** np.linspace(0, 8, 2001),
            [1 - 1e-7],
        ]
    )
    assert (np.array([_logarithm(each) for each in x]) == log(x)).all()
    assert np.isnan(_logarithm(np.nan))


@njit
def _logarithm(x: float) -> float:
    return logarithm(x)


@pytest.mark.parametrize(
    "source", sorted(PACKAGE.glob("*.py")), ids=lambda source: source.stem
)
def test_nothing_that_differs_is_asked(source: Path) -> None:
    """Weights, marginals and evidence are made of elementary.py and of products, quotients and sums in one order."""
    if source.stem == "reference":
        return  # the slow truth of the tests
    calls = [
        node.func
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Call)
    ]
    said = [
        ast.unparse(call)
        for call in calls
        if isinstance(call, ast.Attribute) and call.attr in DIFFERING
    ]
    said = [each for each in said if each not in ALLOWED]
    assert not said


ALLOWED = {
    "keep.ravel()[first_hole(keep):].sum",  # counts pixels
    "(maps * given[:, None, None]).sum",  # scores, which torch makes where no compiled loop draws
}


def test_libraries_that_do_without_vectors_give_the_same_bytes() -> None:
    """Images, marginals and the receipt of a mixture, by draws that are accepted, by chains and by enumeration, and
    what is said of labels, of a picture and of its first rows, in another process."""
    environment = os.environ | LESS_ABLE
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tests.posterior.test_same_bits import found; print(found())",
        ],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == found().split()


def found() -> str:
    """Digests of three completions, and of two classifications."""
    members = [_network(seed) for seed in range(2)]
    names = "none", "rotate_180"
    model = Model(
        tuple(
            Member(each.network, name)
            for each, name in zip(members, names, strict=True)
        ),
        members[0].card,
    )
    known = torch.from_numpy(np.random.default_rng(3).integers(0, 2, (1, 6, 9)))
    digests = [
        _digest(model, known, hole)
        for hole in (
            "......... " * 3 + "######### " * 3,
            "#.##.#### " * 6,
            "######### " * 2 + "###...### " * 2 + "######### " * 2,
        )
    ]
    return " ".join([*digests, *_digests_of_labels(_network(2, labels=3), known)])


def _network(seed: int, labels: int = 0) -> Model:
    """Weights without a logarithm behind them: torch's normal numbers may differ between processors."""
    model = untrained(
        "mnist-row-lstm",
        seed=seed,
        layers=2,
        hidden=6,
        head=6,
        height=6,
        width=9,
        labels=labels,
    )
    random = np.random.default_rng(seed)
    for parameter in model.network.parameters():
        parameter.copy_(
            torch.from_numpy(random.uniform(-0.7, 0.7, tuple(parameter.shape)))
        )
    return model


def _digest(model: Model, known: torch.Tensor, hole: str) -> str:
    done = complete(
        model, known, torch.from_numpy(mask(hole)), n=2, seed=5, temperature=0.8
    )
    assert done.mean is not None
    assert done.entropy_bits is not None
    parts = done.values.numpy(), done.mean.numpy(), done.entropy_bits.numpy()
    content = (
        b"".join(part.tobytes() for part in parts)
        + json.dumps(done.receipt.to_dict()).encode()
    )
    return hashlib.sha256(content).hexdigest()


def _digests_of_labels(model: Model, known: torch.Tensor) -> list[str]:
    keep = torch.from_numpy(mask("######### " * 2 + "####..... " + "......... " * 3))
    told = [classify(model, known), classify(model, known, keep)]
    assert all(each.exact for each in told)
    return [
        hashlib.sha256(
            b"".join(map(bytes, (each.p, each.nats, each.total_nats)))
        ).hexdigest()
        for each in told
    ]
