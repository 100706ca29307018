"""`pixelrnn up`: run everything on this machine under one supervisor: the Redis server,
a worker for each device, a trainer while there are trainings, and the API."""

import http.client
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from model_core.processors import available, default_threads
from pixelrnn import embedded, processes
from pixelrnn.errors import StartError
from pixelrnn.progress import Readiness, StatusLines
from pixelrnn.supervisor import Child, StopRequested, Supervisor
from worker.contract import keys
from worker.contract.added import names_in, uploads_in
from worker.contract.environment import checked_url, with_password
from worker.process import processors

API_DRAIN_S = 2
API_GRACE_S = 3.0
WORKER_GRACE_S = 7.0
TRAINER_GRACE_S = 1.0
"""Seconds that a trainer gets to end. Few, because it continues from its last
checkpoint."""
TRAINER_LOOK_S = 0.25
"""Seconds between two checks for a training."""
TRAINER_IDLE_S = 60.0
"""Seconds for which a trainer runs on after the last training."""
WORKER_DRAIN_S = 3.0
"""Seconds that running jobs get to end by themselves. The others continue from their
last row after the next start. Together the longest grace and that of the server stay
within the 10 s that `docker stop` allows."""

REDIS_LIMIT_S = 5.0
"""Seconds for which a Redis of the user's own is tried."""

_PRIVATE_PLACES = {
    "PIXELRNN_KEPT_DIR": "weights",
    "PIXELRNN_ADDED_DIR": "added",
    "PIXELRNN_PORTABLE_DIR": "portable",
}
"""Variables that name directories with models and pictures of users, and their usual
places in the data directory."""


@dataclass(frozen=True)
class UpOptions:
    """Options of `pixelrnn up`: what to start, and where."""

    host: str
    port: int
    data_dir: Path
    models_dir: Path
    redis_url: str | None = None
    """The address of a running Redis; None: the embedded server is started."""
    devices: tuple[str, ...] = ("cpu",)
    """The devices of the workers, one each."""
    redis_memory_mib: int | None = None
    """MiB of memory that the embedded server may use; None: a quarter of this
    machine's."""

    @property
    def url(self) -> str:
        """The address at which the service can be reached from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(
            self.host, self.host
        )
        return (
            f"http://[{host}]:{self.port}"
            if ":" in host
            else f"http://{host}:{self.port}"
        )


def up(options: UpOptions, status: StatusLines) -> None:
    """Start the server, the workers, the API and, if trainings are allowed, the
    trainer, and keep them running until SIGTERM or Ctrl-C: then stop them and return.
    Call it in the main thread, because it handles signals. Changes this process: it
    keeps off the CPU cores that it reserved for engines.

    status: where to print what goes on.

    Raises StartError if something cannot be started, or dies again and again;
    pydantic's ValidationError for settings that cannot be used.
    """
    _expect_models(options.models_dir)
    trains = _expect_settings(options)
    _expect_free_port(options.host, options.port)
    logs = options.data_dir / "logs"
    _make_directory(logs)
    status.say(f"starting PixelRNN on {options.url}; logs are in {logs}")
    _make_private(options.data_dir)
    threads = drawing_threads(options.devices, processors.usable())
    engines = _processors_of_engines(len(options.devices), threads)
    of_engines = [processor for each in engines for processor in each]
    # An engine draws in lockstep: whatever else runs on its processor delays every
    # image.
    processors.keep_off(of_engines)  # this process, and its children
    supervisor = Supervisor(status.say)
    with supervisor.signals():
        try:
            if options.redis_url is None:
                url = _start_embedded(supervisor, options)
            else:
                url = _expect_redis(supervisor, options.redis_url)
            for child in [
                *workers(options, url, logs, engines, threads),
                api(options, url, logs),
            ]:
                supervisor.start(child)
            readiness = Readiness(url, status)
            supervisor.wait_until(lambda: _is_open(readiness, options.url))
            # The API opens before models are ready, so that jobs are accepted and the
            # page responds.
            if not is_ready(options.url):
                status.say(
                    f"{options.url} is open; jobs are taken while models become ready, and wait"
                )
            supervisor.wait_until(lambda: _is_ready_with(readiness, options.url))
            if trains:
                supervisor.start(
                    _Worker(
                        options, url, "cpu", logs / "trainer.log", of_engines, trains
                    ).child()
                )
            status.say(f"PixelRNN is ready: {options.url} (Ctrl-C ends it)")
            supervisor.wait_until(lambda: readiness.look() == 0)
            status.say(f"all {readiness.ready} models are ready")
            supervisor.run()
        except StopRequested:
            status.clear()
            status.say("stopping")
        finally:
            status.clear()
            supervisor.stop_all()


def _is_open(readiness: Readiness, url: str) -> bool:
    """Return True if the page can be opened and this is worth saying because the start
    is slow, or if everything is ready."""
    readiness.look()
    return (readiness.is_slow and answers(url, "/healthz")) or is_ready(url)


def _is_ready_with(readiness: Readiness, url: str) -> bool:
    """Return True if the README's first call would be answered, and print what is
    new."""
    readiness.look()
    return is_ready(url) and readiness.is_first_ready()


def workers(
    options: UpOptions,
    redis_url: str,
    logs: Path,
    engines: Sequence[Sequence[int]],
    threads: int,
) -> list[Child]:
    """Return a child for the worker of each device.

    redis_url: of the server that they use.
    logs: the folder of their logs.
    engines: for each worker the numbers of the CPU cores of its engine process; empty:
        any.
    threads: number of threads in which each of them draws; 0: the worker decides.
    """
    return [
        _Worker(
            options, redis_url, device, logs / f"worker-{i}.log", own, threads=threads
        ).child()
        for i, (device, own) in enumerate(zip(options.devices, engines, strict=True))
    ]


def drawing_threads(devices: Sequence[str], usable: Sequence[int]) -> int:
    """Return in how many threads each worker on a CPU draws: PIXELRNN_DRAW_THREADS if
    it is set, else one for each available core, divided among these workers.

    It is 1 if no worker is on a CPU. It is 0 if PIXELRNN_ENGINE_CPUS names the cores,
    because the worker then decides.

    devices: of all workers.
    usable: numbers of the CPU cores that this process may use; empty if the system does
        not list them.
    """
    on_cpu = devices.count("cpu")
    if not on_cpu:
        return 1
    named = int(os.environ.get("PIXELRNN_DRAW_THREADS") or 0)
    if named or "PIXELRNN_ENGINE_CPUS" in os.environ:
        return named
    return default_threads(available(len(usable) or None), on_cpu)


def _processors_of_engines(engines: int, threads: int) -> list[tuple[int, ...]]:
    """Return the CPU cores that each engine process has to itself, on a small machine;
    empty if the environment names them."""
    if "PIXELRNN_ENGINE_CPUS" in os.environ:
        return [()] * engines
    of_torch = int(os.environ.get("PIXELRNN_THREADS", "1"))
    return processors.engine_processors(
        processors.usable(), engines, max(threads, of_torch)
    )


def api(options: UpOptions, redis_url: str, logs: Path) -> Child:
    """Return a child for the API.

    redis_url: of the server that it uses.
    logs: the folder of its log.
    """
    command = [
        *_module("pixelrnn"),
        "api",
        "--host",
        options.host,
        "--port",
        str(options.port),
    ]
    path = logs / "api.log"
    environment = _environment(redis_url, options) | {
        "PIXELRNN_DRAIN_S": str(API_DRAIN_S)
    }
    if not os.environ.get("PIXELRNN_API_KEYS") and not os.environ.get(
        "PIXELRNN_KEYS_FILE"
    ):
        shipped = ",".join(names_in(options.models_dir))
        environment.setdefault("PIXELRNN_ADDRESS_MODELS", shipped)
    return Child(
        "API", partial(processes.spawn, command, path, environment), path, API_GRACE_S
    )


class _Worker:
    """One worker process. Each start gives it a new name, because RQ refuses the name
    of a worker that was killed."""

    def __init__(
        self,
        options: UpOptions,
        redis_url: str,
        device: str,
        log: Path,
        own: Sequence[int],
        trains: bool = False,
        threads: int = 0,
    ) -> None:
        """own: numbers of the CPU cores of its engine process; empty: any.
        trains: True for a trainer. Its trainings run on the cores of the engine
            processes, where they stop while these draw; anywhere else they would delay
            all other processes.
        threads: in which it draws; 0: the worker decides."""
        self.log = log
        self.device = device
        self.redis_url = redis_url
        self.environment = _environment(redis_url, options)
        self.mode = ["trainer"] if trains else []
        self.queue = (
            keys.TRAIN_QUEUE
            if trains
            else self.environment.get("PIXELRNN_QUEUE", keys.QUEUE)
        )
        if own:
            self.environment["PIXELRNN_ENGINE_CPUS"] = ",".join(map(str, own))
        if threads:
            self.environment["PIXELRNN_DRAW_THREADS"] = str(threads)
        self.name = ""

    def child(self) -> Child:
        if not self.mode:
            return Child(
                f"worker on {self.device}",
                self.launch,
                self.log,
                WORKER_GRACE_S,
                on_death=self.recover,
            )
        is_needed = _TrainerNeed(
            self.redis_url, uploads_in(Path(self.environment["PIXELRNN_ADDED_DIR"]))
        )
        return Child(
            "trainer",
            self.launch,
            self.log,
            TRAINER_GRACE_S,
            on_death=self.recover,
            is_needed=is_needed,
            is_vital=False,
        )

    def launch(self) -> subprocess.Popen[bytes]:
        self.name = f"{socket.gethostname()}-{self.device.replace(':', '')}-{uuid.uuid4().hex[:8]}"
        settings = {
            "PIXELRNN_WORKER_NAME": self.name,
            "PIXELRNN_DEVICE": self.device,
            "PIXELRNN_DRAIN_GRACE_S": str(WORKER_DRAIN_S),
        }
        return processes.spawn(
            [*_module("worker.start"), *self.mode],
            self.log,
            self.environment | settings,
        )

    def recover(self) -> None:
        """Give the dead worker's jobs to others now. If Redis does not respond either,
        that happens when their leases run out."""
        from worker.queue.recovery import recover

        embedded.ask(
            self.redis_url,
            lambda client: recover(self.name, client, self.queue),
            lambda _: None,
        )


class _TrainerNeed:
    """A function object: returns True while a trainer is needed, which is while a
    training is open or an upload for one is on disk, and for TRAINER_IDLE_S seconds
    after that."""

    def __init__(self, redis_url: str, uploads: Path) -> None:
        self._url, self._uploads = redis_url, uploads
        self._look_at = self._until = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + TRAINER_LOOK_S
            with suppress(OSError):
                if any(self._uploads.glob("[!.]*")) or embedded.ask(
                    self._url, _has_open_training, lambda _: False
                ):
                    self._until = now + TRAINER_IDLE_S
        return now < self._until


def _has_open_training(client: Any) -> bool:
    """Return True if anybody has an open training."""
    return any(
        field.startswith(f"of:{keys.TRAINS}".encode())
        for field in client.hkeys(keys.LOAD)
    )


def is_ready(url: str) -> bool:
    """Return True if `/readyz` of the service at this address answers with status
    200."""
    return answers(url, "/readyz")


def answers(url: str, path: str) -> bool:
    """Return True if a GET of this path is answered with status 200 within a second."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _start_embedded(supervisor: Supervisor, options: UpOptions) -> str:
    """Start the embedded server, and return its address. Worker and API wait for it,
    however long it reads its file."""
    limit = (
        None
        if options.redis_memory_mib is None
        else options.redis_memory_mib * 1024 * 1024
    )
    server = embedded.EmbeddedRedis(options.data_dir, limit)
    server.lock()
    supervisor.start(
        Child(
            "embedded server",
            server.launch,
            server.log,
            embedded.STOP_GRACE_S,
            shortage=server.disk_fault,
            stops_last=True,
        )
    )
    return server.url


def _expect_redis(supervisor: Supervisor, url: str) -> str:
    """Return the address of the user's own Redis, with its password, when it responds.
    Raises StartError if it does not, or refuses this user."""
    try:
        url = with_password(
            checked_url(url), os.environ.get("PIXELRNN_REDIS_PASSWORD", "")
        )
    except ValueError as error:
        raise StartError(f"REDIS_URL: {error}") from None
    deadline = time.monotonic() + REDIS_LIMIT_S
    supervisor.wait_until(
        lambda: (
            embedded.answers(url)
            or bool(embedded.locked_out_of(url))
            or time.monotonic() > deadline
        )
    )
    if why := embedded.locked_out_of(url):
        raise StartError(
            f"the Redis at {_without_password(url)} does not let us in: {why}; see REDIS_URL"
        )
    if not embedded.answers(url):
        raise StartError(
            f"no Redis answers at {_without_password(url)}: start it, or unset REDIS_URL"
        )
    for weakness in embedded.weaknesses_at(url):
        supervisor.say(f"this Redis may lose jobs: {weakness}")
    return url


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _module(name: str) -> Sequence[str]:
    """Return the command that runs a module of ours. -P: a directory named `app` in the
    current folder must not be imported in place of ours."""
    return [sys.executable, "-P", "-m", name]


def _environment(redis_url: str, options: UpOptions) -> dict[str, str]:
    ours = {
        "REDIS_URL": redis_url,
        "PIXELRNN_REDIS_URL": redis_url,
        "PIXELRNN_REDIS_PASSWORD": "",  # the address has it; the embedded server has none
        "PIXELRNN_MODELS_DIR": str(options.models_dir.absolute()),
    }
    usual = {
        name: str((options.data_dir / place).absolute())
        for name, place in _PRIVATE_PLACES.items()
    }
    return {**usual, **os.environ, **ours}


def _expect_models(models_dir: Path) -> None:
    if not any(models_dir.glob("*/card.json")):
        raise StartError(
            f"no models in {models_dir.absolute()}: expected NAME/card.json there, or give --models-dir"
        )


def _expect_settings(options: UpOptions) -> bool:
    """Return True if users may send pictures to train on. Raises what the API or a
    worker would raise at its start, for example because no keys are set for other
    machines, or because there is no such device."""
    from app.settings import Settings as Api
    from worker.settings import Settings as Worker

    for device in options.devices:
        Worker(device=device)
    return Api(host=options.host).training is not False


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"cannot write to the data directory {path.parent}: {error.strerror}"
        ) from None


def _make_private(data_dir: Path) -> None:
    """Let no other user of this machine read the logs, and the models and pictures that
    users add. Places that the environment names are left as they are."""
    usual = [place for name, place in _PRIVATE_PLACES.items() if name not in os.environ]
    for place in ("logs", *usual):
        _make_directory(data_dir / place)
        with suppress(OSError):  # another user's directory, which this one may use
            (data_dir / place).chmod(0o700)


def _expect_free_port(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM
        )[0]
    except OSError as error:
        raise StartError(f"cannot resolve --host {host!r}: {error.strerror}") from None
    except UnicodeError:  # a part of the name is empty or has more than 63 bytes
        raise StartError(f"--host {host!r} is no name of a host") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            other = port + 1 if port < 65535 else 8000
            raise StartError(
                f"cannot listen on {host}:{port} ({error.strerror}): try pixelrnn up --port {other}, "
                f"or make run PORT={other}"
            ) from None
