"""`pixelrnn worker` and `pixelrnn health`. Torch is imported when the command runs, so that `--help` is quick."""

import os
from pathlib import Path
from typing import Annotated

import typer


def worker(
    models_dir: Annotated[
        Path | None,
        typer.Option(help="Where the models are; the shipped ones by default."),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            help="Names of the models to load, separated by commas. By default all but "
            "the records."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda:0, ...: one worker process for each.")
    ] = None,
    slots: Annotated[
        int | None, typer.Option(help="Images of one model drawn at once.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads that draw the images of one model.")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="The Redis server; REDIS_URL by default.")
    ] = None,
    worker_name: Annotated[
        str | None,
        typer.Option("--name", help="Unique among live workers; else made up."),
    ] = None,
) -> None:
    """Draw images for the jobs in the queue, until SIGTERM.

    Every option is also PIXELRNN_<OPTION> in the environment; --name is
    PIXELRNN_WORKER_NAME, and --threads PIXELRNN_DRAW_THREADS.
    """
    given = {
        "models_dir": models_dir,
        "models": models,
        "device": device,
        "slots": slots,
        "draw_threads": threads,
    }
    given |= {"redis_url": redis_url, "worker_name": worker_name}
    os.environ.update(
        {
            f"PIXELRNN_{name.upper()}": str(value)
            for name, value in given.items()
            if value is not None
        }
    )
    from worker.start import main

    raise typer.Exit(main())


def trainer() -> None:
    """Train on the pictures of POST /train, one job at a time, until SIGTERM; see PIXELRNN_ADDED_DIR."""
    from worker.start import main

    raise typer.Exit(main(trains=True))


def health() -> None:
    """Exit 0 when a worker of this host is warm and says that it lives; for health checks."""
    from worker.health import main

    raise typer.Exit(main())


def register(app: typer.Typer) -> None:
    """Add these commands to the `pixelrnn` program."""
    for verb in (worker, trainer, health):
        app.command()(verb)
