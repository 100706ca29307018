"""What `kubectl apply -k` would send, worked out here: resources, components, namespaces, images and merged patches.

The tests of deploy/k8s look at it, so they need no tool; where kustomize is installed, one of them compares the two.
"""

from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
KNOWN = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "images",
    "patches",
}
CLUSTER_WIDE = ("Namespace",)


def built(directory: Path) -> list[Manifest]:
    """All manifests of a kustomization. AssertionError for what this does not know, or what is not there."""
    return _built(directory, [])


def named(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Those of one kind, by name."""
    return {
        each["metadata"]["name"]: each for each in manifests if each["kind"] == kind
    }


def documents(path: Path) -> list[Manifest]:
    """Every document of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def _built(directory: Path, manifests: list[Manifest]) -> list[Manifest]:
    """With `manifests` there before: those that a component changes."""
    (told,) = documents(directory / "kustomization.yaml")
    assert set(told) <= KNOWN, f"{directory}: {set(told) - KNOWN}"
    for name in told.get("resources", []):
        place = directory / name
        manifests += built(place) if place.is_dir() else documents(place)
    for name in told.get("components", []):
        manifests = _built(directory / name, manifests)
    for patch in told.get("patches", []):
        for change in documents(directory / patch["path"]):
            _apply(change, manifests)
    for manifest in manifests:
        if "namespace" in told and manifest["kind"] not in CLUSTER_WIDE:
            manifest["metadata"]["namespace"] = told["namespace"]
        for container in containers(manifest):
            container["image"] = _image(container["image"], told.get("images", []))
    return manifests


def containers(manifest: Manifest) -> list[Manifest]:
    """Those of its pods; none where it makes none."""
    return (
        manifest.get("spec", {})
        .get("template", {})
        .get("spec", {})
        .get("containers", [])
    )


def _image(image: str, renamed: list[Manifest]) -> str:
    for new in renamed:
        if image.rpartition(":")[0] == new["name"]:
            return f"{new['newName']}:{new['newTag']}"
    return image


def _apply(change: Manifest, manifests: list[Manifest]) -> None:
    (target,) = [each for each in manifests if _identity(each) == _identity(change)]
    _merge(target, change)


def _identity(manifest: Manifest) -> tuple[str, str, str]:
    return manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]


def _merge(target: Manifest, change: Manifest) -> None:
    """Mappings by key, lists of named things by name; any other list is replaced."""
    for key, new in change.items():
        old = target.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            _merge(old, new)
        elif isinstance(old, list) and _are_named(new):
            _merge_named(old, new)
        else:
            target[key] = new


def _are_named(things: Any) -> bool:
    return isinstance(things, list) and all(
        isinstance(thing, dict) and "name" in thing for thing in things
    )


def _merge_named(old: list[Manifest], new: list[Manifest]) -> None:
    there = {thing["name"]: thing for thing in old}
    for thing in new:
        if thing["name"] in there:
            _merge(there[thing["name"]], thing)
        else:
            old.append(thing)
