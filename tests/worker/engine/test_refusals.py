"""Reasons why models are not served, which clients read."""

import errno
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from model_core.card import Card
from model_core.errors import ModelError
from worker.engine.refusals import LONGEST, log_refusal, reason_of

PLACE = Path("/srv/my data/added/models/h7")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelError(f"{PLACE}/card.json is not a card"), "card.json is not a card"),
        (ModelError(f"{PLACE} has no card.json"), "it has no card.json"),
        (FileNotFoundError(errno.ENOENT, "No such file", f"{PLACE}/x"), "x: No such"),
        (OSError(errno.EIO, "I/O error", "/home/al/.cache/numba/k"), "k: I/O error"),
        (OSError(errno.ENOSPC, "No space left"), "No space left"),
        (KeyError("/opt/pixelrnn/lib/x.py"), "looking at it failed: KeyError: 'x.py'"),
        (ModelError("/srv/my data/guide.json is missing"), "guide.json is missing"),
        (ModelError("file:///opt/pixelrnn/x.py failed"), "x.py failed"),
        (ModelError("expected 24x16 or 1/2 of it"), "expected 24x16 or 1/2 of it"),
        (MemoryError(), "there is not enough memory for it"),
    ],
)
def test_a_reason_names_no_folder_of_the_server(error: Exception, reason: str) -> None:
    """Nor where the reason has gone through the examiner's process; the log names it."""
    for each in (error, ModelError(reason_of(error))):
        with capture_logs() as logs:
            said = log_refusal("h7", each, PLACE)
        assert said.startswith(reason)
        assert not {"srv", "my data", "home", "opt"} & set(said.split("/"))
        assert [line["reason"] for line in logs] == [reason_of(each)]


def test_a_long_folder_is_not_cut_in_two() -> None:
    """The reason is cut after its folder was taken out."""
    place = Path("/" + "/".join(["x" * 200] * 4))
    said = log_refusal("h7", ModelError(f"{place}/card.json {'bad ' * 200}"), place)
    assert said.startswith("card.json bad")
    assert len(said) == LONGEST


def test_a_relative_models_directory_is_no_part_of_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pixelrnn up --data-dir data` makes absolute ones of it, and messages have both."""
    monkeypatch.chdir(tmp_path)
    place = Path("data") / "added" / "models" / "h7"
    place.mkdir(parents=True)
    (place / "card.json").write_text("{")
    for directory in (place, place.absolute()):
        with pytest.raises(ModelError) as found:
            Card.read(directory / "card.json")
        assert log_refusal("h7", found.value, place).startswith("card.json is not a")
