"""Recipes are strict, and the ones that ship are right."""

import tomllib
from pathlib import Path

import pytest

from model_core.config import PRESETS, preset
from model_core.errors import ConfigError
from model_core.training.first_weights import starting_model
from model_core.training.recipe import Recipe

CONFIGS = sorted(Path(__file__).parents[2].joinpath("configs").glob("*.toml"))


OWN_SIZES = ("small", "own", "labelled", "wide", "wider", "3x128", "deep")
"""Recipes with one of these in their names are presets at a size of ours, or with labels."""


def test_a_shipped_recipe_loads_and_is_named_after_its_preset(
    subtests: pytest.Subtests,
) -> None:
    """Every file in configs/ is a recipe for the preset it is named after, as it is, or at a smaller size."""
    for path in CONFIGS:
        with subtests.test(path=path):
            recipe = Recipe.load(path)
            if not set(path.stem.split("-")) & set(OWN_SIZES):
                assert recipe.network.config() == preset(path.stem)
            elif "small" in path.stem:
                assert recipe.network.preset == path.stem.replace("small-", "")
                assert (
                    recipe.network.config().hidden
                    < preset(recipe.network.preset).hidden
                )


def test_every_preset_has_a_recipe() -> None:
    """What the paper trained can be trained."""
    assert {path.stem for path in CONFIGS} >= set(PRESETS)


@pytest.mark.parametrize(
    "path",
    [path for path in CONFIGS if path.stem in PRESETS],
    ids=lambda path: path.stem,
)
def test_a_recipe_of_the_paper_has_the_batch_of_section_5_2(path: Path) -> None:
    """16 images; 64 for ImageNet 32 x 32 and 32 for 64 x 64. Recipes at sizes of ours may choose."""
    expected = (
        64 if "imagenet32" in path.stem else 32 if "imagenet64" in path.stem else 16
    )
    assert Recipe.load(path).training.batch == expected


@pytest.mark.parametrize(
    "switch", ["residual=false", "skip=false", "layers=1", "layers=9"]
)
def test_the_paper_s_ablations_are_switches(switch: str) -> None:
    """Tables 2 and 3: the Row LSTM without its connections, and at other depths."""
    path = next(path for path in CONFIGS if path.stem == "cifar10-row-lstm")
    config = Recipe.load(path, [f"network.{switch}"]).network.config()
    key, value = switch.split("=")
    assert getattr(config, key) == {"false": False, "1": 1, "9": 9}[value]


def test_the_recipe_for_own_pictures_begins_with_a_shipped_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the models directory is; it may be of fewer features, not of more, and an empty name begins with random
    weights."""
    monkeypatch.setenv("PIXELRNN_MODELS_DIR", str(tmp_path))
    path = next(path for path in CONFIGS if path.stem == "own-pictures")
    start = starting_model(Recipe.load(path))
    assert start is not None
    assert start.card.name == "cifar10-small-pixelcnn"
    assert (
        starting_model(Recipe.load(path, ["network.labels=3", "network.height=64"]))
        is not None
    )
    assert starting_model(Recipe.load(path, ["network.hidden=64"])) is not None
    with pytest.raises(
        ConfigError,
        match=r"hidden is 32, .*hidden is 16; --set training.start= begins with random",
    ):
        starting_model(Recipe.load(path, ["network.hidden=16"]))
    assert (
        starting_model(Recipe.load(path, ["network.hidden=16", "training.start="]))
        is None
    )


def test_a_recipe_overrides_its_preset(recipe: Recipe) -> None:
    """Sizes that the recipe names replace the preset's."""
    assert recipe.network.config() == preset("mnist-pixelcnn").with_overrides(
        height=6, width=5, layers=2, hidden=5, head=8
    )


def test_changes_apply_when_given_as_toml_or_as_bare_words(recipe_file: Path) -> None:
    """`--set` takes TOML values, and unquoted strings."""
    changed = Recipe.load(
        recipe_file,
        ["training.epochs=7", "training.schedule=step", "output.tensorboard=true"],
    )
    assert (
        changed.training.epochs,
        changed.training.schedule,
        changed.output.tensorboard,
    ) == (7, "step", True)


def test_changes_leave_the_tree_as_it_is(recipe_file: Path) -> None:
    """A tree makes several recipes, also after a change that is refused."""
    text = recipe_file.read_text()
    tree = tomllib.loads(text)
    changed = Recipe.from_tree(tree, ["training.epochs=7", "output.samples=3"], "here")
    assert changed.training.epochs == 7
    with pytest.raises(ConfigError):
        Recipe.from_tree(tree, ["trainning.epochs=3"], "here")
    assert tree == tomllib.loads(text)
    assert Recipe.from_tree(tree, (), "here") == Recipe.load(recipe_file)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("training.epoch=3", "unknown key 'training.epoch'"),
        ("trainning.epochs=3", "unknown key 'trainning'"),
        ("training.epochs=0", "training.epochs: "),
        ("training.learning_rate=-1", "training.learning_rate: "),
        ("training.schedule=linear", "training.schedule: "),
        ("training.batch=many", "training.batch: "),
        ("epochs=3", "expected SECTION.KEY=VALUE"),
        ("nonsense", "expected SECTION.KEY=VALUE"),
    ],
)
def test_a_recipe_is_refused_when_a_key_or_value_is_wrong(
    recipe_file: Path, change: str, complaint: str
) -> None:
    """A misspelt key fails now and not after a night of training, in one line."""
    with pytest.raises(ConfigError) as caught:
        Recipe.load(recipe_file, [change])
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_is_refused_when_the_network_is_impossible(recipe_file: Path) -> None:
    """The network's own rules hold for recipes too."""
    for change in ("network.preset=nothing", "network.values=1"):
        with pytest.raises(ConfigError):
            Recipe.load(recipe_file, [change]).network.config()


def test_a_recipe_is_refused_when_the_file_is_missing_or_no_toml(
    tmp_path: Path,
) -> None:
    """The file is named."""
    (tmp_path / "bad.toml").write_text("not toml")
    for name in ("bad.toml", "missing.toml"):
        with pytest.raises(ConfigError, match=name):
            Recipe.load(tmp_path / name)


def test_a_shipped_recipe_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From anywhere; a file of that name comes first."""
    monkeypatch.chdir(tmp_path)
    path = Path("mnist-pixelcnn")
    assert Recipe.load(path) == Recipe.load(CONFIGS[0].with_name("mnist-pixelcnn.toml"))
    with pytest.raises(ConfigError, match="cannot read the recipe cats: No such file"):
        Recipe.load(Path("cats"))
    path.write_text("[network]")
    with pytest.raises(ConfigError, match=r"mnist-pixelcnn: network\.preset"):
        Recipe.load(path)
