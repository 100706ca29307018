"""Bodies of the calls that make a job: a form for each kind, which consists of its
input, the fields that all jobs have, and the kind's own options.

Unknown fields are refused, because a misspelt one would otherwise have no effect.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from app.schema import examples
from app.webhooks.addresses import MAX_LENGTH as MAX_WEBHOOK_LENGTH
from worker.contract.jobs import MAX_SEED, MAX_TEMPERATURE, MIN_TEMPERATURE
from worker.contract.keys import MAX_RETENTION_S, MIN_RETENTION_S
from worker.contract.kind import FILES, Input, Kind
from worker.contract.kinds import ALL_KINDS, KINDS
from worker.contract.options import MAX_IMAGES
from worker.contract.record import Int64

MULTIPART = "multipart/form-data"
MAX_LINK_S = 7 * 24 * 3600
"""Most seconds for which a signed link works."""
MAX_TRAINING_FILES = 200
"""Most pictures of one training that are sent as separate files."""

_SEVERAL_TEXT = (
    f" 1 to {MAX_IMAGES}, in order, each treated separately; an array (n, C, H, W) "
    "counts as n, and a zip as its files."
)
_IMAGE_FORMATS = (
    "PNG, JPEG or WebP; transparent pixels are put on black for a grey model, else on "
    "white. Or `.npy`, an array (C, H, W) of the model's values."
)


def _as_list(files: Any) -> Any:
    """Return a list of files: JSON may have one file without a list, and a form may
    have an empty field for none."""
    every = files if isinstance(files, list) else [files]
    return [file for file in every if file not in (None, "")]


_SeveralFiles = Annotated[list[UploadFile], BeforeValidator(_as_list)]


def _images(text: str) -> tuple[Any, Any]:
    return _SeveralFiles, Field(
        min_length=1, max_length=MAX_IMAGES, description=text + _SEVERAL_TEXT
    )


def _masks(text: str) -> tuple[Any, Any]:
    one = " One for all pictures, or one for each."
    return _SeveralFiles, Field(
        default_factory=list, max_length=MAX_IMAGES, description=text + one
    )


_FILES: Mapping[Input, dict[str, Any]] = {
    Input.PICTURE: {
        "image": _images(f"Pictures of the model's size. {_IMAGE_FORMATS}")
    },
    Input.PICTURE_AND_KEEP: {
        "image": _images(_IMAGE_FORMATS),
        "mask": _masks(
            "White (128 and above) = fill, black = keep. Without a mask, transparent "
            "pixels are filled, or in an array those with a negative number. As an "
            "array: (H, W) of booleans or of 0 and 1."
        ),
    },
    Input.PICTURE_OR_PART: {
        "image": _images(f"Pictures of the model's size. {_IMAGE_FORMATS}"),
        "mask": _masks(
            "White (128 and above) = missing, black = given. Without a "
            "mask, transparent pixels are missing and all others given."
        ),
    },
    Input.SMALL_PICTURE: {
        "image": (
            UploadFile,
            Field(
                description="The small image, `small_width` x `small_height` pixels. "
                f"{_IMAGE_FORMATS}"
            ),
        )
    },
    Input.DRAWN_PICTURE: {
        "image": (
            UploadFile,
            Field(
                description="A sample as `GET /jobs/{id}/image` or `pixelrnn sample` "
                "wrote it: a PNG whose text says how it was drawn."
            ),
        )
    },
    Input.PICTURES: {
        "image": (
            list[UploadFile],
            Field(
                min_length=1,
                max_length=MAX_IMAGES,
                description=f"1 to {MAX_IMAGES} pictures of the model's size, in order; "
                "an array (n, C, H, W) counts as n. PNG, JPEG or WebP, grey or RGB like "
                "the model's pictures, 8 bits per colour, without transparency, and with "
                "the model's values only, because decoding returns each one unchanged.",
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
            description="Name of a model in `GET /models`.",
            examples=["mnist-diagonal-bilstm"],
        ),
    )
}
_DRAWING: dict[str, Any] = {
    "n": (int, Field(default=1, ge=1, le=MAX_IMAGES, description="Number of images.")),
    "seed": (
        Int64 | None,  # pyright: ignore[reportOperatorIssue]
        Field(
            default=None,
            ge=0,
            le=MAX_SEED,
            description="The same seed gives the same bytes. Default: a random one.",
        ),
    ),
    "temperature": (
        float,
        Field(
            default=1.0,
            ge=MIN_TEMPERATURE,
            le=MAX_TEMPERATURE,
            allow_inf_nan=False,
            description="1 samples the model itself; lower values give likelier "
            "images, higher ones wilder images.",
        ),
    ),
}
_FIT_TEXT = (
    "`strict`: the image must have the expected size. `resize`: it is stretched to it "
    "with a box filter (area average; nearest pixel if it becomes larger)."
)
_FIELD_TEXT = (
    " `field`: the picture may be larger than the model's, and is "
    "scored like the fields that `size` of `/sample` draws."
)
_CROP_TEXT = (
    " `crop`: a larger picture, up to 2048 x 2048 pixels (PNG, JPEG or "
    "WebP). Each of its holes, at most 64 / `n`, is filled in a cut-out of the "
    "model's size. The job's picture is the whole one, in which no other pixel "
    "changes."
)
_PAIR_FIT_TEXT = (
    "`strict`: image and mask must have the model's size. `resize`: "
    "both are stretched to it with a box filter (area average; nearest pixel if they "
    "become larger), then the mask is cut at 128."
)
_FITS = {
    Input.PICTURE: _FIT_TEXT,
    Input.SMALL_PICTURE: _FIT_TEXT,
    Input.PICTURE_AND_KEEP: _PAIR_FIT_TEXT,
    Input.PICTURE_OR_PART: _PAIR_FIT_TEXT,
}
_PRIORITY: dict[str, Any] = {
    "priority": (
        Literal["interactive", "bulk"] | None,
        Field(
            default=None,
            description="While jobs of both priorities wait, four `interactive` "
            "ones are taken for each `bulk` one, and free slots are shared in the "
            "same way. Default: a job of few images is interactive.",
        ),
    )
}
_WEBHOOK_TEXT = (
    "An https address, of a host that the server's operator allows. "
    "When the job has ended, it is posted there as `GET /jobs/{id}` returns it, "
    "signed as in the Standard Webhooks specification, at least once while the job "
    "is kept."
)
_RETENTION_TEXT = (
    "Seconds for which the job, its rows and its pictures are kept "
    "after its end; at most `result_ttl_s` of `GET /info`, which is the default."
)
_Retention = Annotated[
    int | None,
    Field(ge=MIN_RETENTION_S, le=MAX_RETENTION_S, description=_RETENTION_TEXT),
]
_AFTER_THE_END: dict[str, Any] = {
    "retention": (_Retention, None),
    "webhook": (
        str | None,
        Field(default=None, max_length=MAX_WEBHOOK_LENGTH, description=_WEBHOOK_TEXT),
    ),
}


_SCALE_TEXT = (
    "If the answer is a picture: side, in pixels, of the square that each pixel "
    "becomes."
)
_FORMAT_TEXT = (
    "Answer with the job's picture in this format once it has "
    "succeeded: a grid if there are several samples, or for `npy` an array of all "
    "samples. It overrides `Accept`. `Prefer: wait` limits how long that may take."
)
_ANSWER_FIELDS: dict[str, Any] = {
    "scale": (int, Field(default=1, ge=1, le=32, description=_SCALE_TEXT)),
    "format": (
        Literal["png", "webp", "jpeg", "npy"] | None,
        Field(default=None, description=_FORMAT_TEXT),
    ),
}
"""Fields that change the answer, but not the job."""


def _form(kind: Kind) -> type[BaseModel]:
    """Return the body of the call that makes jobs of this kind."""
    names_its_model = kind.input in (Input.DRAWN_PICTURE, Input.CODED_FILE)
    fields = {
        **_FILES.get(kind.input, {}),
        **({} if names_its_model else _MODEL),
        **(_DRAWING if kind.draws else {}),
    }
    if kind.zero_images:
        text = f"Number of images. {kind.zero_images}"
        fields["n"] = (int, Field(default=1, ge=0, le=MAX_IMAGES, description=text))
    if kind.input in _FITS:
        fields["fit"] = _fit_of(kind)
    fields |= {
        **_own(kind),
        **(_PRIORITY if kind.draws else {}),
        **_AFTER_THE_END,
        **_ANSWER_FIELDS,
    }
    # A request without files is plain JSON, whose types are not converted.
    is_json = kind.input is Input.NOTHING
    config = ConfigDict(extra="forbid", strict=is_json)
    if kind.example:
        config["json_schema_extra"] = {"examples": [dict(kind.example)]}
    name = f"{kind.word.title()}{'Request' if is_json else 'Form'}"
    return create_model(name, __config__=config, __doc__=kind.options.__doc__, **fields)


def _own(kind: Kind) -> dict[str, Any]:
    """Return the options that clients may send, as fields of a form."""
    return {name: (info.annotation, info) for name, info in kind.client_options.items()}


def _fit_of(kind: Kind) -> tuple[Any, Any]:
    """Return the field `fit`: how a picture of another size than the model's is
    treated."""
    text = _FITS[kind.input]
    if kind.input is Input.PICTURE and "size" in kind.options.model_fields:
        field = Field(default="strict", description=text + _FIELD_TEXT)
        return Literal["strict", "resize", "field"], field
    if "cutouts" in kind.options.model_fields:
        field = Field(default="strict", description=text + _CROP_TEXT)
        return Literal["strict", "resize", "crop"], field
    return Literal["strict", "resize"], Field(default="strict", description=text)


FORMS: Mapping[str, type[BaseModel]] = {
    word: _form(kind) for word, kind in KINDS.items()
}
"""The form of each kind of job: a JSON body if the kind has no input, the query if the
body is a file."""


_IMAGES_TEXT = (
    "A zip, whose folders are labels if they are 2 to 10 with at least 20 pictures "
    "each; up to 200 pictures; or an .npz of arrays (N, H, W) or (N, H, W, C)."
)
_TRAINED_ON: dict[str, Any] = {
    "images": (
        _SeveralFiles,
        Field(min_length=1, max_length=MAX_TRAINING_FILES, description=_IMAGES_TEXT),
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


_WEIGHTS_TEXT = (
    "One file, or those of the card's members in their order; then those of its "
    "guides. Weights with the same sha256 are sent once."
)
_ADDED_MODEL: dict[str, Any] = {
    "card": (UploadFile, Field(description="The file `card.json`.")),
    "weights": (list[UploadFile], Field(description=_WEIGHTS_TEXT)),
}
_ADDING = {**_ADDED_MODEL, **_own(ALL_KINDS["add"]), **_AFTER_THE_END}
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
        description="Seconds for which they work; at most a week.",
    )


def uploads_of(body: BaseModel) -> dict[str, list[UploadFile]]:
    """Return the files in a form's fields `image` and `mask`: field -> files. An
    optional field that was left out has an empty list."""
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
"""Fields of the first version, which count even with their default."""


def request_fields(body: BaseModel) -> dict[str, Any]:
    """Return the fields of a body by which a repeated request is recognised: all but
    its files and those that only change the answer, such as `scale`.

    Fields that were added in later versions are left out if they have their default, so
    that a request has the same fields before and after an upgrade.
    """
    values = body.model_dump(exclude={*FILES, *_ANSWER_FIELDS})
    defaults = {
        name: field.default
        for name, field in type(body).model_fields.items()
        if name not in _ALWAYS
    }
    return {
        name: value
        for name, value in values.items()
        if name not in defaults or value != defaults[name]
    }
