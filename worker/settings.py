"""Settings of a worker, read once from environment variables. docs/settings.md is
generated from their descriptions."""

import re
import socket
import uuid
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from model_core.portable.sizes import LARGEST_MIB
from worker.contract import keys
from worker.contract.environment import CommaList, RedisSettings

EXIT_BAD_SETTINGS = 2
_DEVICE = re.compile(r"cpu|cuda(:\d{1,3})?")


class Settings(RedisSettings):
    """Each field is the environment variable PIXELRNN_<FIELD>; the Redis URL may also
    be REDIS_URL."""

    models_dir: Path | None = None
    """Directory of the models. Unset: the shipped models."""
    models: CommaList[str] = ()
    """Names of the models to load, separated by commas, including those in the
    subdirectory `records`. Empty: all models outside of `records`."""
    added_dir: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = (
        None
    )
    """Directory of the models that are added through the API (its PIXELRNN_ADDED_DIR),
    which are served beside the others. Empty: none."""
    models_look_s: float = Field(default=2.0, ge=0, le=3600)
    """Seconds between two checks of the models directory: a model that is added,
    replaced or removed takes effect at the second check that finds it unchanged; 0 =
    never."""
    model_mib: int = Field(default=1024, ge=1)
    """Most MiB of a model's weights."""
    loaded_models: int = Field(default=64, ge=2, le=4096)
    """Most models in memory, with replaced weights that jobs still need. Beyond that
    the least recently used added model is unloaded, and its next job loads it again.
    Shipped models are never unloaded."""
    kept_dir: Path | None = None
    """Directory for copies of served weights: for jobs that are still open when their
    model is replaced, and so that a restart need not examine them again. Unset:
    `pixelrnn/weights` in the user's cache. Workers of one machine may share it."""
    kept_mib: int = Field(default=4096, ge=1)
    """Most MiB of all copies of added models in `kept_dir`, over all workers that share
    it. Beyond that the least recently used copies are deleted. A job that needs a
    deleted copy waits until it is canceled."""
    portable_dir: Annotated[
        Path | None, BeforeValidator(lambda value: value or None)
    ] = None
    """Directory in which the worker writes its models for browsers, where the API reads
    them (its PIXELRNN_PORTABLE_DIR). Empty: it writes none."""
    portable_mib: int = Field(default=LARGEST_MIB, ge=1)
    """Most MiB of weights of a model for browsers, which load them whole. Larger models
    are only drawn by the service."""
    device: str = "cpu"
    """Device that draws: cpu, cuda:0, cuda:1, ..."""
    slots: int = Field(default=0, ge=0, le=1024)
    """Images of one model that are drawn at once; 0 = for each model the number that is
    drawn fastest, 4 to 16 for each drawing thread."""
    express_slots: int = Field(default=4, ge=0, le=64)
    """Further slots of each model that only the first image of a job may take, so that
    a small job begins at the next step while a large one fills all other slots. Images
    are drawn by fours: choose a multiple of four for `slots` and these together."""
    slot_memory_mib: int = Field(default=2048, ge=1)
    """Memory for the images that are being drawn, over all models. Each model has an
    equal share, of which particles of completions may take a quarter, or half with
    several drawing threads. If the rest holds fewer images than `slots` and
    `express_slots`, fewer are drawn at once. Not counted: weights; fields, which may
    take half as much again; added models, which share a quarter as much again; files
    that are encoded or decoded."""
    max_jobs: int = Field(default=32, ge=1, le=4096)
    """Most unfinished jobs that a worker holds: a few more than slots, so that a freed
    slot is filled without asking Redis. A quarter more is for owners who have no job
    there, and as many again may be publishing their last rows."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads of one tensor operation."""
    draw_threads: int = Field(default=0, ge=0, le=64)
    """Threads that draw the images of one model on a CPU; 0 = as many as `engine_cpus`
    names, or one less than the CPU cores of this process (by a container's quota, too),
    at most 16. Without a quota, workers of one machine that name the same `kept_dir`
    divide them, as each starts; `pixelrnn up` divides them among its workers. Drawn bytes do
    not depend on it. More threads than cores make nothing faster."""
    engine_cpus: CommaList[int] = ()
    """Numbers of CPU cores for the engine process or a training, which no other process
    of this worker uses; empty = any. `pixelrnn up` chooses some on a machine with few
    cores. A training has at most as many processes as this names, or one less than the
    trainer's cores (by a container's quota, too)."""
    worker_name: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,128}$")
    """Name of this worker, unique among live workers. Empty: made from the host and the
    device."""
    queue: str = Field(default=keys.QUEUE, pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Queue from which the worker takes jobs. All workers of one queue must hold the
    same models: workers with other models, such as GPUs with large ones, need a queue
    of their own."""
    training_mib: int = Field(default=0, ge=0)
    """MiB that all processes of a training may use together, beyond what each needs to
    start; 0 = a quarter of the memory of the machine or of its control group, at least
    1024. The processes share it equally; there are fewer of them if the pictures would
    not fit. A training that needs more fails."""
    drain_grace_s: float = Field(default=5.0, ge=0, le=3600)
    """Seconds for which running jobs continue after SIGTERM before they return to the
    queue."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port for GET /metrics, which anybody who can reach it may read; 0 = none."""
    health_file: Path | None = None
    """A file that is updated twice a second while a model is ready and Redis is
    reachable, for cheap probes: `test -n "$(find FILE -mmin -0.25)"`. Unset: none."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """Lowest level that is logged: debug, info, warning or error."""
    step_delay_s: float = Field(default=0.0, ge=0, le=10)
    """Seconds to sleep before new rows are published, so that a tiny job lasts long
    enough to be disturbed; for tests only."""

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, device: str) -> str:
        # Only the form: the engine process finds out whether the device exists.
        if not _DEVICE.fullmatch(device):
            raise ValueError(f"{device!r} is no device: expected cpu, cuda or cuda:1")
        return device

    def name(self) -> str:
        """Return the given name, or a new one."""
        # Not a fixed one: a killed worker's name stays taken until its record
        # expires.
        device = self.device.replace(":", "")
        return (
            self.worker_name
            or f"{socket.gethostname()}-{device}-{uuid.uuid4().hex[:8]}"
        )
