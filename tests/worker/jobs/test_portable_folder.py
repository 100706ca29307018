"""What is removed from the folder of models for browsers, and when."""

import os
from pathlib import Path

import pytest

from tests.app.hand_worker import GREY
from worker.contract import keys
from worker.contract.cards import WorkerInfo
from worker.jobs.portable_folder import PortableFolder

SHARED, PRIVATE, DELETED, DRAFT = "1" * 64, "2" * 64, "3" * 64, f".{'4' * 32}"


def test_only_what_workers_serve_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is removed before this worker is announced, nor at the first look, nor
    what another one serves to everybody, nor anything that has other names."""
    monkeypatch.setattr(PortableFolder, "UNSERVED_S", 1e-9)
    current, others = "a" * 16, ["b" * 16, "c" * 16]
    for release in (current, *others):
        for model in (SHARED, PRIVATE, DELETED, DRAFT, "notes"):
            (tmp_path / release / "models" / model).mkdir(parents=True)
    (tmp_path / "release").write_text(current)
    (tmp_path / "added" / "models" / DELETED).mkdir(parents=True)
    young = tmp_path / current / "models" / f".{'5' * 32}"
    young.mkdir()
    os.utime(tmp_path / current / "models" / DRAFT, (1, 1))
    for age, release in enumerate((current, *others)):
        os.utime(tmp_path / release, (age, age))  # `current` is the oldest

    def worker(
        name: str, *models: tuple[str, str], queue: str = keys.QUEUE
    ) -> WorkerInfo:
        cards = (
            GREY.model_copy(
                update={"name": f"m{at}", "identity": identity, "owner": owner}
            )
            for at, (identity, owner) in enumerate(models)
        )
        return WorkerInfo(
            name=name,
            device="cpu",
            slots=1,
            models=tuple(cards),
            started_at=0.0,
            queue=queue,
        )

    live = [worker("other", (SHARED, ""))]
    folder = PortableFolder(tmp_path, "ours", lambda: live)
    folder.turn()
    assert len(list(tmp_path.glob("?" * 16))) == 3

    live.append(worker("ours", (PRIVATE, "alice")))
    folder.turn()
    names = {place.name for place in (tmp_path / current / "models").iterdir()}
    assert names == {SHARED, PRIVATE, DELETED, young.name, "notes"}
    folder.turn()
    names = {place.name for place in (tmp_path / current / "models").iterdir()}
    assert names == {SHARED, young.name, "notes"}
    assert {place.name for place in tmp_path.glob("?" * 16)} == {current, others[1]}
    assert (tmp_path / "added" / "models" / DELETED).is_dir()
