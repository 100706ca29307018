"""What a recipe may ask of a device, and what is refused where there is none."""

import re
from typing import Any

import pytest
import torch

from model_core.config import preset
from model_core.errors import ConfigError
from model_core.float32 import tf32
from model_core.gpu import GPUSupport
from model_core.models import check_device
from model_core.networks import build_network
from model_core.training.batches import Batches
from model_core.training.device import describe_hardware, training_device
from model_core.training.ranks import Ranks
from model_core.training.recipe import TrainingSection
from model_core.training.step import Learner

without_gpu = pytest.mark.skipif(
    torch.cuda.is_available(), reason="says what happens without a GPU"
)


@without_gpu
@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({"device": "cuda"}, "GPU 0, but this machine has none"),
        ({"device": "cuda:3"}, "GPU 3, but this machine has none"),
        ({"device": "tpu please"}, "is no device"),
        ({"compile": True}, "compile = true needs a CUDA device"),
    ],
    ids=lambda wish: str(wish),
)
def test_a_wish_is_refused_when_the_device_cannot_grant_it(
    wish: dict[str, object], complaint: str
) -> None:
    """Before any data is read, in one sentence."""
    with pytest.raises(ConfigError, match=complaint):
        training_device(TrainingSection(epochs=1, **wish))  # type: ignore[arg-type]


def test_bf16_is_refused_where_the_processor_cannot_multiply_it() -> None:
    """In one sentence, and taken where it can."""
    training = TrainingSection(epochs=1, precision="bf16")
    assert training_device(training, cpu_has_bf16=True) == "cpu"
    with pytest.raises(
        ConfigError, match="precision = bf16 needs a processor with AVX512-BF16"
    ):
        training_device(training, cpu_has_bf16=False)


def test_one_gpu_is_refused_when_several_processes_would_share_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`cuda:1` for every process of a host is a mistake that NCCL would report much later."""
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="cuda:1 is one GPU for several processes"):
        training_device(TrainingSection(epochs=1, device="cuda:1"))


def test_hardware_is_named_for_the_card() -> None:
    """Processor, threads and, when there are several, processes."""
    assert "thread" in describe_hardware("cpu", 1)
    assert describe_hardware("cpu", 3) == f"3 x {describe_hardware('cpu', 1)}"


@pytest.mark.parametrize(
    "name",
    [
        "mnist-pixelcnn",
        "mnist-row-lstm",
        "mnist-diagonal-bilstm",
        "cifar10-multi-scale",
    ],
)
def test_bf16_updates_follow_those_of_float32(name: str) -> None:
    """Under autocast every network has the same loss and gradient up to bf16's rounding; weights stay float32."""
    sizes = {
        "height": 4,
        "width": 4,
        "layers": 2,
        "hidden": 6,
        "head": 6,
        "values": 4,
        "channels": 3,
    }
    images = (
        torch.randint(4, (4, 3, 4, 4), generator=torch.Generator().manual_seed(0))
        .byte()
        .numpy()
    )
    reports = {}
    for precision in ("float32", "bf16"):
        torch.manual_seed(1)
        network = build_network(preset(name).with_overrides(**sizes))
        training = TrainingSection(epochs=1, batch=4, precision=precision)  # type: ignore[arg-type]
        learner = Learner(network, Batches(images, 4, 0), training, Ranks())
        reports[precision] = learner.advance(0, stop=False)
        assert all(
            parameter.dtype == torch.float32 for parameter in network.parameters()
        )
    assert reports["bf16"].nats == pytest.approx(reports["float32"].nats, rel=1e-2)
    assert reports["bf16"].gradient_norm == pytest.approx(
        reports["float32"].gradient_norm, rel=0.1
    )


BACKENDS: Any = torch.backends
PARTS = (BACKENDS.cuda.matmul, BACKENDS.cudnn.conv, BACKENDS.cudnn.rnn)


def set_precisions(word: str) -> None:
    for part in PARTS:
        part.fp32_precision = word


def precisions() -> set[str]:
    return {part.fp32_precision for part in PARTS}


def test_float32_is_whole_unless_a_training_step_asks_for_less() -> None:
    """Torch's default uses TF32 for convolutions; loading a model, or a device for
    training, turns it off."""
    set_precisions("tf32")
    check_device("cpu")
    assert precisions() == {"ieee"}
    set_precisions("tf32")
    assert training_device(TrainingSection(epochs=1)) == "cpu"
    assert precisions() == {"ieee"}
    with tf32(allowed=True):
        assert precisions() == {"tf32"}
    assert precisions() == {"ieee"}
    with tf32(allowed=False):
        assert precisions() == {"ieee"}


@pytest.mark.parametrize(
    ("support", "index", "reason"),
    [
        (GPUSupport(None, (13, 0), 0), 0, "is a build for processors"),
        (GPUSupport((13, 0), None, 0), 0, "has no NVIDIA driver"),
        (GPUSupport((13, 0), (12, 8), 0), 0, "too old: it supports CUDA 12.8"),
        (GPUSupport((13, 0), (13, 1), 0), 0, "this machine has no GPUs"),
        (GPUSupport((13, 2), (13, 0), 1), 1, "this machine has 1 GPU$"),
        (GPUSupport((13, 2), (13, 0), 2), 7, "this machine has 2 GPUs"),
    ],
    ids=["build", "driver", "old driver", "card", "second card", "eighth card"],
)
def test_missing_part_is_named_when_a_gpu_cannot_be_used(
    support: GPUSupport, index: int, reason: str
) -> None:
    """Torch counts no GPUs in the first four cases."""
    missing = support.missing(index)
    assert missing is not None
    assert re.search(reason, missing)


def test_gpu_can_be_used_when_nothing_is_missing() -> None:
    """A driver of the same major version runs a build for a later minor one."""
    assert GPUSupport((13, 2), (13, 0), 2).missing(1) is None


@without_gpu
def test_device_is_refused_with_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="there is no cuda:1: this"):
        check_device("cuda:1")
