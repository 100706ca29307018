"""The commonest mistakes, and what is said of them: what was expected, in our own words."""

import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.app.answers import is_problem
from tests.app.hand_worker import SCORER, HandWorker
from tests.app.pictures import png

SIZE = "expected WIDTHxHEIGHT, such as 160x96, from the model's own size to 4096x4096"
PICTURE = png(Image.frombytes("L", (3, 4), bytes([0, 255] * 6)))


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({"model": "grey", "sed": 7}, "#/sed", "this call has no such field"),
        ({}, "#/model", "expected this field, which is not there"),
        ([], "#/", "expected an object with fields"),
        (
            {"model": "grey", "n": 65},
            "#/n",
            "expected a number less than or equal to 64",
        ),
        ({"model": "grey", "n": "2"}, "#/n", "expected a valid integer"),
        ({"model": "m" * 65}, "#/model", "expected at most 64 characters"),
        ({"model": "grey", "size": "x"}, "#/size", SIZE),
        (
            {"model": "grey", "priority": "high"},
            "#/priority",
            "expected 'interactive' or 'bulk'",
        ),
    ],
)
def test_mistake_is_told_by_what_was_expected(
    client: httpx.Client, worker: HandWorker, body: Any, pointer: str, words: str
) -> None:
    """`detail` begins with the first of them."""
    problem = is_problem(client.post("/sample", json=body), 422)
    assert problem["errors"][0] == {"pointer": pointer, "detail": words}
    assert problem["detail"] == f"{pointer}: {words}"


@pytest.mark.parametrize(
    ("link", "pointer", "pattern"),
    [
        ("/s?model=a&seed=1&digest=XYZ", "#/query/digest", "^[0-9a-f]{0,64}$"),
        ("/s/preview.png?model=a&job=!", "#/query/job", "^[A-Za-z0-9_-]{0,64}$"),
    ],
)
def test_damaged_part_of_a_link_is_not_called_a_size(
    client: httpx.Client, link: str, pointer: str, pattern: str
) -> None:
    """Other texts than sizes have a pattern too."""
    (error,) = is_problem(client.get(link), 422)["errors"]
    assert error == {
        "pointer": pointer,
        "detail": f"expected a text that matches {pattern}",
    }


def test_pointer_leads_to_the_wrong_label_of_a_list(
    client: httpx.Client, worker: HandWorker
) -> None:
    """And to nothing of how it was looked at."""
    problem = is_problem(
        client.post(
            "/sample", json={"model": "grey", "n": 2, "label": ["a", "b" * 65]}
        ),
        422,
    )
    assert [error["pointer"] for error in problem["errors"]] == ["#/label", "#/label/1"]


def test_no_body_is_told_as_one(client: httpx.Client, worker: HandWorker) -> None:
    """There is no field to point to."""
    problem = is_problem(client.post("/sample"), 422)
    assert problem["errors"] == [
        {"pointer": "#/", "detail": "expected a body with the fields of this call"}
    ]


def test_text_in_the_place_of_a_file_is_told(
    client: httpx.Client, worker: HandWorker
) -> None:
    """As of `-F image=digit.png`, where the @ is missing."""
    worker.announce(SCORER)
    sent = {"model": (None, "scorer"), "image": (None, "digit.png")}
    problem = is_problem(client.post("/score", files=sent), 422)
    assert "expected a file" in problem["detail"]
    assert "-F image=@" in problem["detail"]
    assert problem["errors"][0]["pointer"] == "#/image/0"


def test_long_upload_that_cannot_be_kept_is_told_to_come_again(
    client: httpx.Client,
    worker: HandWorker,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """As where the disk of temporary files is full."""
    worker.announce(SCORER)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    long = PICTURE + bytes(2**20 + 1)
    answer = client.post(
        "/score", data={"model": "scorer"}, files={"image": ("a.png", long)}
    )
    assert "no room" in is_problem(answer, 503)["detail"]
    assert answer.headers["retry-after"]


def test_two_files_where_one_is_taken_are_refused(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Not one of them is taken in silence. Calls that take several take several."""
    two = [("image", ("a.png", PICTURE)), ("image", ("b.png", PICTURE))]
    problem = is_problem(
        client.post("/upsample", data={"model": "scales"}, files=two), 422
    )
    assert problem["errors"] == [
        {"pointer": "#/image", "detail": "image: expected one file, not several"}
    ]
