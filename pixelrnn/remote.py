"""The verbs of `pixelrnn remote`, which ask a running service. They need httpx, and no
torch."""

from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from model_core.cli.options import Out, Scale, Show, say
from model_core.cli.progress import working
from model_core.cli.tables import print_table
from pixelrnn import kind_verbs, models_there, operating_there
from pixelrnn.kind_results import show_picture
from pixelrnn.kind_verbs import HERE, Key, Url
from pixelrnn.remote_job import Destination, Service, client_of, keep_picture

remote = typer.Typer(name="remote", help="Ask a running service.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")]


def register(app: typer.Typer) -> None:
    """Add `remote` to `app`: its verbs, those of each kind of job, and those for
    models; and to `app` itself the verbs of each kind of job."""
    kind_verbs.register(app, remote)
    models_there.register(remote)
    operating_there.register(app)
    app.add_typer(remote)


@remote.command("models")
def remote_models(url: Url = HERE, key: Key = None) -> dict[str, Any]:
    """List the models that the service's workers hold."""
    with client_of(Service(url, key)) as client:
        cards = client.models()
    rows = (
        (
            card["name"],
            card["network"],
            f"{card['height']}x{card['width']}x{card['channels']}",
            ", ".join(card["can"]),
        )
        for card in cards
    )
    print_table(("model", "network", "shape", "can"), rows)
    return {"models": cards}


@remote.command("jobs")
def remote_jobs(
    status: Annotated[
        Literal["queued", "running", "succeeded", "failed", "canceled"] | None,
        typer.Option(help="Only such jobs."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many, newest first.")
    ] = 20,
    url: Url = HERE,
    key: Key = None,
) -> dict[str, Any]:
    """List your jobs, newest first."""
    with client_of(Service(url, key)) as client:
        states = [job.state for job in islice(client.jobs(status), limit)]
    facts = "id", "kind", "model", "n", "status"
    rows = (
        (
            *(str(job[fact]) for fact in facts),
            f"{job['progress']:.0%}",
            job["created_at"],
        )
        for job in states
    )
    print_table(("job", "kind", "model", "n", "status", "done", "accepted"), rows)
    return {"jobs": states}


@remote.command("job")
def remote_job(
    job_id: JobId,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it has succeeded.")
    ] = False,
    url: Url = HERE,
    key: Key = None,
) -> dict[str, Any]:
    """Print the state of a job."""
    with client_of(Service(url, key)) as client, working() as work:
        job = client.job(job_id)
        if wait:
            work.begin(f"{job.state['model']}: {job.state['status']}")
            job.wait()
    return _say_state(job.state)


@remote.command("image")
def remote_image(
    job_id: JobId,
    sample: Annotated[
        int | None,
        typer.Option(min=0, help="Only the one of this number. \\[default: all]"),
    ] = None,
    out: Out = Path("image.png"),
    scale: Scale = 1,
    url: Url = HERE,
    key: Key = None,
    show: Show = False,
) -> dict[str, Any]:
    """Write the picture that a job has drawn, or the heat map of a score."""
    destination = Destination(out, scale, show)
    destination.check()
    with client_of(Service(url, key)) as client:
        is_one = sample is not None or client.job(job_id).state["kind"] == "score"
        picture = keep_picture(
            client,
            job_id,
            destination,
            **({"sample": sample} if is_one else {"grid": True}),
        )
    if picture is not None:
        show_picture(picture)
    say(f"wrote {out}")
    return {"id": job_id, "out": str(out)}


@remote.command("cancel")
def remote_cancel(job_id: JobId, url: Url = HERE, key: Key = None) -> dict[str, Any]:
    """Ask a job to stop. One that has ended stays as it is; nothing is deleted."""
    with client_of(Service(url, key)) as client:
        state = client.job(job_id).cancel()
    return _say_state(state)


@remote.command("delete")
def remote_delete(job_id: JobId, url: Url = HERE, key: Key = None) -> dict[str, Any]:
    """Delete what a job left. A job that has not ended must be canceled first."""
    with client_of(Service(url, key)) as client:
        client.job(job_id).delete()
    say(f"{job_id}: deleted")
    return {"id": job_id, "deleted": True}


def _say_state(state: Any) -> dict[str, Any]:
    """Print a job's state as a sentence, and return it."""
    why = f": {state['error']['detail']}" if state["error"] else ""
    say(
        f"{state['id']}: {state['kind']} by {state['model']}, {state['status']}, {state['progress']:.0%} done{why}"
    )
    return dict(state)
