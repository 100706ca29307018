"""Settings of a worker, from its environment. Read once, in the composition root."""

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
    """Each field is the environment variable PIXELRNN_<FIELD>; the Redis address may also be REDIS_URL."""

    models_dir: Path | None = None
    """Directory of the models; the shipped ones when not given."""
    models: CommaList[str] = ()
    """Names of the models to load, separated by commas, also of records; when empty, all models except records."""
    added_dir: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = (
        None
    )
    """Directory of the models that are added through the API, its PIXELRNN_ADDED_DIR: they are served beside the
    others. None: there are none."""
    models_look_s: float = Field(default=2.0, ge=0, le=3600)
    """Seconds between two looks at the models directory: a model that is added, exchanged or removed there is served
    accordingly after the second look that finds it unchanged; 0 = never."""
    model_mib: int = Field(default=1024, ge=1)
    """Weights that a model may have, in MiB."""
    loaded_models: int = Field(default=64, ge=2, le=4096)
    """Models in memory, exchanged weights that jobs still need too. Beyond that the added model that was used least
    recently is unloaded, and loaded again by the next job for it. Shipped models are never unloaded."""
    kept_dir: Path | None = None
    """Directory for a copy of the weights that it has served, for jobs that are still open when they are exchanged, and
    so that they are not examined at each start; `pixelrnn/weights` in the user's cache when not given. Workers of one
    machine may share it."""
    kept_mib: int = Field(default=4096, ge=1)
    """MiB that the copies of added models may have together in `kept_dir`, for all workers that share it. Beyond that
    the least recently used copies are deleted. A job that needs a deleted copy waits until it is canceled."""
    portable_dir: Annotated[
        Path | None, BeforeValidator(lambda value: value or None)
    ] = None
    """Directory in which it lays its models out for browsers, as the API's PIXELRNN_PORTABLE_DIR finds them. None: it
    does not."""
    portable_mib: int = Field(default=LARGEST_MIB, ge=1)
    """Weights, in MiB, of a model that it lays out for browsers, which load them whole. Larger models are drawn by the
    service only."""
    device: str = "cpu"
    """Device that draws: cpu, cuda:0, cuda:1, ..."""
    slots: int = Field(default=0, ge=0, le=1024)
    """Images of one model that are drawn at once; 0 = as many of each as are drawn fastest, 4 to 16 in each thread that
    draws."""
    express_slots: int = Field(default=4, ge=0, le=64)
    """Further slots of each model that only a job's first image may take: a small job begins at the next step, also
    while a large one fills all other slots. `slots` and these together are best a multiple of four, because images are
    drawn by fours."""
    slot_memory_mib: int = Field(default=2048, ge=1)
    """Memory for the images that are drawn, for all models together. Each model has an equal share, of which the
    particles of completions may have a quarter, or half if several threads draw them; if the rest holds fewer images
    than `slots` and `express_slots`, fewer are drawn at once. Weights are not counted, nor are fields, which may take
    half as much again, added models, which share a quarter as much again, and files that are encoded or decoded."""
    max_jobs: int = Field(default=32, ge=1, le=4096)
    """Jobs a worker holds that are not drawn yet: a few more than slots, so that a freed slot is filled without asking
    Redis; and a quarter more, for owners who have none there. It may hold as many again whose last rows are being
    written."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads of one tensor operation."""
    draw_threads: int = Field(default=0, ge=0, le=64)
    """Threads in which one model's images are drawn on a CPU; 0 = one less than the processors that this process may
    use (a quota of a container counts), at most 16, or as many as `engine_cpus` names; `pixelrnn up` divides them among
    its workers. Bytes do not depend on it. More than there are processors make nothing faster."""
    engine_cpus: CommaList[int] = ()
    """Numbers of processors on which the engine process runs, or a training, and nothing else of this worker; any if
    empty. `pixelrnn up` chooses some on a machine with few. A training has at most as many processes as this names, or
    one less than the processors that a trainer may use (a quota of a container counts)."""
    worker_name: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,128}$")
    """Unique among live workers; made up from the host and the device when empty."""
    queue: str = Field(default=keys.QUEUE, pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Queue that it takes jobs from. All workers of one queue must hold the same models: those with others, such as
    GPUs with the large ones, need a queue of their own."""
    training_mib: int = Field(default=0, ge=0)
    """Memory of all processes of a training together, in MiB, beside what each has once it has started; 0 = a quarter
    of the machine's, or of what its control group allows, and at least 1024. Each process has an equal part, and there
    are fewer processes if the pictures would not fit. A training that needs more fails."""
    drain_grace_s: float = Field(default=5.0, ge=0, le=3600)
    """How long running jobs may go on after SIGTERM before they are handed back."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port for GET /metrics, answered to anybody who can reach it; 0 = none."""
    health_file: Path | None = None
    """A file that is renewed twice a second while a model is ready and Redis hears of it, for probes that cost nothing:
    `test -n "$(find FILE -mmin -0.25)"`. None: there is no such file."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """Lowest level that is logged: debug, info, warning or error."""
    step_delay_s: float = Field(default=0.0, ge=0, le=10)
    """Sleep before new rows are handed on, so that a tiny job lasts long enough to be disturbed; for tests only."""

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, device: str) -> str:
        """A name that a device can have: whether there is one, the process that draws finds out."""
        if not _DEVICE.fullmatch(device):
            raise ValueError(f"{device!r} is no device: expected cpu, cuda or cuda:1")
        return device

    def name(self) -> str:
        """The given name, or a new one: a killed worker's name stays taken until its record expires."""
        device = self.device.replace(":", "")
        return (
            self.worker_name
            or f"{socket.gethostname()}-{device}-{uuid.uuid4().hex[:8]}"
        )
