"""The offline verbs of `pixelrnn`, except those that carry out a kind of job
(pixelrnn/kind_verbs.py).

Large packages are imported inside the verbs, so that `pixelrnn --help` answers at once.
Results go to stdout, messages to stderr. The docstrings of verbs are the text of their
--help; the command prints their errors as one line.
"""

import difflib
import json
import os
import re
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from model_core import shipped
from model_core.cli.options import (
    Convert,
    DataPath,
    Device,
    Json,
    ModelName,
    ModelsDir,
    print_json,
    say,
)
from model_core.errors import ConfigError
from model_core.portable.target import ENVIRONMENT
from model_core.slow_steps import if_slow

bench = typer.Typer(name="bench", help="Measure this machine.", no_args_is_help=True)
gpu = typer.Typer(name="gpu", help="Check this machine's GPU.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the offline verbs to the root command."""
    for verb in (
        train,
        publish,
        mix,
        guide,
        evaluate,
        calibrate,
        entropy,
        models,
        export,
    ):
        app.command()(verb)
    app.add_typer(bench)
    app.add_typer(gpu)


def train(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="PICTURES|RECIPE",
            help="A folder of pictures, or .npz; or a recipe: a TOML file, or the name "
            "of a shipped one, such as own-pictures.",
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(help="The data set, instead of the recipe's.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of run and model. \\[default: the recipe's name]"),
    ] = None,
    runs_dir: Annotated[
        Path, typer.Option(help="Where runs are kept: RUNS_DIR/NAME/.")
    ] = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the recipe: training.epochs=5, ...",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Processes that divide each batch. \\[default: of processors but one, "
            "as many as the recipe has shares, or make training on pictures faster]",
        ),
    ] = None,
    publish: Annotated[
        Path | None,
        typer.Option(
            help="Models directory to write each best epoch to. \\[pictures: my-models]"
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=1440,
            help="How long pictures are learned from; a recipe has its epochs. "
            "\\[default: 5]",
        ),
    ] = None,
    decay_from_here: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="UPDATES",
            help="With --resume: let the learning rate fall to 0 over this many updates, "
            "and end. For the schedule stable.",
        ),
    ] = None,
    mirrors: Annotated[
        bool,
        typer.Option(
            "--mirrors/--no-mirrors",
            help="Pictures: try the model as a mixture with its mirror images.",
        ),
    ] = True,
    publish_anyway: Annotated[
        bool,
        typer.Option(
            "--publish-anyway",
            help="Pictures: publish the model also if it is worse than PNG, or had "
            "fewer than 20 updates.",
        ),
    ] = False,
) -> dict[str, Any] | None:
    """Train a network from pictures for some minutes, or from a recipe. Ctrl-C stops it
    without loss, and --resume continues it.

    With --url a service trains, by the options of `pixelrnn remote train`.
    """
    _expect_pictures_or_recipe(config)
    with if_slow(_say_once, f"preparing to train by {config}"):
        from model_core.cli.train_pictures import are_pictures, train_pictures
        from model_core.training.display import nats_and_bits
        from model_core.training.files import locked_run
        from model_core.training.launch import train_with
        from model_core.training.process_count import processes_for
        from model_core.training.recipe import Recipe
        from model_core.training.run import RunRequest

    if decay_from_here is not None and not resume:
        raise typer.BadParameter(
            "--decay-from-here is for a run that goes on: --resume"
        )
    if are_pictures(config):
        if data is not None:
            raise typer.BadParameter(f"{config} is not a recipe: --data is for recipes")
        return train_pictures(
            config,
            minutes,
            runs_dir,
            name,
            publish or Path("my-models"),
            set_ or [],
            resume,
            processes,
            mirrors,
            publish_anyway,
        )
    if minutes is not None:
        raise typer.BadParameter(
            f"{config} is a recipe: --minutes is for pictures; a recipe has "
            "training.epochs"
        )
    changes = [*(set_ or [])]
    if data is not None:
        # TOML has no surrogates, which JSON writes for characters beyond U+FFFF.
        changes.append(f"data.path={json.dumps(str(data), ensure_ascii=False)}")
    recipe = Recipe.load(config, changes)
    directory = runs_dir / (name or config.stem)
    command = _train_command(config, set_ or [], processes, decay_from_here)
    request = RunRequest(
        recipe, directory, resume, publish, command, decay_updates=decay_from_here
    )
    with locked_run(directory):
        count = processes_for(request, processes)
        if processes is not None and count < processes:
            _say_once(
                f"{count} of {processes} processes train: one for each share of this "
                "run"
            )
        result = train_with(request, count, say=_say_once)
    if not result.leads:
        return None
    if result.finished:
        best = (
            f"best: epoch {result.best_epoch}"
            if result.best_epoch
            else "none was better than the start"
        )
        nats = (
            "no nats"
            if result.best_nats is None
            else nats_and_bits(result.best_nats, result.dimensions)
        )
        done = f"trained {result.epochs} epochs; {best}, {nats}"
        typer.echo(f"{done}; in {directory}", err=True)
    else:
        typer.echo(
            f"stopped at iteration {result.iteration}, saved; the same command with --resume goes on",
            err=True,
        )
    return result.to_dict()


def _expect_pictures_or_recipe(path: Path) -> None:
    """Raise ConfigError if there is neither a file or folder nor a recipe of this name.

    It is called before PyTorch is imported, so that a mistyped name is reported at
    once.
    """
    recipes = sorted(recipe.stem for recipe in shipped.RECIPES.glob("*.toml"))
    if path.exists() or str(path) in recipes:
        return
    # Names alone are compared: two long paths of one folder are always similar. No
    # folder is a guess at a file.
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    known = {one.name: str(one) for one in beside if one.suffix == path.suffix}
    known |= {name: name for name in recipes}
    near = [known[name] for name in difflib.get_close_matches(path.name, known, 1)]
    hint = (
        f"did you mean {near[0]}?"
        if near
        else "expected a folder of pictures, an .npz file or a recipe; "
        f"recipes that need no file: {', '.join(recipes)}"
    )
    raise ConfigError(f"there is no folder or file {path}: {hint}")


def publish(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="A run's directory, or one of its checkpoints."
        ),
    ],
    models_dir: ModelsDir = None,
) -> dict[str, Any]:
    """Make a model that can be served of a run's best checkpoint. `evaluate
    --write-card` then adds its test score."""
    from model_core.models_directory import own_models_dir
    from model_core.training.publish import best_checkpoint
    from model_core.training.publish import publish as write

    directory = write(best_checkpoint(run), models_dir or own_models_dir(), say=say)
    say(f"wrote {directory}")
    return {"directory": str(directory)}


def mix(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The mixture's name.")],
    members: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Models of one network each."),
    ],
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIENTATION",
            help="Use the first model's weights for images turned in this way, too.",
        ),
    ] = None,
    models_dir: ModelsDir = None,
) -> dict[str, Any]:
    """Make one model of several: a mixture, with equal shares, of networks that were
    trained on images turned in different ways.

    Where images have no direction, like floor plans seen from above, one training is
    enough: --also rotate_180.
    """
    from model_core.mixing import mix as write
    from model_core.mixing import turned_copies
    from model_core.models import load_model
    from model_core.models_directory import check_name, own_models_dir

    check_name(name)
    directory = (models_dir or own_models_dir()) / name
    models = [load_model(member, models_dir=models_dir) for member in members]
    card = write([*models, *turned_copies(models[0], also or [])], directory)
    members_turned = [member.orientation for member in card.members]
    say(f"wrote {directory}: {', '.join(members_turned)}")
    return {"directory": str(directory), "members": members_turned}


def guide(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The model that is guided.")
    ],
    lender: Annotated[
        str,
        typer.Argument(
            metavar="LENDER", help="The model whose networks propose draws."
        ),
    ],
    orientations: Annotated[
        list[str],
        typer.Argument(
            metavar="ORIENTATION...",
            help="Its networks for images turned in these ways; of a single network, "
            "turned.",
        ),
    ],
    models_dir: ModelsDir = None,
) -> dict[str, Any]:
    """Let networks of a model propose draws for holes of another one, or of itself.
    They do not change its probabilities."""
    from model_core.mixing import guide as write
    from model_core.models import directory_of

    card = write(
        directory_of(name, models_dir), directory_of(lender, models_dir), orientations
    )
    turned = [each.orientation for each in card.guides]
    words = ", ".join(turned) or "none"
    say(f"guides of {name}: {words}; its identity is {card.identity[:12]}... now")
    return {"model": name, "guides": turned, "identity": card.identity}


def export(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="The folder to write; with --one-file, the file."
        ),
    ],
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="\\[default: all that can be exported and are not large; with "
            "--one-file there is none]",
        ),
    ] = None,
    one_file: Annotated[
        bool,
        typer.Option(
            "--one-file",
            help="Write one HTML file instead, which opens by a double click, offline.",
        ),
    ] = False,
    models_dir: ModelsDir = None,
) -> dict[str, Any]:
    """Write a page that draws in any browser, with the engine and models: a folder for
    any web server, or one file."""
    os.environ.update(
        ENVIRONMENT
    )  # before numba is imported: weights are laid out for it
    from model_core.models import load_model
    from model_core.models_directory import default_models_dir, models_in
    from model_core.portable.folder import export as write
    from model_core.portable.folder import left_out
    from model_core.portable.one_file import export_one_file

    if one_file:
        named = [load_model(name, models_dir=models_dir) for name in models or ()]
        export_one_file(named, target, say)
        say(f"wrote {target}: open it in a browser, offline too")
        return {"out": str(target), "models": models or []}

    names = models or models_in(models_dir)[1]
    loaded = {name: load_model(name, models_dir=models_dir) for name in names}
    reasons = {} if models else left_out(loaded, models_dir or default_models_dir())
    taken = [name for name in loaded if name not in reasons]
    write([loaded[name] for name in taken], target, say)
    for reason in reasons.values():
        say(f"left out: {reason}")
    say(
        f"wrote {target}; try it: python -m http.server --directory {shlex.quote(str(target))}"
    )
    return {"out": str(target), "models": taken, "left_out": reasons}


def evaluate(
    model: ModelName,
    data: DataPath,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    limit: Annotated[
        int, typer.Option(min=0, help="Only N images, spread over the split; 0: all.")
    ] = 0,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Images at once.")] = 50,
    originals: Annotated[
        Path | None,
        typer.Option(
            help="MNIST's files: the grey pictures, with labels, from which binarized "
            "MNIST was drawn."
        ),
    ] = None,
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Keep the score in the model's card.")
    ] = False,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    yes: Convert = False,
) -> dict[str, Any]:
    """Print the negative log-likelihood of a data set: nats per image, and bits per
    colour variable."""
    from model_core import load_model
    from model_core.training.scoring import (
        expect_as_they_are,
        keep_score,
        score_model,
        writable_directory,
    )

    loaded = load_model(model, device=device, models_dir=models_dir)
    directory = (
        writable_directory(model, models_dir) if write_card else None
    )  # found out before it is scored
    if not yes:
        expect_as_they_are(loaded, data)
    score = score_model(loaded, data, split, limit, batch, say, originals)
    if directory is not None:
        keep_score(directory, split, score)
    typer.echo(
        f"{loaded.card.name}: {_with_error(score.nats, score.standard_error, 2)} nats, "
        f"{_with_error(score.bits_per_dim, score.bits_standard_error, 4)} bits/dim{_by_colour(score.colour_bits)}, "
        f"{score.images} {split} images, {score.images_per_s:.0f} images/s",
        err=True,
    )
    if score.label_nats is not None and score.label_errors is not None:
        say(f"labels: {score.label_nats:.4f} nats, {score.label_errors:.2%} wrong")
    return {"model": loaded.card.name, "split": split, **score.to_dict()}


def calibrate(
    model: ModelName,
    data: DataPath,
    limit: Annotated[
        int, typer.Option(min=0, help="Only N images, spread over the split; 0: all.")
    ] = 0,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    yes: Convert = False,
) -> dict[str, Any]:
    """Store in the model's card how improbable its validation images are, so that a
    score comes with a p-value."""
    from model_core import load_model
    from model_core.measures.standing import validation_scores
    from model_core.training.scoring import (
        expect_as_they_are,
        keep_validation,
        log_p_of_split,
        writable_directory,
    )

    loaded = load_model(model, device=device, models_dir=models_dir)
    directory = writable_directory(model, models_dir)  # found out before it is scored
    if not yes:
        expect_as_they_are(loaded, data)
    validation = validation_scores(
        log_p_of_split(loaded, data, "valid", limit, say=say)
    )
    keep_validation(directory, validation)
    low, middle, high = (validation.nats_quantiles[k] for k in (10, 100, 190))
    say(
        f"{model}: nine in ten of {validation.images} validation images have {low:.2f} to {high:.2f} nats, "
        f"half of them less than {middle:.2f}"
    )
    return {"model": model, **asdict(validation)}


def entropy(
    model: ModelName,
    data: DataPath,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    limit: Annotated[
        int, typer.Option(min=0, help="Only N images, spread over the split; 0: all.")
    ] = 0,
    models_dir: ModelsDir = None,
    device: Device = "cpu",
    yes: Convert = False,
) -> dict[str, Any]:
    """Estimate how many bits an image of a data set contains: an upper bound on its
    entropy, with a 95% interval.

    The better the model knows the data, the closer the bound; for images that the model
    drew it is the entropy itself.
    """
    from model_core import load_model
    from model_core.measures.entropy import entropies
    from model_core.training.scoring import expect_as_they_are, log_p_of_split

    loaded = load_model(model, device=device, models_dir=models_dir)
    if not yes:
        expect_as_they_are(loaded, data)
    found = entropies(log_p_of_split(loaded, data, split, limit, say=say))
    every, dimensions = found[-1], loaded.config.dimensions
    name = loaded.card.name
    typer.echo(
        f"{name}: {every.bits:.2f} bits an image ({every.low:.2f} to {every.high:.2f}, 95%), "
        f"{every.bits / dimensions:.4f} bits/dim ({every.low / dimensions:.4f} to {every.high / dimensions:.4f}), "
        f"{every.images} {split} images: an upper bound on their entropy",
        err=True,
    )
    return {
        "model": name,
        "split": split,
        **asdict(every),
        "bits_per_dim": every.bits / dimensions,
        "convergence": [asdict(each) for each in found],
    }


def models(models_dir: ModelsDir = None) -> dict[str, Any]:
    """List the models."""
    from model_core.cli.list_models import describe_models, print_models

    cards = describe_models(models_dir)
    print_models(cards)
    return {"models": cards}


@bench.command("sampling")
def bench_sampling(
    preset: Annotated[
        str, typer.Option(help="A preset's name; its weights are random.")
    ],
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Images at once.")] = 1,
    threads: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            help="Threads that draw the batch; as many processes share the passes with "
            "which it is compared.",
        ),
    ] = 1,
    device: Device = "cpu",
) -> dict[str, Any]:
    """Measure the time of drawing, and compare it with the time of one teacher-forced
    pass."""
    from model_core.measures.speed import measure

    facts = measure(preset, batch, threads, device=device)
    typer.echo(
        f"{preset}, batch {batch}, {device}: sample {facts['sample_s']:.4f} s, forward {facts['forward_s']:.4f} s, "
        f"ratio {facts['ratio']:.2f}, {facts['efficiency']:.2f} of peak; first row after "
        f"{1000 * facts['first_row_p50_s']:.1f} ms; naive {facts['naive_s']:.1f} s (one step, multiplied)",
        err=True,
    )
    return facts


@gpu.command("check")
def gpu_check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="\\[default: every model]"),
    ] = None,
    device: Annotated[str, typer.Option(help="cuda, cuda:1, ...")] = "cuda",
    require_gpu: Annotated[
        bool,
        typer.Option(
            "--require-gpu", "--require-card", help="Fail if there is no GPU to check."
        ),
    ] = False,
    models_dir: ModelsDir = None,
    json_: Json = False,
) -> None:
    """Compare what a GPU draws with what the CPU draws, byte for byte.

    The GPU's programs are run on the CPU first, so that most of it is checked
    without a GPU. The exit status is 1 if any byte differs.
    """
    from model_core.measures.gpu_check import check_gpu
    from model_core.models_directory import default_models_dir, model_names

    every = model_names(models_dir or default_models_dir())
    report = check_gpu(names or every, models_dir, device, typer.echo)
    if json_:
        print_json(report.to_dict())
    if not report.is_equal or (require_gpu and not report.gpu):
        raise typer.Exit(1)


def _with_error(number: float, error: float | None, digits: int) -> str:
    """Return a number with its standard error, if it is known."""
    text = f"{number:.{digits}f}"
    return text if error is None else f"{text} +- {error:.{digits}f}"


def _by_colour(bits: list[float]) -> str:
    if len(bits) < 3:  # grey, or a model of several components, which has none
        return ""
    named = ", ".join(
        f"{name} {value:.3f}"
        for name, value in zip(("red", "green", "blue"), bits, strict=True)
    )
    return f" ({named})"


def _say_once(line: str) -> None:
    """Print a line to stderr if this is the first of several processes."""
    if os.environ.get("RANK", "0") == "0":
        say(line)


def _train_command(
    config: Path, changes: list[str], processes: int | None, decay_updates: int | None
) -> str:
    """Return the command that repeats the training, for the model's card."""
    # The place of the data and what was printed do not matter to others.
    kept = [
        change for change in changes if not change.startswith(("data.path", "output."))
    ]
    kept = [
        re.sub(r"^(data\.originals) *=.*?([^/]+)/*$", r"\1=data/\2", change)
        for change in kept
    ]
    options = [word for change in kept for word in ("--set", change)]
    recipe = (
        f"configs/{config.name}"
        if config.is_absolute() or ".." in config.parts
        else config.as_posix()
    )
    if processes is not None and processes > 1:
        options += ["--processes", str(processes)]
    if decay_updates is not None:
        options += ["--resume", "--decay-from-here", str(decay_updates)]
    return shlex.join(["pixelrnn", "train", recipe, *options])
