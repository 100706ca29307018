"""One word for the figures of a completion."""

import pytest

from model_core.posterior.receipt import Island, receipt_of


@pytest.mark.parametrize(
    ("nats", "apart", "evidence", "ess", "values", "word"),
    [
        (70, 10, 2.0, 2.5, 2, "good"),
        (70, 10, 2.0, 2.4, 2, "rough"),
        (70, 30, 2.0, 9.0, 2, "rough"),
        (70, 10, 9.0, 9.0, 2, "rough"),
        (130, 10, 2.0, 9.0, 2, "poor"),
        (70, 10, 2.0, 2.5, 256, "good"),
        (70, 10, 2.0, 1.5, 256, "rough"),
        (70, 10, 2.0, 1.4, 256, "poor"),
    ],
    ids=[
        "agree",
        "agree, of few particles",
        "apart",
        "evidence apart",
        "strange",
        "colour",
        "colour, of few particles",
        "colour, missed by the first particles",
    ],
)
def test_the_word_follows_from_the_figures(
    nats: float, apart: float, evidence: float, ess: float, values: int, word: str
) -> None:
    """Of a model whose images hardly ever have 120 nats; where that is not known, chains must agree."""
    island = Island(
        "none", None, nats, [nats, nats + apart], [0.0, evidence], 0.0, ess, 3, 32
    )
    assert receipt_of([island], 120.0, values).quality == word
    assert (
        receipt_of(
            [Island("none", None, 70, [70, 130], [0.0, 0.0], 0.0, 9.0, 3, 32)],
            None,
            values,
        ).quality
        == "poor"
    )


@pytest.mark.parametrize("strange_nats", [120.0, None])
def test_each_image_has_the_word_that_it_would_have_alone(
    strange_nats: float | None,
) -> None:
    """Whatever the others are: strange, apart, of few particles, or of other evidence. The worst is that of all."""
    facts = [
        (42.3, [42.3, 42.3], [-40.0, -41.0], 9.0),
        (200.2, [200.2, 140.0], [-40.0, -41.0], 9.0),
        (42.3, [42.3, 70.0], [-40.0, -41.0], 9.0),
        (42.3, [42.3, 43.0], [-60.0, -61.0], 9.0),
        (42.3, [42.3, 42.3], [-40.0, -41.0], 2.0),
    ]
    islands = [
        Island("none", None, nats, chains, evidence, evidence[0], ess, 3, 32)
        for nats, chains, evidence, ess in facts
    ]
    receipt = receipt_of(islands, strange_nats)
    # Without quantiles, nothing tells whether chains that disagree are far off.
    less = "poor" if strange_nats is None else "rough"
    assert receipt.qualities == ("good", "poor", less, "good", less)
    assert receipt.qualities == tuple(
        receipt_of([each], strange_nats).quality for each in islands
    )
    assert (
        receipt.quality,
        receipt.of_no_image.quality,
        receipt.of_no_image.qualities,
    ) == ("poor", "poor", ())
