"""The verbs that carry out a kind of job, here or with --url by a running service: one for each, made of its record.

A kind's files are arguments, and the fields of its form are options, with the web API's descriptions (worker/contract/
kinds/). kinds_here.py and kinds_there.py do the work, kind_results.py says what came of it. several.py lists the
pictures of folders, and says what came of each.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from annotated_types import Ge, Le

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
EXIT_NOT_ALL_WELL = 1
"""A picture is not what it says, or was left out."""
MOST = 1024
"""Images that are drawn at once, at most; a service may draw fewer."""

Url = Annotated[str, typer.Option(envvar="PIXELRNN_URL", help="Where the service is.")]
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
        "White is not given, black is. \\[default: transparent pixels are not]",
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
"""The place of a kind's pictures or file, unless that is KIND.png."""
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
"""Options of a verb that works here, and of none that asks a service."""
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
_CSV = Annotated[
    Path | None,
    typer.Option(
        help="Write a line for each picture into this file, as CSV; - is stdout."
    ),
]
_OF_HERE = "models_dir", "device", "threads"
"""Options of all work here."""
_HOW = "out", "csv", "scale", "show", "json_", "url", "key", *_OF_HERE


def register(app: typer.Typer, remote: typer.Typer) -> None:
    """Add a verb for each kind of job; below `remote`, one that always asks a service."""
    for kind in KINDS.values():
        app.command(kind.word)(_verb(kind, (_Elsewhere, None)))
        remote.command(kind.word)(_verb(kind, (Url, HERE)))


def _verb(kind: Kind, url: tuple[Any, Any]) -> Callable[..., None]:
    def verb(ctx: typer.Context, **given: Any) -> None:
        how = How(**{name: given.pop(name) for name in _HOW if name in given})
        _expect_place(ctx, kind, how)
        expect_one_result(how.out if how.csv is None else how.csv, how.json_)
        options = {
            name: value
            for name, value in given.items()
            if not (value is None or value is False or value == [])
        }
        _list_pictures(kind, options, how)
        _tell(kind, _carried_out(kind, options, how), how)

    parameters = [_parameter("ctx", typer.Context), *_parameters(kind, url)]
    verb.__name__, verb.__doc__ = kind.word, kind.options.__doc__
    verb.__annotations__ = {each.name: each.annotation for each in parameters}
    verb.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return verb


def _list_pictures(kind: Kind, options: dict[str, Any], how: How) -> None:
    """Put the pictures of folders into the options, as a list where there may be several. DataError, BadParameter."""
    if kind.input is Input.PICTURES:
        options["images"] = several.pictures_of(options["images"])
    elif kind.takes_several:
        given = (
            options["image"]
            if isinstance(options["image"], list)
            else [options["image"]]
        )
        if len(given) == 1 and not given[0].is_dir() and how.csv is None:
            options["image"] = given[0]
            return
        several.check(kind.draws, options, how)
        options["image"] = several.pictures_of(given)
        if kind.draws:
            options |= {
                "folder": given[0],
                "seed": options.get("seed", secrets.randbelow(MAX_SEED + 1)),
            }


def _expect_place(ctx: typer.Context, kind: Kind, how: How) -> None:
    """BadParameter for an option of work here where a service is asked, or the other way round."""
    wrong, place = (
        ([*_HERE.get(kind.word, ()), *_OF_HERE], "here")
        if how.url
        else (_THERE, "by a service")
    )
    for name in (name for name in wrong if _is_on_command_line(ctx, name)):
        where = "without" if how.url else "with"
        raise typer.BadParameter(
            f"--{name.replace('_', '-')} is for work {place}, {where} --url"
        )


def _is_on_command_line(ctx: typer.Context, name: str) -> bool:
    """True for what stands in the command, and not in the environment."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _carried_out(kind: Kind, options: dict[str, Any], how: How) -> Done:
    if how.url:
        from pixelrnn.kinds_there import carried_out
    else:
        from pixelrnn.kinds_here import carried_out
    return carried_out(kind, options, how)


def _tell(kind: Kind, done: Done, how: How) -> None:
    if how.show and done.picture is not None:
        show_picture(done.picture)
    is_several = "left_out" in done.facts
    for sentence in (several.sentences if is_several else sentences)(
        kind.word, done.facts, how
    ):
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


def _parameters(kind: Kind, url: tuple[Any, Any]) -> Iterator[Parameter]:
    """The parameters of a verb, as typer reads them."""
    if kind.input not in _NAMES_ITS_MODEL:
        yield _parameter("model", ModelName)
    for name, annotation in (
        _SEVERAL
        if kind.takes_several and kind.input is Input.PICTURE
        else _FILES[kind.input]
    ).items():
        yield _parameter(name, annotation, *([None] if name == "mask" else []))
    if kind.draws:
        least, none = (
            (0, "; 0: none, and the expected one is written")
            if kind.none_told
            else (1, "")
        )
        count = Annotated[
            int | None,
            typer.Option("--n", min=least, max=MOST, help=f"How many images{none}."),
        ]
        for name, annotation in {
            "n": count,
            "seed": _SEED,
            "temperature": _TEMPERATURE,
        }.items():
            yield _parameter(name, annotation, None)
    for name, field in kind.client_options.items():
        yield _option(name, field)
    if kind.input in _FIT:
        yield _parameter(
            "fit",
            {"score": FieldFit, "complete": CropFit}.get(kind.word, Fit),
            "strict",
        )
    if kind.draws or kind.word in _OUT:
        yield _parameter("out", *_OUT.get(kind.word, (Out, Path(f"{kind.word}.png"))))
    if kind.takes_several and not kind.draws:
        yield _parameter("csv", _CSV, None)
    if kind.draws or kind.word == "score":
        yield from (_parameter("scale", Scale, 1), _parameter("show", Show, False))
    for name, annotation in (
        _THERE if kind.draws else {"retention": _THERE["retention"]}
    ).items():
        yield _parameter(name, annotation, None)
    if url[1] is None:
        for name, annotation in {
            **_HERE.get(kind.word, {}),
            "models_dir": ModelsDir,
        }.items():
            yield _parameter(name, annotation, None)
        yield _parameter("device", Device, "cpu")
        yield _parameter("threads", Threads, 0)
    yield from (
        _parameter("url", *url),
        _parameter("key", Key, None),
        _parameter("json_", Json, False),
    )


def _parameter(name: str, annotation: Any, *default: Any) -> Parameter:
    usual = default[0] if default else Parameter.empty
    return Parameter(name, Parameter.KEYWORD_ONLY, default=usual, annotation=annotation)


def _option(name: str, field: Any) -> Parameter:
    """An option of the kind's, of its bounds; several of it where it may be a list."""
    if field.annotation is bool:
        flag = typer.Option(f"--{name.replace('_', '-')}", help=field.description)
        return _parameter(name, Annotated[bool, flag], False)
    is_union = get_origin(field.annotation) in (Union, UnionType)
    choices = [
        _bare(each)
        for each in (get_args(field.annotation) if is_union else (field.annotation,))
    ]
    if any(get_origin(each) is list for each in choices):
        return _parameter(
            name,
            Annotated[list[str] | None, typer.Option(help=field.description)],
            None,
        )
    (found,) = (each for each in choices if each is not NoneType)
    least: Any = next(
        (mark.ge for mark in field.metadata if isinstance(mark, Ge)), None
    )
    most: Any = next((mark.le for mark in field.metadata if isinstance(mark, Le)), None)
    return _parameter(
        name,
        Annotated[
            found | None, typer.Option(min=least, max=most, help=field.description)
        ],
        None,
    )


def _bare(annotation: Any) -> Any:
    return (
        get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    )
