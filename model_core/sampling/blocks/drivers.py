"""What runs the block programs: the driver of a GPU, or the CPU.

Memory consists of torch tensors on the driver's device, and torch copies it. So a
driver does only one thing: it runs a program on some blocks.
"""

import ctypes
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from model_core.blocks.program import KINDS, order_on_cpu
from model_core.blocks.ptx import ENTRY, load_ptx
from model_core.errors import ConfigError

THREADS = 128
"""Threads of a block on a GPU, a multiple of the 32 that execute the same instruction
together. The phases of a digit have 100 to 500 outputs. Not measured."""
BLOCKS_A_PROCESSOR = 3
"""Blocks that run at the same time on one multiprocessor of a GPU. Of its 65,536
registers a block takes up to 21,504, since `ptxas -v` counts 128 to 164 for each
thread."""


@dataclass(frozen=True)
class Launch:
    """A block program with the memory of its blocks, and how far they run. The program
    draws from one kind of network; each block, a group of threads of a GPU, draws one
    image. Tensors are on the driver's device."""

    kind: str
    """Kind of network, such as `row-lstm`, which has a program of its own."""
    blocks: int
    """Number of blocks that run: those of the first rows of `states` and `images`."""
    steps: int
    """Maximum number of steps of each block. A step computes at most one pixel of each
    row of an image that is being drawn."""
    record: Tensor
    """int64 (numbers,), sizes and places of arrays, described in
    model_core/blocks/record.py; only read."""
    weights: Tensor
    """float32 (floats,): all weights of the network; only read."""
    states: Tensor
    """float32 (slots, floats): what the network keeps between pixels; each block
    changes its row."""
    images: Tensor
    """int64 (slots, cells): image, noise and counters; each block changes its row."""


class Driver(Protocol):
    """What runs block programs on one device. A block is a group of threads that draws
    one image."""

    @property
    def device(self) -> torch.device:
        """Device on which the memory of blocks must be."""
        ...

    @property
    def blocks(self) -> int:
        """Number of blocks that run at the same time."""
        ...

    def launch(self, launch: Launch) -> None:
        """Run a program, after everything that torch was asked to do before. It changes
        launch.states and launch.images, and may return before the program has ended;
        copies by torch wait for it."""
        ...


class ProcessorDriver:
    """Runs block programs on the CPU, one block after the other, and the threads of a
    block in turns. It is much slower than the compiled loops, and shows without a GPU
    what a GPU would compute."""

    device = torch.device("cpu")

    def __init__(self, threads: int = 32, step: int = 7, blocks: int = 4) -> None:
        """Choose the order of the threads; nothing is compiled yet.

        threads: number of threads of each block.
        step: from one thread to the next that takes its turn; has no common factor with
            `threads`, so that every thread gets a turn.
        blocks: value of `blocks`, the number of blocks that count as running at the
            same time.
        """
        self.blocks = blocks
        self._order = order_on_cpu(threads, step)

    def launch(self, launch: Launch) -> None:
        """Run a program to its end. The first launch of a kind compiles its program,
        unless it is compiled already."""
        draw = KINDS[launch.kind].draw
        shared = launch.record.data_ptr(), launch.weights.data_ptr()
        for block in range(launch.blocks):
            own = launch.states[block].data_ptr(), launch.images[block].data_ptr()
            draw(*self._order, *shared, *own, launch.steps)


class GpuDriver:
    """Runs block programs on a GPU, on torch's stream.

    device: the GPU.
    blocks: number of blocks that run there at the same time.
    """

    def __init__(
        self, cuda: Any, device: torch.device, blocks: int, ordinal: int = 0
    ) -> None:
        """Initialise the CUDA driver; `open` finds the arguments.

        cuda: the module cuda.bindings.driver.
        device: the GPU, with its index.
        blocks: number of blocks that run there at the same time.
        ordinal: number of the device among those that this process sees.
        """
        self.device, self.blocks = device, blocks
        self._cuda = cuda
        self._checked(cuda.cuInit(0))
        (own,) = self._checked(cuda.cuDeviceGet(ordinal))
        # The context in which torch works.
        (self._context,) = self._checked(cuda.cuDevicePrimaryCtxRetain(own))
        self._functions: dict[str, Any] = {}

    @classmethod
    def open(cls, device: torch.device) -> "GpuDriver":
        """Return the driver of a device, `cuda` (torch's current GPU) or, for example,
        `cuda:1`.

        Raises ConfigError without the package `cuda-bindings`; torch.AcceleratorError
        or RuntimeError if the GPU cannot be used.
        """
        try:
            from cuda.bindings import driver  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise ConfigError(
                f"the package cuda-bindings cannot be imported ({error}); PyTorch's "
                "builds for GPUs install it: pip install cuda-bindings"
            ) from None
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        properties = torch.cuda.get_device_properties(index)
        blocks = BLOCKS_A_PROCESSOR * properties.multi_processor_count
        return cls(driver, torch.device("cuda", index), blocks, index)

    def launch(self, launch: Launch) -> None:
        self.launch_on(torch.cuda.current_stream(self.device).cuda_stream, launch)

    def launch_on(self, stream: int, launch: Launch) -> None:
        """Start a program after everything on the stream with this CUDA handle, and
        return before it has ended. The first launch of a kind translates its code for
        the GPU."""
        # Each thread has a current context of its own; a new one has none.
        self._checked(self._cuda.cuCtxSetCurrent(self._context))
        values = (
            launch.record.data_ptr(),
            launch.weights.data_ptr(),
            launch.states.data_ptr(),
            launch.images.data_ptr(),
            launch.steps,
        )
        # The driver reads each parameter at an address, and copies it before it
        # returns.
        parameters = [ctypes.c_int64(value) for value in values]
        addresses = np.array(
            [ctypes.addressof(parameter) for parameter in parameters], np.uint64
        )
        grid, block = (launch.blocks, 1, 1), (THREADS, 1, 1)
        no_shared_memory, no_options = 0, 0
        self._checked(
            self._cuda.cuLaunchKernel(
                self._function(launch.kind),
                *grid,
                *block,
                no_shared_memory,
                stream,
                addresses.ctypes.data,
                no_options,
            )
        )

    def _function(self, kind: str) -> Any:
        """Return the program of a kind, translated for this GPU in the current
        context."""
        if kind not in self._functions:
            text = load_ptx(kind).encode() + b"\0"
            (module,) = self._checked(self._cuda.cuModuleLoadData(text))
            (function,) = self._checked(
                self._cuda.cuModuleGetFunction(module, ENTRY.encode())
            )
            self._functions[kind] = function
        return self._functions[kind]

    def _checked(self, answer: tuple[Any, ...]) -> tuple[Any, ...]:
        result, *values = answer
        if result != self._cuda.CUresult.CUDA_SUCCESS:
            raise torch.AcceleratorError(f"CUDA error: {result.name}")
        return tuple(values)
