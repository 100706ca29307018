"""Each folder of examples/, at a tiny size: the data from nothing, the recipe, the served model, the script."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from model_core import load_model, log_likelihood, save_model, untrained
from model_core.data.datasets import read_dataset, read_labelled
from model_core.measures.standing import validation_scores
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from pixelrnn.client import Client
from tests.house.running import ForkedUp

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "notebook" / "first-steps.ipynb"


def script(name: str) -> ModuleType:
    """One of the examples' scripts, as a module."""
    spec = importlib.util.spec_from_file_location(
        name.replace("/", "_"), EXAMPLES / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # as where Python runs a script: its own folder comes first
        patch.syspath_prepend(str((EXAMPLES / name).parent))
        spec.loader.exec_module(module)
    return module


def trained(example: str, data: Path, models: Path) -> None:
    """An example's recipe on this data, with a network of one narrow layer and for one epoch, published."""
    tiny = [
        "network.layers=1",
        "network.hidden=4",
        "network.head=4",
        "training.epochs=1",
        "training.warmup=1",
    ]
    quiet = ["output.samples=0", "output.tensorboard=false"]
    recipe = Recipe.load(
        EXAMPLES / example / "recipe.toml", [f"data.path={data}", *tiny, *quiet]
    )
    assert train(
        RunRequest(recipe, models.parent / "runs" / example, publish_to=models)
    ).finished


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the data of the examples that train, and models/ with the models of all."""
    root = tmp_path_factory.mktemp("examples")
    counts = script("characters/glyphs").write(
        root / "characters.npz", ImageFont.load_default(16), 0x21, 0x17E
    )
    assert sum(counts.values()) == 0x17E - 0x21 + 1
    trained("characters", root / "characters.npz", root / "models")
    plans = script("maps/floor_plans").different_plans(28, seed=1)
    np.savez(root / "plans.npz", train=plans[:20], valid=plans[20:24], test=plans[24:])
    trained("maps", root / "plans.npz", root / "models")
    narrow = untrained("mnist-diagonal-bilstm", layers=1, hidden=4, head=4)
    save_model(
        narrow, root / "models" / "mnist-diagonal-bilstm"
    )  # which the notebook names
    return root


@pytest.fixture(scope="module")
def url(tiny: Path, tmp_path_factory: pytest.TempPathFactory):
    """The service with the examples' models."""
    with ForkedUp(tmp_path_factory.mktemp("data"), tiny / "models") as running:
        yield running.url


def run(
    name: str, monkeypatch: pytest.MonkeyPatch, tiny: Path, out: Path, *arguments: str
) -> None:
    """A script's main, as from the command line."""
    monkeypatch.setenv("PIXELRNN_MODELS_DIR", str(tiny / "models"))
    monkeypatch.setattr("sys.argv", [name, *arguments, "--out", str(out)])
    script(name).main()


def test_the_index_leads_to_every_example() -> None:
    """examples/README.md has a line for each folder, and all its links lead somewhere."""
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!http)([^)#]+)", index)
    assert [link for link in links if not (EXAMPLES / link).exists()] == []
    rows = set(re.findall(r"^\| \[(\w+)\]", index, flags=re.MULTILINE))
    assert rows == {path.name for path in EXAMPLES.iterdir() if path.is_dir()}


def test_characters(
    tiny: Path,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Letters stand for ideographs: they are drawn, looked up, completed and scored, and three pictures are written."""
    run(
        "characters/explore",
        monkeypatch,
        tiny,
        tmp_path,
        str(tiny / "characters.npz"),
        "--url",
        url,
        "--n",
        "2",
    )
    said = capsys.readouterr().out
    for words in (
        "of 2 drawings are real",
        "completion: ",
        "least surprising",
        "most surprising",
    ):
        assert words in said
    for name in ("drawn", "completed", "surprising"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert len(np.unique(np.asarray(picture))) >= 2


def test_inspection(
    tiny: Path, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every flaw changes a print, has its line in the table, and is shown with the service's map of its surprise."""
    explore = script("inspection/explore")
    y, x = np.mgrid[:32, :32] - 15.5
    prints = np.stack(
        [
            (np.abs(np.hypot(y, x) - radius) < 1.5).astype(np.uint8)
            for radius in (7, 8, 9, 10)
        ]
    )
    for flaw in explore.FLAWS.values():
        assert all(
            (flaw(good, np.random.default_rng(7)) != good).any() for good in prints
        )
    model = load_model("maps", models_dir=tiny / "models")
    quantiles = validation_scores(
        log_likelihood(model, torch.from_numpy(prints[:, None])).numpy().repeat(5)
    )
    explore.inspected(
        replace(model, card=replace(model.card, validation=quantiles)), prints, prints
    )
    said = capsys.readouterr().out
    assert all(f"| {name} (4) | " in said for name in ("good", *explore.FLAWS))
    with Client(url) as client:
        explore.shown(client, "maps", prints, tmp_path / "found.png")
    with Image.open(tmp_path / "found.png") as picture:
        assert picture.size == (4 * 32 * 4, 3 * 32 * 4)
        assert len(np.unique(np.asarray(picture)[-128:])) > 2


def test_the_notebook_runs_from_top_to_bottom(
    tiny: Path, url: str, tmp_path: Path
) -> None:
    """Cells in order; the service draws what the notebook drew, and finds it as likely."""
    notebook = tmp_path / "notebook.ipynb"
    notebook.write_text(
        NOTEBOOK.read_text(encoding="utf-8").replace("http://127.0.0.1:8000", url),
        encoding="utf-8",
    )
    command = [sys.executable, Path(__file__).with_name("run_notebook.py"), notebook]
    settings = {
        "PIXELRNN_MODELS_DIR": str(tiny / "models"),
        "PYTHONPATH": str(EXAMPLES.parent),
    }
    ended = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    shown = {
        cell["id"]: cell["shown"] for cell in map(json.loads, ended.stdout.splitlines())
    }
    assert shown["again"] == "True"
    assert shown["service"] == f"(True, {8 * 28})"
    assert shown["draw"] == shown["complete"] == "896 x 112, 2 colours"
    assert shown["receipt"].startswith("(False, ")
    nats = float(re.search(r"([\d.]+) nats", shown["surprise"])[1])  # pyright: ignore[reportOptionalSubscript]
    assert float(shown["service-score"].split()[0]) == pytest.approx(nats, abs=0.06)
    for picture in ("uncertain", "surprise", "service-score"):
        assert int(shown[picture].split()[-2]) > 2, picture


def test_the_notebook_is_kept_without_what_it_shows() -> None:
    """Outputs would say what other weights drew; every cell has a name, as readers of the format want."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [
        cell["id"]
        for cell in code
        if cell["outputs"] or cell["execution_count"] is not None
    ] == []
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


def test_a_real_character_is_found() -> None:
    """What nobody else draws is nearest to itself, at no distance."""
    explore = script("characters/explore")
    glyphs = np.random.default_rng(0).integers(0, 2, (20, 16, 16)).astype(np.uint8)
    found, apart = explore.nearest(glyphs[7], glyphs)
    assert found[0] == 7
    assert apart[0] == 0
    assert apart[1] > 0


def test_maps(
    tiny: Path,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A plan that was seen in part is completed, the next viewpoint chosen, and the picture written."""
    run(
        "maps/explore",
        monkeypatch,
        tiny,
        tmp_path,
        str(tiny / "plans.npz"),
        "--url",
        url,
        "--particles",
        "2",
    )
    assert capsys.readouterr().out.count("look next from") == 3
    with Image.open(tmp_path / "maps.png") as picture:
        assert picture.size == (7 * 36 * 4, 3 * 36 * 4)


def test_maps_are_measured(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table has every method, and the calibration counts each unseen cell once."""
    monkeypatch.setenv("PIXELRNN_MODELS_DIR", str(tiny / "models"))
    monkeypatch.setattr(
        "sys.argv",
        ["measure", str(tiny / "plans.npz"), "--plans", "1", "--particles", "2"],
    )
    measure, robot = script("maps/measure"), script("maps/robot")
    measure.main()
    said = capsys.readouterr().out
    for method in ("mean map", "nearest seen cell", "clamp", "posterior"):
        assert f"{method} |" in said
    with np.load(tiny / "plans.npz") as data:
        seen, _ = robot.observe(data["test"][0], np.random.default_rng([7, 0]))
    counted = sum(
        int(line.split("|")[3].replace(",", ""))
        for line in said.splitlines()
        if line.startswith("| 0.")
    )
    assert counted == (~seen).sum()


def test_plans_are_what_their_rules_say() -> None:
    """Walled all around, all different, and the same for a seed."""
    maker = script("maps/floor_plans")
    plans = maker.different_plans(30, seed=3)
    assert (plans == maker.different_plans(30, seed=3)).all()
    assert len({plan.tobytes() for plan in plans}) == 30
    border = np.ones((32, 32), bool)
    border[1:-1, 1:-1] = False
    assert not plans[:, border].any()


def test_a_robot_sees_no_farther_than_walls() -> None:
    """In a room with one closed wall, nothing behind it is seen; the wall itself is."""
    robot = script("maps/robot")
    plan = np.zeros((9, 9), np.uint8)
    plan[1:-1, 1:-1] = 1
    plan[:, 4] = 0
    seen = robot.visible(plan, (4, 2))
    assert seen[4, 4]
    assert not seen[:, 5:].any()
    path = robot.walk(plan, np.random.default_rng(0))
    assert all(plan[cell] for cell in path)
    assert all(abs(y - v) + abs(x - u) == 1 for (y, x), (v, u) in pairwise(path))


def test_emoji(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets become the data of the recipe's network: without skin tones, drawn on white, each one once, mirrored only to
    be trained on, with their groups; what has one name is in one split, and what no set knows the group of in none."""
    maker = script("emoji/make_emoji")
    named = {maker.split_of(f"e{i}"): f"e{i}" for i in range(100)}
    bar = '<path fill="#f00" d="M0 0h4v16H0z"/>'
    square = '<path fill="#080" d="M0 0h16v16H0z"/>'
    nobody, blue = bar.replace("#f00", "#ff0"), bar.replace("#f00", "#00f")
    for folder, icons, groups in (
        (
            "one",
            {
                "bar": bar,
                "again": bar,
                "waving-hand-medium-dark-skin-tone": square,
                "flag-for-flag-chile": square,
            },
            {
                "Food & Drink": ["bar", named["valid"]],
                "Flags": ["again", "flag-for-flag-chile"],
            },
        ),
        (
            "two",
            {
                named["valid"]: square,
                named["test"]: blue,
                "somebody": nobody,
                "nothing": nobody,
            },
            {
                "Objects": [named["valid"]],
                "Nature": [named["test"]],
                "People": ["somebody"],
            },
        ),
    ):
        (tmp_path / folder).mkdir()
        written = {
            "prefix": folder,
            "height": 16,
            "icons": {name: {"body": body} for name, body in icons.items()},
        }
        (tmp_path / folder / "icons.json").write_text(json.dumps(written))
        (tmp_path / folder / "metadata.json").write_text(
            json.dumps({"categories": groups})
        )
    out = tmp_path / "emoji.npz"
    monkeypatch.setattr(
        "sys.argv",
        ["make_emoji", str(out), str(tmp_path / "one"), str(tmp_path / "two")],
    )
    maker.main()
    config = Recipe.load(EXAMPLES / "emoji" / "emoji.toml", []).network.config()
    train, valid, test = (
        read_dataset(out, split, config) for split in ("train", "valid", "test")
    )
    assert (train[0, :, 7, 3].tolist(), train[0, :, 7, 12].tolist()) == (
        [15, 0, 0],
        [15, 15, 15],
    )
    assert len(train) == 2
    assert (train[1] == train[0, :, :, ::-1]).all()
    assert (valid == np.array([0, 8, 0])[:, None, None]).all()
    assert test[0, :, 7, 3].tolist() == [0, 0, 15]
    labels = {
        split: read_labelled(out, split, config)[1]
        for split in ("train", "valid", "test")
    }
    assert {
        split: [of.names[label] for label in of.numbers] for split, of in labels.items()
    } == {
        "train": ["Food & Drink"] * 2,
        "valid": ["Food & Drink"],
        "test": ["Animals & Nature"],
    }
    assert len(labels["train"].names) == config.labels
    assert (
        maker.split_of("man-running")
        == maker.split_of("woman-running")
        == maker.split_of("running")
    )


def test_texture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A photograph becomes a small grey picture; a model of its crops draws a field beside it."""
    make, explore = script("texture/make_texture"), script("texture/explore")
    photograph = Image.fromarray(
        np.random.default_rng(1).integers(90, 160, (300, 400, 3)).astype(np.uint8)
    )
    photograph.save(tmp_path / "stones.jpg")
    monkeypatch.setattr(
        "sys.argv",
        ["make_texture", str(tmp_path / "stones.jpg"), str(tmp_path / "texture")],
    )
    make.main()
    with Image.open(tmp_path / "texture" / "stones.png") as made:
        assert (made.size, made.mode, made.getextrema()) == ((341, 256), "L", (0, 255))
        made.crop((0, 0, 250, 60)).save(tmp_path / "texture" / "stones.png")
    trained("texture", tmp_path / "texture", tmp_path / "models")
    where = [
        str(tmp_path / "texture" / "stones.png"),
        "--models-dir",
        str(tmp_path / "models"),
        "--out",
        str(tmp_path),
    ]
    monkeypatch.setattr("sys.argv", ["explore", *where])
    explore.main()
    assert capsys.readouterr().out.splitlines()[-1].count(",") == 9
    with Image.open(tmp_path / "field.png") as field:
        assert field.size == (3 * 250, 3 * (30 + 2 + 30))


def test_sprites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sheets become values of the palette, a sprite's two pictures in one split; samples and completions are indexed,
    each beside the nearest sprite that is known."""
    make, explore = script("sprites/make_sprites"), script("sprites/explore")
    random = np.random.default_rng(1)
    for name in (
        "Characters/Cat0",
        "Characters/Cat1",
        "Characters/Player0",
        "Items/Potion",
        "Items/Hat",
    ):
        sheet = random.integers(0, 17, (32, 128)).astype(np.uint8)
        place = tmp_path / "DawnLike" / f"{name}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        explore.indexed(sheet, make.PALETTE).save(place)
    arrays = make.dataset(tmp_path / "DawnLike")
    every = [sprite for split in ("train", "valid", "test") for sprite in arrays[split]]
    assert {
        sprite.tobytes()
        for _, _, sprite in make.sprites(tmp_path / "DawnLike", terrain=False)
    } <= {one.tobytes() for one in every}
    np.savez(tmp_path / "sprites.npz", **arrays)
    trained("sprites", tmp_path / "sprites.npz", tmp_path / "models")
    card = load_model("sprites", models_dir=tmp_path / "models").card
    assert card.palette == make.PALETTE
    known = explore.nearest(arrays["test"][:2], arrays["test"])
    assert (known[1] == 0).all()
    monkeypatch.setattr(explore, "COLUMNS", 1)
    where = [
        str(tmp_path / "sprites.npz"),
        "--models-dir",
        str(tmp_path / "models"),
        "--out",
        str(tmp_path),
    ]
    monkeypatch.setattr("sys.argv", ["explore", *where])
    explore.main()
    assert "completed: " in capsys.readouterr().out
    with Image.open(tmp_path / "completed.png") as picture:
        assert picture.mode == "P"
