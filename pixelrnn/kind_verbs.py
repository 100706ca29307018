"""The verbs sample, complete, score, ...: one for each kind of job, built from its
record in worker/contract/kinds/.

With --url a running service does the work (kinds_there.py), else this process
(kinds_here.py). A kind's files are arguments; its options, with the descriptions of the
web API, are options. kind_results.py describes results in sentences. several.py lists
the pictures of folders, and describes the result of each.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from model_core.cli.options import (
    CropFit,
    Device,
    FieldFit,
    Fit,
    Json,
    ModelName,
    ModelsDir,
    Out,
    Scale,
    Show,
    Threads,
    expect_one_result,
    print_json,
    say,
)
from model_core.cli.tables import print_table
from pixelrnn import several
from pixelrnn.kind_results import Done, How, label_rows, sentences, show_picture
from worker.contract.jobs import MAX_SEED, MAX_TEMPERATURE, MIN_TEMPERATURE
from worker.contract.kind import Input, Kind
from worker.contract.kinds import KINDS

HERE = "http://127.0.0.1:8000"
"""The address of a service on this machine, as `pixelrnn up` starts it."""
EXIT_NOT_ALL_WELL = 1
"""Exit status if a picture was not verified, or was left out."""
MOST = 1024
"""The most images that one command draws; a service may allow fewer."""

Url = Annotated[
    str,
    typer.Option(
        envvar="PIXELRNN_URL",
        help="Where the service is. \\[default: port 8000 of this machine]",
        show_default=False,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(envvar="PIXELRNN_KEY", help="Your key, where keys are asked for."),
]
_Elsewhere = Annotated[
    str | None,
    typer.Option(help="Ask the service at this address, instead of working here."),
]


def _file(kind: Any, metavar: str, told: str) -> Any:
    return Annotated[kind, typer.Argument(metavar=metavar, help=told)]


_SEVERAL = {
    "image": _file(
        list[Path], "IMAGE...", "Pictures of the model's size, and folders of them."
    )
}
_MASK = {
    "mask": _file(
        Path | None,
        "[MASK]",
        "A picture that is white where pixels are missing, and black where they are "
        "given. \\[default: transparent pixels are missing]",
    )
}
_PICTURE = {
    "image": _file(
        Path, "IMAGE", "The picture, of the model's size, or a folder of pictures."
    )
}
_FILES: Mapping[Input, Mapping[str, Any]] = {
    Input.NOTHING: {},
    Input.PICTURE: _PICTURE,
    Input.PICTURE_AND_KEEP: _PICTURE | _MASK,
    Input.PICTURE_OR_PART: _PICTURE | _MASK,
    Input.SMALL_PICTURE: {
        "image": _file(Path, "IMAGE", "The small image, of the model's first size.")
    },
    Input.DRAWN_PICTURE: {
        "image": _file(Path, "PNG", "What `sample` or the service wrote.")
    },
    Input.PICTURES: {
        "images": _file(
            list[Path], "IMAGE...", "Pictures of the model's size, and folders of them."
        )
    },
    Input.CODED_FILE: {"file": _file(Path, "FILE", "What `encode` wrote.")},
}
_FIT = Input.PICTURE, Input.PICTURE_AND_KEEP, Input.PICTURE_OR_PART, Input.SMALL_PICTURE
_NAMES_ITS_MODEL = Input.DRAWN_PICTURE, Input.CODED_FILE
_ON_PROCESSORS = Input.PICTURES, Input.CODED_FILE
"""Input of the kinds for which a GPU is of no use: coded files are those of CPU
cores."""
_SEED = Annotated[
    int | None,
    typer.Option(min=0, max=MAX_SEED, help="Same seed, same image. \\[default: drawn]"),
]
_TEMPERATURE = Annotated[
    float | None,
    typer.Option(
        min=MIN_TEMPERATURE,
        max=MAX_TEMPERATURE,
        help="Below 1: likelier; above 1: wilder.",
    ),
]
_OUT: Mapping[str, tuple[Any, ...]] = {
    "complete": (Out, Path("completion.png")),
    "upsample": (Out, Path("upsampled.png")),
    "encode": (
        Annotated[Path, typer.Option(help="The file to write.")],
        Path("images.pxrn"),
    ),
    "decode": (
        Annotated[Path, typer.Option(help="The directory to write the pictures into.")],
    ),
    "score": (
        Annotated[
            Path | None,
            typer.Option(
                "--map",
                metavar="PICTURE",
                help="Write the bits of each pixel as a heat map; - is stdout.",
            ),
        ],
        None,
    ),
}
"""Where the pictures or the file of a kind go: option and default. Other kinds have
--out, with KIND.png."""
_HERE: Mapping[str, Mapping[str, Any]] = {
    "classify": {
        "seed": Annotated[
            int | None,
            typer.Option(min=0, max=MAX_SEED, help="The noise of the draws."),
        ]
    },
    "decode": {
        "model": Annotated[
            str | None, typer.Option(help="The model. \\[default: the file's]")
        ]
    },
}
"""Options that a verb has only for work in this process."""
_THERE: Mapping[str, Any] = {
    "priority": Annotated[
        Literal["interactive", "bulk"] | None,
        typer.Option(help="Before, or after, others that wait; with --url."),
    ],
    "retention": Annotated[
        int | None,
        typer.Option(
            help="Seconds that the service keeps the job once it has ended; with --url."
        ),
    ],
}
"""Options that a verb has only for work by a service."""
_CSV = Annotated[
    Path | None,
    typer.Option(
        help="Write a line for each picture into this file, as CSV; - is stdout."
    ),
]
_OF_HERE = "models_dir", "device", "threads"
"""Options that all kinds have for work in this process."""
_HOW = "out", "csv", "scale", "show", "json_", "url", "key", *_OF_HERE


def register(app: typer.Typer, remote: typer.Typer) -> None:
    """Add a verb for each kind of job to `app`, which works in this process unless
    --url is given, and one of the same name to `remote`, which always asks a
    service."""
    for kind in KINDS.values():
        app.command(kind.word)(_verb(kind, (_Elsewhere, None)))
        remote.command(kind.word)(_verb(kind, (Url, HERE)))


def _verb(kind: Kind, url: tuple[Any, Any]) -> Callable[..., None]:
    """Return the function of a verb.

    url: annotation and default of --url.
    """

    def verb(ctx: typer.Context, **given: Any) -> None:
        how = How(**{name: given.pop(name) for name in _HOW if name in given})
        _expect_place(ctx, kind, how)
        expect_one_result(how.out if how.csv is None else how.csv, how.json_)
        options = {name: value for name, value in given.items() if _is_said(value)}
        _list_pictures(kind, options, how)
        done = _carry_out(kind, options, how)
        _tell(kind, done, how)

    # typer makes a command of a function's signature. Functions that are written out
    # would list the options of all kinds a second time.
    parameters = [_parameter("ctx", typer.Context), *_parameters(kind, url)]
    verb.__name__ = kind.word
    verb.__doc__ = kind.options.__doc__
    verb.__annotations__ = {each.name: each.annotation for each in parameters}
    verb.__signature__ = Signature(  # type: ignore[attr-defined]
        parameters, return_annotation=None
    )
    return verb


def _is_said(value: Any) -> bool:
    """Return False for the value of an option that was left out."""
    return not (value is None or value is False or value == [])


def _list_pictures(kind: Kind, options: dict[str, Any], how: How) -> None:
    """Replace folders in the options by the pictures in them: by a list if there may be
    several, and of a verb that draws with the folder and the seed of all.

    Raises DataError for a folder without pictures, and typer.BadParameter for an option
    of a single picture.
    """
    if kind.input is Input.PICTURES:
        options["images"] = several.pictures_of(options["images"])
        return
    if not kind.takes_several:
        return
    image = options["image"]
    given = image if isinstance(image, list) else [image]
    # A single picture with --csv is answered as several are: by a line in a table.
    if len(given) == 1 and not given[0].is_dir() and how.csv is None:
        options["image"] = given[0]
        return
    several.check(kind.draws, options, how)
    options["image"] = several.pictures_of(given)
    if kind.draws:
        options["folder"] = given[0]
        options.setdefault("seed", secrets.randbelow(MAX_SEED + 1))


def _expect_place(ctx: typer.Context, kind: Kind, how: How) -> None:
    """Raise typer.BadParameter for an option of work here if a service is asked, for an
    option of a service if the work is done here, and for a device that cannot do it."""
    if how.url:
        wrong = [*_HERE.get(kind.word, ()), *_OF_HERE]
        reason = "is for work here, without --url"
    else:
        wrong = [*_THERE]
        reason = "is for work by a service, with --url"
    for name in wrong:
        if _is_on_command_line(ctx, name):
            raise typer.BadParameter(f"--{name.replace('_', '-')} {reason}")
    if kind.input in _ON_PROCESSORS and how.device != "cpu":
        raise typer.BadParameter(
            f"--device: files of coded images need processors: expected cpu, not "
            f"{how.device}"
        )


def _is_on_command_line(ctx: typer.Context, name: str) -> bool:
    """Return True if an option stands in the command, and not in the environment."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _carry_out(kind: Kind, options: dict[str, Any], how: How) -> Done:
    """Do the work here, or ask the service at `how.url`."""
    # Only the modules that are needed are imported: those of work here load torch.
    if how.url:
        from pixelrnn.kinds_there import carry_out
    else:
        from pixelrnn.kinds_here import carry_out
    return carry_out(kind, options, how)


def _tell(kind: Kind, done: Done, how: How) -> None:
    """Show the picture, print the sentences and the table or JSON of a result, and exit
    with EXIT_NOT_ALL_WELL if a picture was not verified or left out."""
    is_several = "left_out" in done.facts
    if how.show and done.picture is not None:
        show_picture(done.picture)

    sentences_of = several.sentences if is_several else sentences
    for sentence in sentences_of(kind.word, done.facts, how):
        say(sentence)
    if how.json_:
        print_json(done.document)
    if is_several:
        several.write_table(kind.word, done.facts, how)
    elif kind.needs_labels and not how.json_:
        labels = done.facts["labels"]
        print_table(("label", "p", "nats"), label_rows(labels))

    if done.facts.get("verified") is False or done.facts.get("left_out"):
        raise typer.Exit(EXIT_NOT_ALL_WELL)


def _parameters(kind: Kind, url: tuple[Any, Any]) -> list[Parameter]:
    """Return the parameters of a verb in the order of its help: what it reads, the
    options of its kind, where the result goes, and who does the work."""
    own = [_option(name, field) for name, field in kind.client_options.items()]
    return [
        *_parameters_of_input(kind),
        *_parameters_of_drawing(kind),
        *own,
        *_parameters_of_result(kind),
        *_parameters_of_place(kind, url),
    ]


def _parameters_of_input(kind: Kind) -> Iterator[Parameter]:
    """Return the model and the files."""
    if kind.input not in _NAMES_ITS_MODEL:
        yield _parameter("model", ModelName)
    takes_many = kind.takes_several and kind.input is Input.PICTURE
    files = _SEVERAL if takes_many else _FILES[kind.input]
    for name, annotation in files.items():
        if name == "mask":
            yield _parameter(name, annotation, None)
        else:
            yield _parameter(name, annotation)


def _parameters_of_drawing(kind: Kind) -> Iterator[Parameter]:
    """Return the options that all kinds share that draw new images."""
    if not kind.draws:
        return
    least = 1
    help_text = "How many images."
    if kind.zero_images:
        least = 0
        help_text = "How many images; 0: none, and the expected one is written."
    count = Annotated[
        int | None, typer.Option("--n", min=least, max=MOST, help=help_text)
    ]
    yield _parameter("n", count, None)
    yield _parameter("seed", _SEED, None)
    yield _parameter("temperature", _TEMPERATURE, None)


def _parameters_of_result(kind: Kind) -> Iterator[Parameter]:
    """Return how pictures are fitted, and where and how the result is written."""
    if kind.input in _FIT:
        ways = {"score": FieldFit, "complete": CropFit}.get(kind.word, Fit)
        yield _parameter("fit", ways, "strict")
    if kind.draws or kind.word in _OUT:
        usual_place = Out, Path(f"{kind.word}.png")
        yield _parameter("out", *_OUT.get(kind.word, usual_place))
    if kind.takes_several and not kind.draws:
        yield _parameter("csv", _CSV, None)
    if kind.draws or kind.word == "score":
        yield _parameter("scale", Scale, 1)
        yield _parameter("show", Show, False)


def _parameters_of_place(kind: Kind, url: tuple[Any, Any]) -> Iterator[Parameter]:
    """Return the options of work by a service, then of work here, unless the verb
    always asks a service.

    url: annotation and default of --url.
    """
    if kind.draws:
        yield _parameter("priority", _THERE["priority"], None)
    yield _parameter("retention", _THERE["retention"], None)
    works_here = url[1] is None
    if works_here:
        for name, annotation in _HERE.get(kind.word, {}).items():
            yield _parameter(name, annotation, None)
        yield _parameter("models_dir", ModelsDir, None)
        yield _parameter("device", Device, "cpu")
        yield _parameter("threads", Threads, 0)
    yield _parameter("url", *url)
    yield _parameter("key", Key, None)
    yield _parameter("json_", Json, False)


def _parameter(name: str, annotation: Any, *default: Any) -> Parameter:
    """Return a parameter as typer reads it; it is required if there is no default."""
    usual = default[0] if default else Parameter.empty
    return Parameter(name, Parameter.KEYWORD_ONLY, default=usual, annotation=annotation)


def _option(name: str, field: FieldInfo) -> Parameter:
    """Return an option of a kind as a parameter with the same bounds. If it may be a
    list, it can be given several times."""
    help_text = field.description
    if field.annotation is bool:
        flag = typer.Option(f"--{name.replace('_', '-')}", help=help_text)
        return _parameter(name, Annotated[bool, flag], False)

    types = _types_of(field.annotation)
    if any(get_origin(each) is list for each in types):
        several = Annotated[list[str] | None, typer.Option(help=help_text)]
        return _parameter(name, several, None)

    (found,) = types
    least: Any = None
    most: Any = None
    for mark in field.metadata:
        if isinstance(mark, Ge):
            least = mark.ge
        if isinstance(mark, Le):
            most = mark.le
    option = typer.Option(min=least, max=most, help=help_text)
    return _parameter(name, Annotated[found | None, option], None)


def _types_of(annotation: Any) -> list[Any]:
    """Return the types that an annotation joins by `|`, except None, each without its
    metadata."""
    is_union = get_origin(annotation) in (Union, UnionType)
    parts = get_args(annotation) if is_union else (annotation,)
    bare = [
        get_args(part)[0] if get_origin(part) is Annotated else part for part in parts
    ]
    return [part for part in bare if part is not NoneType]
