"""The kinds of job, as the API takes them."""

import pytest

from app.main import create_app
from app.settings import Settings
from worker.contract.coded_file import MEDIA_TYPE
from worker.contract.kind import Input
from worker.contract.kinds import KINDS

FILES = {
    Input.NOTHING: set(),
    Input.PICTURE: {"image"},
    Input.PICTURE_AND_KEEP: {"image", "mask"},
    Input.PICTURE_OR_PART: {"image", "mask"},
    Input.SMALL_PICTURE: {"image"},
    Input.DRAWN_PICTURE: {"image"},
    Input.PICTURES: {"image"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_call(kind: str) -> None:
    """POST /KIND takes the files that the kind's record names, and no others; or its body is the file."""
    schema = create_app(Settings(redis_url="redis://127.0.0.1:1/0")).openapi()
    ((media, body),) = schema["paths"][f"/{kind}"]["post"]["requestBody"][
        "content"
    ].items()
    if KINDS[kind].input is Input.CODED_FILE:
        assert (media, body["schema"]["format"]) == (MEDIA_TYPE, "binary")
        return
    fields = schema["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]][
        "properties"
    ]
    files = {
        name
        for name, field in fields.items()
        if field.get("items", field).get("format") == "binary"
    }
    assert files == FILES[KINDS[kind].input]
