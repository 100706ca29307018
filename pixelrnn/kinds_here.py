"""Carry out kinds of job in this process, without a service: a function for each verb.

Modules that load torch are imported inside of the functions, after the first line of
progress is shown, because that takes seconds.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from model_core.cli.progress import Work, working
from model_core.errors import DataError
from model_core.processors import default_threads
from pixelrnn.kind_results import Done, How
from pixelrnn.several import Results
from worker.contract.kind import Kind
from worker.contract.kinds import classify, score

if TYPE_CHECKING:
    from model_core.models import Model

Options = dict[str, Any]
"""The options that were given, by name."""


def carry_out(kind: Kind, options: Options, how: How) -> Done:
    """Do the work of a kind of job in this process, show the progress, and return the
    result. A picture or file is written to `how.out`.

    options: those that were given, by name.

    Raises typer.BadParameter for options that do not go together or a kind that only a
    service can do, and PixelRNNError, mostly DataError, for files, models and options
    that cannot be used.
    """
    if kind.word not in _KINDS:
        raise typer.BadParameter("this is done by a service alone: expected --url")
    with working() as work:
        return _KINDS[kind.word](options, how, work)


def _use_threads(how: How) -> None:
    from model_core.sampling.compiled.threads import use_threads

    use_threads(how.threads or default_threads())


def _model(options: Options, how: How, work: Work) -> "Model":
    from model_core.models import load_model

    work.begin(f"loading {options['model']}")
    _use_threads(how)
    return load_model(options["model"], device=how.device, models_dir=how.models_dir)


def _of_each(
    options: Options, work: Work, told: Callable[[int, Path], dict[str, Any]]
) -> Done:
    """Return the facts of each picture, for which `told` is called with its number and
    file. A picture for which it raises DataError is left out; if all are, DataError is
    raised."""
    files = options["image"]
    on_share = work.begin(f"{options['model']}: several pictures")
    results = Results()
    for i, file in enumerate(files):
        try:
            results.pictures.append({"file": str(file), **told(i, file)})
        except DataError as error:
            results.left_out.append(str(error))
        on_share((i + 1) / len(files))
    return results.done(options["model"])


def _sample(options: Options, how: How, work: Work) -> Done:
    from pixelrnn.drawings_here import draw, with_defaults

    options = with_defaults(options)
    return draw(_model(options, how, work), options, how, work)


def _complete(options: Options, how: How, work: Work) -> Done:
    from pixelrnn.drawings_here import (
        complete_one_of_several,
        complete_picture,
        with_defaults,
    )

    if options["fit"] == "crop":
        raise typer.BadParameter(
            "--fit crop is for a service: add --url, such as --url http://127.0.0.1:8000"
        )
    options = with_defaults(options)
    model = _model(options, how, work)
    if isinstance(options["image"], list):
        complete_one = partial(complete_one_of_several, model, options, how, work)
        return _of_each(options, work, complete_one)
    return complete_picture(model, options, how, work)


def _score(options: Options, how: How, work: Work) -> Done:
    if ("x" in options) != ("y" in options):
        raise typer.BadParameter("--x and --y name a pixel together")
    if "influence" in options and "x" not in options:
        raise typer.BadParameter("--influence is that on a pixel: it needs --x and --y")

    from model_core.data.images import check_picture_place
    from pixelrnn.pictures_here import examine, heat_map

    if how.out is not None:
        check_picture_place(how.out)
    model = _model(options, how, work)
    second = None
    if "against" in options:
        second = _model({"model": options["against"]}, how, work)
        # The values of two palettes are different colours.
        has_same_values = second.card.palette == model.card.palette
        if second.config.image != model.config.image or not has_same_values:
            raise DataError(
                f"{second.card.name} is a model of other pictures: expected the same "
                "size and values"
            )

    work.begin(f"scoring with {options['model']}")
    if isinstance(options["image"], list):

        def score_one(_: int, file: Path) -> dict[str, Any]:
            facts, _maps = examine(score.KIND, model, file, options, second)
            return facts

        return _of_each(options, work, score_one)
    facts, maps = examine(score.KIND, model, options["image"], options, second)
    picture = heat_map(maps["heat"], facts["width"], facts["height"], how)
    return Done(facts, facts, picture)


def _classify(options: Options, how: How, work: Work) -> Done:
    from pixelrnn.pictures_here import examine

    model = _model(options, how, work)
    on_share = work.begin(f"classifying with {options['model']}")
    if isinstance(options["image"], list):

        def classify_one(_: int, file: Path) -> dict[str, Any]:
            facts, _maps = examine(classify.KIND, model, file, options)
            return facts

        return _of_each(options, work, classify_one)
    image = options["image"]
    facts, _ = examine(classify.KIND, model, image, options, on_share=on_share)
    return Done(facts, facts)


def _encode(options: Options, how: How, work: Work) -> Done:
    from model_core.cli.coded_file import encode_files

    assert how.out is not None
    facts = encode_files(
        options["model"],
        options["images"],
        how.out,
        how.models_dir,
        options.get("label"),
        work,
        options.get("colours") == "nearest",
    )
    return Done(facts, facts)


def _decode(options: Options, how: How, work: Work) -> Done:
    from model_core.cli.coded_file import decode_file

    assert how.out is not None
    _use_threads(how)
    facts = decode_file(
        options["file"], how.out, options.get("model"), how.models_dir, work
    )
    return Done(facts, facts)


def _verify(options: Options, how: How, work: Work) -> Done:
    work.begin(f"verifying {options['image']}")
    from pixelrnn.verify import verify_file

    _use_threads(how)
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
