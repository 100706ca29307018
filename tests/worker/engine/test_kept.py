"""Models by identity, in a folder that several workers share."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from model_core.card import Card, CardMember
from worker.contract.added import OWNER, Owner
from worker.engine.kept import FORGOTTEN_AFTER_S, KEPT_FOR_S, USED, KeptWeights


@pytest.fixture
def source(models_dir: Path, tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(models_dir / "tiny-cnn", tmp_path / "models" / "tiny-cnn")
    )


def identity_of(source: Path) -> str:
    return Card.read(source / "card.json").identity


def test_models_are_found_by_identity_when_they_were_exchanged(
    source: Path, tmp_path: Path
) -> None:
    """The copy is whole, holds nothing else, and is made once."""
    kept, identity = KeptWeights(tmp_path / "kept"), identity_of(source)
    (source / "samples.png").write_bytes(b"large")
    for _ in range(2):
        kept.keep("tiny-cnn", identity, source)
    (source / "weights.safetensors").write_bytes(b"new")
    found = kept.find("tiny-cnn", identity)
    assert found is not None
    assert sorted(path.name for path in found.iterdir()) == [
        USED,
        "card.json",
        "weights.safetensors",
    ]
    assert (found / "weights.safetensors").stat().st_size > 100
    assert [path.name for path in (tmp_path / "kept" / identity).iterdir()] == [
        "tiny-cnn"
    ]
    assert kept.find("tiny-cnn", "0" * 64) is None
    assert kept.find("../models/tiny-cnn", identity) is None


def test_cards_of_the_same_weights_are_kept_apart(source: Path, tmp_path: Path) -> None:
    """Each is found by its identity; a job that an earlier version accepted finds one by the sha256, also where that
    version kept it."""
    card, places = (
        Card.read(source / "card.json"),
        (tmp_path / "kept", tmp_path / "earlier"),
    )
    kept, earlier = map(KeptWeights, places)
    for orientations in ((), (CardMember("rotate_180", "weights.safetensors"),)):
        replace(card, members=orientations).write(source / "card.json")
        kept.keep("tiny-cnn", identity_of(source), source)
    assert len(list(places[0].iterdir())) == 2
    found = kept.find("tiny-cnn", card.sha256)
    assert found is not None
    assert Card.read(found / "card.json").sha256 == card.sha256
    shutil.copytree(source, places[1] / card.sha256 / "tiny-cnn")
    assert earlier.find("tiny-cnn", card.sha256) == places[1] / card.sha256 / "tiny-cnn"


def test_nothing_is_kept_when_the_card_is_another_by_now(
    source: Path, tmp_path: Path
) -> None:
    """An exchange between loading and copying."""
    kept = KeptWeights(tmp_path / "kept")
    kept.keep("tiny-cnn", "0" * 64, source)
    assert kept.find("tiny-cnn", "0" * 64) is None


def test_weights_are_forgotten_when_no_job_can_need_them(
    source: Path, tmp_path: Path
) -> None:
    """Those that no worker began with, or needed, for longer than any job is open."""
    kept, identity = KeptWeights(tmp_path / "kept"), identity_of(source)
    kept.keep("tiny-cnn", identity, source)
    kept.keep("other", identity, source)
    old = tmp_path / "kept" / "old"
    old.mkdir()
    for directory, age_s in (
        (old, KEPT_FOR_S + 60),
        (tmp_path / "kept" / identity, KEPT_FOR_S - 3600),
    ):
        then = time.time() - age_s
        os.utime(directory, (then, then))
    kept.keep("another", "1" * 64, source)
    assert not old.exists()
    assert kept.find("tiny-cnn", identity) is not None


def test_a_model_that_was_taken_away_is_forgotten_in_an_hour(
    source: Path, tmp_path: Path
) -> None:
    """Whatever identities it had; its open jobs have that long."""
    kept, identity = KeptWeights(tmp_path / "kept"), identity_of(source)
    kept.keep("tiny-cnn", identity, source)
    kept.forget_soon("tiny-cnn")
    kept.forget_old()
    assert kept.find("tiny-cnn", identity) is not None, "which renews it"
    kept.forget_soon("tiny-cnn")
    an_hour_passes(tmp_path / "kept" / identity / "tiny-cnn" / USED)
    kept.forget_old()
    assert kept.find("tiny-cnn", identity) is None


def an_hour_passes(used: Path) -> None:
    then = used.stat().st_mtime - FORGOTTEN_AFTER_S - 1
    os.utime(used, (then, then))


def test_other_models_of_the_same_identity_are_kept_as_long_as_before(
    source: Path, tmp_path: Path
) -> None:
    """A user may add a copy of a shipped model under another name, and delete it."""
    kept = KeptWeights(tmp_path / "kept")
    identity = identity_of(source)
    copy = shutil.copytree(source, source.with_name("copy"))
    replace(Card.read(source / "card.json"), name="copy").write(copy / "card.json")
    kept.keep("tiny-cnn", identity, source)
    kept.keep("copy", identity, copy)
    kept.forget_soon("copy")
    for name in ("copy", "tiny-cnn"):
        an_hour_passes(tmp_path / "kept" / identity / name / USED)
    kept.forget_old()
    assert kept.knows(Card.read(source / "card.json"))
    assert not kept.knows(Card.read(copy / "card.json"))


def exchanged(source: Path, version: int) -> str:
    """Give the model another card, as an exchange does; return its identity."""
    card = Card.read(source / "card.json")
    replace(card, field_step=version + 1).write(source / "card.json")
    return identity_of(source)


def test_copies_of_added_models_have_a_limit(source: Path, tmp_path: Path) -> None:
    """Whoever exchanges a model again and again does not fill the disk: of its copies
    those stay that were used last."""
    size = sum(
        (source / file).stat().st_size for file in ("card.json", "weights.safetensors")
    )
    kept = KeptWeights(tmp_path / "kept", 3.5 * size / 2**20)
    (source / OWNER).write_text(Owner(owner="anyone").model_dump_json(), "utf-8")
    identities = []
    for version in range(6):
        identity = exchanged(source, version)
        kept.keep("tiny-cnn", identity, source)
        kept.forget_soon("tiny-cnn", identity)  # as of a draft
        kept.keep("tiny-cnn", identity, source)
        then = time.time() - 60 + version
        os.utime(tmp_path / "kept" / identity / "tiny-cnn" / USED, (then, then))
        identities.append(identity)
        if version == 4:
            assert kept.find("tiny-cnn", identities[2]) is not None
    left = [
        version
        for version, identity in enumerate(identities)
        if (tmp_path / "kept" / identity / "tiny-cnn").exists()
    ]
    assert left == [2, 4, 5]


def test_models_that_no_user_added_do_not_count(source: Path, tmp_path: Path) -> None:
    """Their copies stay when those of added models are beyond the limit."""
    kept = KeptWeights(tmp_path / "kept", 0)
    shipped = exchanged(source, 0)
    kept.keep("tiny-cnn", shipped, source)
    (source / OWNER).write_text(Owner(owner="anyone").model_dump_json(), "utf-8")
    added = exchanged(source, 1)
    kept.keep("tiny-cnn", added, source)
    assert kept.find("tiny-cnn", shipped) is not None
    assert kept.find("tiny-cnn", added) is None


@pytest.mark.parametrize("age_s", [KEPT_FOR_S - 60, KEPT_FOR_S + 60])
def test_copies_of_an_earlier_version_are_as_old_as_their_directory(
    source: Path, tmp_path: Path, age_s: int
) -> None:
    """It noted the last use there."""
    kept = KeptWeights(tmp_path / "kept")
    identity = identity_of(source)
    place = tmp_path / "kept" / identity
    shutil.copytree(source, place / "tiny-cnn")
    then = time.time() - age_s
    os.utime(place, (then, then))
    kept.forget_old()
    assert place.exists() == (age_s < KEPT_FOR_S)


def test_no_other_user_of_the_machine_reads_what_is_kept(
    source: Path, tmp_path: Path
) -> None:
    """Models that users added may be private."""
    KeptWeights(tmp_path / "kept").keep("tiny-cnn", identity_of(source), source)
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700


def test_worker_goes_on_when_nothing_can_be_kept(source: Path, tmp_path: Path) -> None:
    """A place that cannot be written: the log says so."""
    (tmp_path / "file").write_bytes(b"")
    with capture_logs() as logs:
        KeptWeights(tmp_path / "file" / "kept").keep(
            "tiny-cnn", identity_of(source), source
        )
    assert [line["event"] for line in logs] == ["weights_not_kept"]


def test_workers_that_start_together_keep_a_model_once(
    source: Path, tmp_path: Path
) -> None:
    """Whoever comes second finds it there, and has nothing to complain of."""
    identity = identity_of(source)
    with capture_logs() as logs, ThreadPoolExecutor(8) as workers:
        for i in range(20):
            kept = KeptWeights(tmp_path / f"kept{i}")
            list(
                workers.map(
                    lambda _, kept=kept: kept.keep("tiny-cnn", identity, source),
                    range(8),
                )
            )
            assert [
                path.name for path in (tmp_path / f"kept{i}" / identity).iterdir()
            ] == ["tiny-cnn"]
    assert not logs


def test_what_is_no_file_is_not_copied(source: Path, tmp_path: Path) -> None:
    """A link to a device would fill the disk."""
    (source / "further.safetensors").symlink_to("/dev/zero")
    with capture_logs() as logs:
        KeptWeights(tmp_path / "kept").keep("tiny-cnn", identity_of(source), source)
    assert [line["event"] for line in logs] == ["weights_not_kept"]
