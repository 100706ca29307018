"""Run the API in this process until it is told to stop."""

from collections.abc import Callable
from types import FrameType

import uvicorn

from app import logs
from app.main import create_app
from app.settings import Settings


class Server(uvicorn.Server):
    """Tells the application as soon as a signal comes: uvicorn itself waits for open streams, which never end alone."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._on_stop()


def server(settings: Settings) -> Server:
    """A server that is ready to run."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=settings.drain_s,
    )
    return Server(config, app.state.services.stopping.begin)


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; open streams get their closing event."""
    logs.configure()
    server(settings).run()
