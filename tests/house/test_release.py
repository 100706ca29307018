"""deploy/release/release.py: what can be released, and what a release writes."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RELEASE = runpy.run_path(str(ROOT / "deploy" / "release" / "release.py"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A committed tree with the files that a release changes."""
    for name in ("pyproject.toml", "CHANGELOG.md", "deploy/k8s/base/api.yaml"):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((ROOT / name).read_bytes())
    # Right after a release there is nothing to release.
    changelog = tmp_path / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    entry = "## [Unreleased]\n\n### Fixed\n\n- A fault.\n"
    changelog.write_text(text.replace("## [Unreleased]\n", entry, 1), encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "Somebody")
    git(tmp_path, "config", "user.email", "somebody@example.com")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def git(root: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def run(checkout: Path, step: str, version: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "deploy" / "release" / "release.py")
    command = [sys.executable, script, step, version, "--root", str(checkout)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_clean_tree_can_be_released(checkout: Path) -> None:
    assert run(checkout, "check", "99.0.0").returncode == 0


@pytest.mark.parametrize("version", ["0.0.1", "next", "1.2", ""])
def test_a_version_that_is_not_newer_is_refused(checkout: Path, version: str) -> None:
    done = run(checkout, "check", version)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "expected" in done.stderr


def test_a_tree_with_changes_is_refused(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text("changed\n")
    done = run(checkout, "check", "99.0.0")
    assert (done.returncode, "not committed" in done.stderr) == (2, True)


def test_a_version_that_is_tagged_is_refused(checkout: Path) -> None:
    git(checkout, "tag", "v99.0.0")
    done = run(checkout, "check", "99.0.0")
    assert (done.returncode, "v99.0.0" in done.stderr) == (2, True)


def test_a_release_writes_its_version_everywhere(checkout: Path) -> None:
    """The changelog keeps an empty section for what comes next; what was in it is the version's."""
    before = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    present = RELEASE["present_version"](checkout)
    assert run(checkout, "write", "99.0.0").returncode == 0
    after = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    assert RELEASE["present_version"](checkout) == "99.0.0"
    assert not RELEASE["section"](after)
    assert RELEASE["section"](after, "99.0.0") == RELEASE["section"](before)
    assert "## [99.0.0] - " in after
    manifest = (checkout / "deploy/k8s/base/api.yaml").read_text(encoding="utf-8")
    assert "pixelrnn-api:99.0.0" in manifest
    assert present not in manifest


def test_without_its_tools_a_release_leaves_dist_as_it_is(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = checkout / "dist" / "kept"
    kept.parent.mkdir()
    kept.touch()
    monkeypatch.setenv("PATH", "")
    script = str(ROOT / "deploy" / "release" / "release.py")
    command = [sys.executable, script, "pack", "--root", str(checkout)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install cyclonedx-bom" in done.stderr) == (2, True)
    assert kept.exists()
