"""Options that workers of the last release do not know say since when they are, or those workers would ignore them."""

import json
from typing import Annotated

import pytest

from tests.worker.contract.released_options import PLACE, project_version
from worker.contract.kinds import KINDS
from worker.contract.kinds.score import ScoreOptions
from worker.contract.options import Since, options_version

RELEASED = json.loads(PLACE.read_text(encoding="utf-8"))


def complaints(kinds: dict[str, dict[str, int]]) -> list[str]:
    """What is wrong with the options of these kinds, each with the version that says it, beside those released."""
    found = []
    for word, released in RELEASED["kinds"].items():
        options = kinds[word]
        found += [
            f"{word}: {name} was released, and newer workers pass over it"
            for name in released.keys() - options
        ]
        for name, version in options.items():
            if name in released and version != released[name]:
                found.append(
                    f"{word}: {name} was released with version {released[name]}, not {version}"
                )
            if name not in released and version <= RELEASED["version"]:
                found.append(
                    f"{word}: mark {name} with Since({RELEASED['version'] + 1})"
                )
    return found


def versions(**changed: type) -> dict[str, dict[str, int]]:
    """Each kind's options with their versions; changed: other options of a kind."""
    every = {word: changed.get(word, kind.options) for word, kind in KINDS.items()}
    return {
        word: {name: options_version(each, [name]) for name in each.model_fields}
        for word, each in every.items()
    }


def test_options_say_since_when_they_are() -> None:
    """A worker of the last release leaves each job that says an option which it does not know."""
    assert complaints(versions()) == []


@pytest.mark.parametrize("mark", [None, Since(6), Since(RELEASED["version"])])
@pytest.mark.parametrize("kind", ["score", "decode"])
def test_a_new_option_is_refused_when_its_mark_is_missing_or_too_small(
    kind: str, mark: Since | None
) -> None:
    """Also the first option of a kind that has none."""

    class Mirrored(KINDS[kind].options):
        mirrored: Annotated[bool, mark] = False

    assert complaints(versions(**{kind: Mirrored})) == [
        f"{kind}: mark mirrored with Since({RELEASED['version'] + 1})"
    ]


def test_a_new_option_is_taken_when_its_mark_is_later() -> None:
    """One more than the release's."""

    class Mirrored(ScoreOptions):
        mirrored: Annotated[bool, Since(RELEASED["version"] + 1)] = False

    assert complaints(versions(score=Mirrored)) == []


def test_a_released_option_stays() -> None:
    """An earlier API still says it."""
    present = versions()
    present["score"].pop("influence")
    assert complaints(present) == [
        "score: influence was released, and newer workers pass over it"
    ]


def test_the_list_is_of_this_release() -> None:
    """A release writes it anew: `python -m tests.worker.contract.released_options`."""
    assert RELEASED["release"] == project_version()
