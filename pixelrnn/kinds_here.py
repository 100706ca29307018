"""Kinds of job that a verb carries out here, without a service. Heavy imports wait until progress is shown."""

import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from model_core.cli.progress import Work, working
from pixelrnn.kinds_told import Done, How
from worker.contract.jobs import MAX_SEED
from worker.contract.kind import Kind

if TYPE_CHECKING:
    from model_core.cli.draw_file import DrawRequest

Said = dict[str, Any]
"""The options that were given."""


def carried_out(kind: Kind, said: Said, how: How) -> Done:
    """Do it. Raises PixelRNNError for what a person got wrong."""
    if kind.word not in _KINDS:
        raise typer.BadParameter("this is done by a service alone: expected --url")
    with working() as work:
        return _KINDS[kind.word](said, how, work)


def _request(said: Said, how: How, **beside: Any) -> "DrawRequest":
    from model_core.cli.draw_file import DrawRequest

    label = said.get("label", ())
    labels = (label,) if isinstance(label, str) else tuple(label)
    n = said.get("n", 1)
    seed = said["seed"] if "seed" in said else secrets.randbelow(MAX_SEED + 1)
    drawing = len(labels) if n == 1 and labels else n, seed, said.get("temperature", 1.0)
    resize, first = said["fit"] == "resize" if "fit" in said else False, said.get("first", 0)
    where = said["model"], how.models_dir, how.device
    assert how.out is not None
    return DrawRequest(*where, *drawing, how.out, how.scale, resize=resize, first=first, labels=labels, **beside)


def _sample(said: Said, how: How, work: Work) -> Done:
    from model_core.cli.draw_file import draw

    drawn = draw(_request(said, how, small=said.get("image")), work)
    return Done(drawn.facts, drawn.facts, drawn.picture)


def _complete(said: Said, how: How, work: Work) -> Done:
    from model_core.cli.draw_file import CompleteRequest, complete_file

    by = said.get("method"), said.get("particles", 32), said.get("sweeps", 2), said.get("rank", False)
    drawn = complete_file(CompleteRequest(_request(said, how), said["image"], said.get("mask"), *by), work)
    return Done(drawn.facts, drawn.facts, drawn.picture)


def _score(said: Said, how: How, work: Work) -> Done:
    x, y, influence = said.get("x"), said.get("y"), said.get("influence", False)
    if (x is None) != (y is None):
        raise typer.BadParameter("--x and --y name a pixel together")
    pixel = None if x is None or y is None else (x, y)
    if influence and pixel is None:
        raise typer.BadParameter("--influence is that on a pixel: it needs --x and --y")
    from model_core.cli.score_file import ScoreRequest, score_file

    work.begin(f"scoring with {said['model']}")
    where = said["model"], said["image"], how.models_dir, how.device, how.out, how.scale
    facts, heat = score_file(ScoreRequest(*where, said["fit"] == "resize", pixel, influence, said.get("label")))
    return Done(facts, facts, heat)


def _classify(said: Said, how: How, work: Work) -> Done:
    from model_core.cli.classify_file import ClassifyRequest, classify_file

    work.begin(f"classifying with {said['model']}")
    where = said["model"], said["image"], said.get("mask"), how.models_dir, how.device
    by = said.get("seed", 0), said.get("particles", 32), said["fit"] == "resize"
    facts = classify_file(ClassifyRequest(*where, *by))
    return Done(facts, facts)


def _encode(said: Said, how: How, work: Work) -> Done:
    from model_core.cli.coded_file import encode_files

    assert how.out is not None
    facts = encode_files(said["model"], said["images"], how.out, how.models_dir, said.get("label"), work)
    return Done(facts, facts)


def _decode(said: Said, how: How, work: Work) -> Done:
    from model_core.cli.coded_file import decode_file

    assert how.out is not None
    facts = decode_file(said["file"], how.out, said.get("model"), how.models_dir, work)
    return Done(facts, facts)


def _verify(said: Said, how: How, work: Work) -> Done:
    from pixelrnn.verify import verify_file

    work.begin(f"verifying {said['image']}")
    facts = verify_file(said["image"], how.models_dir, how.device)
    return Done(facts, facts)


_KINDS: Mapping[str, Callable[[Said, How, Work], Done]] = {
    "sample": _sample,
    "complete": _complete,
    "upsample": _sample,
    "score": _score,
    "classify": _classify,
    "encode": _encode,
    "decode": _decode,
    "verify": _verify,
}
