"""docker-compose.yml and deploy/gpus.yml as Docker Compose reads them; tests/docker/ runs the first."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.valkey_script import started

ROOT = Path(__file__).parents[2]
GPUS = 8


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def composed(directory: Path, files: str, **settings: str) -> dict[str, Any]:
    """What would be started, by service, as the tool itself says it; it needs no engine for that."""
    plugin = (
        shutil.which("docker")
        and subprocess.run(
            ["docker", "compose", "version"], capture_output=True
        ).returncode
    )
    tool = (
        ["docker", "compose"] if plugin == 0 else [shutil.which("docker-compose") or ""]
    )
    if not tool[0]:
        pytest.skip(
            "Docker Compose is not installed (Debian: apt-get install docker-compose)"
        )
    (directory / ".env").write_text(
        "".join(f"{name}='{value}'\n" for name, value in settings.items())
    )
    names = [f"--file={ROOT / name}" for name in files.split(":")]
    command = [
        *tool,
        f"--env-file={directory / '.env'}",
        *names,
        "config",
        "--format=json",
    ]
    usual: Mapping[str, str] = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PIXELRNN_", "COMPOSE_"))
    }
    done = subprocess.run(
        command,
        cwd=directory,
        env=usual,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]


def devices(service: Mapping[str, Any]) -> list[str]:
    (reserved,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert "count" not in reserved
    return reserved["device_ids"]


def test_each_gpu_has_a_service_and_a_profile_of_its_own() -> None:
    """By the GPU's number: Docker would give a count of one the first GPU, each time."""
    services = read("deploy/gpus.yml")["services"]
    workers = {name: service for name, service in services.items() if name != "worker"}
    assert list(workers) == [f"worker-gpu-{i}" for i in range(GPUS)]
    for i, worker in enumerate(workers.values()):
        assert worker["profiles"] == [f"gpu-{i}"]
        assert devices(worker) == [f"${{PIXELRNN_GPU_{i}-{i}}}"]
        assert worker["environment"]["PIXELRNN_DEVICE"] == "cuda:0"


def test_what_lies_in_memory_has_a_size() -> None:
    """Else who uploads much has all of the machine's. Long uploads lie on a disk."""
    mounts = [
        each
        for service in read("docker-compose.yml")["services"].values()
        for each in service["tmpfs"]
    ]
    assert all(mount.endswith(":size=128m") for mount in mounts)
    api = read("docker-compose.yml")["services"]["api"]
    assert f"added:{api['environment']['TMPDIR']}" in api["volumes"]


def test_no_worker_on_processors_is_started_beside_them() -> None:
    """The first file has no GPU, and with the second its worker waits to be asked for."""
    assert not any("gpu" in name for name in read("docker-compose.yml")["services"])
    assert read("deploy/gpus.yml")["services"]["worker"] == {"profiles": ["cpu"]}


def test_prometheus_finds_every_worker() -> None:
    """By the names under which Docker's DNS lists them."""
    jobs = read("deploy/prometheus.yml")["scrape_configs"]
    asked = {
        name for job in jobs for each in job["dns_sd_configs"] for name in each["names"]
    }
    aliases = {
        alias
        for service in read("deploy/gpus.yml")["services"].values()
        for alias in service.get("networks", {}).get("inside", {}).get("aliases", [])
    }
    assert asked == {"api", "worker"} | aliases


def test_compose_starts_the_gpus_that_are_named(tmp_path: Path) -> None:
    """With all that the worker of the first file has: its queue, its password, its volumes, its hardening."""
    files = "docker-compose.yml:deploy/gpus.yml"
    services = composed(
        tmp_path, files, COMPOSE_PROFILES="gpu-1,gpu-3", PIXELRNN_GPU_3="0:1"
    )
    assert set(services) == {"valkey", "api", "worker-gpu-1", "worker-gpu-3"}
    usual = composed(tmp_path, "docker-compose.yml")["worker"]
    for i, device in ((1, "1"), (3, "0:1")):
        worker = services[f"worker-gpu-{i}"]
        assert devices(worker) == [device]
        assert worker["environment"] == usual["environment"] | {
            "PIXELRNN_DEVICE": "cuda:0"
        }
        assert worker["build"]["args"] == {
            "TORCH_INDEX": "https://download.pytorch.org/whl/cu130"
        }
        assert {
            key: worker[key]
            for key in (
                "volumes",
                "cap_drop",
                "read_only",
                "security_opt",
                "depends_on",
            )
        } == {
            key: usual[key]
            for key in (
                "volumes",
                "cap_drop",
                "read_only",
                "security_opt",
                "depends_on",
            )
        }


def test_compose_hands_on_any_password(tmp_path: Path) -> None:
    """To the server in a file, so that no list of processes shows it; to API and workers as it is. `config` writes $
    twice."""
    password = 'q/4+$Zk=:@#?% "x'
    services = composed(
        tmp_path, "docker-compose.yml", PIXELRNN_REDIS_PASSWORD=password
    )
    shown = password.replace("$", "$$")
    assert {
        services[name]["environment"]["PIXELRNN_REDIS_PASSWORD"]
        for name in ("api", "worker")
    } == {shown}
    with started(*_valkey(services), tmp_path, password) as (client, command):
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        assert password not in command


def test_compose_limits_the_servers_memory(tmp_path: Path) -> None:
    """1 GiB, or what .env says."""
    for settings, mib in (({}, 1024), ({"PIXELRNN_REDIS_MEMORY_MIB": "256"}, 256)):
        services = composed(tmp_path, "docker-compose.yml", **settings)
        with started(*_valkey(services), tmp_path, "pixelrnn") as (client, _):
            assert client.config_get("maxmemory") == {"maxmemory": str(mib * 2**20)}


def _valkey(services: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The script that it runs, and its environment."""
    service = services["valkey"]
    environment = {
        name: value.replace("$$", "$") for name, value in service["environment"].items()
    }
    return service["command"][-1].replace("$$", "$"), environment


def test_every_service_is_hardened() -> None:
    """Those that watch too: no file of theirs can be changed, and no right is left to gain."""
    for service in read("docker-compose.yml")["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
