"""The one command: every verb has help, and what a person got wrong is one line and exit code 2."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from model_core.models import save_model, untrained
from tests import nursery
from tests.client.by_command import ended
from tests.ports import free_port

VERBS = (
    "up",
    "api",
    "key",
    "worker",
    "health",
    "train",
    "publish",
    "evaluate",
    "mix",
    "guide",
    "models",
    "data",
    "bench",
)
VERBS += (
    "remote",
    "sample",
    "complete",
    "upsample",
    "score",
    "encode",
    "decode",
    "verify",
)


@pytest.mark.parametrize("verb", [*VERBS, "remote train"])
def test_verb_has_help(verb: str) -> None:
    """`pixelrnn VERB --help` explains itself, and cuts no word in 80 columns."""
    result = ended(*verb.split(), "--help", COLUMNS="80")
    assert result.returncode == 0
    assert "Usage:" in result.stdout
    assert "…" not in result.stdout


def test_help_lists_every_verb() -> None:
    """`pixelrnn --help` names them all; so does `pixelrnn` alone."""
    for arguments in (("--help",), ()):
        output = ended(*arguments).stdout
        assert all(f" {verb} " in output for verb in VERBS)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["paint"], "No such command 'paint'"),
        (["up", "--port", "99999"], "--port"),
        (["up", "--port", "eighty"], "--port"),
        (["up", "--colour"], "--colour"),
        (["up", "--models-dir", "/nowhere"], "no models in /nowhere"),
        (["sample", "no-such-model"], "no-such-model"),
        (["train", "/nowhere.toml"], "/nowhere.toml"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], complaint: str) -> None:
    """One line on stderr that names what was wrong, nothing on stdout, exit code 2."""
    result = ended(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    *before, line = result.stderr.splitlines()
    assert complaint in line
    # A machine that is busy needs long to load PyTorch, and that is said.
    assert {*before} <= {"starting", f"loading {arguments[-1]}"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("photoz", "did you mean photos?"),
        ("photos/nowhere", "expected a folder of pictures"),
        ("photos/three.npz", "expected a folder of pictures"),
        ("mnist-pixelcn", "did you mean mnist-pixelcnn?"),
        ("nothing-like-it", "expected a folder of pictures, an .npz file or a recipe"),
    ],
)
def test_a_mistyped_folder_is_reported_before_pytorch_is_loaded(
    tmp_path: Path, name: str, hint: str
) -> None:
    """At once, with the nearest name beside it or among the recipes."""
    (tmp_path / "photos" / "three").mkdir(parents=True)
    program = (
        "import sys; from pixelrnn.cli import main; sys.argv[1:] = ['train', sys.argv[1]]\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2", "False"]
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"pixelrnn: there is no folder or file {name}: {hint}")


def test_a_picture_that_is_too_wide_for_webp_is_one_line(tmp_path: Path) -> None:
    """A flat model, so that a picture of so many pixels a side is small."""
    save_model(
        untrained("mnist-pixelcnn", height=1, width=256, layers=1, hidden=4, head=4),
        tmp_path / "flat",
    )
    where = ["--models-dir", tmp_path, "--out", tmp_path / "a.webp", "--scale", 64]
    result = ended("sample", "flat", *where)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    line = result.stderr.splitlines()[-1]
    assert "16384x64, and WEBP has at most 16,383 pixels a side" in line
    assert not (tmp_path / "a.webp").exists()


def test_up_is_refused_when_the_port_is_taken(tmp_path: Path, models_dir: Path) -> None:
    """A taken port is one line that says so, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = nursery.ended(
            "pixelrnn",
            "up",
            "--port",
            port,
            "--data-dir",
            tmp_path / "data",
            "--models-dir",
            models_dir,
        )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert f"cannot listen on 127.0.0.1:{port}" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("device", "complaint"),
    [
        ("tpu", "'tpu' is no device: expected cpu, cuda or cuda:1"),
        ("cuda:99", "no cuda:99"),
    ],
)
def test_up_is_refused_when_there_is_no_such_device(
    tmp_path: Path, models_dir: Path, device: str, complaint: str
) -> None:
    """One line, without a second try; before it, it says that it starts, and on a busy
    machine that it is open."""
    result = nursery.ended(
        "pixelrnn",
        "up",
        "--port",
        str(free_port()),
        "--data-dir",
        tmp_path / "data",
        "--models-dir",
        models_dir,
        "--device",
        device,
    )
    assert result.returncode == 2
    *before, line = result.stderr.splitlines()
    assert complaint in line
    usual = ("starting PixelRNN on", "is open; jobs are taken")
    assert all(any(words in earlier for words in usual) for earlier in before)
    assert (tmp_path / "data").exists() is (
        device != "tpu"
    )  # what is no device's name is seen before the start


@pytest.mark.parametrize("arguments", [("models",), ("--version",)])
def test_quick_verbs_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """Torch takes longer than all that they do, and no extra is needed for them."""
    command = (
        f"import sys; sys.argv = ['pixelrnn', *{arguments!r}]\nimport pixelrnn.cli\n"
    )
    command += "try:\n    pixelrnn.cli.main()\nfinally:\n    assert not {'torch', 'numba', 'numpy'} & set(sys.modules)"
    result = subprocess.run(
        [sys.executable, "-P", "-c", command],
        capture_output=True,
        text=True,
        timeout=160,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert ("mnist" in result.stdout) is (arguments == ("models",))


def test_shell_completes_verbs_and_models() -> None:
    """`pixelrnn --install-completion` teaches the shell; it then asks like this."""
    for words, known in (
        ("pixelrnn sa", "sample"),
        ("pixelrnn sample mnist-row", "mnist-row-lstm"),
    ):
        asked = {
            "_PIXELRNN_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }
        program = "import sys; sys.argv = ['pixelrnn']; import pixelrnn.cli; pixelrnn.cli.main()"
        command = [sys.executable, "-P", "-c", program]
        result = subprocess.run(
            command, env=os.environ | asked, capture_output=True, text=True, timeout=160
        )
        assert known in result.stdout.split(), result


def test_every_verb_says_what_it_needs() -> None:
    """So that a verb which is added does not end in a traceback where its extra is missing."""
    from pixelrnn.extras import EXTRAS, NEED_NOTHING, extras_of
    from pixelrnn.verbs import commands

    verbs = [verb.__name__ for command in commands() if (verb := command.callback)]
    assert all(extras_of(verb) or verb in NEED_NOTHING for verb in verbs)
    assert {*EXTRAS, *NEED_NOTHING} <= {*verbs}
