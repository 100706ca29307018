"""Wheel and sdist as somebody who has only them sees them: in an environment and a folder of their own."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

import pytest

from tests.house.packages import build, make_environment, site_packages, usual
from tests.house.running import PORT, Up

ROOT = Path(__file__).parents[2]
PLACES = {
    "model_core": "model_core",
    "pixelrnn": "pixelrnn",
    "app": "pixelrnn/_parts/app",
    "worker": "pixelrnn/_parts/worker",
    "models": "model_core/_shipped/models",
    "configs": "model_core/_shipped/configs",
    "engine": "model_core/_shipped/engine",
}
SOURCE = (
    ".dockerignore .gitignore CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE Makefile",
    "PKG-INFO README.md SECURITY.md",
    "docker-compose.yml openapi.json pyproject.toml",
    "app benchmarks configs deploy docker docs engine examples judge model_core models pixelrnn tests worker",
)
"""All that may lie at the top of a checkout, and so of an sdist."""
KINDS_OF_FILES = (
    ".Dockerfile .cff .css .gif .gitignore .go .gz .html .ipynb .java .js .json .lock .lua .md .mjs .png .py",
    ".safetensors .sh .sha256 .svg .toml .ts .txt .typed .webp .woff2 .yaml .yml .zip",
)
DIGIT, MASK = ROOT / "docs/img/digit.png", ROOT / "docs/img/lower-half.png"
MODEL = "mnist-pixelcnn"
EACH = """
import sys
from pixelrnn.cli import main
for words in {words!r}:
    sys.argv = ["pixelrnn", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code
"""
USERS_OWN = "raise ImportError('this is the user\\'s own module')\n"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Installation:
    """An environment with the wheel, and an empty folder to stand in; but for a module of the user's own."""

    environment: Path
    folder: Path

    @property
    def program(self) -> Path:
        return self.environment / "bin" / "pixelrnn"

    def pixelrnn(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run(self.program, *arguments)

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.environment / "bin" / "python", "-c", code)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=usual(),
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """With all packages that these tests have."""
    return install(wheel, tmp_path_factory.mktemp("all"), site_packages())


def needs(package: str, of_extras: bool) -> set[str]:
    """The packages that it names, for its extras or for itself."""
    lines = [line for line in requires(package) or () if ("extra" in line) == of_extras]
    return {
        name[0].lower().replace("_", "-")
        for line in lines
        if (name := re.match(r"[\w.-]+", line))
    }


def with_needs(package: str) -> set[str]:
    """A package and all that it needs; what is not installed, for another system or Python, is not looked into."""
    try:
        return {
            package,
            *(
                name
                for each in needs(package, of_extras=False)
                for name in with_needs(each)
            ),
        }
    except PackageNotFoundError:
        return set()


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """`pip install pixelrnn`, without any extra: the packages of all extras are hidden."""
    needed = {
        name for each in needs("pixelrnn", of_extras=False) for name in with_needs(each)
    }
    packages = needs("pixelrnn", of_extras=True) - needed - {"pixelrnn"}
    hidden = {
        file.parts[0]
        for package in packages
        for file in distribution(package).files or ()
    }
    directory = tmp_path_factory.mktemp("bare")
    (directory / "packages").mkdir()
    for entry in (
        entry for place in reversed(site_packages()) for entry in place.iterdir()
    ):
        link = directory / "packages" / entry.name
        if entry.name not in hidden and not entry.name.startswith("pixelrnn"):
            link.unlink(missing_ok=True)
            link.symlink_to(entry)
    return install(wheel, directory, [directory / "packages"])


def install(wheel: Path, directory: Path, packages: Iterable[Path]) -> Installation:
    """The wheel by pip, and beside it on the path what pip would have brought: gigabytes, which are there already."""
    environment, folder = directory / "environment", directory / "folder"
    make_environment(environment, packages)
    folder.mkdir()
    for name in ("app.py", "worker.py"):
        (folder / name).write_text(USERS_OWN)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(environment),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, "--no-compile", str(wheel)], check=True)
    return Installation(environment, folder)


def test_sdist_gives_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    """Byte for byte; and it holds what a checkout does, so that it can be tested and its images built."""
    (tmp_path / "source").mkdir()
    subprocess.run(["tar", "-xzf", sdist, "-C", tmp_path / "source"], check=True)
    (source,) = (tmp_path / "source").iterdir()
    assert build("wheel", source, tmp_path / "wheel").read_bytes() == wheel.read_bytes()
    for name in (
        "Makefile",
        "docker-compose.yml",
        "docs/settings.md",
        "tests/conftest.py",
        "openapi.json",
    ):
        assert (source / name).is_file()


def test_sdist_holds_what_it_may(sdist: Path) -> None:
    """Source, models and pages: no file that somebody left at the top, and none of a kind that is no source."""
    with tarfile.open(sdist) as archive:
        paths = [Path(*Path(name).parts[1:]) for name in archive.getnames()]
    assert {path.parts[0] for path in paths} == set(" ".join(SOURCE).split())
    endings = {path.suffix or path.name for path in paths if len(path.parts) > 1}
    assert endings <= set(" ".join(KINDS_OF_FILES).split())


def _bundle(directory: Path) -> dict[str, bytes]:
    """Return the files of the page as few files; none if they cannot be made here."""
    node = shutil.which("node")
    if node is None or not (ROOT / "tests/browser/node_modules/esbuild").is_dir():
        return {}
    subprocess.run(
        [node, ROOT / "deploy/release/bundle_page.mjs", directory], check=True
    )
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_wheel_holds_everything_that_runs(wheel: Path, tmp_path: Path) -> None:
    """Every file of the packages, Lua among them, the page, as few files where Node is there, the models and the
    recipes; and two names at the top."""
    with zipfile.ZipFile(wheel) as archive:
        held = {
            name: archive.read(name)
            for name in archive.namelist()
            if ".dist-info/" not in name
        }
    expected = {
        f"{place}/{path.relative_to(ROOT / folder).as_posix()}": path.read_bytes()
        for folder, place in PLACES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    page = f"{PLACES['app']}/playground/"
    if bundle := _bundle(tmp_path):
        expected = {
            name: content
            for name, content in expected.items()
            if not name.startswith(page)
        }
        expected |= {page + name: content for name, content in bundle.items()}
    assert held.keys() == expected.keys()
    assert held == expected
    assert {name.partition("/")[0] for name in held} == {"model_core", "pixelrnn"}


def test_models_come_with_it(installation: Installation) -> None:
    """`--version`, `models`, and a library that finds them from anywhere."""
    assert re.fullmatch(
        r"pixelrnn \d+\.\d+\.\d+\n", installation.pixelrnn("--version").stdout
    )
    listed = installation.pixelrnn("models").stdout
    assert all(card.parent.name in listed for card in ROOT.glob("models/*/card.json"))
    code = "import model_core; print(model_core.load_model('mnist-pixelcnn').card.name)"
    assert installation.python(code).stdout == f"{MODEL}\n"


def test_verbs_draw(installation: Installation) -> None:
    """`sample`, `complete` and `score`, one after the other in a process, with nothing but the wheel's own weights."""
    words = [
        ["sample", MODEL, "--seed", "7", "--out", "drawn.png"],
        [
            "complete",
            MODEL,
            str(DIGIT),
            str(MASK),
            "--method",
            "clamp",
            "--out",
            "completed.png",
        ],
        ["score", MODEL, str(DIGIT), "--map", "bits.png"],
    ]
    result = installation.python(EACH.format(words=words))
    assert result.returncode == 0, result.stderr
    assert all((installation.folder / each[-1]).is_file() for each in words)


def test_recipes_come_with_it(installation: Installation) -> None:
    """By name; what is missing is only the data. A model of one's own is not written into the package."""
    result = installation.pixelrnn("train", MODEL)
    *preparing, complaint = result.stderr.splitlines()
    assert result.returncode == 2
    # The first line appears only if importing torch takes more than a moment.
    assert preparing in ([], [f"preparing to train by {MODEL}"])
    assert "no data at data/" in complaint
    mixed = installation.pixelrnn("mix", "mine", MODEL)
    assert (mixed.returncode, "--models-dir" in mixed.stderr) == (2, True)


def test_up_serves_a_digit(installation: Installation) -> None:
    """Ready, one digit over HTTP, the page, and an end when told to stop. The user's `app.py` is left alone."""
    command = [str(installation.program), "up", "--port", PORT]
    up = Up.by(command, installation.folder, usual() | {"PIXELRNN_MODELS": MODEL})
    try:
        up.wait_until_ready()
        job = up.post("/sample", {"model": MODEL, "seed": 7})
        assert up.ended(job["id"])["status"] == "succeeded"
        with up.follow("/") as page:
            assert b"<html" in page.read()
        up.stop()
        assert up.process.returncode == 0
    finally:
        if up.process.poll() is None:
            up.output()


def test_compiled_code_is_that_of_every_copy(installation: Installation) -> None:
    """What a checkout has compiled is not compiled again for the wheel, nor taken for compiled where it is not."""
    code = "from model_core.compiled.pixel_cnn import advance as f; print(f._cache._cache_file.__dict__)"
    here = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=usual(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert installation.python(code).stdout == here.stdout
    assert "pixel_cnn.advance" in here.stdout


def test_users_own_modules_are_theirs(installation: Installation) -> None:
    """Nothing called `app` or `worker` is installed where a program of theirs looks."""
    assert (
        "the user's own module"
        in installation.python("import pixelrnn.client, model_core, app").stderr
    )
    for name in ("app.py", "worker.py"):
        (installation.folder / name).rename(installation.folder / f"away-{name}")
    try:
        result = installation.python("import pixelrnn.client, model_core, app")
        assert "No module named 'app'" in result.stderr
    finally:
        for name in ("app.py", "worker.py"):
            (installation.folder / f"away-{name}").rename(installation.folder / name)


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("up",), "api,worker,embedded"),
        (("up", "--redis-url", "redis://127.0.0.1:1/0"), "api,worker"),
        (("api",), "api"),
        (("sample", MODEL), "worker"),
        (("remote", "models"), "client"),
    ],
)
def test_missing_extra_is_named(
    bare: Installation, arguments: tuple[str, ...], extra: str
) -> None:
    """One line that says what to install, and exit code 2, whatever the verb."""
    result = bare.pixelrnn(*arguments)
    (line,) = result.stderr.splitlines()
    assert f"pip install '.[{extra}]' in the checkout" in line
    assert (result.returncode, result.stdout) == (2, "")


def test_what_needs_no_extra_works_without(bare: Installation) -> None:
    """The list of models, keys, and every verb's help; a program that wants the client is told what to install."""
    for arguments in (
        ("models",),
        ("key", "alice"),
        ("sample", "--help"),
        ("up", "--help"),
    ):
        result = bare.pixelrnn(*arguments)
        assert (result.returncode, result.stderr) == (0, ""), arguments
    assert "pip install httpx" in bare.python("import pixelrnn.client").stderr


PROGRAM = """\
from typing import assert_type

from model_core import load_model, sample
from pixelrnn.client import ApiError, AsyncClient, Client, Row, documents


def ask(client: Client) -> float:
    drawn = client.sample("mnist-pixelcnn", n=4, seed=7, temperature=0.9)
    assert_type(drawn.result()["images"], list[str])
    assert_type(list(drawn.rows()), list[Row])
    drawn.save("digits.png", grid=True, scale=4)
    assert_type(client.verify("digit.png").result()["verified"], bool)
    for job in client.jobs(status="succeeded"):
        result = job.state["result"]
        if result is not None and result["type"] == "score":
            assert_type(result, documents.ScoreResult)
    return client.score("mnist-pixelcnn", "digit.png", fit="resize").result()["nats"]


async def ask_all(client: AsyncClient) -> list[str]:
    job = await client.complete("mnist-pixelcnn", "digit.png", "mask.png", rank=True)
    return (await job.result())["images"]


try:
    print(ask(Client()))
except ApiError as error:
    assert_type(error.problem["detail"], str)
print(sample(load_model("mnist-pixelcnn"), n=4, seed=7).shape)
"""


def test_users_program_is_checked_strictly(installation: Installation) -> None:
    """What people import says its types: pyright's strictest mode passes a program of theirs, and not a wrong word."""
    (installation.folder / "program.py").write_text(PROGRAM)
    (installation.folder / "wrong.py").write_text(
        "from pixelrnn.client import Client\n\nClient().jobs(status='lost')\n"
    )
    (installation.folder / "pyrightconfig.json").write_text(
        '{"typeCheckingMode": "strict", "include": ["*.py"]}'
    )
    python = str(installation.environment / "bin" / "python")
    result = installation.run(
        sys.executable,
        "-m",
        "pyright",
        "--pythonpath",
        python,
        "program.py",
        "wrong.py",
    )
    complaints = [line for line in result.stdout.splitlines() if " - error: " in line]
    assert len(complaints) == 1, result.stdout
    assert "wrong.py:3" in complaints[0]


NOTING_PYTHON = """#!/bin/sh
echo "$*" >> asked.txt
"""
"""Stands for the environment's Python: notes what it is asked to install."""


def test_torch_comes_in_the_build_that_was_asked_for(tmp_path: Path) -> None:
    """`make run TORCH=cpu` asks PyTorch's index for that build, of it alone, before the
    project. A build for CUDA 13 gets cuda-bindings from pip's usual index first."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(NOTING_PYTHON)
    python.chmod(0o755)
    bindings = "cuda-bindings>=13.0.3,<14"
    for asked_build, before in (("cpu", []), ("cu130", [bindings])):
        asked = tmp_path / "asked.txt"
        asked.unlink(missing_ok=True)
        subprocess.run(
            ["sh", ROOT / "deploy" / "install.sh", "all"],
            cwd=tmp_path,
            env={**os.environ, "TORCH": asked_build},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        installs = [
            line.split("--quiet ")[1]
            for line in asked.read_text().splitlines()
            if "pip install" in line and " numba" not in line
        ]
        assert installs == [
            *before,
            f"--index-url https://download.pytorch.org/whl/{asked_build} torch",
            "--editable .[all]",
        ]


FAILING_PYTHON = """#!/bin/sh
case "$*" in
{replies}
*" install "*) echo "ERROR: ResolutionImpossible" >&2; exit 1 ;;
*" download "*) echo "{words}" >&2; exit 1 ;;
esac
"""
"""Stands for the environment's Python without a connection: pip installs nothing."""

WITH_CUDA = """\
*" install "*" numba"*) exit 0 ;;
*--dry-run*) echo '{"metadata": {"name": "nvidia-cublas"}}'; exit 0 ;;
"""
"""As with an index of pip's own, where PyTorch is the build with CUDA."""


@pytest.mark.parametrize(
    ("replies", "words", "cause"),
    [
        (
            "",
            "Retrying after connection broken",
            "numba cannot be installed: pip's pac",
        ),
        ("", "No space left on device", "numba cannot be installed: pip's messages"),
        (WITH_CUDA, "", "  TORCH=any                 the build with CUDA"),
    ],
)
def test_installation_that_fails_says_why(
    tmp_path: Path, replies: str, words: str, cause: str
) -> None:
    """It names the cause, where pip's own last words name conflicting versions, and takes
    no build with CUDA unasked. Nothing that it started keeps its output open for longer."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    failing = FAILING_PYTHON.replace("{replies}\n", replies).replace("{words}", words)
    python.write_text(failing)
    python.chmod(0o755)
    system = tmp_path / "uname"  # Linux, and no nvidia-smi is there
    system.write_text("#!/bin/sh\necho Linux\n")
    system.chmod(0o755)
    done = subprocess.run(
        ["sh", ROOT / "deploy" / "install.sh", "all"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(cause)


def test_nothing_names_modules_that_are_not_on_the_path() -> None:
    """`python -m worker...` works in a checkout only: images, manifests and pages use the command."""
    pages = [
        *ROOT.glob("docker/*"),
        *ROOT.glob("deploy/**/*.y*ml"),
        *ROOT.glob("docs/**/*.md"),
        ROOT / "docker-compose.yml",
    ]
    for page in pages:
        assert not re.search(
            r"-m,? ?\"?,? ?\"?(worker|app)\.", page.read_text("utf-8")
        ), page


def test_one_build_of_torch_for_gpus_is_named_everywhere() -> None:
    """PyTorch's index has no others for the version that the image installs, and with
    CUDA 13 the driver that is needed stands beside it."""
    command = ["git", "grep", "-IohE", r"\bcu1[0-9]{2}\b", "--", ".", ":!*.lock"]
    found = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(found) == {"cu130"}
    places = [
        "deploy/install.sh",
        "docker/worker.Dockerfile",
        "deploy/gpus.yml",
        "deploy/k8s/components/gpu/kustomization.yaml",
        "docs/install.md",
        "docs/troubleshooting.md",
        "model_core/gpu.py",
    ]
    for name in places:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "cu130" in text, name
        if name not in ("deploy/install.sh", "model_core/gpu.py"):
            assert re.search(r"580 or\s+newer", text), name
    assert "580 or newer" in (ROOT / "docs/deployments.md").read_text(encoding="utf-8")
