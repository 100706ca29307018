"""The verbs that carry out a kind of job are made of its record."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from pixelrnn.kind_results import How, sentences
from pixelrnn.kind_verbs import register
from pixelrnn.verbs import root
from tests.declared_kind import WEIGH
from worker.contract.kinds import KINDS


def run(app: typer.Typer, *words: object) -> Result:
    return CliRunner().invoke(
        app, [str(word) for word in words], env={"COLUMNS": "200"}
    )


def test_a_kind_that_is_declared_has_a_verb_with_its_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Below `remote` too; what nobody wrote for work here is asked of a service."""
    monkeypatch.setitem(KINDS, WEIGH.word, WEIGH)
    app, remote = typer.Typer(), typer.Typer(name="remote")
    register(app, remote)
    app.add_typer(remote)
    for words in (["weigh"], ["remote", "weigh"]):
        assert "--in-bits" in run(app, *words, "--help").output
    assert "expected --url" in run(app, "weigh", "m", "a.png").output


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["--device", "cpu", "--url", "http://127.0.0.1:9"],
            "--device is for work here, without --url",
        ),
        (
            ["--models-dir", "x", "--url", "http://127.0.0.1:9"],
            "--models-dir is for work here, without --url",
        ),
        (["--priority", "bulk"], "--priority is for work by a service, with --url"),
        (["--retention", "60"], "--retention is for work by a service, with --url"),
        (["--first", "-1"], "--first"),
        (["--n", "0"], "--n"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(
    words: list[str], complaint: str, tmp_path: Path
) -> None:
    """Before anything is drawn."""
    refused = run(root, "sample", "m", "--out", tmp_path / "a.png", *words)
    assert refused.exit_code == 2
    assert complaint in refused.output.replace("\n", " ")


def test_help_says_what_is_usual() -> None:
    """Where a value is found and none is written: brackets are no markup there."""
    for verb, told in (
        ("classify", "transparent pixels are not]"),
        ("sample", "[default: drawn]"),
    ):
        assert told in run(root, verb, "--help").output


def test_the_place_of_models_may_stand_in_the_environment_of_both(
    tmp_path: Path,
) -> None:
    """It is said for the work that is done here, and is no mistake where a service is asked."""
    words = [
        "sample",
        "m",
        "--url",
        "http://127.0.0.1:9",
        "--out",
        str(tmp_path / "a.png"),
    ]
    result = CliRunner().invoke(root, words, env={"PIXELRNN_MODELS_DIR": str(tmp_path)})
    assert "no service answers" in str(result.exception)


def test_a_verb_says_each_completion_s_own_word_where_they_differ() -> None:
    """Else, and where a worker of an earlier version did it, the one word of all."""
    receipt = {"exact": False, "quality": "poor", "particles": 32, "apart_nats": 160.0}
    how = How(out=Path("a.png"))
    for qualities, told in (
        (("good", "poor"), "good, poor"),
        (("poor",) * 2, "poor"),
        (None, "poor"),
    ):
        facts = {"n": 2, "seed": 7, "posterior": {**receipt, "qualities": qualities}}
        assert list(sentences("complete", facts, how))[1].startswith(
            f"{told}: up to 32 particles"
        )
