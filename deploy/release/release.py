"""Cut a release. `make release VERSION=X.Y.Z` runs these steps in this order:

    python deploy/release/release.py check VERSION    refuse a version or a tree that cannot be released
    make test weekly                          all checks
    python deploy/release/release.py write VERSION    write the version wherever it stands, and the changelog
    (files that are made from the version are made again)
    python deploy/release/release.py tag VERSION      commit, fill dist/ (the step `pack`), and tag

Nothing is published: docs/release.md has the commands for that.
"""

import datetime
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NoReturn

import typer

ROOT = Path(__file__).parents[2]
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_UNRELEASED = "## [Unreleased]\n"
_IMAGES = ("api", "worker", "valkey")
_TORCH = re.compile(r"^ARG TORCH_VERSION=(.+)$", re.MULTILINE)

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
Version = Annotated[str, typer.Argument(help="Three numbers: 0.4.0.")]
Root = Annotated[Path, typer.Option(help="The checkout.")]


@app.command()
def check(version: Version, root: Root = ROOT) -> None:
    """Exit with 2 and a sentence if this version of this tree cannot be released."""
    present = present_version(root)
    if not _VERSION.fullmatch(version):
        _refuse(f"VERSION={version}: expected three numbers, such as 0.4.0")
    if _numbers(version) <= _numbers(present):
        _refuse(f"VERSION={version}: expected more than {present}, the present version")
    if f"v{version}" in _git(root, "tag", "--list").split():
        _refuse(f"the tag v{version} is there already")
    if _git(root, "status", "--porcelain"):
        _refuse("the tree has changes that are not committed: commit them first")
    if not section(_changelog(root).read_text(encoding="utf-8")):
        _refuse("CHANGELOG.md has nothing under [Unreleased]")


@app.command()
def write(version: Version, root: Root = ROOT) -> None:
    """Write the version into pyproject.toml, deploy/k8s and CHANGELOG.md."""
    present = present_version(root)
    _replace(
        root / "pyproject.toml", f'version = "{present}"', f'version = "{version}"'
    )
    for manifest in sorted((root / "deploy" / "k8s").rglob("*.yaml")):
        text = manifest.read_text(encoding="utf-8")
        for tag in ("pixelrnn-[a-z-]+:", "newTag: "):
            text = re.sub(rf"({tag}){re.escape(present)}\b", rf"\g<1>{version}", text)
        manifest.write_text(text, encoding="utf-8")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    _replace(
        _changelog(root), _UNRELEASED, f"{_UNRELEASED}\n## [{version}] - {today}\n"
    )


@app.command()
def tag(version: Version, root: Root = ROOT) -> None:
    """Commit what `write` changed, fill dist/, and tag the commit."""
    _git(root, "add", "--all")
    _git(root, "commit", "--message", f"Release {version}")
    pack(root)
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"Release {version}")
    typer.echo(f"v{version} is tagged")


@app.command()
def pack(root: Root = ROOT) -> None:
    """Empty dist/, and write into it all that is published of the present version.

    The tool for the lists of libraries is `pip install cyclonedx-bom`. Without docker
    buildx the images are left out.
    """
    cyclonedx = shutil.which("cyclonedx-py")
    if cyclonedx is None:
        _refuse("cyclonedx-py is not there: pip install cyclonedx-bom")
    version = present_version(root)
    notes = section(_changelog(root).read_text(encoding="utf-8"), version)
    if not notes:
        _refuse(f"CHANGELOG.md has no section of {version}")

    dist = root / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    # The wheel brings the loops that draw, compiled for common processors.
    _run(root, sys.executable, "-m", "model_core.portable.native")
    _run(root, sys.executable, "-m", "hatchling", "build", "-d", "dist")
    _run(root, sys.executable, "deploy/release/client.py", "dist")
    _export_page(root, dist / f"pixelrnn-page-{version}.zip")
    (dist / "NOTES.md").write_text(f"# pixelrnn {version}\n\n{notes}\n", "utf-8")
    for image in ("api", "worker"):
        _list_libraries(root, cyclonedx, image, dist)
    _build_images(root, version, dist)

    names = sorted(path.name for path in dist.iterdir())
    sums = [f"{_sha256(dist / name)}  {name}\n" for name in names]
    (dist / "SHA256SUMS").write_text("".join(sums), "utf-8")
    for name in names:
        size = (dist / name).stat().st_size
        typer.echo(f"{size / 1e6:9.2f} MB  dist/{name}")


def _export_page(root: Path, target: Path) -> None:
    """Zip the page that draws in the browser, with the models that ship with it."""
    with TemporaryDirectory() as made:
        site = Path(made) / "site"
        _run(root, sys.executable, "-m", "pixelrnn", "export", str(site))
        shutil.make_archive(str(target.with_suffix("")), "zip", site)


def _list_libraries(root: Path, cyclonedx: str, image: str, dist: Path) -> None:
    """Write the libraries of an image in CycloneDX. PyTorch is in no lock, so its
    version is taken from the Dockerfile."""
    libraries = (root / "docker" / f"{image}.lock").read_text(encoding="utf-8")
    dockerfile = (root / "docker" / f"{image}.Dockerfile").read_text(encoding="utf-8")
    for torch in _TORCH.findall(dockerfile):
        libraries += f"torch=={torch}\n"
    target = f"dist/sbom-{image}.cdx.json"
    command = [cyclonedx, "requirements", "-", "--pyproject", "pyproject.toml"]
    _run(root, *command, "--output-reproducible", "-o", target, given=libraries)


def _build_images(root: Path, version: str, dist: Path) -> None:
    """Build the images as OCI archives, or print that they are left out."""
    buildx = ["docker", "buildx"]
    try:
        subprocess.run([*buildx, "inspect"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        typer.echo("left out: the images, since docker buildx is not there", err=True)
        return
    for image in _IMAGES:
        archive = dist / f"pixelrnn-{image}-{version}.oci.tar"
        dockerfile = f"docker/{image}.Dockerfile"
        name = f"pixelrnn-{image}:{version}"
        output = f"type=oci,dest={archive}"
        _run(root, *buildx, "build", "-f", dockerfile, "-t", name, "-o", output, ".")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _run(root: Path, *command: str, given: str | None = None) -> None:
    """Run a command in the checkout; end with a sentence if it fails."""
    ended = subprocess.run(command, cwd=root, input=given, text=True, check=False)
    if ended.returncode:
        _refuse(f"failed, so dist/ is not complete: {' '.join(command)}")


def present_version(root: Path) -> str:
    """Return the version that pyproject.toml states."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', text, flags=re.MULTILINE)
    return version


def section(changelog: str, version: str = "Unreleased") -> str:
    """Return the text below a version's heading; empty if it has none."""
    heading = rf"^## \[{re.escape(version)}\].*\n"
    _, *rest = re.split(heading, changelog, maxsplit=1, flags=re.MULTILINE)
    if not rest:
        return ""
    return re.split(r"^## ", rest[0], maxsplit=1, flags=re.MULTILINE)[0].strip()


def _changelog(root: Path) -> Path:
    return root / "CHANGELOG.md"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        _refuse(f"{file.name}: expected {old!r} once")
    file.write_text(text.replace(old, new), encoding="utf-8")


def _git(root: Path, *arguments: str) -> str:
    ended = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        _refuse(f"git {arguments[0]} failed: {ended.stderr.strip()}")
    return ended.stdout


def _refuse(reason: str) -> NoReturn:
    typer.echo(f"release: {reason}", err=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    app()
