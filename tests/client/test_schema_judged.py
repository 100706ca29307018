"""openapi.json before two linters, with the rules that each recommends."""

import json

from tests.client.tools import NODE, PROGRAMS, needs_node, run

CANNOT_BE_WRONG = "takes nothing and refuses nobody"
EXPLAINED = {
    ("operation-4xx-response", "#/paths/~1healthz/get/responses"): CANNOT_BE_WRONG,
    ("operation-4xx-response", "#/paths/~1readyz/get/responses"): CANNOT_BE_WRONG,
    ("info-contact", "info"): "who runs the service is not known here",
}
"""What may be said, and why it stays; everything else is a fault."""


@needs_node
def test_linters_find_nothing_that_is_not_explained() -> None:
    """And what is explained, they find."""
    redocly = json.loads(
        run(
            NODE / "redocly",
            "lint",
            "openapi.json",
            "--extends",
            "recommended",
            "--format",
            "json",
        )
    )
    ruleset = PROGRAMS / "spectral.yaml"
    spectral = json.loads(
        run(
            NODE / "spectral",
            "lint",
            "openapi.json",
            "--ruleset",
            ruleset,
            "--format",
            "json",
        )
    )
    found = {
        (item["ruleId"], item["location"][0]["pointer"]) for item in redocly["problems"]
    }
    found |= {(item["code"], "/".join(map(str, item["path"]))) for item in spectral}
    assert found == EXPLAINED.keys()
