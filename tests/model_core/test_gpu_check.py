"""`pixelrnn gpu check`: what it compares, prints and returns, with and without a GPU."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from model_core.blocks.ptx import load_ptx
from model_core.errors import ConfigError
from model_core.measures import gpu_check
from model_core.measures.gpu_check import Report, check_gpu
from model_core.models import load_model
from model_core.networks import PixelNetwork
from model_core.sampling.blocks.drivers import Driver, Launch, ProcessorDriver
from model_core.sampling.blocks.gpu_check import find_difference
from pixelrnn.verbs import root
from tests.model_core.fake_gpu import OneBitOff

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture(autouse=True)
def compiled_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the programs of the package as those that were compiled again, which takes ten
    seconds for each kind; a weekly test compiles them."""
    monkeypatch.setattr(gpu_check, "compile_ptx", load_ptx)


@pytest.fixture
def no_assembler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do without ptxas, which takes seconds where it is installed."""
    monkeypatch.setattr(gpu_check.shutil, "which", lambda name: None)


def checked(models_dir: Path, driver: Driver, *names: str) -> Report:
    return check_gpu([*names], models_dir, "cuda", print, lambda device: driver)


@no_gpu
def test_without_a_card_the_programs_are_compared_on_the_processors(
    models_dir: Path,
) -> None:
    """In three orders of threads, and the code for GPUs is checked; it is no failure that
    no GPU was checked, unless one is required."""
    command = ["gpu", "check", "tiny-cnn", "--models-dir", str(models_dir)]
    done = CliRunner().invoke(root, [*command, "--json"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "tiny-cnn: blocks of 1, 37, 128 threads: equal"
    assert "instructions, all exactly rounded" in lines[1]
    assert lines[2] == "pixel-cnn: PTX, compiled again: equal"
    assert "registers" in lines[-3] or "registers" in lines[3]
    assert "no GPU was checked: " in done.stdout
    facts = json.loads(lines[-1])
    assert facts["equal"]
    assert facts["card"] is None
    assert CliRunner().invoke(root, [*command, "--require-card"]).exit_code == 1


@pytest.mark.usefixtures("no_assembler")
def test_card_is_compared_and_measured(models_dir: Path) -> None:
    """Beside one thread of a processor."""
    report = checked(models_dir, ProcessorDriver(), "tiny-cnn", "tiny-diagonal")
    assert report.is_equal
    assert report.gpu
    assert set(report.rates) == {"tiny-cnn", "tiny-diagonal"}
    for rates in report.rates.values():
        assert rates["card"] > 0
        assert rates["one_thread"] > 0


@pytest.mark.usefixtures("no_assembler")
def test_card_with_a_wrong_bit_is_reported(models_dir: Path) -> None:
    """The first part of an image that differs is named, and nothing is measured."""
    report = checked(models_dir, OneBitOff(every=True), "tiny-cnn")
    assert not report.is_equal
    assert "in block 0 differ from the CPU's" in report.differences[0]
    assert report.rates == {}


@pytest.mark.usefixtures("no_assembler")
def test_code_that_is_not_exact_is_reported(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is code that the sources do not compile to."""
    ptx = load_ptx("pixel-cnn").replace("\tret;", "\tex2.approx.f32 %r1, %r2;\n\tret;")
    monkeypatch.setattr(gpu_check, "load_ptx", lambda kind: ptx)
    report = checked(models_dir, ProcessorDriver(), "tiny-cnn")
    assert "ex2.approx.f32" in report.differences[0]
    monkeypatch.setattr(gpu_check, "load_ptx", load_ptx)
    monkeypatch.setattr(gpu_check, "compile_ptx", lambda kind: "other")
    report = checked(models_dir, ProcessorDriver(), "tiny-cnn")
    assert report.differences == ["pixel-cnn: PTX, compiled again: other code"]


@pytest.mark.usefixtures("no_assembler")
def test_card_that_fails_is_reported(models_dir: Path) -> None:
    """Nothing more is asked of it."""

    class Dead(ProcessorDriver):
        def launch(self, launch: object) -> None:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    report = checked(models_dir, Dead(), "tiny-cnn", "tiny-diagonal")
    assert len(report.differences) == 1
    assert "unspecified launch failure" in report.differences[0]


@pytest.mark.usefixtures("no_assembler")
def test_card_that_fails_when_it_is_timed_is_reported(models_dir: Path) -> None:
    """It was equal before, and what fails is one more line; nothing more is asked of it,
    and no rate is reported."""

    class Tired(ProcessorDriver):
        """Fails after a number of launches."""

        def __init__(self, launches: float = float("inf")) -> None:
            super().__init__()
            self.launches = launches
            self.done = 0

        def launch(self, launch: Launch) -> None:
            if self.done == self.launches:
                raise torch.AcceleratorError("CUDA error: unspecified launch failure")
            self.done += 1
            super().launch(launch)

    compared = Tired()
    network = load_model("tiny-cnn", models_dir=models_dir).members[0].network
    assert isinstance(network, PixelNetwork)
    assert find_difference(network, compared) is None
    driver = Tired(compared.done)
    report = checked(models_dir, driver, "tiny-cnn", "tiny-diagonal")
    assert not report.is_equal
    (line,) = report.differences
    assert line.startswith("tiny-cnn: ")
    assert "timed: CUDA error: unspecified launch failure" in line
    assert report.lines[-2].endswith("blocks: equal")
    assert report.rates == {}


def test_processors_are_no_gpu(models_dir: Path) -> None:
    """`--device cpu` is a mistake."""
    with pytest.raises(ConfigError, match="'cpu' is no GPU"):
        check_gpu(["tiny-cnn"], models_dir, "cpu", print)
