"""Ask a running service to carry out kinds of job."""

from typing import TYPE_CHECKING, Any

from model_core.cli.progress import Work, working
from model_core.places import check_folder, check_place
from pixelrnn.kind_results import Done, How
from pixelrnn.remote_job import (
    Destination,
    RemoteError,
    Service,
    client_of,
    follow,
    keep_picture,
    picture_of,
)
from pixelrnn.several import Results
from pixelrnn.several_there import Several
from worker.contract.kind import Input, Kind

if TYPE_CHECKING:
    from pixelrnn.client import Client, Job


def carry_out(kind: Kind, options: dict[str, Any], how: How) -> Done:
    """Send a job to the service at `how.url`, wait for its end, write what it made, and
    return its result.

    options: those that were given, in the names of the client's methods. A list as
        `image` is several pictures, which may become several jobs; `folder`, the folder
        in which these lie, is then removed from the dictionary.

    Raises RemoteError if the service refuses, does not respond or fails, or if a
    picture cannot be written. Before anything is sent, DataError or MissingExtraError
    is raised if the result of a single picture could not be written or shown.
    """
    assert how.url is not None
    files = options.get("image")
    if not isinstance(files, list):
        _check(kind, how)
    label = options.get("label")
    options = (
        {**options, "label": label[0]}
        if isinstance(label, list) and len(label) == 1
        else options
    )
    with client_of(Service(how.url, how.key)) as client, working() as work:
        if isinstance(files, list):
            return Several(kind, client, options, how, options.pop("folder", None)).ask(
                files, work
            )
        job: Job[Any] = getattr(client, kind.word)(**options)
        return (
            _keep_drawn(kind, client, job, how, work)
            if kind.draws_rows
            else _keep_found(kind, client, job, how, work)
        )


def _check(kind: Kind, how: How) -> None:
    """Raise DataError or RemoteError if the result could not be written."""
    if kind.input is Input.CODED_FILE and how.out:
        check_folder(how.out)
    elif kind.input is Input.PICTURES and how.out:
        check_place(how.out)
    elif how.out or how.show:
        Destination(how.out, how.scale, how.show).check()


def _keep_drawn(
    kind: Kind, client: "Client", job: "Job[Any]", how: How, work: Work
) -> Done:
    """Wait for a job that draws, showing its rows, and write its images: as one picture
    or, of a decoding, each as a file in the folder `how.out`."""
    state = follow(job, work)
    facts = {**state, **state["result"], "job": job.id, "images": state["n"]}
    if kind.draws:
        return Done(
            facts,
            state,
            keep_picture(
                client, job.id, Destination(how.out, how.scale, how.show), grid=True
            ),
        )
    assert how.out is not None
    how.out.mkdir(exist_ok=True)
    digits = len(str(state["n"] - 1))
    for i in range(state["n"]):
        (how.out / f"{i:0{digits}}.png").write_bytes(
            picture_of(client, job.id, sample=i)
        )
    return Done(facts, state)


def _keep_found(
    kind: Kind, client: "Client", job: "Job[Any]", how: How, work: Work
) -> Done:
    """Wait for a job that computes something about pictures, and write its file or heat
    map."""
    work.begin(f"{kind.word}: waiting")
    document = {"model": job.state["model"], "job": job.id, **job.result()}
    if isinstance(
        pictures := document.get("pictures"), list
    ):  # of a file that holds several
        if how.out or how.show:
            raise RemoteError(
                "--map and --show are of one picture, and the file holds "
                f"{len(pictures)}: job {job.id} has their results"
            )
        return Results(
            [{"file": str(i), **each} for i, each in enumerate(pictures)]
        ).done(document["model"])
    picture = None
    if kind.input is Input.PICTURES and how.out:
        how.out.write_bytes(job.blob())
        document["out"] = str(how.out)
    elif how.out or how.show:
        picture = keep_picture(
            client, job.id, Destination(how.out, how.scale, how.show)
        )
    beside = {"seed": job.state["seed"], "card_changed": job.state.get("card_changed")}
    return Done({"samples": 1, "changed": [], **document, **beside}, document, picture)
