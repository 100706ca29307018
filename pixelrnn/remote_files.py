"""The verbs of `pixelrnn remote` that code pictures without loss, and look whether a model drew one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model_core.cli.options import Json, print_json, say
from model_core.cli.progress import working
from model_core.places import check_folder, check_place
from pixelrnn.remote_job import HERE, Key, Model, Service, Url, calling, follow, picture_of
from pixelrnn.verify import EXIT_NOT_VERIFIED

if TYPE_CHECKING:
    from pixelrnn.client.documents import VerifyResult


def register(remote: typer.Typer) -> None:
    """Add the verbs."""
    for name, verb in (("encode", remote_encode), ("decode", remote_decode), ("verify", remote_verify)):
        remote.command(name)(verb)


def remote_encode(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures of the model's size, 64 at most.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("images.pxrn"),
    url: Url = HERE,
    key: Key = None,
    json_: Json = False,
) -> None:
    """Pack pictures into one small file, without loss; `decode` brings them back, here or there."""
    check_place(out)
    with calling(Service(url, key)) as client, working() as work:
        work.begin(f"encoding with {model}")
        job = client.encode(model, images)
        result = job.result()
        out.write_bytes(job.blob())
    each = result["bytes"] / result["pictures"]
    say(
        f"wrote {out}: {result['pictures']} images in {result['bytes']} bytes, {each:.1f} each, "
        f"{result['bits_per_dim']:.3f} bits/dim, job {job.id}"
    )
    if json_:
        print_json({"model": model, "job": job.id, "out": str(out), **result})


def remote_decode(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `encode` wrote.")],
    out: Annotated[Path, typer.Option(help="The directory to write the pictures into.")],
    url: Url = HERE,
    key: Key = None,
    json_: Json = False,
) -> None:
    """Unpack the pictures of a file that `encode` wrote, 0.png and on, in the order in which they were encoded."""
    check_folder(out)
    with calling(Service(url, key)) as client:
        with working() as work:
            state = follow(client.decode(file), work)
        digits = len(str(state["n"] - 1))
        out.mkdir(exist_ok=True)
        for i in range(state["n"]):
            (out / f"{i:0{digits}}.png").write_bytes(picture_of(client, state["id"], sample=i))
    say(f"wrote {state['n']} images of {state['model']} into {out}, job {state['id']}")
    if json_:
        print_json(state)


def remote_verify(
    picture: Annotated[Path, typer.Argument(metavar="PNG", help="What `sample` or the service wrote, of one image.")],
    url: Url = HERE,
    key: Key = None,
    json_: Json = False,
) -> None:
    """Did a model of the service draw this picture? It draws it again; exit code 1 and the pixels where they differ."""
    with calling(Service(url, key)) as client, working() as work:
        work.begin(f"verifying {picture}")
        job = client.verify(picture)
        result = job.result()
    say(_verdict(result, job.state["model"], job.state["seed"]))
    if json_:
        print_json({"model": job.state["model"], "job": job.id, **result})
    if not result["verified"]:
        raise typer.Exit(EXIT_NOT_VERIFIED)


def _verdict(result: "VerifyResult", model: str, seed: int) -> str:
    if result["verified"]:
        return f"verified: {model} drew it with seed {seed}, every pixel"
    places = result.get("changed", [])
    named = ", ".join(f"({place['x']}, {place['y']})" for place in places)
    more = " ..." if result["changed_pixels"] > len(places) else ""
    return f"not verified: {result['changed_pixels']} pixels are not what {model} draws: {named}{more}"
