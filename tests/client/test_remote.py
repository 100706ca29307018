"""`pixelrnn remote`: the verbs against a running service do what those without one do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.access.api_keys import digest_of, parse_keys
from app.settings import Settings
from tests.app.live import serving
from tests.client.by_command import LIMIT_S, command, ended, pixelrnn, pixels, remote
from tests.house.pseudo_terminal import in_terminal


@pytest.mark.parametrize(("verb", "suffix"), [("sample", "png"), ("complete", "webp")])
def test_pictures_are_those_that_are_drawn_here(
    service: str,
    all_models_dir: Path,
    tmp_path: Path,
    given: Path,
    verb: str,
    suffix: str,
) -> None:
    """Pixel for pixel, in the format that the name ends in, and as large."""
    words = [
        verb,
        "tiny-cnn",
        *([given] if verb == "complete" else []),
        "--n",
        3,
        "--seed",
        5,
        "--first",
        64,
        "--scale",
        2,
    ]
    words += ["--out"]
    job = json.loads(remote(service, *words, tmp_path / f"there.{suffix}", "--json"))
    pixelrnn(*words, tmp_path / "here.png", "--models-dir", all_models_dir)
    assert (job["kind"], job["status"], job["n"], job["seed"]) == (
        verb,
        "succeeded",
        3,
        5,
    )
    assert pixels(tmp_path / f"there.{suffix}") == pixels(tmp_path / "here.png")
    with Image.open(tmp_path / f"there.{suffix}") as picture:
        assert picture.format == suffix.upper()


def test_options_of_a_completion_reach_the_service(
    service: str, tmp_path: Path, given: Path
) -> None:
    """The method and the ranking; and a picture of another size is refused in the service's words, or stretched."""
    words = [
        "complete",
        "tiny-cnn",
        given,
        "--method",
        "clamp",
        "--n",
        2,
        "--rank",
        "--out",
        tmp_path / "c.png",
    ]
    job = json.loads(remote(service, *words, "--json"))
    assert job["method"] == "clamp"
    nats = [each["nats"] for each in job["result"]["ranking"]]
    assert nats == sorted(nats)
    assert len(nats) == 2
    Image.new("LA", (10, 12), (0, 0)).save(given)
    refused = ended("remote", *words, "--url", service)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("pixelrnn: 422: ")
    remote(service, *words, "--fit", "resize")


def test_pictures_are_encoded_there_and_decoded_here_and_the_other_way_round(
    service: str, all_models_dir: Path, tmp_path: Path
) -> None:
    """The file is the same, and so is every picture."""
    sources = [tmp_path / f"{i}.png" for i in range(3)]
    for i, source in enumerate(sources):
        picture = Image.new("L", (5, 6))
        picture.putpixel((i, 2 * i), 255)
        picture.save(source)
    facts = json.loads(
        remote(
            service,
            "encode",
            "tiny-cnn",
            *sources,
            "--out",
            tmp_path / "there.pxrn",
            "--json",
        )
    )
    assert (facts["pictures"], facts["bytes"]) == (
        3,
        (tmp_path / "there.pxrn").stat().st_size,
    )
    pixelrnn(
        "encode",
        "tiny-cnn",
        *sources,
        "--out",
        tmp_path / "here.pxrn",
        "--models-dir",
        all_models_dir,
    )
    assert (tmp_path / "there.pxrn").read_bytes() == (
        tmp_path / "here.pxrn"
    ).read_bytes()
    pixelrnn(
        "decode",
        tmp_path / "there.pxrn",
        "--out",
        tmp_path / "a",
        "--models-dir",
        all_models_dir,
    )
    remote(service, "decode", tmp_path / "here.pxrn", "--out", tmp_path / "b")
    for source in sources:
        assert (
            pixels(tmp_path / "a" / source.name)
            == pixels(tmp_path / "b" / source.name)
            == pixels(source)
        )


def test_picture_is_verified_and_a_changed_pixel_is_named(
    service: str, tmp_path: Path
) -> None:
    """With the exit code of the verb without a server."""
    remote(service, "sample", "tiny-cnn", "--seed", 3, "--out", tmp_path / "a.png")
    said = pixelrnn("remote", "verify", tmp_path / "a.png", "--url", service).stderr
    assert said.endswith("verified: tiny-cnn drew it with seed 3, every pixel\n")
    with Image.open(tmp_path / "a.png") as picture:
        notes = PngInfo()
        for name, text in picture.text.items():  # pyright: ignore[reportAttributeAccessIssue]
            notes.add_text(name, text)
        changed = picture.copy()
        changed.putpixel((4, 1), 255 - int(changed.getpixel((4, 1))))  # pyright: ignore[reportArgumentType]
        changed.save(tmp_path / "b.png", pnginfo=notes)
    other = ended("remote", "verify", tmp_path / "b.png", "--json", "--url", service)
    assert other.returncode == 1, other.stderr
    assert other.stderr.endswith(
        "not verified: 1 pixels are not what tiny-cnn draws: (4, 1)\n"
    )
    assert json.loads(other.stdout)["changed"] == [{"x": 4, "y": 1}]


def test_jobs_are_listed_looked_at_and_deleted(service: str, tmp_path: Path) -> None:
    """By an id that no terminal is too narrow for; what is deleted is gone."""
    job = json.loads(
        remote(
            service,
            "sample",
            "tiny-cnn",
            "--out",
            tmp_path / "a.png",
            "--scale",
            3,
            "--json",
        )
    )["id"]
    listed = pixelrnn(
        "remote", "jobs", "--status", "succeeded", PIXELRNN_URL=service, COLUMNS="30"
    ).stdout
    assert any(
        line.split()[:4] == [job, "sample", "tiny-cnn", "1"]
        for line in listed.splitlines()
    )
    assert (
        json.loads(remote(service, "jobs", "--limit", 1, "--json"))["jobs"][0]["id"]
        == job
    )
    assert (
        json.loads(remote(service, "job", job, "--wait", "--json"))["status"]
        == "succeeded"
    )
    remote(service, "image", job, "--scale", 3, "--out", tmp_path / "b.png")
    assert pixels(tmp_path / "a.png") == pixels(tmp_path / "b.png")
    assert json.loads(remote(service, "cancel", job, "--json"))["status"] == "succeeded"
    remote(service, "delete", job)
    gone = ended("remote", "job", job, "--url", service)
    assert gone.returncode == 2
    assert gone.stderr.startswith("pixelrnn: 410: ")


def test_score_of_the_service_has_a_map_and_a_pixel(
    service: str, tmp_path: Path
) -> None:
    """All that the verb tells without a server."""
    Image.new("L", (5, 6), 255).save(tmp_path / "white.png")
    words = [
        "score",
        "tiny-cnn",
        tmp_path / "white.png",
        "--x",
        4,
        "--y",
        2,
        "--influence",
        "--map",
        tmp_path / "m.png",
    ]
    told = pixelrnn(*words, "--url", service).stderr
    assert "(4, 2) is 1, of which p was" in told
    assert "mattered" in told
    with Image.open(tmp_path / "m.png") as heat:
        assert heat.size == (5, 6)


def test_models_are_those_of_the_service(service: str) -> None:
    """By name, with what they can do."""
    listed = pixelrnn("remote", "models", "--url", service).stdout
    assert {"tiny-cnn", "tiny-diagonal", "tiny-rgb", "tiny-scales"} <= {
        line.split()[0] for line in listed.splitlines()
    }
    assert "upsample" in next(
        line for line in listed.splitlines() if line.startswith("tiny-scales")
    )


@pytest.mark.skipif(
    sys.platform != "linux", reason="reads a pseudo-terminal as Linux has them"
)
def test_person_at_a_terminal_sees_rows_come_and_the_picture(
    service: str, tmp_path: Path
) -> None:
    """As without a server."""
    words = command(
        "remote",
        "sample",
        "tiny-cnn",
        "--n",
        8,
        "--show",
        "--out",
        tmp_path / "a.png",
        "--url",
        service,
    )
    code, told = in_terminal(
        words, os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
    )
    assert code == 0, told
    assert told.index("tiny-cnn: drawing") < told.index("▀") < told.index("wrote ")


def test_key_goes_along_and_is_asked_for(redis_url: str) -> None:
    """PIXELRNN_KEY, so that it need not stand on a command line."""
    keys = parse_keys(f"alice:{digest_of('alice-key')}")
    with serving(Settings(redis_url=redis_url, port=0, api_keys=keys)) as (url, _):
        assert pixelrnn(
            "remote", "jobs", "--json", PIXELRNN_URL=url, PIXELRNN_KEY="alice-key"
        ).stdout
        refused = ended("remote", "jobs", "--url", url)
    assert refused.returncode == 2
    assert refused.stderr.startswith("pixelrnn: 401: ")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["models", "--url", "http://127.0.0.1:9"],
            "no service answers at http://127.0.0.1:9: start one (pixelrnn up)",
        ),
        (
            ["models", "--url", "localhost:8000"],
            "'localhost:8000' is no address of a service: expected http://HOST:PORT",
        ),
        (
            ["sample", "m", "--out", "a.gif"],
            "cannot write a.gif: expected a name that ends in .png",
        ),
        (
            ["sample", "m", "--out", "-", "--json"],
            "--json and a picture cannot both go to stdout",
        ),
        (["jobs", "--status", "done"], "--status"),
        (["encode", "m", "/nowhere.png"], "/nowhere.png: No such file or directory"),
    ],
)
def test_bad_input_is_one_line(words: list[str], complaint: str) -> None:
    """As everywhere in the command."""
    result = ended("remote", *words)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert complaint in line


def test_picture_goes_to_stdout_when_its_name_is_a_dash(service: str) -> None:
    """For a pipe."""
    done = subprocess.run(
        command("remote", "sample", "tiny-cnn", "--out", "-", "--url", service),
        capture_output=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert done.stdout.startswith(b"\x89PNG")
