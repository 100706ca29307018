"""The engine in JavaScript, asked in Node about models small enough to draw in milliseconds."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_core import save_model, shipped, untrained
from model_core.card import Validation
from model_core.mixing import guide, mix, turned_copies
from model_core.models import load_model
from tests.labelled_models import labelled
from tests.portable.exporting import Ask, changed_engine, export

SMALL = {"layers": 2, "hidden": 5, "head": 8}
RELAXED = "--experimental-wasm-relaxed-simd"


@pytest.fixture(scope="session")
def ask() -> Ask:
    """ask(call, **given): what a call of calls.mjs returns, in a Node that takes relaxed modules."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    known = subprocess.run(
        [node, "--v8-options"], capture_output=True, text=True, check=True
    ).stdout
    relaxed = [RELAXED] if RELAXED in known else []

    def asked(
        call: str,
        engine: Path = shipped.ENGINE,
        node_options: Sequence[str] = (),
        **given: Any,
    ) -> Any:
        if not all(
            option.partition("=")[0].replace("--no-", "--") in known
            for option in node_options
        ):
            pytest.skip(f"this machine's Node has no {' '.join(node_options)}")
        question = json.dumps({"engine": str(engine), "call": call, "given": given})
        command = [
            node,
            *relaxed,
            *node_options,
            str(Path(__file__).with_name("asked.mjs")),
        ]
        done = subprocess.run(
            command, input=question, capture_output=True, text=True, timeout=150
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return asked


@pytest.fixture(scope="session")
def exact_engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine where it finds that the machine's multiply-add does not round once."""
    first_sum, wrong = "0xbdb96767", "0xbdb96766"
    return changed_engine(
        tmp_path_factory.mktemp("exact"), "rounding.js", first_sum, wrong
    )


@pytest.fixture(scope="session")
def portable_models_dir(
    models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """All kinds of network, grey and in colour, H != W, a mixture of two members, and the same with labels."""
    directory = tmp_path_factory.mktemp("portable") / "models"
    shutil.copytree(models_dir, directory)
    rgb = {"height": 5, "width": 4, "channels": 3, "values": 4}
    save_model(
        untrained("mnist-row-lstm", seed=5, **rgb, **SMALL), directory / "tiny-row-rgb"
    )
    save_model(
        untrained("mnist-diagonal-bilstm", seed=6, **rgb, **SMALL),
        directory / "tiny-diagonal-rgb",
    )
    tiles = {"height": 5, "width": 4, "values": 17, "categories": True}
    save_model(
        untrained("mnist-row-lstm", seed=7, **tiles, **SMALL), directory / "tiny-tiles"
    )
    save_model(
        labelled("mnist-pixelcnn", **tiles, **SMALL), directory / "tiny-labelled-tiles"
    )
    one = load_model("tiny-diagonal", models_dir=directory)
    mix([one, *turned_copies(one, ["rotate_180"])], directory / "tiny-mixture")
    mix([one, *turned_copies(one, ["flip_left_right"])], directory / "tiny-mirrored")
    one = untrained(
        "mnist-pixelcnn", seed=8, height=17, width=16, layers=1, hidden=3, head=4
    )
    for parameter in one.network.parameters():
        parameter.mul_(3)
    mix([one, *turned_copies(one, ["rotate_180"])], directory / "larger-mixture")
    judged = shutil.copytree(
        directory / "tiny-mixture", directory / "tiny-mixture-judged"
    )
    replace(
        load_model(judged).card,
        name=judged.name,
        validation=Validation(2, (20.6, 20.6)),
    ).keep(judged)
    strange = replace(
        load_model("larger-mixture", models_dir=directory).card,
        validation=Validation(2, (1.0, 1.0)),
    )
    strange.keep(directory / "larger-mixture")
    save_model(
        labelled("mnist-pixelcnn", **rgb, **SMALL), directory / "tiny-labelled-cnn-rgb"
    )
    save_model(
        labelled("mnist-row-lstm", **rgb, **SMALL), directory / "tiny-labelled-row-rgb"
    )
    save_model(labelled(height=6, width=5, **SMALL), directory / "tiny-labelled")
    one = load_model("tiny-labelled", models_dir=directory)
    mix([one, *turned_copies(one, ["rotate_180"])], directory / "tiny-labelled-mixture")
    mirrored = turned_copies(one, ["flip_left_right"])
    mix([one, *mirrored], directory / "tiny-labelled-mirrored")
    _guided(directory)
    for made in directory.iterdir():
        card = load_model(made).card
        # So many that 600 fillings of 6 x 5 pixels are scored, and not 65,536.
        many = 2_777_000 * max(1, len(card.members))
        replace(card, parameters=many).keep(made)
    return directory


def _guided(directory: Path) -> None:
    """Models with guides: of another kind, a member, and with labels and without."""
    save_model(
        untrained("mnist-row-lstm", seed=7, height=6, width=5, **SMALL),
        directory / "lender",
    )
    for name, lender, orientations in (
        ("tiny-diagonal", "lender", ["flip_top_bottom"]),
        ("tiny-mixture", "lender", ["flip_top_bottom"]),
        ("tiny-mixture", "tiny-mixture", ["rotate_180"]),
        ("tiny-labelled", "lender", ["flip_top_bottom", "rotate_180"]),
        ("tiny-labelled-mixture", "tiny-labelled-mixture", ["rotate_180"]),
    ):
        made = shutil.copytree(directory / name, directory / f"{name}-by-{lender}")
        replace(load_model(made).card, name=made.name).keep(made)
        guide(made, directory / lender, orientations)
    shutil.rmtree(directory / "lender")


@pytest.fixture(scope="session")
def exported(
    portable_models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder that `pixelrnn export` wrote."""
    folder = tmp_path_factory.mktemp("exported") / "site"
    done = export(folder, "--models-dir", portable_models_dir)
    assert done.returncode == 0, done.stderr
    return folder
