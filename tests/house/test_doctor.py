"""`make doctor`: what it reports, and that it runs before anything is installed."""

import ast
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pixelrnn import doctor

FILE = Path(doctor.__file__)


def test_it_needs_the_standard_library_alone(tmp_path: Path) -> None:
    """Isolated from every installed package, in an empty folder; one line for each check."""
    command = [sys.executable, "-I", "-S", str(FILE), "8000"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    subjects = [line.split()[0] for line in done.stdout.splitlines()]
    assert subjects == [
        "system",
        "python",
        "processor",
        "memory",
        "disk",
        "port",
        "gpu",
        "torch",
        "redis",
    ]


def test_it_is_written_for_python_3_8() -> None:
    """Its grammar; the oldest Python that is in use is not on every machine that tests."""
    ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_a_taken_port_is_a_warning_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finding = doctor.check_port(port)
    assert finding.status == doctor.WARNING
    assert f"make run PORT={port + 1}" in finding.text


def test_a_port_that_cannot_be_used_is_not_called_taken() -> None:
    """Users other than root may not have port 80, and no port has the number 70000."""
    refused = doctor.port_fault(80, PermissionError(13, "Permission denied"))
    assert refused == "80 cannot be used (Permission denied): make run PORT=8000"
    finding = doctor.check_port(70_000)
    assert finding.status == doctor.WARNING
    assert finding.text.startswith("70000 cannot be used (")


def test_make_run_says_why_it_cannot_have_a_port(tmp_path: Path) -> None:
    """Before anything is installed."""
    shutil.copy(FILE.parents[1] / "Makefile", tmp_path)
    shutil.copytree(FILE.parent, tmp_path / "pixelrnn", ignore=lambda *_: ["client"])
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)

    def said(port: int) -> tuple[int, str]:
        command = ["make", "--no-print-directory", "port", f"PORT={port}"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr.partition("\n")[0]

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert said(port) == (2, f"port {port} is taken: make run PORT={port + 1}")
    assert said(port) == (0, "")
    status, words = said(70_000)
    assert status == 2
    assert words.startswith("port 70000 cannot be used (")


def test_no_secret_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output goes into bug reports."""
    monkeypatch.setenv("REDIS_URL", "redis://somebody:secret-word@127.0.0.1:1/0")
    monkeypatch.setenv("PIXELRNN_API_KEYS", "secret-key")
    finding = doctor.check_redis()
    assert finding.status == doctor.FAILURE
    printed = "\n".join(str(each) for each in doctor.examine(8000))
    home = str(Path.home())
    assert not [word for word in ("secret", "somebody", home) if word in printed]


def test_a_redis_server_at_an_ipv6_address_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same address without a server is a failure of the connection, and not of the
    URL; that much is tested on machines without IPv6 too."""
    monkeypatch.delenv("PIXELRNN_REDIS_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://somebody:secret-word@[::1]:1/0")
    finding = doctor.check_redis()
    assert finding.status == doctor.FAILURE
    assert finding.text.startswith("no server answers on port 1: ")
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        port = server.getsockname()[1]
        monkeypatch.setenv("REDIS_URL", f"redis://[::1]:{port}/0")
        finding = doctor.check_redis()
    assert finding == ("redis", doctor.OK, f"a server answers on port {port}")


def test_a_redis_server_behind_a_socket_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its path may have escaped characters, and is not printed. A path that is empty or
    too long for a socket is a failure."""
    monkeypatch.delenv("PIXELRNN_REDIS_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    url = f"unix://:secret-word@{tmp_path}/a%20socket?db=0"
    monkeypatch.setenv("REDIS_URL", url)
    missing = doctor.check_redis()
    assert missing.status == doctor.FAILURE
    assert missing.text.startswith("no server answers on its socket: ")
    assert str(tmp_path) not in missing.text
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a socket")
        server.listen()
        found = doctor.check_redis()
    assert found == ("redis", doctor.OK, "a server answers on its socket")
    for wrong in ("unix://", f"unix:///{'a' * 200}"):
        monkeypatch.setenv("REDIS_URL", wrong)
        assert doctor.check_redis().status == doctor.FAILURE


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_a_host_that_no_server_can_have_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.delenv("PIXELRNN_REDIS_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", f"redis://{host}:6379/0")
    finding = doctor.check_redis()
    assert finding.status == doctor.FAILURE
    assert "expected a name or an address" in finding.text


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://localhost", ("localhost", 6379)),
        ("rediss://a:b@cache.example:7000/1?x=1", ("cache.example", 7000)),
        ("redis://:p%40ss@[fe80::1%25lo]:7000", ("fe80::1%lo", 7000)),
        ("redis://[::1", None),
        ("redis://localhost:70000", None),
        ("redis://localhost:port", None),
        ("redis://:6379", None),
        ("http://localhost:6379", None),
    ],
)
def test_host_and_port_of_a_redis_url(url: str, place: tuple[str, int] | None) -> None:
    assert doctor.redis_place(url) == place


def test_a_failure_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "nonsense")
    assert doctor.main(["8000"]) == 1


def test_it_names_the_interpreter_that_make_takes() -> None:
    """Both try the same names in the same order."""
    makefile = Path(__file__).parents[2].joinpath("Makefile").read_text("utf-8")
    assert f"for python in {' '.join(doctor.PYTHONS)}; do" in makefile
    assert doctor.check_python().text.endswith(")")
