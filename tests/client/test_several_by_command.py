"""Verbs of several pictures: in files and folders, here and by a service, in as many calls as it takes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.client.by_command import ended, pixelrnn, pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """70 pictures of tiny-cnn's size, some in a folder below, one that cannot be read and one of another size."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    for i in range(70):
        values = np.random.default_rng(i).integers(0, 2, (6, 5), np.uint8) * 255
        Image.fromarray(values).save(
            folder / ("below" if i % 7 == 0 else "") / f"{i:02}.png"
        )
    Image.new("L", (7, 7)).save(folder / "33-large.png")
    (folder / "60-broken.png").write_bytes(b"?")
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_of_a_folder_are_those_of_each_here_and_there(
    service: str, all_models_dir: Path, folder: Path, tmp_path: Path
) -> None:
    """A line for each in the order of their names, in calls of up to 64; what cannot be taken is named, and the exit
    code says so."""
    words = ["score", "tiny-cnn", folder, folder / "below" / "07.png", "--csv"]
    there = ended(*words, tmp_path / "there.csv", "--url", service)
    here = ended(*words, tmp_path / "here.csv", "--models-dir", all_models_dir)
    rows = table(tmp_path / "there.csv")
    for told in (there, here):
        assert told.returncode == 1
        assert "score of 71 of 73 pictures" in told.stderr
        assert {
            line.partition("pictures/")[2][:6]
            for line in told.stderr.splitlines()[1:]
            if "pictures/" in line  # another line says that a slow step continues
        } == {"33-lar", "60-bro"}
    assert [row["file"] for row in rows] == [
        row["file"] for row in table(tmp_path / "here.csv")
    ]
    for row, other in zip(rows, table(tmp_path / "here.csv"), strict=True):
        assert float(row["nats"]) == pytest.approx(float(other["nats"]), rel=1e-6)
    alone = json.loads(
        pixelrnn(
            "score", "tiny-cnn", folder / "01.png", "--json", "--url", service
        ).stdout
    )
    assert (
        float(next(row["nats"] for row in rows if row["file"].endswith("01.png")))
        == alone["nats"]
    )


def test_completions_of_a_folder_are_the_same_here_and_there(
    service: str, all_models_dir: Path, folder: Path, tmp_path: Path
) -> None:
    """However many a call takes: draw j of picture i is sample i * n + j, and lies where the picture lies."""
    for path in sorted(folder.glob("[1-9]*.png")):
        path.unlink()
    Image.fromarray(np.repeat(np.uint8([0, 255]), 3)[:, None].repeat(5, 1)).save(
        tmp_path / "mask.png"
    )
    words = [
        "complete",
        "tiny-cnn",
        folder,
        tmp_path / "mask.png",
        "--n",
        20,
        "--seed",
        3,
        "--out",
    ]
    pixelrnn(*words, tmp_path / "there", "--url", service)
    pixelrnn(*words, tmp_path / "here", "--models-dir", all_models_dir)
    written = sorted(
        path.relative_to(tmp_path / "here")
        for path in (tmp_path / "here").rglob("*.png")
    )
    assert len(written) == 20 * len(list(folder.rglob("*.png")))
    assert Path("below/07-0.png") in written
    for name in written:
        assert pixels(tmp_path / "here" / name) == pixels(tmp_path / "there" / name), (
            name
        )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["score", "tiny-cnn", "{}", "--map", "m.png"],
            "--map, --show and --n 0 are of one picture",
        ),
        (
            ["complete", "tiny-cnn", "{}"],
            "--out: expected a folder for several pictures, not completion.png",
        ),
        (
            ["complete", "tiny-cnn", "{}", "--out", "{}/below/.."],
            "--out: expected another folder than",
        ),
        (["score", "tiny-cnn", "{}/below/none"], "cannot read the image"),
        (
            ["score", "tiny-cnn", "{}/33-large.png", "{}/60-broken.png"],
            "the model takes 5x6 pixels",
        ),
    ],
)
def test_options_of_one_picture_and_pictures_of_none_are_refused(
    words: list[str], complaint: str, folder: Path, all_models_dir: Path
) -> None:
    """In one line, with exit code 2."""
    done = ended(
        *(word.format(folder) for word in words), "--models-dir", all_models_dir
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert complaint in line
