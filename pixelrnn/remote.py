"""The verbs of `pixelrnn remote`: the same as without a server, asked of one that runs. Needs httpx, and no torch."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from model_core.cli.options import (
    Count,
    CountOrNone,
    First,
    Fit,
    Json,
    Mask,
    Out,
    Picture,
    Rank,
    Scale,
    Seed,
    Show,
    SmallPicture,
    Temperature,
    expect_one_result,
    print_json,
    say,
    say_ranking,
)
from model_core.cli.progress import working
from model_core.cli.tables import print_table
from pixelrnn import remote_files
from pixelrnn.remote_job import HERE, Kept, Key, Model, Service, Url, calling, follow, keep_picture, report

if TYPE_CHECKING:
    from pixelrnn.client import Client, Job

remote = typer.Typer(name="remote", help="Ask a running service.", no_args_is_help=True)

Retention = Annotated[int | None, typer.Option(help="Seconds that the service keeps the job once it has ended.")]
Label = Annotated[str | None, typer.Option(help="Label of the images: a name, or a number. [default: all count]")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    remote_files.register(remote)
    app.add_typer(remote)


@remote.command("models")
def remote_models(url: Url = HERE, key: Key = None, json_: Json = False) -> None:
    """List the models that live workers hold."""
    with calling(Service(url, key)) as client:
        cards = client.models()
    if json_:
        print_json({"models": cards})
        return
    rows = (
        (card["name"], card["network"], f"{card['height']}x{card['width']}x{card['channels']}", ", ".join(card["can"]))
        for card in cards
    )
    print_table(("model", "network", "shape", "can"), rows)


@remote.command("sample")
def remote_sample(
    model: Model,
    n: Count = 1,
    seed: Seed = None,
    temperature: Temperature = 1.0,
    out: Out = Path("sample.png"),
    scale: Scale = 1,
    retention: Retention = None,
    url: Url = HERE,
    key: Key = None,
    json_: Json = False,
    show: Show = False,
    first: First = 0,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Label of the images: a name, or a number. Several times: one image each. [default: drawn]"),
    ] = None,
) -> None:
    """Draw new images."""
    labels = label[0] if label and len(label) == 1 else label or None
    how = _said(temperature=temperature, first=first or None, retention=retention, label=labels)
    kept = Kept(out, scale, show)
    _draw(Service(url, key), kept, json_, lambda client: client.sample(model, n, seed, **how))


@remote.command("complete")
def remote_complete(
    model: Model,
    image: Picture,
    mask: Mask = None,
    n: CountOrNone = 1,
    seed: Seed = None,
    temperature: Temperature = 1.0,
    out: Out = Path("completion.png"),
    scale: Scale = 1,
    retention: Retention = None,
    url: Url = HERE,
    key: Key = None,
    json_: Json = False,
    method: Annotated[
        Literal["posterior", "clamp"] | None, typer.Option(help="[default: the first that the model offers]")
    ] = None,
    particles: Annotated[int | None, typer.Option(help="Draws behind each image, of a posterior.")] = None,
    sweeps: Annotated[int | None, typer.Option(help="Further sweeps of it.")] = None,
    fit: Fit = "strict",
    rank: Rank = False,
    show: Show = False,
    first: First = 0,
    label: Label = None,
) -> None:
    """Fill the masked part of an image, given all the rest of it."""
    how = _said(temperature=temperature, first=first or None, fit=fit, rank=rank, retention=retention, label=label)
    state = _draw(
        Service(url, key),
        Kept(out, scale, show),
        json_,
        lambda client: client.complete(model, image, mask, n, seed, method, particles, sweeps, **how),
    )
    if rank and not json_:
        say_ranking(state["result"]["ranking"])


@remote.command("upsample")
def remote_upsample(
    model: Model,
    image: SmallPicture,
    n: Count = 1,
    seed: Seed = None,
    temperature: Temperature = 1.0,
    out: Out = Path("upsampled.png"),
    scale: Scale = 1,
    retention: Retention = None,
    url: Url = HERE,
    key: Key = None,
    json_: Json = False,
    fit: Fit = "strict",
    show: Show = False,
    first: First = 0,
    label: Label = None,
) -> None:
    """Draw large images from a small one; needs a Multi-Scale model."""
    how = _said(temperature=temperature, first=first or None, fit=fit, retention=retention, label=label)
    kept = Kept(out, scale, show)
    _draw(Service(url, key), kept, json_, lambda client: client.upsample(model, image, n, seed, **how))


@remote.command("score")
def remote_score(
    model: Model,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture, of the model's size.")],
    fit: Fit = "strict",
    url: Url = HERE,
    key: Key = None,
    json_: Json = False,
    label: Label = None,
) -> None:
    """How likely the model finds a picture."""
    with calling(Service(url, key)) as client, working() as work:
        work.begin(f"scoring with {model}")
        job = client.score(model, image, fit=fit, label=label)
        result = job.result()
    say(f"{model}: {result['nats']:.2f} nats, {result['bits_per_dim']:.4f} bits/dim, job {job.id}")
    if json_:
        print_json({"model": model, "job": job.id, **result})


@remote.command("classify")
def remote_classify(
    model: Model,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture, of the model's size.")],
    mask: Annotated[
        Path | None,
        typer.Argument(metavar="[MASK]", help="White is not given, black is. [default: transparent pixels are not]"),
    ] = None,
    particles: Annotated[int | None, typer.Option(help="Draws behind each label, where it is not exact.")] = None,
    fit: Fit = "strict",
    url: Url = HERE,
    key: Key = None,
    json_: Json = False,
) -> None:
    """How probable each label is, given a picture or a part of it; needs a model with labels."""
    with calling(Service(url, key)) as client, working() as work:
        work.begin(f"classifying with {model}")
        job = client.classify(model, image, mask, particles, fit=fit)
        result = job.result()
    say(f"{model}: {result['nats']:.2f} nats, {result['quality']}, job {job.id}")
    print_table(
        ("label", "p", "nats"), ((each["name"], f"{each['p']:.4f}", f"{each['nats']:.2f}") for each in result["labels"])
    )
    if json_:
        print_json({"model": model, "job": job.id, **result})


@remote.command("jobs")
def remote_jobs(
    status: Annotated[
        Literal["queued", "running", "succeeded", "failed", "canceled"] | None, typer.Option(help="Only such jobs.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 20,
    url: Url = HERE,
    key: Key = None,
    json_: Json = False,
) -> None:
    """List your jobs, newest first."""
    with calling(Service(url, key)) as client:
        states = [job.state for job in islice(client.jobs(status), limit)]
    if json_:
        print_json({"jobs": states})
        return
    rows = (
        (
            job["id"],
            job["kind"],
            job["model"],
            str(job["n"]),
            job["status"],
            f"{job['progress']:.0%}",
            job["created_at"],
        )
        for job in states
    )
    print_table(("job", "kind", "model", "n", "status", "done", "accepted"), rows)


@remote.command("job")
def remote_job(
    job_id: JobId,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has succeeded.")] = False,
    url: Url = HERE,
    key: Key = None,
    json_: Json = False,
) -> None:
    """Say how a job is."""
    with calling(Service(url, key)) as client, working() as work:
        job = client.job(job_id)
        if wait:
            work.begin(f"{job.state['model']}: {job.state['status']}")
            job.wait()
    _say_state(job.state, json_)


@remote.command("image")
def remote_image(
    job_id: JobId,
    sample: Annotated[int | None, typer.Option(min=0, help="Only the one of this number. [default: all]")] = None,
    out: Out = Path("image.png"),
    scale: Scale = 1,
    url: Url = HERE,
    key: Key = None,
    show: Show = False,
) -> None:
    """Fetch what a job has drawn, or the map of a score."""
    kept = Kept(out, scale, show)
    kept.check()
    with calling(Service(url, key)) as client:
        is_one = sample is not None or client.job(job_id).state["kind"] == "score"
        keep_picture(client, job_id, kept, **({"sample": sample} if is_one else {"grid": True}))
    say(f"wrote {out}")


@remote.command("cancel")
def remote_cancel(job_id: JobId, url: Url = HERE, key: Key = None, json_: Json = False) -> None:
    """Ask a job to stop. One that has ended stays as it is; nothing is deleted."""
    with calling(Service(url, key)) as client:
        state = client.job(job_id).cancel()
    _say_state(state, json_)


@remote.command("delete")
def remote_delete(job_id: JobId, url: Url = HERE, key: Key = None) -> None:
    """Delete what a job left; one that has not ended is to be canceled first."""
    with calling(Service(url, key)) as client:
        client.job(job_id).delete()
    say(f"{job_id}: deleted")


def _draw(place: Service, kept: Kept, json_: bool, start: "Callable[[Client], Job[Any]]") -> dict[str, Any]:
    """Start a job, follow it, keep its pictures, and say so; its document."""
    expect_one_result(kept.out, json_)
    kept.check()
    with calling(place) as client:
        with working() as work:
            state = follow(start(client), work)
        keep_picture(client, state["id"], kept, grid=True)
    report(state, kept.out, json_)
    return state


def _say_state(state: Any, json_: bool) -> None:
    why = f": {state['error']['detail']}" if state["error"] else ""
    say(f"{state['id']}: {state['kind']} by {state['model']}, {state['status']}, {state['progress']:.0%} done{why}")
    if json_:
        print_json(dict(state))


def _said(**how: Any) -> dict[str, Any]:
    """The options that are not left to the service."""
    return {name: value for name, value in how.items() if value is not None}
