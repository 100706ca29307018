"""The verbs of `pixelrnn` that draw, and those that start from a picture. Heavy imports wait inside the verbs."""

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model_core.cli.options import (
    SEED_LIMIT,
    Count,
    CountOrNone,
    Device,
    First,
    Fit,
    Json,
    Label,
    Labels,
    Mask,
    ModelName,
    ModelsDir,
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

if TYPE_CHECKING:
    from PIL import Image

    from model_core.cli.draw_file import Drawn


def register(app: typer.Typer) -> None:
    """Add the verbs that start from a picture; verbs.py adds `sample` and `complete` at their place among its own."""
    for verb in (upsample, score, classify):
        app.command()(verb)


def sample(
    model: ModelName,
    n: Count = 1,
    seed: Seed = None,
    temperature: Temperature = 1.0,
    out: Out = Path("sample.png"),
    scale: Scale = 1,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    json_: Json = False,
    show: Show = False,
    first: First = 0,
    label: Labels = None,
) -> None:
    """Draw new images."""
    labels = tuple(label or ())
    n = len(labels) if n == 1 and labels else n
    _draw(json_, show, model, models_dir, device, n, seed, temperature, out, scale, first=first, labels=labels)


def complete(
    model: ModelName,
    image: Picture,
    mask: Mask = None,
    n: CountOrNone = 1,
    seed: Seed = None,
    temperature: Temperature = 1.0,
    out: Out = Path("completion.png"),
    scale: Scale = 1,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    json_: Json = False,
    method: Annotated[
        str | None,
        typer.Option(help="posterior: given everything; clamp: given what is above and left. [default: posterior]"),
    ] = None,
    particles: Annotated[int, typer.Option(help="Draws behind each image, where no single draw is exact.")] = 32,
    sweeps: Annotated[int, typer.Option(help="Further sweeps that bring each image closer to an exact draw.")] = 2,
    fit: Fit = "strict",
    rank: Rank = False,
    show: Show = False,
    first: First = 0,
    label: Label = None,
) -> None:
    """Fill the masked part of an image, given all the rest of it."""
    expect_one_result(out, json_)
    with working() as work:
        from model_core.cli.draw_file import CompleteRequest, DrawRequest, complete_file

        how = n, _seed(seed), temperature
        labels = () if label is None else (label,)
        drawing = DrawRequest(model, models_dir, device, *how, out, scale, None, fit == "resize", first, labels)
        drawn = complete_file(CompleteRequest(drawing, image, mask, method, particles, sweeps, rank), work)
    facts = drawn.facts
    _report(drawn, json_, show)
    if rank and not json_:
        say_ranking(facts["ranking"])
    if "posterior" in facts and not json_:
        say(_receipt(facts["posterior"]))


def upsample(
    model: ModelName,
    image: SmallPicture,
    n: Count = 1,
    seed: Seed = None,
    temperature: Temperature = 1.0,
    out: Out = Path("upsampled.png"),
    scale: Scale = 1,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    json_: Json = False,
    fit: Fit = "strict",
    show: Show = False,
    first: First = 0,
    label: Label = None,
) -> None:
    """Draw large images from a small one; needs a Multi-Scale model."""
    how, labels = (image, fit == "resize", first), () if label is None else (label,)
    _draw(json_, show, model, models_dir, device, n, seed, temperature, out, scale, *how, labels)


def _draw(
    json_: bool,
    show: bool,
    model: str,
    models_dir: Path | None,
    device: str,
    n: int,
    seed: int | None,
    temperature: float,
    out: Path,
    scale: int,
    small: Path | None = None,
    resize: bool = False,
    first: int = 0,
    labels: tuple[str, ...] = (),
) -> None:
    """Draw into a file, and say so."""
    expect_one_result(out, json_)
    with working() as work:
        from model_core.cli.draw_file import DrawRequest, draw

        how = n, _seed(seed), temperature
        request = DrawRequest(model, models_dir, device, *how, out, scale, small, resize, first, labels)
        drawn = draw(request, work)
    _report(drawn, json_, show)


def _seed(seed: int | None) -> int:
    """The seed that was asked for, else one that is drawn."""
    return secrets.randbelow(SEED_LIMIT) if seed is None else seed


def _report(drawn: "Drawn", json_: bool, show: bool) -> None:
    facts = drawn.facts
    if show:
        _show(drawn.picture)
    what = facts["n"] or "the expected image"
    say(f"wrote {facts['out']}: {what} from seed {facts['seed']} in {facts['seconds']:.2f} s")
    if json_:
        print_json(facts)


def _show(picture: "Image.Image") -> None:
    from model_core.cli.terminal import show

    if not show(picture, sys.stderr):
        say("not shown: stderr is no terminal")


def _receipt(receipt: dict[str, Any]) -> str:
    """How good completions are, in words."""
    if receipt["exact"]:
        return "exact: draws from the model's own distribution"
    if receipt["apart_nats"] is None:
        return f"{receipt['quality']}: draws of the network that comes to the hole last, accepted by their weight"
    advice = "; more --sweeps and --particles may help" if receipt["quality"] == "poor" else ""
    return (
        f"{receipt['quality']}: {receipt['particles']} particles for each image, in two chains that ended "
        f"{receipt['apart_nats']:.1f} nats apart at most{advice}"
    )


def _standing(p_value: float | None) -> str:
    return "" if p_value is None else f"; {p_value:.2%} of validation images are as improbable, or more so"


def score(
    model: ModelName,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture, of the model's size.")],
    map_: Annotated[
        Path | None,
        typer.Option("--map", metavar="PICTURE", help="Write the bits of each pixel as a heat map; - is stdout."),
    ] = None,
    scale: Scale = 1,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    json_: Json = False,
    fit: Fit = "strict",
    x: Annotated[int | None, typer.Option(min=0, help="With --y: what was expected in this column, 0 is left.")] = None,
    y: Annotated[int | None, typer.Option(min=0, help="With --x: and in this row, 0 is at the top.")] = None,
    label: Label = None,
    influence: Annotated[
        bool, typer.Option("--influence", help="With --x and --y: how much each earlier pixel mattered there.")
    ] = False,
    show: Show = False,
) -> None:
    """How likely the model finds a picture: nats, bits per colour variable, and where the bits are."""
    expect_one_result(map_, json_)
    if (x is None) != (y is None):
        raise typer.BadParameter("--x and --y name a pixel together")
    pixel = None if x is None or y is None else (x, y)
    if influence and pixel is None:
        raise typer.BadParameter("--influence is that on a pixel: it needs --x and --y")
    with working() as work:
        from model_core.cli.score_file import ScoreRequest, score_file

        work.begin(f"scoring with {model}")
        resize = fit == "resize"
        facts, heat = score_file(
            ScoreRequest(model, image, models_dir, device, map_, scale, resize, pixel, influence, label)
        )
    if show:
        _show(heat)
    say(
        f"{facts['model']}: {facts['nats']:.2f} nats, {facts['bits_per_dim']:.4f} bits/dim{_standing(facts['p_value'])}"
    )
    if facts["quantised_pixels"]:
        say(f"{facts['quantised_pixels']} pixels were moved to the nearest value of the model")
    for colour in facts["pixel"]["colours"] if pixel else ():
        expected = colour["probabilities"][colour["value"]]
        say(f"({x}, {y}) is {colour['value']}, of which p was {expected:.4f}: {colour['bits']:.2f} bits")
    if influence:
        say(_most_influential(facts["pixel"]["influence"]))
    if map_ is not None:
        say(f"wrote {map_}: black 0, white {facts['uniform_bits']:g} bits a pixel and above")
    if json_:
        print_json(facts)


def _most_influential(influence: list[list[float]]) -> str:
    """The pixel that mattered most, in words."""
    slope, x, y = max(((slope, x, y) for y, row in enumerate(influence) for x, slope in enumerate(row)), key=_strength)
    if not slope:
        return "no earlier pixel mattered there"
    return f"({x}, {y}) mattered most: the brightness that is expected there grows by {slope:+.4g} with its own"


def _strength(found: tuple[float, int, int]) -> float:
    return abs(found[0])


def classify(
    model: ModelName,
    image: Picture,
    mask: Annotated[
        Path | None, typer.Argument(metavar="[MASK]", help="Black is given, white is not. [default: all is given]")
    ] = None,
    particles: Annotated[int, typer.Option(min=2, max=256, help="Draws for each label, where they are needed.")] = 32,
    seed: Annotated[int, typer.Option(min=0, max=SEED_LIMIT - 1, help="The noise of these draws.")] = 0,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    json_: Json = False,
    fit: Fit = "strict",
) -> None:
    """How likely each label is, given a picture or a part of it; needs a model with labels."""
    with working() as work:
        from model_core.cli.classify_file import ClassifyRequest, classify_file

        work.begin(f"classifying with {model}")
        request = ClassifyRequest(model, image, mask, models_dir, device, seed, particles, fit == "resize")
        facts = classify_file(request)
    say(", ".join(f"{each['name']}: {each['p']:.4f}" for each in facts["labels"][:3]) + f" ({facts['quality']})")
    say(f"{facts['model']}: {facts['nats']:.2f} nats of what is given")
    if json_:
        print_json(facts)
