"""Bodies of the calls that make a job: a form for each kind, made of its input, of what every job may say and of the
kind's own options. Unknown fields are refused: a misspelt one would otherwise pass unnoticed.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from app.schema import examples
from app.schema.job_options import FILES
from app.webhooks.addresses import MAX_LENGTH as MAX_WEBHOOK_LENGTH
from worker.contract.jobs import MAX_SEED, MAX_TEMPERATURE, MIN_TEMPERATURE
from worker.contract.keys import MAX_RETENTION_S, MIN_RETENTION_S
from worker.contract.kind import MAX_IMAGES, Input, Kind
from worker.contract.kinds import ALL_KINDS, KINDS
from worker.contract.record import Int64

MULTIPART = "multipart/form-data"
MAX_LINK_S = 7 * 24 * 3600
MAX_TRAINING_FILES = 200

_SEVERAL_TOLD = (
    f" 1 to {MAX_IMAGES}, each for itself, in order; "
    "an array (n, C, H, W) has n, and a zip as many as files."
)
_IMAGE_FORMATS = (
    "PNG, JPEG or WebP; what is transparent lies on black for a model of greys, else on white. Or `.npy`, "
    "an array (C, H, W) of the model's values."
)


def _sent(files: Any) -> Any:
    """A list of what was sent: JSON may say one file without a list, and a form may send an empty field for none."""
    return [
        file
        for file in (files if isinstance(files, list) else [files])
        if file not in (None, "")
    ]


_SeveralFiles = Annotated[list[UploadFile], BeforeValidator(_sent)]


def _images(told: str) -> tuple[Any, Any]:
    return _SeveralFiles, Field(
        min_length=1, max_length=MAX_IMAGES, description=told + _SEVERAL_TOLD
    )


def _masks(told: str) -> tuple[Any, Any]:
    one = " One for all pictures, or one for each."
    return _SeveralFiles, Field(
        default_factory=list, max_length=MAX_IMAGES, description=told + one
    )


_FILES: Mapping[Input, dict[str, Any]] = {
    Input.PICTURE: {
        "image": _images(f"Pictures of the model's size. {_IMAGE_FORMATS}")
    },
    Input.PICTURE_AND_KEEP: {
        "image": _images(_IMAGE_FORMATS),
        "mask": _masks(
            "White (128 and above) = fill, black = keep. Without it, transparent pixels are filled, "
            "of an array those with a negative number. As an array: (H, W) of booleans or of 0 and 1."
        ),
    },
    Input.PICTURE_OR_PART: {
        "image": _images(f"Pictures of the model's size. {_IMAGE_FORMATS}"),
        "mask": _masks(
            "White (128 and above) = not given, black = given. Without it, transparent pixels are not given, and all "
            "others are."
        ),
    },
    Input.SMALL_PICTURE: {
        "image": (
            UploadFile,
            Field(
                description=f"The small image, `small_width` x `small_height` pixels. {_IMAGE_FORMATS}"
            ),
        )
    },
    Input.DRAWN_PICTURE: {
        "image": (
            UploadFile,
            Field(
                description="A sample as `GET /jobs/{id}/image` or `pixelrnn sample` wrote it: a PNG that says how "
                "it was drawn."
            ),
        )
    },
    Input.PICTURES: {
        "image": (
            list[UploadFile],
            Field(
                min_length=1,
                max_length=MAX_IMAGES,
                description=f"1 to {MAX_IMAGES} pictures of the model's size, in order; an array (n, C, H, W) has n. "
                "PNG, JPEG or WebP, grey or RGB as the model's are, 8 bits a colour, not transparent, and with no "
                "other values than the model's: each comes back as it is.",
            ),
        )
    },
}
_MODEL: dict[str, Any] = {
    "model": (
        str,
        Field(
            min_length=1,
            max_length=64,
            description="A name of `GET /models`.",
            examples=["mnist-diagonal-bilstm"],
        ),
    )
}
_DRAWING: dict[str, Any] = {
    "n": (int, Field(default=1, ge=1, le=MAX_IMAGES, description="How many images.")),
    "seed": (
        Int64 | None,  # pyright: ignore[reportOperatorIssue]
        Field(
            default=None,
            ge=0,
            le=MAX_SEED,
            description="The same seed gives the same bytes. Drawn when absent.",
        ),
    ),
    "temperature": (
        float,
        Field(
            default=1.0,
            ge=MIN_TEMPERATURE,
            le=MAX_TEMPERATURE,
            allow_inf_nan=False,
            description="1 samples the model itself; below 1 likelier images, above 1 wilder ones.",
        ),
    ),
}
_FIT_TOLD = (
    "`strict`: the image must have the size that is asked for. `resize`: it is stretched to it with a box filter (area "
    "average; nearest pixel where it grows)."
)
_FIELD_TOLD = " `field`: it may be larger than the model's pictures, and is scored as what `size` of `/sample` draws."
_CROP_TOLD = (
    " `crop`: a larger picture, up to 2048 x 2048 pixels (PNG, JPEG or WebP). Each of its holes, at most 64 / `n`, is "
    "filled in a cut-out of the model's size. The job's picture is the whole one, in which no other pixel changes."
)
_PAIR_FIT_TOLD = (
    "`strict`: image and mask must have the model's size. `resize`: both are stretched to it with a box filter (area "
    "average; nearest pixel where they grow), then the mask is cut at 128."
)
_FITS = {
    Input.PICTURE: _FIT_TOLD,
    Input.SMALL_PICTURE: _FIT_TOLD,
    Input.PICTURE_AND_KEEP: _PAIR_FIT_TOLD,
    Input.PICTURE_OR_PART: _PAIR_FIT_TOLD,
}
_PRIORITY: dict[str, Any] = {
    "priority": (
        Literal["interactive", "bulk"] | None,
        Field(
            default=None,
            description="While jobs of both kinds wait, four `interactive` ones are taken for each `bulk` one, and "
            "free slots are shared likewise. Without it, a job of few images is interactive.",
        ),
    )
}
_WEBHOOK_TOLD = (
    "An https address, of a host that the server's operator allows, to which the job is posted once it has ended, as "
    "`GET /jobs/{id}` gives it; signed as of the Standard Webhooks specification, at least once, while it is kept."
)
_RETENTION_TOLD = (
    "Seconds that the job, its rows and its pictures are kept once it has ended; at most `result_ttl_s` of `GET "
    "/info`, which it is when nothing is said."
)
_Retention = Annotated[
    int | None,
    Field(ge=MIN_RETENTION_S, le=MAX_RETENTION_S, description=_RETENTION_TOLD),
]
_AFTER_THE_END: dict[str, Any] = {
    "retention": (_Retention, None),
    "webhook": (
        str | None,
        Field(default=None, max_length=MAX_WEBHOOK_LENGTH, description=_WEBHOOK_TOLD),
    ),
}


_SCALE_TOLD = (
    "Side of the square that each pixel becomes, where the answer is a picture."
)
_FORMAT_TOLD = (
    "Once the job has succeeded the answer is its picture in this format, of several samples the grid, or as `npy` the "
    "array of all, as with `Accept: image/png`, over which it wins. `Prefer: wait` says how long that may take."
)
_SHOWN: dict[str, Any] = {
    "scale": (int, Field(default=1, ge=1, le=32, description=_SCALE_TOLD)),
    "format": (
        Literal["png", "webp", "jpeg", "npy"] | None,
        Field(default=None, description=_FORMAT_TOLD),
    ),
}
"""How the answer looks; the job is the same."""


def _form(kind: Kind) -> type[BaseModel]:
    names_its_model = kind.input in (Input.DRAWN_PICTURE, Input.CODED_FILE)
    fields = {
        **_FILES.get(kind.input, {}),
        **({} if names_its_model else _MODEL),
        **(_DRAWING if kind.draws else {}),
    }
    if kind.zero_images:
        told = f"How many images. {kind.zero_images}"
        fields["n"] = (int, Field(default=1, ge=0, le=MAX_IMAGES, description=told))
    if kind.input in _FITS:
        fields["fit"] = _fit_of(kind)
    fields |= {
        **_own(kind),
        **(_PRIORITY if kind.draws else {}),
        **_AFTER_THE_END,
        **_SHOWN,
    }
    is_json = kind.input is Input.NOTHING
    config = ConfigDict(extra="forbid", strict=is_json)
    if kind.example:
        config["json_schema_extra"] = {"examples": [dict(kind.example)]}
    name = f"{kind.word.title()}{'Request' if is_json else 'Form'}"
    return create_model(name, __config__=config, __doc__=kind.options.__doc__, **fields)


def _own(kind: Kind) -> dict[str, Any]:
    """The options that a client may say."""
    return {name: (info.annotation, info) for name, info in kind.client_options.items()}


def _fit_of(kind: Kind) -> tuple[Any, Any]:
    """The ways to take a picture of another size than the model's."""
    ways, told = Literal["strict", "resize"], _FITS[kind.input]
    if kind.input is Input.PICTURE and "size" in kind.options.model_fields:
        ways, told = Literal["strict", "resize", "field"], told + _FIELD_TOLD
    elif "cutouts" in kind.options.model_fields:
        ways, told = Literal["strict", "resize", "crop"], told + _CROP_TOLD
    return ways, Field(default="strict", description=told)


FORMS: Mapping[str, type[BaseModel]] = {
    word: _form(kind) for word, kind in KINDS.items()
}
"""The form of each kind of job: a body of JSON if the input is nothing; the query if the body is a file."""


_IMAGES_TOLD = "A zip, whose folders are labels; up to 200 pictures; or an .npz of arrays (N, H, W) or (N, H, W, C)."
_TRAINED_ON: dict[str, Any] = {
    "images": (
        _SeveralFiles,
        Field(min_length=1, max_length=MAX_TRAINING_FILES, description=_IMAGES_TOLD),
    ),
    "name": (
        str,
        Field(
            max_length=64,
            description="The model's name: a-z 0-9 . _ -",
            examples=["my-icons"],
        ),
    ),
}
_TRAINING = {**_TRAINED_ON, **_own(ALL_KINDS["train"]), **_AFTER_THE_END}
TrainForm: type[Any] = create_model(
    "TrainForm", __config__=ConfigDict(extra="forbid"), **_TRAINING
)


_WEIGHTS_TOLD = (
    "One file, or those of the card's members in their order; then those of its "
    "guides. Weights with the same sha256 are sent once."
)
_MODEL: dict[str, Any] = {
    "card": (UploadFile, Field(description="The file `card.json`.")),
    "weights": (list[UploadFile], Field(description=_WEIGHTS_TOLD)),
}
_ADDING = {**_MODEL, **_own(ALL_KINDS["add"]), **_AFTER_THE_END}
AddForm: type[Any] = create_model(
    "AddForm", __config__=ConfigDict(extra="forbid"), **_ADDING
)


class LinksRequest(BaseModel):
    """Signed addresses of a job."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [examples.LINKS]}
    )
    expires_in: int = Field(
        default=3600,
        ge=1,
        le=MAX_LINK_S,
        description="Seconds that they work; at most a week.",
    )


def uploads_of(body: BaseModel) -> dict[str, list[UploadFile]]:
    """Return the files of a form by field; an optional field that was left out has
    none."""
    fields = dict(body)
    uploads: dict[str, list[UploadFile]] = {}
    for role in FILES:
        if role not in fields:
            continue
        sent = fields[role]
        if isinstance(sent, list):
            uploads[role] = sent
        else:
            uploads[role] = [sent] if sent else []
    return uploads


_ALWAYS = ("model", "n", "seed", "temperature", "priority", "fit", "rank", "x", "y")


def request_fields(body: BaseModel) -> dict[str, Any]:
    """Everything that the body says beside its files: by this a repeated request is known. Fields that came later count
    if something is said in them, so that a request means the same before and after an upgrade."""
    said = body.model_dump(exclude={*FILES, *_SHOWN})
    usual = {
        name: field.default
        for name, field in type(body).model_fields.items()
        if name not in _ALWAYS
    }
    return {
        name: value
        for name, value in said.items()
        if name not in usual or value != usual[name]
    }
