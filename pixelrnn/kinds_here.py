"""Kinds of job that a verb carries out here, without a service. Heavy imports wait until progress is shown."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from model_core.cli.progress import Work, working
from model_core.errors import DataError
from pixelrnn.kind_results import Done, How
from pixelrnn.several import Results, places
from worker.contract.jobs import MAX_SEED
from worker.contract.kind import Kind
from worker.contract.kinds import classify, score
from worker.contract.size import sides

if TYPE_CHECKING:
    from model_core.cli.draw_file import DrawRequest
    from model_core.models import Model

Options = dict[str, Any]
"""The options that were given."""


def carried_out(kind: Kind, options: Options, how: How) -> Done:
    """Do it. Raises PixelRNNError for what a person got wrong."""
    if kind.word not in _KINDS:
        raise typer.BadParameter("this is done by a service alone: expected --url")
    with working() as work:
        return _KINDS[kind.word](options, how, work)


def _request(options: Options, how: How, **beside: Any) -> "DrawRequest":
    from model_core.cli.draw_file import DrawRequest

    label = options.get("label", ())
    labels = (label,) if isinstance(label, str) else tuple(label)
    n = options.get("n", 1)
    seed = options["seed"] if "seed" in options else secrets.randbelow(MAX_SEED + 1)
    drawing = len(labels) if n == 1 and labels else n, seed, options.get("temperature", 1.0)
    if "size" in options:
        beside["size"] = _size(options["size"])
    resize, first = options["fit"] == "resize" if "fit" in options else False, options.get("first", 0)
    where = options["model"], how.models_dir, how.device
    assert how.out is not None
    taken = {"resize": resize, "nearest": _takes_nearest(options)}
    return DrawRequest(*where, *drawing, how.out, how.scale, **taken, first=first, labels=labels, **beside)


def _takes_nearest(options: Options) -> bool:
    return options.get("colours") == "nearest"


def _model(options: Options, how: How, work: Work) -> "Model":
    from model_core.models import load_model

    work.begin(f"loading {options['model']}")
    return load_model(options["model"], device=how.device, models_dir=how.models_dir)


def _of_each(options: Options, work: Work, told: Callable[[int, Path], dict[str, Any]]) -> Done:
    """The facts of each picture, given its number and file. DataError where none can be taken."""
    files, results, on_share = options["image"], Results(), work.begin(f"{options['model']}: several pictures")
    for i, file in enumerate(files):
        try:
            results.pictures.append({"file": str(file), **told(i, file)})
        except DataError as error:
            results.left_out.append(str(error))
        on_share((i + 1) / len(files))
    return results.done(options["model"])


def _size(text: str) -> tuple[int, int]:
    try:
        return sides(text)
    except ValueError as error:
        raise typer.BadParameter(f"--size: {error}") from None


def _sample(options: Options, how: How, work: Work) -> Done:
    from model_core.cli.draw_file import draw

    drawn = draw(_request(options, how, small=options.get("image")), work)
    return Done(drawn.facts, drawn.facts, drawn.picture)


def _complete(options: Options, how: How, work: Work) -> Done:
    from model_core.cli.draw_file import CompleteRequest, complete_file, opened

    if options["fit"] == "crop":
        raise typer.BadParameter("--fit crop is done by a service alone: expected --url")
    by = options.get("method"), options.get("particles", 32), options.get("sweeps", 2), options.get("rank", False)
    request, image, mask = _request(options, how), options["image"], options.get("mask")
    if not isinstance(image, list):
        drawn = complete_file(opened(request, work), CompleteRequest(request, image, mask, *by), work)
        return Done(drawn.facts, drawn.facts, drawn.picture)
    model, n = _model(options, how, work), request.n

    def completed(i: int, file: Path) -> dict[str, Any]:
        facts: list[dict[str, Any]] = []
        for j, out in enumerate(places(request.out, options["folder"], file, n)):
            one = replace(request, n=1, first=request.first + i * n + j, out=out)
            ask = CompleteRequest(one, file, mask, *by)
            facts.append(complete_file(model, ask, work, f"completing {i + 1} of {len(image)}").facts)
        return {"completions": facts}

    return _of_each(options, work, completed)


def _score(options: Options, how: How, work: Work) -> Done:
    x, y, influence = options.get("x"), options.get("y"), options.get("influence", False)
    if (x is None) != (y is None):
        raise typer.BadParameter("--x and --y name a pixel together")
    pixel = None if x is None or y is None else (x, y)
    if influence and pixel is None:
        raise typer.BadParameter("--influence is that on a pixel: it needs --x and --y")
    from model_core.data.images import check_picture_place
    from pixelrnn.pictures_here import heat_map, looked_at

    if how.out is not None:
        check_picture_place(how.out)
    model, second = _model(options, how, work), None
    if "against" in options:
        second = _model({"model": options["against"]}, how, work)
        if second.config.image != model.config.image:
            raise DataError(f"{second.card.name} is a model of other pictures: expected the same size and values")
    work.begin(f"scoring with {options['model']}")
    if isinstance(options["image"], list):
        return _of_each(options, work, lambda _, file: looked_at(score.KIND, model, file, options, second)[0])
    facts, kept = looked_at(score.KIND, model, options["image"], options, second)
    return Done(facts, facts, heat_map(kept["heat"], facts["width"], facts["height"], how))


def _classify(options: Options, how: How, work: Work) -> Done:
    from pixelrnn.pictures_here import looked_at

    model = _model(options, how, work)
    on_share = work.begin(f"classifying with {options['model']}")
    if isinstance(options["image"], list):
        return _of_each(options, work, lambda _, file: looked_at(classify.KIND, model, file, options)[0])
    facts, _ = looked_at(classify.KIND, model, options["image"], options, on_share=on_share)
    return Done(facts, facts)


def _encode(options: Options, how: How, work: Work) -> Done:
    from model_core.cli.coded_file import encode_files

    assert how.out is not None
    by = how.models_dir, options.get("label"), work, _takes_nearest(options)
    facts = encode_files(options["model"], options["images"], how.out, *by)
    return Done(facts, facts)


def _decode(options: Options, how: How, work: Work) -> Done:
    from model_core.cli.coded_file import decode_file

    assert how.out is not None
    facts = decode_file(options["file"], how.out, options.get("model"), how.models_dir, work)
    return Done(facts, facts)


def _verify(options: Options, how: How, work: Work) -> Done:
    from pixelrnn.verify import verify_file

    work.begin(f"verifying {options['image']}")
    facts = verify_file(options["image"], how.models_dir, how.device)
    return Done(facts, facts)


_KINDS: Mapping[str, Callable[[Options, How, Work], Done]] = {
    "sample": _sample,
    "complete": _complete,
    "upsample": _sample,
    "score": _score,
    "classify": _classify,
    "encode": _encode,
    "decode": _decode,
    "verify": _verify,
}
