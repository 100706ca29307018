"""Weights by digest, in a folder that several workers share."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from worker.engine.kept import KEPT_FOR_S, KeptWeights


@pytest.fixture
def source(models_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models_dir / "tiny-cnn", tmp_path / "models" / "tiny-cnn"))


def digest_of(source: Path) -> str:
    return json.loads((source / "card.json").read_text())["sha256"]


def test_weights_are_found_by_digest_when_they_were_exchanged(source: Path, tmp_path: Path) -> None:
    """The copy is whole, holds nothing else, and is made once."""
    kept, digest = KeptWeights(tmp_path / "kept"), digest_of(source)
    (source / "samples.png").write_bytes(b"large")
    for _ in range(2):
        kept.keep("tiny-cnn", digest, source)
    (source / "weights.safetensors").write_bytes(b"new")
    found = kept.find("tiny-cnn", digest)
    assert found is not None
    assert sorted(path.name for path in found.iterdir()) == ["card.json", "weights.safetensors"]
    assert (found / "weights.safetensors").stat().st_size > 100
    assert [path.name for path in (tmp_path / "kept" / digest).iterdir()] == ["tiny-cnn"]
    assert kept.find("tiny-cnn", "0" * 64) is None
    assert kept.find("../models/tiny-cnn", digest) is None


def test_nothing_is_kept_when_the_card_is_another_by_now(source: Path, tmp_path: Path) -> None:
    """An exchange between loading and copying."""
    kept = KeptWeights(tmp_path / "kept")
    kept.keep("tiny-cnn", "0" * 64, source)
    assert kept.find("tiny-cnn", "0" * 64) is None


def test_weights_are_forgotten_when_no_job_can_need_them(source: Path, tmp_path: Path) -> None:
    """Those that no worker began with, or needed, for longer than any job is open."""
    kept, digest = KeptWeights(tmp_path / "kept"), digest_of(source)
    kept.keep("tiny-cnn", digest, source)
    kept.keep("other", digest, source)
    old = tmp_path / "kept" / "old"
    old.mkdir()
    for directory, age_s in ((old, KEPT_FOR_S + 60), (tmp_path / "kept" / digest, KEPT_FOR_S - 3600)):
        os.utime(directory, (time.time() - age_s,) * 2)
    kept.keep("another", "1" * 64, source)
    assert not old.exists()
    assert kept.find("tiny-cnn", digest) is not None


def test_worker_goes_on_when_nothing_can_be_kept(source: Path, tmp_path: Path) -> None:
    """A place that cannot be written: the log says so."""
    (tmp_path / "file").write_bytes(b"")
    with capture_logs() as logs:
        KeptWeights(tmp_path / "file" / "kept").keep("tiny-cnn", digest_of(source), source)
    assert [line["event"] for line in logs] == ["weights_not_kept"]
