"""Claims beside measurements: which known mistake explains a difference."""

import math

import pytest
from judge.units import explain_claim, known_mistakes

SHAPE = (3, 8, 8)


@pytest.mark.parametrize("name", known_mistakes(SHAPE))
def test_each_known_mistake_is_named(name: str) -> None:
    """A claim that is wrong by a mistake's factor is explained by that mistake."""
    claim = 3.2 * known_mistakes(SHAPE)[name]
    text = explain_claim(claim, 3.2, 0.01, SHAPE)
    assert text is not None
    assert name in text


def test_agreement() -> None:
    """A claim within a percent, or within three standard errors, is accepted."""
    assert explain_claim(3.21, 3.2, None, SHAPE) is None
    assert explain_claim(3.3, 3.2, 0.04, SHAPE) is None
    assert explain_claim(3.3, 3.2, 0.01, SHAPE) is not None


def test_a_claim_without_explanation() -> None:
    """A number that no known mistake explains is reported as such."""
    assert "no known mistake" in str(explain_claim(2.5, 3.2, 0.01, SHAPE))
    assert "no claim agrees" in str(explain_claim(2.5, math.inf, None, SHAPE))
