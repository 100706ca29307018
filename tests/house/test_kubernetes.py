"""deploy/k8s: a base, overlays and an example, each of which is whole and holds to what docs/deployments.md says."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings
from tests.house.kustomize import Manifest, built, containers, documents, named
from tests.house.told_metrics import told_metrics
from tests.house.valkey_script import started

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy" / "k8s"
OVERLAYS = sorted(path.parent for path in K8S.glob("overlays/*/kustomization.yaml"))
WHOLE = [K8S / "base", *OVERLAYS, K8S / "example"]
whole = pytest.mark.parametrize("directory", WHOLE, ids=lambda path: path.name)


def test_there_is_an_overlay_for_each_component() -> None:
    """What can be had alone can be had together, and the other way round."""
    assert [path.name for path in OVERLAYS] == [
        "gpu",
        "gpu-runtime-class",
        "ingress",
        "keda",
        "keda-gpu",
        "monitoring",
        "sleep",
        "training",
    ]
    assert sorted(path.name for path in (K8S / "components").iterdir()) == [
        path.name for path in OVERLAYS
    ]


def test_every_file_is_named_by_the_kustomization_beside_it(
    subtests: pytest.Subtests,
) -> None:
    """A file that nobody names would be applied by nobody."""
    for path in sorted(K8S.rglob("*.yaml")):
        with subtests.test(path=path):
            (told,) = documents(path.with_name("kustomization.yaml"))
            files = [
                *told.get("resources", []),
                *(patch["path"] for patch in told.get("patches", [])),
            ]
            assert path.name in [*files, "kustomization.yaml"]


@whole
def test_manifests_are_whole(directory: Path) -> None:
    """Each thing once, in one namespace; what a Service, an Ingress, a scaler, a monitor or a policy names is there."""
    manifests = built(directory)
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(names) == len(set(names))
    assert {
        each["metadata"].get("namespace")
        for each in manifests
        if each["kind"] != "Namespace"
    } == {"pixelrnn"}
    labels = {label for each in manifests for label in _pod_labels(each).items()}
    for kind in ("Service", "PodMonitor", "PodDisruptionBudget", "NetworkPolicy"):
        for manifest in named(manifests, kind).values():
            assert _selected(manifest) <= labels
    services = named(manifests, "Service")
    for ingress in named(manifests, "Ingress").values():
        backends = [
            path["backend"]["service"]
            for rule in ingress["spec"]["rules"]
            for path in rule["http"]["paths"]
        ]
        assert all(
            _has_port(services[backend["name"]], backend["port"]["name"])
            for backend in backends
        )
    for monitor in named(manifests, "PodMonitor").values():
        scraped = next(
            each
            for each in manifests
            if _selected(monitor) <= set(_pod_labels(each).items())
        )
        ports = {
            port["name"]
            for container in containers(scraped)
            for port in container["ports"]
        }
        assert {
            endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]
        } <= ports


@whole
def test_what_lies_in_memory_has_a_size(directory: Path) -> None:
    """It counts as the pod's memory, and twice the bodies that an API holds are a small part of that."""
    pods = [
        each["spec"]["template"]["spec"]
        for each in built(directory)
        if "template" in each.get("spec", {})
    ]
    folders = [
        volume["emptyDir"]
        for pod in pods
        for volume in pod.get("volumes", [])
        if "emptyDir" in volume
    ]
    in_memory = [folder for folder in folders if folder.get("medium") == "Memory"]
    assert in_memory
    assert all(folder["sizeLimit"] == "128Mi" for folder in in_memory)


@whole
def test_images_are_of_this_version(directory: Path) -> None:
    """Never `latest`: what runs is what was written down."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]["version"]
    images = [
        container["image"]
        for manifest in built(directory)
        for container in containers(manifest)
    ]
    assert len(set(images)) == 3
    assert all(image.endswith(f":{version}") for image in images), images


@whole
def test_two_never_fight_over_a_number_of_pods(directory: Path) -> None:
    """What a scaler counts says no number of its own: each `apply` would set it back."""
    manifests = built(directory)
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for kind in ("ScaledObject", "HorizontalPodAutoscaler")
        for each in named(manifests, kind).values()
    }
    assert scaled == (
        {"worker"}
        if directory.name in ("keda", "keda-gpu", "sleep", "example")
        else set()
    )
    deployments = named(manifests, "Deployment")
    assert all("replicas" not in deployments[name]["spec"] for name in scaled)


@pytest.mark.parametrize(
    "name",
    ["overlays/gpu", "overlays/gpu-runtime-class", "overlays/keda-gpu", "example"],
)
def test_gpu_workers_stand_in_place_of_the_others(name: str) -> None:
    """One GPU a pod, no worker of another kind on the same queue, and none that waits for a GPU to spare."""
    manifests = built(K8S / name)
    workers = [each for each in manifests if _pod_labels(each).get("app") == "worker"]
    (worker,) = workers
    (container,) = containers(worker)
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"name": "PIXELRNN_DEVICE", "value": "cuda:0"} in container["env"]
    assert "pixelrnn-worker-gpu:" in container["image"]
    assert worker["spec"]["strategy"]["rollingUpdate"] == {
        "maxSurge": 0,
        "maxUnavailable": "25%",
    }


def test_runtime_class_is_named_where_it_is_asked_for() -> None:
    """A pod that names a class which the cluster lacks would not start."""
    for name, expected in (("gpu", None), ("gpu-runtime-class", "nvidia")):
        worker = named(built(K8S / "overlays" / name), "Deployment")["worker"]
        pod = worker["spec"]["template"]["spec"]
        assert pod.get("runtimeClassName") == expected


def test_the_queue_answers_only_those_who_need_it() -> None:
    """API and workers; and nobody asks a worker but who watches it."""
    policies = named(built(K8S / "base"), "NetworkPolicy")
    assert set(policies) == {"api", "valkey", "worker"}
    assert {
        rule["ports"][0]["port"] for rule in policies["worker"]["spec"]["ingress"]
    } == {9100}


def test_no_list_of_processes_shows_the_password(tmp_path: Path) -> None:
    """Valkey reads it from a file."""
    (container,) = containers(named(built(K8S / "base"), "StatefulSet")["valkey"])
    password = 'a "b\\ $c'
    with started(
        container["args"][0], {"REDISCLI_AUTH": password}, tmp_path, password
    ) as (client, command):
        assert client.config_get("maxmemory") == {"maxmemory": str(1536 * 2**20)}
        assert password not in command


def test_an_api_that_leaves_answers_until_nobody_is_sent_to_it() -> None:
    """A Service forwards requests to a pod for a moment after its end has begun. The
    time for that and for its last requests is within the pod's grace."""
    pod = named(built(K8S / "base"), "Deployment")["api"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    program, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    drain_s = Settings.model_fields["drain_s"].default
    assert int(seconds) + drain_s < pod["terminationGracePeriodSeconds"]


def test_a_trainer_shares_the_directory_of_added_models() -> None:
    """With APIs and workers, by one claim that many may write to; and it alone may ask the queue besides them."""
    manifests = built(K8S / "overlays" / "training")
    (claim,) = named(manifests, "PersistentVolumeClaim").values()
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    deployments = named(manifests, "Deployment")
    assert set(deployments) == {"api", "worker", "trainer"}
    for deployment in deployments.values():
        (container,) = containers(deployment)
        assert {"name": "PIXELRNN_ADDED_DIR", "value": "/added"} in container["env"]
        assert {"name": "added", "mountPath": "/added"} in container["volumeMounts"]
        (volume,) = (
            each
            for each in deployment["spec"]["template"]["spec"]["volumes"]
            if each["name"] == "added"
        )
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert {"trainer", "valkey-from-trainer"} <= set(named(manifests, "NetworkPolicy"))
    (api,) = containers(deployments["api"])
    values = {each["name"]: each.get("value") for each in api["env"]}
    folder, _, name = values["PIXELRNN_KEYS_FILE"].rpartition("/")
    assert {"name": "keys", "mountPath": folder, "readOnly": True} in api[
        "volumeMounts"
    ]
    said = (K8S / "components" / "training" / "kustomization.yaml").read_text()
    assert f"--from-file={name}" in said


@pytest.mark.parametrize(
    ("name", "replicas"), [("overlays/sleep", (0, 20)), ("example", (1, 4))]
)
def test_keda_asks_the_api_for_the_work_of_the_workers_queue(
    name: str, replicas: tuple[int, int]
) -> None:
    """By metrics that there are while no worker runs, and no job was ever queued."""
    manifests = built(K8S / name)
    scaler = named(manifests, "ScaledObject")["worker"]["spec"]
    assert (scaler["minReplicaCount"], scaler["maxReplicaCount"]) == replicas
    told = told_metrics()
    service = named(manifests, "Service")["api"]
    for trigger in scaler["triggers"]:
        asked = trigger["metadata"]
        assert f"\n{asked['valueLocation']} 0.0\n" in told
        host = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
        assert asked["url"] == f"http://{host}/metrics"


@whole
def test_kustomize_builds_the_same(directory: Path) -> None:
    """The tool that `kubectl apply -k` has in it."""
    tool = shutil.which("kustomize")
    if tool is None:
        pytest.skip("kustomize is not installed (Debian: apt-get install kustomize)")
    done = subprocess.run(
        [tool, "build", directory],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    theirs = list(yaml.safe_load_all(done.stdout))
    assert _sorted(theirs) == _sorted(built(directory))


def test_every_command_of_the_page_names_a_kustomization() -> None:
    """`kubectl apply -k PATH` in docs and manifests."""
    texts = [ROOT / "docs" / "deployments.md", *K8S.rglob("*.yaml")]
    paths = {
        path
        for text in texts
        for path in re.findall(r"kubectl apply -k (deploy\S*\w)", text.read_text())
    }
    assert {f"deploy/k8s/overlays/{path.name}" for path in OVERLAYS} <= paths
    assert all((ROOT / path / "kustomization.yaml").is_file() for path in paths)


def _pod_labels(manifest: Manifest) -> dict[str, str]:
    return (
        manifest.get("spec", {})
        .get("template", {})
        .get("metadata", {})
        .get("labels", {})
    )


def _selected(manifest: Manifest) -> set[tuple[str, str]]:
    spec = manifest["spec"]
    selector = spec.get("podSelector", spec.get("selector"))
    return set(selector.get("matchLabels", selector).items())


def _has_port(service: Manifest, name: str) -> bool:
    return any(port.get("name") == name for port in service["spec"]["ports"])


def _sorted(thing: Any) -> Any:
    """In an order that both share."""
    if isinstance(thing, dict):
        return {key: _sorted(thing[key]) for key in sorted(thing)}
    if isinstance(thing, list):
        return sorted((_sorted(each) for each in thing), key=repr)
    return thing
