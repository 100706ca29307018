"""Check whether a GPU draws the same bytes as the CPU: what can be shown without a GPU,
and what with one.

Two implementations are compared. The compiled loops draw on the CPU; the block programs
(model_core/blocks) draw on a GPU, each image by one block of its threads.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from model_core.blocks.ptx import (
    TARGET,
    check,
    compile_ptx,
    first_line,
    instructions,
    load_ptx,
)
from model_core.errors import ConfigError
from model_core.gpu import gpu_support
from model_core.models import Model, device_of, load_model
from model_core.networks import PixelNetwork
from model_core.sampling.blocks.drivers import (
    Driver,
    GpuDriver,
    ProcessorDriver,
)
from model_core.sampling.blocks.gpu_check import check_drawings, find_difference
from model_core.sampling.blocks.stage import BlockStage
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.stages import networks_of

ORDERS = ((1, 0), (37, 64), (128, 77))
"""Threads of a block on the CPU, and the step from one thread to the next that runs. 37
divides the length of hardly any loop; 77 mixes early and late outputs."""

IMAGES = 16
"""Images that one CPU thread draws side by side when it is timed."""

Say = Callable[[str], None]
"""Called with each line of a report."""


@dataclass
class Report:
    """What `check_gpu` has found."""

    lines: list[str] = field(default_factory=list)
    """One line for each thing that was compared, and others with further facts, such as
    registers and rates."""
    differences: list[str] = field(default_factory=list)
    """Those of the lines that say that something differs, or that the GPU failed;
    empty if everything is equal."""
    gpu: str = ""
    """Name of the GPU that was checked; empty if none was."""
    no_gpu: str = ""
    """Why no GPU was checked; empty if one was."""
    rates: dict[str, dict[str, float]] = field(default_factory=dict)
    """By network: images per second of the GPU, under `card`, and of one CPU thread,
    under `one_thread`. Only for networks that were equal on a GPU."""

    @property
    def is_equal(self) -> bool:
        """True if nothing differs; also if no GPU was checked."""
        return not self.differences

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dictionary for JSON, with the keys equal, card,
        no_gpu, differences, images_per_second and lines."""
        return {
            "equal": self.is_equal,
            "card": self.gpu or None,
            "no_gpu": self.no_gpu or None,
            "differences": self.differences,
            "images_per_second": self.rates,
            "lines": self.lines,
        }


class _Notes:
    """Collects a report, and passes on each of its lines at once."""

    def __init__(self, say: Say) -> None:
        self.report = Report()
        self._say = say

    def note(self, what: str, difference: str | None = None) -> None:
        """Add a line: `what` is equal, or `difference` says how it differs."""
        line = f"{what}: {difference or 'equal'}"
        if difference is not None:
            self.report.differences.append(line)
        self.say(line)

    def say(self, line: str) -> None:
        """Add a line that compares nothing."""
        self.report.lines.append(line)
        self._say(line)


def check_gpu(
    names: list[str],
    models_dir: Path | None,
    device: str,
    say: Say,
    open_driver: Callable[[torch.device], Driver] = GpuDriver.open,
) -> Report:
    """Compare the block programs, which draw on GPUs, with the compiled loops, which
    draw on CPUs, for the networks of some models; return a report. Differences, and a
    GPU that cannot be used or fails, are reported and not raised. It takes minutes, and
    disables TF32 in this process.

    First the programs run on the CPU, and the shipped GPU code of each kind of network
    is checked. Then the programs run on the GPU, if it can be used, and are timed.

    names: names of models, or paths of their directories.
    models_dir: the models directory; None: the default one.
    device: of the GPU, such as `cuda` or `cuda:1`.
    say: called with each line of the report as soon as it is known.
    open_driver: opens the GPU; tests pass another one.
    """
    if device_of(device).type != "cuda":
        raise ConfigError(f"{device!r} is no GPU: expected cuda or cuda:1")
    notes = _Notes(say)
    networks = [*_networks(names, models_dir)]
    for name, network in networks:
        _check_on_processors(name, network, notes)
    kinds = sorted({network.config.network for _, network in networks})
    for kind in kinds:
        _check_ptx(kind, notes)
    _check_card(networks, torch.device(device), notes, open_driver)
    return notes.report


def _networks(
    names: list[str], models_dir: Path | None
) -> Iterator[tuple[str, PixelNetwork]]:
    """Yield the networks that draw from these models, each with a name for it."""
    for name in names:
        model = load_model(name, models_dir=models_dir)
        for called, network in _parts(model):
            yield f"{name}{called}", network


def _parts(model: Model) -> Iterator[tuple[str, PixelNetwork]]:
    """Yield the networks of a model, each once, with words that distinguish it."""
    seen: list[object] = []
    for member in (*model.members, *model.guides):
        if any(member.network is other for other in seen):
            continue
        seen.append(member.network)
        turned = "" if member.orientation == "none" else f" ({member.orientation})"
        parts = networks_of(member.network)
        scales = [""] if len(parts) == 1 else [" (small)", " (large)"]
        for scale, part in zip(scales, parts, strict=True):
            yield f"{turned}{scale}", part


def _check_on_processors(name: str, network: PixelNetwork, notes: _Notes) -> None:
    """Compare the block program of a network, run on the CPU, with the compiled
    loop."""
    counts = [threads for threads, _ in ORDERS]
    found = None
    for threads, step in ORDERS:
        difference = find_difference(network, ProcessorDriver(threads, step))
        if difference is not None:
            found = f"with {threads} threads, {difference}"
            break
    notes.note(f"{name}: blocks of {', '.join(map(str, counts))} threads", found)


def _check_ptx(kind: str, notes: _Notes) -> None:
    """Check the GPU code of a kind that is shipped with the package, and compile it
    again."""
    shipped = load_ptx(kind)
    try:
        check(shipped)
    except ValueError as error:
        notes.note(f"{kind}: PTX", str(error))
        return
    count = sum(instructions(shipped).values())
    notes.say(f"{kind}: PTX for {TARGET}, {count:,} instructions, all exactly rounded")
    if shipped.splitlines()[0] == first_line().strip():
        again = None if compile_ptx(kind) == shipped else "other code"
        notes.note(f"{kind}: PTX, compiled again", again)
    else:
        notes.say(
            f"{kind}: PTX of other sources or another llvmlite, not compiled again"
        )
    for line in _assembled(shipped):
        notes.say(f"{kind}: {line}")


def _assembled(ptx: str) -> list[str]:
    """Return what ptxas reports of registers and spills."""
    assembler = shutil.which("ptxas")
    if assembler is None:
        return ["registers and spills unknown, since ptxas is not installed"]
    with TemporaryDirectory() as folder:
        source = Path(folder) / "program.ptx"
        source.write_text(ptx)
        command = [assembler, "-v", f"-arch={TARGET}", "-o", "/dev/null", str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"ptxas failed: {done.stderr.strip().splitlines()[-1]}"]
    return [
        re.sub(r"^ptxas info\s*:", "", line).strip()
        for line in done.stderr.splitlines()
        if re.search(r"registers|spill", line)
    ]


def _check_card(
    networks: list[tuple[str, PixelNetwork]],
    device: torch.device,
    notes: _Notes,
    open_driver: Callable[[torch.device], Driver],
) -> None:
    """Compare the GPU with the compiled loops, network by network, or note why not."""
    report = notes.report
    driver = None
    if open_driver == GpuDriver.open:
        report.no_gpu = gpu_support().missing(device.index or 0) or ""
    if not report.no_gpu:
        try:
            driver = open_driver(device)
        except (ConfigError, RuntimeError) as error:
            report.no_gpu = str(error)
    if driver is None:
        notes.say(f"no GPU was checked: {report.no_gpu}")
        return
    report.gpu = _name_of(driver)
    for name, network in networks:
        try:
            difference = find_difference(network, driver)
        except RuntimeError as error:
            # After such an error every call of CUDA in this process fails.
            notes.note(f"{name}: {report.gpu}", str(error))
            return
        notes.note(f"{name}: {report.gpu}, {driver.blocks} blocks", difference)
        if difference is not None:
            continue
        try:
            _measure(name, network, driver, notes)
        except RuntimeError as error:
            notes.note(f"{name}: {report.gpu}, timed", str(error))
            return


def _name_of(driver: Driver) -> str:
    if driver.device.type != "cuda":
        return "the processors in place of a GPU"
    return torch.cuda.get_device_name(driver.device)


def _measure(name: str, network: PixelNetwork, driver: Driver, notes: _Notes) -> None:
    """Note how many images per second a GPU draws, and one CPU thread. Raise
    RuntimeError if the GPU fails."""
    rate = _rate(BlockStage(network, driver.blocks, driver), network, driver.blocks)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        processor = _rate(CompiledStage(network, IMAGES), network, IMAGES)
    finally:
        torch.set_num_threads(threads)
    notes.report.rates[name] = {"card": rate, "one_thread": processor}
    notes.say(
        f"{name}: {rate:.3g} images/s, {driver.blocks} at once; one thread of this "
        f"processor draws {processor:.3g}, {IMAGES} at once"
    )


def _rate(
    stage: BlockStage | CompiledStage, network: PixelNetwork, images: int
) -> float:
    """Return how many images per second a stage draws, with this many side by side."""
    free, *_ = check_drawings(network)
    with torch.inference_mode():
        for slot in range(images):
            stage.open(slot, free)
        begin = time.perf_counter()
        while stage.step():
            pass
    return images / (time.perf_counter() - begin)
