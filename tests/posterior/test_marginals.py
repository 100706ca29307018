"""What is expected of each pixel of a hole."""

import numpy as np
import pytest
import torch

from model_core.posterior.completion import complete
from tests.posterior.tiny import SCATTERED, TINY, awake, mask, truth


@pytest.mark.parametrize("hole", ["centre", "upper", "lower"])
def test_marginals_are_those_of_the_exact_posterior(hole: str) -> None:
    """The mean of each pixel within a few hundredths of enumeration; entropy from it; what is given is certain."""
    model = awake("mnist-diagonal-bilstm", height=4, width=4)
    keep = {**TINY, "lower": mask("#### #### .... ....")}[hole]
    known = np.random.default_rng(1).integers(0, 2, (1, 4, 4))
    true = truth(model, known, keep, 1.0)
    done = complete(
        model,
        torch.from_numpy(known),
        torch.from_numpy(keep),
        n=150,
        seed=2,
        particles=64,
        sweeps=0,
        most_scores=0,
    )
    expected = np.tensordot(true.p, true.outcomes, 1)
    assert done.mean is not None
    assert done.entropy_bits is not None
    assert done.mean.numpy() == pytest.approx(expected, abs=0.04)
    assert (done.mean.numpy()[0, keep] == known[0, keep]).all()
    assert (done.entropy_bits.numpy()[0, keep] == 0).all()
    p = done.mean.numpy()[0, ~keep]
    assert ((p > 0) & (p < 1)).all()
    assert done.entropy_bits.numpy()[0, ~keep] == pytest.approx(
        -p * np.log2(p) - (1 - p) * np.log2(1 - p), abs=1e-9
    )


def test_one_draw_makes_no_pixel_certain() -> None:
    """A single particle has one value for each pixel; the marginals know that there are others."""
    model = awake("mnist-row-lstm", height=6, width=9)
    known = torch.randint(0, 2, (1, 6, 9), generator=torch.Generator().manual_seed(0))
    done = complete(
        model, known, torch.from_numpy(SCATTERED), n=1, seed=8, particles=1, sweeps=0
    )
    assert done.mean is not None
    p = done.mean.numpy()[0, ~SCATTERED]
    assert p.min() > 0.01
    assert p.max() < 0.99
