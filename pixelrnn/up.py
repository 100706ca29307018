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
from pixelrnn.progress import Readiness, Voice
from pixelrnn.supervisor import Child, StopRequested, Supervisor
from worker.contract import keys
from worker.contract.added import uploads_in
from worker.contract.environment import checked_url, with_password
from worker.process import processors

API_DRAIN_S = 2
API_GRACE_S = 3.0
WORKER_GRACE_S = 7.0
TRAINER_GRACE_S = 1.0
"""It goes on from its last checkpoint."""
TRAINER_LOOK_S = 0.25
TRAINER_IDLE_S = 60.0
"""How long it stays after the last training."""
WORKER_DRAIN_S = 3.0
"""Running jobs get this long to end by themselves; what is not done goes on after the next start, from its last row.
The longest grace and the server's together stay within 10 s."""

REDIS_LIMIT_S = 5.0

_PRIVATE_PLACES = {"PIXELRNN_KEPT_DIR": "weights", "PIXELRNN_ADDED_DIR": "added"}
"""Variables of directories with models and pictures of users, and their usual places in
the data directory."""


@dataclass(frozen=True)
class UpOptions:
    """Options of `pixelrnn up`: what to start, and where."""

    host: str
    port: int
    data_dir: Path
    models_dir: Path
    redis_url: str | None = None
    """A server that is already there, instead of the embedded one."""
    devices: tuple[str, ...] = ("cpu",)
    """One worker for each."""
    redis_memory_mib: int | None = None
    """Memory that the embedded server may use; None: a quarter of this machine's."""

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(
            self.host, self.host
        )
        return (
            f"http://[{host}]:{self.port}"
            if ":" in host
            else f"http://{host}:{self.port}"
        )


def up(options: UpOptions, voice: Voice) -> None:
    """Start everything and keep it running until SIGTERM or Ctrl-C; StartError when that is not possible."""
    _expect_models(options.models_dir)
    trains = _expect_settings(options)
    _expect_free_port(options.host, options.port)
    logs = options.data_dir / "logs"
    _make_directory(logs)
    voice.say(f"starting PixelRNN on {options.url}; logs are in {logs}")
    _make_private(options.data_dir)
    threads = drawing_threads(options.devices, processors.usable())
    engines = _processors_of_engines(len(options.devices), threads)
    of_engines = [processor for each in engines for processor in each]
    processors.keep_off(of_engines)  # this process, and its children
    supervisor = Supervisor(voice.say)
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
            readiness = Readiness(url, voice)
            supervisor.wait_until(lambda: _is_open(readiness, options.url))
            if not is_ready(options.url):
                voice.say(
                    f"{options.url} is open; jobs are taken while models become ready, and wait"
                )
            supervisor.wait_until(lambda: _is_ready_with(readiness, options.url))
            if trains:
                supervisor.start(
                    _Worker(
                        options, url, "cpu", logs / "trainer.log", of_engines, trains
                    ).child()
                )
            voice.say(f"PixelRNN is ready: {options.url} (Ctrl-C ends it)")
            supervisor.wait_until(lambda: readiness.look() == 0)
            supervisor.run()
        except StopRequested:
            voice.hush()
            voice.say("stopping")
        finally:
            voice.hush()
            supervisor.stop_all()


def _is_open(readiness: Readiness, url: str) -> bool:
    """The page can be had, and it is worth saying, or everything is ready already."""
    readiness.look()
    return (readiness.is_slow and answers(url, "/healthz")) or is_ready(url)


def _is_ready_with(readiness: Readiness, url: str) -> bool:
    """Ask like is_ready; what is worth telling meanwhile is told."""
    readiness.look()
    return is_ready(url)


def workers(
    options: UpOptions,
    redis_url: str,
    logs: Path,
    engines: Sequence[Sequence[int]],
    threads: int,
) -> list[Child]:
    return [
        _Worker(
            options, redis_url, device, logs / f"worker-{i}.log", own, threads=threads
        ).child()
        for i, (device, own) in enumerate(zip(options.devices, engines, strict=True))
    ]


def drawing_threads(devices: Sequence[str], usable: Sequence[int]) -> int:
    """Return in how many threads each worker on a CPU draws; 0 leaves it to the worker,
    where the environment names the processors of its engine.

    usable: the processors that this process may use, if the system names them.
    """
    on_cpu = devices.count("cpu")
    if not on_cpu:
        return 1
    named = int(os.environ.get("PIXELRNN_DRAW_THREADS") or 0)
    if named or "PIXELRNN_ENGINE_CPUS" in os.environ:
        return named
    return default_threads(available(len(usable) or None), on_cpu)


def _processors_of_engines(engines: int, threads: int) -> list[tuple[int, ...]]:
    """Processors that each engine has to itself, on a small machine; none where the environment names them."""
    if "PIXELRNN_ENGINE_CPUS" in os.environ:
        return [()] * engines
    of_torch = int(os.environ.get("PIXELRNN_THREADS", "1"))
    return processors.engine_processors(
        processors.usable(), engines, max(threads, of_torch)
    )


def api(options: UpOptions, redis_url: str, logs: Path) -> Child:
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
    return Child(
        "API", partial(processes.spawn, command, path, environment), path, API_GRACE_S
    )


class _Worker:
    """One worker process. It is started again under a new name, because RQ refuses the name of a killed worker."""

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
        """own: processors of its engine. trains: it is a trainer, whose trainings run where the engines do: they stop
        while these draw, and would hold up all others. threads: in which it draws; 0 leaves that to the worker."""
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
        is_needed = _Need(
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
        """Hand the dead worker's jobs back now. When Redis is away too, their leases run out by themselves."""
        from worker.queue.recovery import recover

        embedded.asked(
            self.redis_url,
            lambda client: recover(self.name, client, self.queue),
            lambda _: None,
        )


class _Need:
    """Is a trainer needed? While a training is open or something of one lies there, and for a moment after that."""

    def __init__(self, redis_url: str, uploads: Path) -> None:
        self._url, self._uploads = redis_url, uploads
        self._look_at = self._until = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + TRAINER_LOOK_S
            with suppress(OSError):
                if any(self._uploads.glob("[!.]*")) or embedded.asked(
                    self._url, _trains, lambda _: False
                ):
                    self._until = now + TRAINER_IDLE_S
        return now < self._until


def _trains(client: Any) -> bool:
    """Has anybody an open training?"""
    return any(
        field.startswith(f"of:{keys.TRAINS}".encode())
        for field in client.hkeys(keys.LOAD)
    )


def is_ready(url: str) -> bool:
    """True if `/readyz` answers 200."""
    return answers(url, "/readyz")


def answers(url: str, path: str) -> bool:
    """True if a GET of this path is answered with 200."""
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
    """Start it, and return its address. It may read its file for as long as it takes: worker and API wait for it."""
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
            want=server.want,
        )
    )
    return server.url


def _expect_redis(supervisor: Supervisor, url: str) -> str:
    """Returns the address of a server of the user's own, with its password, once it answers."""
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
    """One of ours as a program. -P: a directory named `app` where the user stands must not shadow ours."""
    return [sys.executable, "-P", "-m", name]


def _environment(redis_url: str, options: UpOptions) -> dict[str, str]:
    ours = {
        "REDIS_URL": redis_url,
        "PIXELRNN_REDIS_URL": redis_url,
        "PIXELRNN_REDIS_PASSWORD": "",  # the address has it; the embedded server has none
        "PIXELRNN_MODELS_DIR": str(options.models_dir.absolute()),
        "PIXELRNN_PORTABLE_DIR": os.environ.get(
            "PIXELRNN_PORTABLE_DIR", str(options.data_dir.absolute() / "portable")
        ),
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
    """True where pictures may be handed in to train on. Raises what the API or a worker would raise when it starts:
    that it has no keys for other machines, for example, or that a name is no device's."""
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
    """Let no other user of this machine read models and pictures that users add.

    Places that the user has named by the environment are left as they are.
    """
    for name, place in _PRIVATE_PLACES.items():
        if name not in os.environ:
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
