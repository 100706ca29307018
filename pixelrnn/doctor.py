"""Report whether this machine can run the project: `make doctor` or `pixelrnn doctor`.

This file runs alone, with the standard library of any Python from 3.8 on, before
anything is installed. It imports nothing of the project. Its output can be pasted into
a bug report: it contains no keys, no passwords and no name of a user.
"""

from __future__ import annotations  # Python 3.8 has no list[str]

import errno
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

GIB = 2**30
NEEDED_DISK = 2 * GIB  # .venv with torch for processors, and compiled loops
NEEDED_DISK_CUDA = 8 * GIB  # torch with the libraries of CUDA
INSTALLED = "1.3 GB, with CUDA 5.2 GB"
PYTHONS = ("python3.11", "python3", "python3.14", "python3.13", "python3.12")
"""In the order in which the Makefile tries them."""
NEEDED_MEMORY = 2 * GIB  # API, one worker with all models, and the embedded server
TIMEOUT_S = 5  # seconds that a program or a server may take to answer

OK, WARNING, FAILURE = "ok", "warning", "failure"


class Finding(NamedTuple):
    """The result of one check."""

    subject: str
    status: str
    """OK, WARNING (it runs, with a drawback) or FAILURE (it does not run)."""
    text: str


def main(argv: list[str] | None = None) -> int:
    """Print one line for each check; return 1 if one of them failed, else 0.

    argv: [PORT], or an empty list for the port in the environment variable PORT, or
        8000. None: the arguments of the command line.
    """
    arguments = sys.argv[1:] if argv is None else argv
    port = int(arguments[0]) if arguments else int(os.environ.get("PORT") or 8000)
    findings = examine(port)
    for finding in findings:
        print("{:<10} {:<8} {}".format(*finding))
    return 1 if any(finding.status == FAILURE for finding in findings) else 0


def examine(port: int) -> list[Finding]:
    """Run all checks, and return their findings in the order in which an installation
    needs them. This takes up to a minute if torch is slow to load.

    port: where the service would listen.
    """
    return [
        check_system(),
        check_python(),
        check_processor(),
        check_memory(),
        check_disk(),
        check_port(port),
        check_card(),
        check_torch(),
        check_redis(),
    ]


def check_system() -> Finding:
    """Check the operating system: a failure unless it is Linux or macOS, or Windows by
    WSL2, which reports itself as Linux."""
    name = f"{platform.system()} {platform.release()} {platform.machine()}".strip()
    if platform.system() in ("Linux", "Darwin"):
        return Finding("system", OK, name)
    return Finding(
        "system", FAILURE, name + ": expected Linux, macOS, or Windows with WSL2"
    )


def check_python() -> Finding:
    """Name the interpreter that `make run` uses: the first on the path that is Python
    3.11 or newer. A failure if there is none."""
    for name in PYTHONS:
        version = output_of([name, "-c", "import sys; print(*sys.version_info[:3])"])
        if version and tuple(map(int, version.split())) >= (3, 11):
            return Finding("python", OK, f"{version.replace(' ', '.')} ({name})")
    here = platform.python_version()
    return Finding("python", FAILURE, here + ": expected 3.11 or newer")


def check_processor() -> Finding:
    """Count the CPU cores that this process may use, and name the CPU's features that
    matter for speed. A warning for an x86 CPU without AVX2; never a failure."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        usable = os.cpu_count() or 1
    features = processor_features()
    known = [
        name for name in ("avx2", "avx512f", "avx512_bf16", "asimd") if name in features
    ]
    text = f"{usable} usable" + (", " + ", ".join(known) if known else "")
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    if is_x86 and features and "avx2" not in features:
        return Finding("processor", WARNING, text + ": without AVX2 drawing is slow")
    return Finding("processor", OK, text)


def processor_features() -> list[str]:
    """Return the features of the CPU that Linux lists; empty on other systems."""
    lines = read("/proc/cpuinfo").splitlines()
    for line in lines:
        if line.lower().startswith(("flags", "features")):
            return line.partition(":")[2].split()
    return []


def check_memory() -> Finding:
    """Compare the available memory, or the limit of the container (cgroup v2) if that
    is less, with the 2 GiB that a start needs. A warning if it is less; not checked on
    systems other than Linux."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", read("/proc/meminfo"))
    if not found:
        return Finding("memory", OK, "unknown on this system")
    available = int(found.group(1)) * 1024
    limit = read("/sys/fs/cgroup/memory.max").strip()
    if limit.isdigit():
        available = min(available, int(limit))
    text = f"{available / GIB:.1f} GiB available"
    if available < NEEDED_MEMORY:
        expected = NEEDED_MEMORY // GIB
        return Finding("memory", WARNING, f"{text}: expected {expected} GiB")
    return Finding("memory", OK, text)


def check_disk() -> Finding:
    """Compare the free space of the current folder with what an installation takes:
    more if there is a GPU of NVIDIA's. A failure if it is less and nothing is installed
    yet."""
    free = shutil.disk_usage(os.curdir).free
    needed = NEEDED_DISK_CUDA if shutil.which("nvidia-smi") else NEEDED_DISK
    text = f"{free / GIB:.1f} GiB free; an installation takes {INSTALLED}"
    if free < needed and not Path(".venv").exists():
        expected = needed // GIB
        return Finding("disk", FAILURE, f"{text}: expected {expected} GiB")
    return Finding("disk", OK, text)


def check_port(port: int) -> Finding:
    """Try to listen on this port of 127.0.0.1, as `make run` will. A warning if it is
    taken, or cannot be used for another reason."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        return Finding("port", WARNING, port_fault(port, error))
    finally:
        listener.close()
    return Finding("port", OK, f"{port} is free")


def port_fault(port: int, error: Exception) -> str:
    """Return why nothing can listen on a port, and what to do.

    error: what `bind` raised.
    """
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"{port} is taken: make run PORT={port + 1}"
    # Users other than root may not have the lowest ports, also not the next one.
    reason = getattr(error, "strerror", None) or error
    return f"{port} cannot be used ({reason}): make run PORT=8000"


def check_card() -> Finding:
    """Name the GPUs and their drivers, as nvidia-smi lists them. A warning if that
    program is installed and fails; no GPU is needed."""
    if not shutil.which("nvidia-smi"):
        return Finding("gpu", OK, "none that nvidia-smi knows; none is needed")
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    cards = output_of(query)
    if not cards:
        return Finding("gpu", WARNING, "nvidia-smi is installed and does not answer")
    return Finding("gpu", OK, "; ".join(cards.splitlines()))


def check_torch() -> Finding:
    """Report the version of PyTorch in .venv of the current folder, or else for this
    Python. A warning if the machine has a GPU that PyTorch does not see. Torch is
    loaded in another process, which may take a minute."""
    installed = Path(".venv/bin/python")
    python = str(installed) if installed.exists() else sys.executable
    program = (
        "import torch; print(torch.__version__, "
        "'CUDA ' + torch.version.cuda if torch.version.cuda else 'for processors', "
        "torch.cuda.is_available())"
    )
    found = output_of([python, "-c", program], timeout_s=60)
    if not found:
        return Finding("torch", OK, "not installed yet: make run installs it")
    text, _, sees_card = found.rpartition(" ")
    if shutil.which("nvidia-smi") and sees_card != "True":
        return Finding("torch", WARNING, text + ": it does not see the GPU")
    return Finding("torch", OK, text)


def check_redis() -> Finding:
    """Try to open a connection to the server in PIXELRNN_REDIS_URL or REDIS_URL;
    nothing is sent. Without these variables the embedded server is used.

    A failure if the address is neither redis://HOST:PORT nor unix:///PATH, or if no
    connection is opened within five seconds. HOST may be an IPv6 address in brackets.
    """
    url = os.environ.get("PIXELRNN_REDIS_URL") or os.environ.get("REDIS_URL")
    if not url:
        return Finding("redis", OK, "the embedded server is used")
    path = redis_socket(url)
    if path:
        return check_socket(path)
    place = redis_place(url)
    if place is None:
        text = "REDIS_URL: expected redis://HOST:PORT or unix:///PATH"
        return Finding("redis", FAILURE, text)
    port = place[1]
    try:
        with socket.create_connection(place, timeout=TIMEOUT_S):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Finding("redis", FAILURE, f"no server answers on port {port}: {reason}")
    except UnicodeError:  # a part of the name is empty or has more than 63 bytes
        text = "REDIS_URL: no server can have this host: expected a name or an address"
        return Finding("redis", FAILURE, text)
    return Finding("redis", OK, f"a server answers on port {port}")


def check_socket(path: str) -> Finding:
    """Return what opening a connection to the Unix socket `path` of a Redis server
    shows: a failure, with the system's reason, if none is opened within five seconds.
    Nothing is sent. The finding does not contain the path, which may contain a user's
    name."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(TIMEOUT_S)
            client.connect(path)
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding("redis", FAILURE, f"no server answers on its socket: {reason}")
    return Finding("redis", OK, "a server answers on its socket")


def redis_socket(url: str) -> str | None:
    """Return the path of the server's socket, or None if the URL does not begin like
    unix:///PATH."""
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets without an IPv6 address
        return None
    if parts.scheme != "unix" or not parts.path.strip("/"):
        return None
    return unquote(parts.path)


def redis_place(url: str) -> tuple[str, int] | None:
    """Return host and port of the server of a Redis URL, as the Redis client of the
    service reads them, or None if the URL does not begin like redis://HOST:PORT. An
    IPv6 address is returned without brackets. Default port: 6379."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = parts.port or 6379
    except ValueError:  # brackets without an IPv6 address, or no port of TCP
        return None
    if parts.scheme not in ("redis", "rediss") or not host:
        return None
    return unquote(host), port


def read(path: str) -> str:
    """Return the text of a file of the system, or an empty string if it cannot be
    read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def output_of(command: list[str], timeout_s: float = TIMEOUT_S) -> str:
    """Return what a program prints to stdout, stripped, or an empty string if it cannot
    be started, fails, or does not end within timeout_s seconds."""
    environment: dict[str, str] = dict(os.environ, LC_ALL="C")
    try:
        ended = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    text = ended.stdout.decode("utf-8", "replace").strip()
    return text if ended.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
