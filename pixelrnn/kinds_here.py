"""Kinds of job that a verb carries out here, without a service. Heavy imports wait until progress is shown."""

import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from model_core.cli.progress import Work, working
from pixelrnn.kind_results import Done, How
from worker.contract.jobs import MAX_SEED
from worker.contract.kind import Kind

if TYPE_CHECKING:
    from model_core.cli.draw_file import DrawRequest

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
    resize, first = options["fit"] == "resize" if "fit" in options else False, options.get("first", 0)
    where = options["model"], how.models_dir, how.device
    assert how.out is not None
    return DrawRequest(*where, *drawing, how.out, how.scale, resize=resize, first=first, labels=labels, **beside)


def _sample(options: Options, how: How, work: Work) -> Done:
    from model_core.cli.draw_file import draw

    drawn = draw(_request(options, how, small=options.get("image")), work)
    return Done(drawn.facts, drawn.facts, drawn.picture)


def _complete(options: Options, how: How, work: Work) -> Done:
    from model_core.cli.draw_file import CompleteRequest, complete_file

    by = options.get("method"), options.get("particles", 32), options.get("sweeps", 2), options.get("rank", False)
    drawn = complete_file(CompleteRequest(_request(options, how), options["image"], options.get("mask"), *by), work)
    return Done(drawn.facts, drawn.facts, drawn.picture)


def _score(options: Options, how: How, work: Work) -> Done:
    x, y, influence = options.get("x"), options.get("y"), options.get("influence", False)
    if (x is None) != (y is None):
        raise typer.BadParameter("--x and --y name a pixel together")
    pixel = None if x is None or y is None else (x, y)
    if influence and pixel is None:
        raise typer.BadParameter("--influence is that on a pixel: it needs --x and --y")
    from model_core.cli.score_file import ScoreRequest, score_file

    work.begin(f"scoring with {options['model']}")
    where = options["model"], options["image"], how.models_dir, how.device, how.out, how.scale
    facts, heat = score_file(ScoreRequest(*where, options["fit"] == "resize", pixel, influence, options.get("label")))
    return Done(facts, facts, heat)


def _classify(options: Options, how: How, work: Work) -> Done:
    from model_core.cli.classify_file import ClassifyRequest, classify_file

    work.begin(f"classifying with {options['model']}")
    where = options["model"], options["image"], options.get("mask"), how.models_dir, how.device
    by = options.get("seed", 0), options.get("particles", 32), options["fit"] == "resize"
    facts = classify_file(ClassifyRequest(*where, *by))
    return Done(facts, facts)


def _encode(options: Options, how: How, work: Work) -> Done:
    from model_core.cli.coded_file import encode_files

    assert how.out is not None
    facts = encode_files(options["model"], options["images"], how.out, how.models_dir, options.get("label"), work)
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
