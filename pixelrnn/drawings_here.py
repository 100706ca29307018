"""Draw images in this process, without a service, and write them as a picture: new
images, images enlarged from small ones, and completions."""

import json
import math
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer
from PIL import Image

from model_core.cli.progress import Work
from model_core.data.images import (
    check_picture_place,
    expected_picture,
    grid,
    read_keep,
    read_nearest,
    read_values,
    save_picture,
)
from model_core.errors import DataError
from model_core.measures.picture_score import score_picture
from model_core.models import Model
from model_core.posterior.completion import Completion, complete, share_of_rows
from model_core.posterior.targets import FEW_SCORES, most_scores
from model_core.sampling.offline import sample, tensor_of, upsample
from model_core.sampling.stages import numerics_of
from pixelrnn.kind_results import Done, How
from pixelrnn.several import places
from worker.contract.jobs import MAX_SEED
from worker.contract.kinds import KINDS
from worker.contract.options import Options as JobOptions
from worker.contract.size import sides
from worker.engine.assessment import receipt_fields

Options = dict[str, Any]
"""The options of a verb, by name."""


def with_defaults(options: Options) -> Options:
    """Return a copy of a verb's options in which these are added:

    - seed: a random one; temperature: 1.0; first: 0; fit: "strict"; each unless it is
    given.
    - labels: a list made of `label`, which may be one label, a list, or missing.
    - n: 1 if it is not given; if it is 1 and there are labels, the number of labels.
    - size: if it is given, as (width, height) instead of "WIDTHxHEIGHT".

    Raises typer.BadParameter for a size that is not of that form.
    """
    whole: Options = {
        "seed": secrets.randbelow(MAX_SEED + 1),
        "temperature": 1.0,
        "first": 0,
        "fit": "strict",
        "n": 1,
        **options,
    }
    label = options.get("label", ())
    whole["labels"] = [label] if isinstance(label, str) else [*label]
    if whole["n"] == 1 and whole["labels"]:
        whole["n"] = len(whole["labels"])
    if "size" in options:
        try:
            whole["size"] = sides(options["size"])
        except ValueError as error:
            raise typer.BadParameter(f"--size: {error}") from None
    return whole


def draw(model: Model, options: Options, how: How, work: Work) -> Done:
    """Draw `n` new images, or `n` enlarged ones if the options have a small `image`,
    and write them as one picture to `how.out`. The facts and the document of the result
    are: model, n, seed, temperature, seconds, out, and `nats` and `bits_per_dim` of
    each image.

    options: from `with_defaults`.
    work: shows the progress.

    Raises DataError or ConfigError for options that do not fit the model, and DataError
    if a file cannot be read or written.
    """
    expect_place(model, how)
    started = time.perf_counter()
    config = model.config
    n = options["n"]
    height = options["size"][1] if "size" in options else config.height
    on_row = share_of_rows(n * height, work.begin("drawing"))
    log_p = np.zeros(n)
    what: Options = {
        "n": n,
        "seed": options["seed"],
        "temperature": options["temperature"],
        "first": options["first"],
        "label": _label(options),
        "on_row": on_row,
        "log_p": log_p,
    }
    if "image" in options:
        word = "upsample"
        if not config.multi_scale:
            raise DataError(
                f"{model.card.name} has one scale: upsampling needs a Multi-Scale model"
            )
        is_resized = options["fit"] == "resize"
        small = read_values(options["image"], config.small, is_resized)
        values = upsample(model, tensor_of(small), **what)
    else:
        word = "sample"
        values = sample(model, **what, size=options.get("size"))

    picture = grid(values.cpu().numpy(), config, how.scale, model.card.palette)
    facts = _write(word, picture, model, options, how, started)
    nats = [0.0 - each for each in log_p.tolist()]  # 0.0 and not -0.0
    facts["nats"] = nats
    facts["bits_per_dim"] = [each / (math.log(2) * values[0].numel()) for each in nats]
    return Done(facts, facts, picture)


def complete_picture(
    model: Model, options: Options, how: How, work: Work, doing: str = "completing"
) -> Done:
    """Fill the hole of a picture `n` times, and write the images as one picture to
    `how.out`; for n = 0 the expected image. The hole is the white part of `mask`, or
    without one the transparent part of `image`. The facts and the document of the
    result are those of `draw` without `nats` and `bits_per_dim`. If they apply, the
    document also has `method`, `posterior` (how good the draws are) and `ranking`.

    options: from `with_defaults`.
    work: shows the progress.
    doing: what to show while it is drawn.

    Raises the errors of `complete` (posterior/completion.py), and DataError if a file
    cannot be read or written.
    """
    expect_place(model, how)
    config = model.config
    palette = model.card.palette
    image = options["image"]
    mask = options.get("mask")
    is_resized = options["fit"] == "resize"
    takes_nearest = options.get("colours") == "nearest"
    keep = read_keep(mask or image, config, mask is None, is_resized, palette)
    given, _ = read_nearest(image, config, is_resized, palette, takes_nearest, keep)
    usual = "clamp" if config.multi_scale else "posterior"
    method = options.get("method") or usual
    options = {**options, "method": method}

    started = time.perf_counter()
    completion = complete(
        model,
        tensor_of(given),
        tensor_of(keep),
        options["n"],
        options["seed"],
        options["temperature"],
        method,
        options.get("particles", 32),
        options.get("sweeps", 2),
        work.begin(doing),
        options["first"],
        *options["labels"],
        most_scores=options.get("most_scores"),
    )
    picture = _picture_of(completion, model, how.scale)
    facts = _write("complete", picture, model, options, how, started)
    facts["method"] = method
    if method == "posterior":
        names = [label.name for label in model.card.labels]
        facts["posterior"] = receipt_fields(completion.receipt, names)
    if options.get("rank"):
        work.begin("ranking")
        facts["ranking"] = _ranking(model, completion)
    return Done(facts, facts, picture)


def complete_one_of_several(
    model: Model, options: Options, how: How, work: Work, i: int, file: Path
) -> dict[str, Any]:
    """Complete `file`, which is picture number i of `options["image"]`, and write each
    of its n completions to a file below `how.out`. Return the facts of each, as
    `completions`."""
    # Image j of picture i has the number first + i * n + j, so that no two pictures
    # have the same noise.
    assert how.out is not None
    n = options["n"]
    pictures = len(options["image"])
    # All pictures share one limit, as in a job of the service.
    limit = max(FEW_SCORES, most_scores(model.card) // pictures)
    options = {**options, "most_scores": limit}
    doing = f"completing {i + 1} of {pictures}"
    facts = []
    for j, out in enumerate(places(how.out, options["folder"], file, n)):
        one = {**options, "n": 1, "first": options["first"] + i * n + j, "image": file}
        done = complete_picture(model, one, replace(how, out=out), work, doing)
        facts.append(done.facts)
    return {"completions": facts}


def expect_place(model: Model, how: How) -> None:
    """Raise DataError if the picture could not be written to `how.out`, before anything
    is drawn."""
    assert how.out is not None
    check_picture_place(how.out, model.card.palette)


def write_picture(picture: Image.Image, out: Path, text: dict[str, str]) -> None:
    """Write a picture, in the format of the file's suffix. Raises DataError if it
    cannot be written or is too large for the format.

    text: text chunks of a PNG, by keyword; other formats drop them.
    """
    try:
        save_picture(picture, out, text)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror}") from None


def _label(options: Options) -> str | list[str] | None:
    """Return the label of all images if there is one, else the list with one for each;
    None without labels."""
    labels = options["labels"]
    return labels[0] if len(labels) == 1 else labels or None


def _picture_of(completion: Completion, model: Model, scale: int) -> Image.Image:
    """Return the images of a completion as one picture; without any, the expected
    image."""
    palette = model.card.palette
    if completion.mean is None or len(completion.values):
        images = completion.values.cpu().numpy()
        return grid(images, model.config, scale, palette)
    return expected_picture(completion.mean.numpy(), model.config, scale, palette)


def _ranking(model: Model, completion: Completion) -> list[dict[str, Any]]:
    """Return number and nats of each image as a whole, the likeliest first."""
    images = completion.values.cpu().numpy()
    nats = [score_picture(model, image).nats for image in images]
    order = sorted(range(len(nats)), key=nats.__getitem__)
    return [{"sample": i, "nats": nats[i]} for i in order]


def _write(
    word: str,
    picture: Image.Image,
    model: Model,
    options: Options,
    how: How,
    started: float,
) -> dict[str, Any]:
    """Write a picture to `how.out`, and return its facts.

    word: the kind of job.
    started: when drawing began, by time.perf_counter.
    """
    assert how.out is not None
    # Measured before the file is written: the time to draw is reported.
    seconds = time.perf_counter() - started
    write_picture(picture, how.out, _provenance(word, model, options))
    drawing = {name: options[name] for name in ("n", "seed", "temperature")}
    return {
        "model": model.card.name,
        **drawing,
        "seconds": seconds,
        "out": str(how.out),
    }


def _provenance(word: str, model: Model, options: Options) -> dict[str, str]:
    """Return how a picture was drawn, as the texts that worker/contract/provenance.py
    reads, so that a sample can be drawn again."""
    return {
        "kind": word,
        "model": model.card.name,
        "digest": model.card.sha256,
        "identity": model.card.identity,
        "seed": str(options["seed"]),
        "temperature": repr(options["temperature"]),
        "numerics": numerics_of(model),
        "sample": str(options["first"]),
        "samples": str(options["n"]),
        **_job_options(word, model, options).origin(),
        **_label_names(model, options["labels"]),
    }


def _job_options(word: str, model: Model, options: Options) -> JobOptions:
    """Return the verb's options as those of a job of this kind, without labels: of
    these a verb takes more than a job does."""
    kind = KINDS[word]
    names = [name for name in kind.client_options if name in options]
    said = {name: options[name] for name in names if name != "label"}

    own_size = model.config.width, model.config.height
    width, height = options.get("size", own_size)
    is_field = (width, height) != own_size
    said["size"] = f"{width}x{height}" if is_field else None
    if said.get("colours") == "exact":
        del said["colours"]  # as without the option
    return kind.options(**said)


def _label_names(model: Model, asked: list[str]) -> dict[str, str]:
    """Return the names of the labels in the form of the service: one if all are the
    same, else a list; empty without labels."""
    names = [
        model.card.labels[model.card.label_number(each) or 0].name for each in asked
    ]
    if len(set(names)) > 1:
        return {"labels": json.dumps(names)}
    return {"label": names[0]} if names else {}
