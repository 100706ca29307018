"""From a folder of pictures to a model, without a recipe: what is chosen, how long it takes, what is said."""

import itertools
import json
import math
import re
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from model_core import slow_steps
from model_core.config import PRESETS
from model_core.data.survey import Survey, survey
from model_core.errors import ConfigError, DataError
from model_core.models import load_model, save_model, untrained
from model_core.training import precision, teaching
from model_core.training.categories import categories_of
from model_core.training.choice import choice, picture_recipe, size
from model_core.training.images import RunImages
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from model_core.training.teaching import file_bits, lesson, warning_of
from pixelrnn.verbs import root

TINY = [
    "network.preset=cifar10-pixelcnn",
    "network.layers=1",
    "network.hidden=6",
    "network.head=6",
    "training.start=",
]
SHORT = ["training.epochs=2", "training.epoch_updates=3", "output.samples=4"]


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Precisions that other trainings on this machine found out are not known here."""
    monkeypatch.setattr(precision, "_path", lambda: tmp_path / precision.FILE)


def pictures(
    directory: Path, count: int, side: tuple[int, int] = (6, 6), colours: str = "colour"
) -> Path:
    """So many different pictures: of any colours, grey, or of black and white."""
    directory.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        random = np.random.default_rng(i)
        shape = (*side[::-1], 3 if colours == "colour" else 1)
        pixels = (
            random.integers(0, 2, shape) * 255
            if colours == "binary"
            else random.integers(0, 256, shape)
        )
        Image.fromarray(np.broadcast_to(pixels, (*shape[:2], 3)).astype(np.uint8)).save(
            directory / f"{i}.png"
        )
    return directory


@pytest.mark.parametrize(
    ("colours", "channels", "values"),
    [("colour", 3, 256), ("grey", 1, 256), ("binary", 1, 2)],
)
def test_a_recipe_is_chosen_by_the_colours_of_the_pictures(
    tmp_path: Path, colours: str, channels: int, values: int
) -> None:
    """Each sort has a network that takes them, which the start that is named for it fits."""
    seen = survey(pictures(tmp_path / "some", 20, (7, 5), colours))
    assert seen == Survey(20, 7, 5, channels, values, colours=0, labels=0)
    config = Recipe.from_tree(
        picture_recipe(seen, tmp_path), [], "a test"
    ).network.config()
    assert (config.channels, config.values, config.width, config.height) == (
        channels,
        values,
        8,
        8,
    )
    if start := choice(seen).start:
        members = load_model(start).members[0].network.config
        assert config == members.with_overrides(height=8, width=8)


def test_pictures_of_any_size_are_made_as_large_as_is_learned_in_minutes(
    tmp_path: Path,
) -> None:
    """Most of one size: that one, and its proportions where it is too large; else squares of their median."""
    one = survey(pictures(tmp_path / "one", 10, (96, 48)))
    assert ((one.width, one.height), size(one)) == ((96, 48), (16, 32))
    for i, side in enumerate((20, 24, 90)):
        pictures(tmp_path / "many" / str(i), 1, (side, side + 3))
    many = survey(tmp_path / "many")
    assert (size(many), many.pictures) == ((24, 24), 3)


def test_folders_are_labels_where_each_has_enough_pictures(tmp_path: Path) -> None:
    """And none where a picture lies in no folder."""
    for name in ("cats", "dogs"):
        pictures(tmp_path / "kinds" / name, 20)
    assert survey(tmp_path / "kinds").labels == 2
    pictures(tmp_path / "kinds", 1)
    assert survey(tmp_path / "kinds").labels == 0


@pytest.mark.parametrize(
    ("has_bf16", "bf16_s", "change", "chosen"),
    [
        (True, 0.5, "", "bf16"),
        (True, 2.0, "", "float32"),
        (True, 0.5, "training.precision=float32", "float32"),
        (False, 0.5, "", "float32"),
    ],
    ids=["faster", "slower", "the user's word", "not here"],
)
def test_a_lesson_is_in_the_precision_that_is_faster_here(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_bf16: bool,
    bf16_s: float,
    change: str,
    chosen: str,
) -> None:
    """Both are timed where the processor multiplies bf16 numbers; the faster one makes more updates."""

    timed = list[str]()

    def update_seconds(recipes: list[Recipe], *_: object) -> list[float]:
        precisions = [recipe.training.precision for recipe in recipes]
        timed.extend(precisions)
        return [bf16_s if one == "bf16" else 1.0 for one in precisions]

    monkeypatch.setattr("model_core.training.teaching._update_seconds", update_seconds)
    monkeypatch.setattr("model_core.training.teaching.HAS_BF16", has_bf16)
    folder, changes = pictures(tmp_path / "some", 120), (*TINY, *filter(None, [change]))
    training = lesson(folder, 1, tmp_path / "runs" / "some", changes).recipe.training
    assert training.precision == chosen
    assert (training.epochs * training.epoch_updates > 60) == (chosen == "bf16")
    assert len(timed) == (2 if has_bf16 and not change else 1)
    timed.clear()
    again = lesson(folder, 1, tmp_path / "runs" / "again", changes).recipe.training
    assert again.precision == chosen
    assert timed == [chosen], "what an earlier training found out is remembered"


def test_hasty_lesson_does_not_wait_for_bf16_to_be_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to compile for the next one, which then times both."""
    timed = list[list[str]]()

    def update_seconds(recipes: list[Recipe], *_: object) -> list[float]:
        timed.append([recipe.training.precision for recipe in recipes])
        return [1.0] * len(recipes)

    monkeypatch.setattr(teaching, "_update_seconds", update_seconds)
    monkeypatch.setattr(teaching, "HAS_BF16", True)
    compiled = set[str]()
    monkeypatch.setattr(
        teaching, "is_compiled", lambda config, precision: precision in compiled
    )
    folder = pictures(tmp_path / "some", 20)
    plan = lesson(folder, 1, tmp_path / "run", tuple(TINY), is_hasty=True)
    assert plan.other_update is not None
    assert plan.other_update[1] == "bf16"
    compiled.add("bf16")
    plan = lesson(folder, 1, tmp_path / "run", tuple(TINY), is_hasty=True)
    assert plan.other_update is None
    assert timed == [["float32"], ["float32", "bf16"]]


def test_damaged_memory_of_precisions_is_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are timed again, and the file is written anew."""
    config = PRESETS["mnist-pixelcnn"]
    path = precision._path()
    for text in ("{", "[]", '{"other": "bf16"}'):
        path.write_text(text)
        assert precision.remembered(config, 8) is None
    precision.remember(config, 8, "bf16")
    assert precision.remembered(config, 8) == "bf16"
    assert precision.remembered(config, 16) is None
    monkeypatch.setattr(precision, "_path", lambda: tmp_path / "gone" / "file")
    precision.remember(config, 8, "bf16")
    assert precision.remembered(config, 8) is None


def test_a_lesson_is_as_long_as_its_minutes_allow(tmp_path: Path) -> None:
    """An update is timed here; in no time there is one at least, in ever so much no more than pictures are worth."""
    folder = pictures(tmp_path / "some", 40)
    plans = [
        lesson(folder, minutes, tmp_path / "runs" / "some", tuple(TINY))
        for minutes in (0, 1000)
    ]
    updates = [
        plan.recipe.training.epochs * plan.recipe.training.epoch_updates
        for plan in plans
    ]
    assert 1 <= updates[0] < updates[1] <= 200
    assert plans[1].guessing_bits == 8
    assert plans[1].png_bits > 8, "noise cannot be made smaller"
    assert "guessing needs 8.00, a PNG file " in plans[1].beforehand
    assert "with 40 pictures expect their colours" in plans[1].beforehand
    assert (plans[0].early, "after 20 passes" in plans[1].early) == ("", True)
    assert plans[1].beforehand.endswith(f"it ends {plans[1].early}")


def test_minutes_count_from_the_first_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an idle machine the first training compiles for most of a minute."""
    clock = itertools.count(step=1000.0)
    monkeypatch.setattr(
        "model_core.training.teaching._update_seconds",
        lambda recipes, *_: [0.5] * len(recipes),
    )
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    folder = pictures(tmp_path / "some", 200)
    training = lesson(folder, 1, tmp_path / "run", tuple(TINY)).recipe.training
    assert training.epochs * training.epoch_updates > 60


def test_what_takes_long_before_the_first_update_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order in which it is done; nothing of what takes a moment."""
    folder, said = pictures(tmp_path / "some", 20), list[str]()
    lesson(folder, 0, tmp_path / "run", tuple(TINY), say=said.append)
    with slow_steps.if_slow(said.append, "nothing"):
        pass
    quick = [*said]
    monkeypatch.setattr(slow_steps, "PATIENCE_S", 0.0)
    lesson(folder, 0, tmp_path / "run", tuple(TINY), say=said.append)
    told = list(dict.fromkeys(said[len(quick) :]))
    assert [line.partition(",")[0] for line in told] == [
        "looking at the pictures",
        "reading the pictures",
        "making the first update",
        "timing updates",
    ]
    assert "nothing" not in quick


def test_a_step_that_goes_on_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """At least once a minute; nothing is said after its end."""
    monkeypatch.setattr(slow_steps, "PATIENCE_S", 0.0)
    monkeypatch.setattr(slow_steps, "REPEAT_S", 0.01)
    said = list[str]()
    with slow_steps.if_slow(said.append, "waiting"):
        while len(said) < 3:
            time.sleep(0.01)
    count = len(said)
    time.sleep(0.05)
    assert said[:3] == ["waiting", "still waiting", "still waiting"]
    assert len(said) == count


def test_only_pictures_that_are_read_are_counted_and_other_files_are_named(
    tmp_path: Path,
) -> None:
    """A broken picture is none, nor is a drawing of vectors; hidden files are nobody's."""
    folder = pictures(tmp_path / "some", 20)
    (folder / "broken.png").write_bytes(b"no")
    plan = lesson(folder, 0, tmp_path / "run", tuple(TINY))
    assert plan.beforehand.startswith("20 pictures in colour")
    assert "no picture" not in plan.beforehand
    for name in ("notes.txt", "a.svg", ".hidden"):
        (folder / name).write_bytes(b"no")
    line = "2 other files are no pictures that can be read: a.svg, notes.txt"
    plan = lesson(folder, 0, tmp_path / "run", tuple(TINY))
    assert plan.beforehand.splitlines()[1] == line
    for i in range(9):
        (folder / f"z{i}.txt").write_bytes(b"no")
    plan = lesson(folder, 0, tmp_path / "run", tuple(TINY))
    assert plan.beforehand.splitlines()[1].endswith(
        "a.svg, notes.txt, z0.txt, z1.txt, z2.txt, z3.txt, z4.txt, z5.txt, z6.txt, "
        "z7.txt and 1 more"
    )


def test_a_model_that_learned_nothing_has_a_warning() -> None:
    """And one that is good has none."""
    assert warning_of(20, 7.89, 8.0, 7.9) == ""
    assert warning_of(1, 7, 8, 9).startswith("only 1 update was made: give it more")
    assert warning_of(19, 7, 8, 9).startswith("only 19 updates were made")
    assert warning_of(20, 2.2157, 1.0, 1.5) == (
        "the model is worse than guessing: 2.22 bits/dim of pictures held back, "
        "guessing has 1.00"
    )
    assert warning_of(20, 7.9, 8.0, 7.9) == (
        "the model is worse than PNG: 7.90 bits/dim of pictures held back, PNG has 7.90"
    )
    assert warning_of(1, 1.0, 1.0, 1.0).count(";") == 1


def test_few_pictures_move_a_models_weights_gently(tmp_path: Path) -> None:
    """A rate that is right for thousands of updates would make them worse in forty; random weights want it all."""
    folder = pictures(tmp_path / "some", 20)
    start = tmp_path / "models" / "start"
    sizes = {"layers": 1, "hidden": 6, "head": 6}
    save_model(untrained("cifar10-pixelcnn", **sizes), start)
    warm, cold = (
        lesson(folder, 5, tmp_path / "runs" / "some", (*TINY, f"training.start={each}"))
        for each in (start, "")
    )
    assert warm.recipe.training.learning_rate < 0.6 * cold.recipe.training.learning_rate


def test_a_lesson_begins_with_any_model(tmp_path: Path) -> None:
    """By its name or place: the network, its colours and values are that model's, the size is the pictures'."""
    folder = pictures(tmp_path / "some", 20, colours="binary")
    start, sprites = tmp_path / "models" / "start", tmp_path / "models" / "sprites"
    save_model(untrained("cifar10-row-lstm", layers=1, hidden=6, head=6), start)
    recipe = lesson(
        folder, 0, tmp_path / "runs" / "some", (f"training.start={start}",)
    ).recipe
    config = recipe.network.config()
    assert (config.network, config.layers, config.channels, config.values) == (
        "row-lstm",
        1,
        3,
        256,
    )
    assert (config.width, config.height, recipe.training.start) == (8, 8, str(start))
    categories = {"channels": 1, "values": 3, "categories": True}
    save_model(
        untrained("cifar10-row-lstm", layers=1, hidden=6, head=6, **categories), sprites
    )
    with pytest.raises(ConfigError, match=r"not of a palette's"):
        lesson(folder, 0, tmp_path / "runs" / "some", (f"training.start={sprites}",))


def test_a_lesson_of_one_large_picture_learns_its_parts(tmp_path: Path) -> None:
    """Of 32 x 32, or the asked size; passes over them are not counted. One that is too small is refused."""
    small = (
        "network.layers=1",
        "network.hidden=6",
        "network.head=6",
        "training.start=",
    )
    folder = pictures(tmp_path / "one", 1, (160, 48))
    plan = lesson(folder, 0.2, tmp_path / "runs" / "one", (*small, "data.crops=true"))
    config = plan.recipe.network.config()
    assert (config.width, config.height, plan.recipe.data.crops, plan.early) == (
        32,
        32,
        True,
        "",
    )
    assert "expect their colours" not in plan.beforehand
    asked = (*small, "data.crops=true", "network.width=16", "network.height=8")
    assert (
        lesson(folder, 0, tmp_path / "runs" / "one", asked)
        .recipe.network.config()
        .width
        == 16
    )
    with pytest.raises(DataError, match="expected one of three times that length"):
        lesson(
            pictures(tmp_path / "tiny", 1, (40, 40)),
            0,
            tmp_path / "runs" / "tiny",
            (*small, "data.crops=true"),
        )


def test_colours_of_pictures_are_counted_as_far_as_a_palette_goes(
    tmp_path: Path,
) -> None:
    """And named in the place of values; a palette is offered for them, and for a few
    greys."""
    for name, mode, colours in [("some", "RGB", 5), ("tones", "L", 3)]:
        (tmp_path / name).mkdir()
        for i in range(20):
            picture = Image.new("RGB", (8, 8), (0, 40 * (i % 4), 200))
            picture.putpixel((i % 8, i // 8), (255, 0, 0))
            if mode == "L":
                picture = picture.getchannel("G").point([0] * 80 + [100] * 176)
                picture.putpixel((i % 8, i // 8), 200)
            picture.save(tmp_path / name / f"{i}.png")
        assert survey(tmp_path / name).colours == colours
        plan = lesson(tmp_path / name, 0, tmp_path / "runs" / name, tuple(TINY))
        assert plan.colours == colours
        assert ("pixels, 5 colours. A" in plan.beforehand) == (mode == "RGB")
        assert f"have {colours} colours alone: add `--set data.pal" in plan.beforehand
    assert survey(pictures(tmp_path / "noise", 20)).colours == 0


def test_a_folder_becomes_a_model_that_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pixelrnn train FOLDER`: a model, samples, and JSON; the same name again is refused, --resume goes on. Noise is
    published only if that is asked for."""
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "My icons", 24)
    words = [
        "train",
        "My icons",
        *(word for change in (*TINY, *SHORT) for word in ("--set", change)),
    ]
    noise = CliRunner().invoke(root, [*words, "--name", "noise", "--json"])
    facts = json.loads(noise.stdout.splitlines()[-1])
    assert not facts["published"]
    assert not Path("my-models/noise").exists()
    assert noise.stderr.splitlines()[-1] == (
        f"not published: {facts['warning']}. `pixelrnn train 'My icons' --minutes 10 "
        "--name noise-more --set training.start=runs/noise` goes on with it; "
        "--publish-anyway publishes it as it is"
    )
    more = CliRunner().invoke(
        root, [*words, "--name", "noise-more", "--set", "training.start=runs/noise"]
    )
    assert more.exit_code == 0, more.output

    words.append("--publish-anyway")
    first = CliRunner().invoke(root, [*words, "--json"])
    assert first.exit_code == 0, first.output
    facts = json.loads(first.stdout.splitlines()[-1])
    assert (facts["finished"], facts["iteration"], facts["guessing_bits_per_dim"]) == (
        True,
        6,
        8,
    )
    bits = facts["best_nats"] / facts["dimensions"] / math.log(2)
    assert facts["warning"] == (
        "only 6 updates were made: add --minutes; the model is worse than guessing: "
        f"{bits:.2f} bits/dim of pictures held back, guessing has 8.00"
    )
    assert f"warning: {facts['warning']}" in first.stderr
    assert facts["valid_images"] > 1
    said = (
        r"bits/dim\) of " + str(facts["valid_images"]) + " pictures held back: my-mod"
    )
    assert re.search(r"nats \(8\.\d+ \+- 0\.\d+ " + said, first.stderr), first.stderr
    assert " nan " not in first.stderr
    model = load_model(tmp_path / "my-models" / "my-icons")
    assert model.card.training["images"] <= 6 * 16
    assert model.card.training["command"].startswith(
        "pixelrnn train 'My icons' --minutes 5 --set"
    )
    assert [path.name for path in sorted(Path("runs/my-icons/samples").iterdir())] == [
        "epoch-0001.png",
        "epoch-0002.png",
    ]
    assert "`pixelrnn up --models-dir my-models` serves it" in first.stderr
    assert "already holds a run" in str(CliRunner().invoke(root, words).exception)
    again = CliRunner().invoke(
        root, [*words, "--resume", "--set", "training.epochs=3", "--json"]
    )
    assert json.loads(again.stdout.splitlines()[-1])["iteration"] == 9, again.output
    other = CliRunner().invoke(root, [*words, "--resume", "--minutes", "9"])
    assert "planned for 5 minutes: it cannot go on with 9" in str(other.exception)


def test_a_folder_without_pictures_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """Also an archive without arrays, and options that only a recipe takes."""
    with pytest.raises(DataError, match=r"no pictures in .* expected PNG, JPEG"):
        survey(tmp_path)
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    with pytest.raises(
        DataError, match=r"broken.npz holds no pictures: expected arrays \(N, H, W\)"
    ):
        survey(tmp_path / "broken.npz")
    refused = CliRunner().invoke(root, ["train", str(tmp_path), "--data", "."])
    assert refused.exit_code == 2
    assert "--data is for recipes" in refused.stderr
    refused = CliRunner().invoke(root, ["train", "own-pictures", "--minutes", "9"])
    assert refused.exit_code == 2
    assert "--minutes is for pictures" in refused.stderr


def test_an_array_is_looked_at_as_a_folder_is(tmp_path: Path) -> None:
    """Zeros and ones are black and white, whatever a byte could say."""
    np.savez(
        tmp_path / "some.npz",
        np.random.default_rng(0).integers(0, 2, (30, 9, 8)).astype(np.uint8),
    )
    assert survey(tmp_path / "some.npz") == Survey(30, 8, 9, 1, 2, colours=0, labels=0)


def test_arrays_are_looked_at_as_they_are_read(tmp_path: Path) -> None:
    """No reader converts them: grey ones of three colours need three, and small numbers
    are no shades of black."""
    random = np.random.default_rng(0)
    grey = random.integers(0, 256, (30, 9, 8, 1)).astype(np.uint8)
    np.savez(tmp_path / "grey.npz", grey.repeat(3, axis=3))
    seen = survey(tmp_path / "grey.npz")
    assert (seen.channels, seen.values) == (3, 256)
    np.savez(tmp_path / "few.npz", random.integers(0, 5, (30, 9, 8)).astype(np.uint8))
    seen = survey(tmp_path / "few.npz")
    assert (seen.channels, seen.values) == (1, 256)


def test_packed_bits_are_looked_at_and_learned_from(tmp_path: Path) -> None:
    """POST /train takes them, and so does a recipe."""
    bits = np.random.default_rng(0).integers(0, 256, (30, 98)).astype(np.uint8)
    path = tmp_path / "bits.npz"
    np.savez(path, train=bits[:20], valid=bits[20:25], test=bits[25:])
    seen = survey(path)
    assert seen == Survey(30, 28, 28, 1, 2, colours=0, labels=0)
    recipe = Recipe.from_tree(picture_recipe(seen, path), (), "")
    train, _ = RunImages(recipe, tmp_path / "runs" / "bits").train()
    assert train.shape == (20, 1, 28, 28)


def test_arrays_beside_the_splits_are_not_looked_at(tmp_path: Path) -> None:
    """They need not be of bytes, for no reader reads them."""
    images = np.random.default_rng(0).integers(0, 256, (30, 9, 8)).astype(np.uint8)
    path = tmp_path / "some.npz"
    np.savez(path, ids=np.arange(30), train=images[:20], valid=images[20:], mean=0.5)
    assert survey(path) == Survey(30, 8, 9, 1, 256, colours=0, labels=0)


def test_black_icons_on_a_transparent_ground_are_taken_in_colour(
    tmp_path: Path,
) -> None:
    """As greys they would be black on black."""
    for i in range(20):
        pixels = np.zeros((8, 8, 4), np.uint8)
        pixels[..., 3] = 255 * np.random.default_rng(i).integers(0, 2, (8, 8))
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    seen = survey(tmp_path)
    assert (seen.pictures, seen.channels, seen.values) == (20, 3, 256)


def test_small_numbers_in_pictures_are_not_all_black(tmp_path: Path) -> None:
    """Label maps are often pictures whose greys are 0, 1, 2, ..."""
    for i in range(20):
        pixels = np.random.default_rng(i).integers(0, 5, (8, 8)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    seen = survey(tmp_path)
    assert (seen.channels, seen.values) == (1, 256)


@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_a_lesson_on_a_palette_has_the_figures_of_its_categories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The palette of an archive is taken without being asked for; of pictures it is
    with `data.palette`. Guessing, PNG and the plan are those of the network that is
    trained."""
    timed: list[Recipe] = []
    monkeypatch.setattr(teaching, "_update_seconds", partial(_at_once, timed))
    colours = ["#000000", "#ff0000", "#00ff00", "#0000ff", "#ffffff"]
    values = np.random.default_rng(0).integers(0, 5, (60, 8, 8)).astype(np.uint8)
    path = tmp_path / "some"
    changes: tuple[str, ...] = ()
    if kind == "archive":
        path = tmp_path / "some.npz"
        np.savez(path, images=values, palette=np.array(colours))
    else:
        path.mkdir()
        changes = ("data.palette=auto",)
        table = np.array([[*bytes.fromhex(each[1:])] for each in colours], np.uint8)
        for i, image in enumerate(values):
            Image.fromarray(table[image]).save(path / f"{i}.png")

    plan = lesson(path, 1, tmp_path / "runs" / "some", changes)
    config = plan.recipe.network.config()
    assert (config.channels, config.values, config.categories) == (1, 5, True)
    assert {each.network.config() for each in timed} == {config}
    assert categories_of(plan.recipe).recipe.network.config() == config
    assert plan.recipe.training.start == ""
    assert plan.guessing_bits == math.log2(5)
    # Random values need at least as many bits in any file.
    assert plan.png_bits >= math.log2(5)
    assert plan.colours == 5
    assert "pictures in a palette: a " in plan.beforehand
    assert "5 colours. A network that has learned nothing trains" in plan.beforehand


def test_an_archive_is_of_greys_if_values_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if its palette has too few colours for categories."""
    monkeypatch.setattr(teaching, "_update_seconds", partial(_at_once, list[Recipe]()))
    values = np.random.default_rng(0).integers(0, 2, (40, 8, 8)).astype(np.uint8)
    path = tmp_path / "some.npz"
    np.savez(path, images=values, palette=np.array(["#000000", "#ffffff"]))
    plan = lesson(path, 1, tmp_path / "runs" / "two")
    config = plan.recipe.network.config()
    assert (config.values, config.categories) == (2, False)
    np.savez(path, images=values, palette=np.array(["#000000", "#ff0000", "#ffffff"]))
    plan = lesson(path, 1, tmp_path / "runs" / "three", values=4)
    config = plan.recipe.network.config()
    assert (config.values, config.categories) == (4, False)


def _at_once(timed: list[Recipe], recipes: Sequence[Recipe], *_: object) -> list[float]:
    """Record the recipes whose updates were to be timed, and say that each takes a
    second."""
    timed += recipes
    return [1.0 for _ in recipes]


def test_the_png_of_two_values_in_colour_is_in_colour() -> None:
    """A PNG of black and white would not hold them. Indices take as few bits as they
    need."""
    config = PRESETS["cifar10-pixelcnn"].with_overrides(height=8, width=8)
    random = np.random.default_rng(0)
    values = random.integers(0, 2, (50, 3, 8, 8)).astype(np.uint8)
    assert file_bits(values, config.with_overrides(values=2)) > 1
    greys = config.with_overrides(channels=1, values=2)
    assert 1 < file_bits(values[:, :1], greys) < 2
    indices = random.integers(0, 16, (50, 1, 8, 8)).astype(np.uint8)
    palette = config.with_overrides(channels=1, values=16, categories=True)
    assert 4 < file_bits(indices, palette) < 6


def test_an_epoch_may_be_so_many_updates(recipe_file: Path, tmp_path: Path) -> None:
    """Rates and validations follow them, a card tells passes over the images; a run that has begun keeps to them."""
    rounds = ["training.epoch_updates=9", "training.epochs=2"]
    result = train(
        RunRequest(
            Recipe.load(recipe_file, rounds),
            tmp_path / "run",
            publish_to=tmp_path / "models",
        )
    )
    assert (result.iteration, result.epochs) == (18, 2)
    assert load_model(tmp_path / "models" / "run").card.training["epochs"] in (1.5, 3)
    with pytest.raises(
        ConfigError, match="started with updates an epoch = 9: it cannot go on with 6"
    ):
        train(RunRequest(Recipe.load(recipe_file), tmp_path / "run", resume=True))


def test_a_start_may_be_of_another_size(recipe_file: Path, tmp_path: Path) -> None:
    """No weight depends on it; of a Multi-Scale network the size must be the same."""
    save_model(
        untrained("mnist-pixelcnn", height=9, width=3, layers=2, hidden=5, head=8),
        tmp_path / "models" / "other",
    )
    start = [f"training.start={tmp_path / 'models' / 'other'}", "training.epochs=1"]
    assert train(RunRequest(Recipe.load(recipe_file, start), tmp_path / "run")).finished
