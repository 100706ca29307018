"""The schema as generators read it."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest

from app.errors import ExpiredJobError, OtherVersionJobError, UnknownJobError
from app.main import create_app
from app.problems import problem_of
from app.schema import examples
from app.schema.answers import Job
from app.schema.event_data import GoneEvent
from app.settings import Settings
from tests.app.answers import submit_sample
from tests.app.hand_worker import HandWorker
from tests.app.live import events_of
from worker.contract.kind import Input
from worker.contract.kinds import KINDS

SCHEMA = json.loads(json.dumps(create_app(Settings()).openapi()))
BEYOND_32_BITS = {"seed", "parameters", "upload_bytes", "queue_values"}


def nodes(node: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the schema, and where it is."""
    for key, item in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(item, dict | list):
            place = f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"
            if isinstance(item, dict):
                yield place, item
            yield from nodes(item, place)


def validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """Of one schema, which may refer to the documents."""
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": SCHEMA["components"]}
    )


def shown() -> list[tuple[str, dict[str, Any], Any]]:
    """Where an example is, its schema and the example."""
    found = []
    for place, node in nodes(SCHEMA):
        if isinstance(node.get("examples"), list):
            found += [(place, node, example) for example in node["examples"]]
        if "example" in node:
            found.append((place, node["schema"], node["example"]))
    return found


def test_every_example_is_valid() -> None:
    """A reader may send and expect what the schema shows: documents whole."""
    places = set()
    for place, schema, example in shown():
        validator(schema).validate(example)
        places.add(place.rpartition("/")[2])
    assert places >= {"SampleRequest", "Job", "JobEvent", "Problem"}
    assert (
        Job.model_validate(examples.JOB).model_dump(mode="json").keys()
        == examples.JOB.keys()
    )


def test_numbers_that_may_exceed_32_bits_say_so() -> None:
    """Wherever they are sent or answered, also where they may be absent."""
    named = [
        (place, choice)
        for place, node in nodes(SCHEMA)
        if place.rpartition("/properties/")[2] in BEYOND_32_BITS
        for choice in node.get("anyOf", [node])
        if choice["type"] != "null"
    ]
    assert {place.rpartition("/")[2] for place, _ in named} == BEYOND_32_BITS
    assert len([place for place, _ in named if place.endswith("/seed")]) >= 6
    wide = [
        (place, node)
        for place, node in nodes(SCHEMA)
        if node.get("maximum", 0) >= 2**31
    ]
    for place, node in named + wide:
        assert (node["type"], node["format"]) == ("integer", "int64"), place


def test_calls_that_make_a_job_say_how_they_may_end() -> None:
    """Its job may be gone when the request is repeated (410), or end without a picture
    for a client that waits for one (424, 504)."""
    making = {
        f"{method} {path}": operation["responses"]
        for path, methods in SCHEMA["paths"].items()
        for method, operation in methods.items()
        if any(
            parameter["name"] == "Idempotency-Key"
            for parameter in operation.get("parameters", ())
        )
    }
    assert making.keys() >= {"post /sample", "post /train", "put /models/{name}"}
    for call, responses in making.items():
        assert responses.keys() >= {"410", "424", "504"}, call


_ONE = Input.PICTURE, Input.PICTURES, Input.SMALL_PICTURE, Input.DRAWN_PICTURE
_TWO = Input.PICTURE_AND_KEEP, Input.PICTURE_OR_PART
FILES = defaultdict(int) | dict.fromkeys(_ONE, 1) | dict.fromkeys(_TWO, 2)
"""Fields of files, in a form with this input."""


def test_pictures_are_bytes() -> None:
    """What is uploaded and what is answered: a client that takes them for text damages them."""
    bodies = [
        node
        for place, node in nodes(SCHEMA)
        if "/content/image~1" in place and place.endswith("/schema")
    ]
    names = (
        "/properties/image",
        "/properties/mask",
        "/properties/image/items",
        "/properties/mask/items",
    )
    fields = [node for place, node in nodes(SCHEMA) if place.endswith(names)]
    uploads = [node for node in fields if node.get("format") == "binary"]
    bodies += [
        node
        for place, node in nodes(SCHEMA)
        if place.endswith("/content/text~1event-stream/schema")
    ]
    assert len(bodies) >= 6
    assert len(uploads) == 2 + sum(FILES[kind.input] for kind in KINDS.values())
    for node in bodies + uploads:
        assert (node["type"], node["format"]) == ("string", "binary")


@pytest.mark.parametrize("name", ["Result", "EventData"])
def test_data_of_a_union_says_which_of_its_documents_it_is(name: str) -> None:
    """No two have a `type` in common, and the discriminator names each: some clients take
    the first document that they can read, others merge all of them."""
    union = SCHEMA["components"]["schemas"][name]
    if "anyOf" in union:
        union, null = union["anyOf"]
        assert null == {"type": "null"}
    references = [choice["$ref"] for choice in union["oneOf"]]
    assert set(union["discriminator"]["mapping"].values()) == set(references)
    documents = [reference.rpartition("/")[2] for reference in references]
    fields = [SCHEMA["components"]["schemas"][document] for document in documents]
    assert all("type" in field["required"] for field in fields)
    said = [field["properties"]["type"] for field in fields]
    words = [word for kind in said for word in kind.get("enum") or [kind["const"]]]
    assert len(words) == len(set(words)) >= len(documents) > 1


@pytest.mark.parametrize("kind", ["parameters", "Form"])
def test_what_may_be_left_out_is_never_null(kind: str) -> None:
    """Parameters and fields of forms: generated clients would send the text "null"."""
    forms = [
        document
        for name, document in SCHEMA["components"]["schemas"].items()
        if name.endswith(kind)
    ]
    calls = [call for path in SCHEMA["paths"].values() for call in path.values()]
    asked = [field for form in forms for field in form["properties"].values()]
    asked += [parameter["schema"] for call in calls for parameter in call.get(kind, ())]
    assert len(asked) > 10
    assert not [field for field in asked if {"type": "null"} in field.get("anyOf", ())]


def test_schema_says_where_under_which_licence_and_in_which_parts() -> None:
    """Each call is of one described tag."""
    assert SCHEMA["info"]["license"]["identifier"] == "Apache-2.0"
    assert SCHEMA["servers"][0]["url"] == "/"
    described = {tag["name"] for tag in SCHEMA["tags"] if tag["description"]}
    used = {
        tuple(call["tags"])
        for path in SCHEMA["paths"].values()
        for call in path.values()
    }
    assert used == {(name,) for name in described}


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_data_of_every_event_is_as_described(
    client: httpx.Client, worker: HandWorker, status: str
) -> None:
    """Each is one of the documents, and its type is the event's name."""
    link = submit_sample(client)["links"]["self"]
    spec = worker.take()
    worker.rows(spec, *((0, y) for y in range(4)))
    worker.settle(spec, status)
    described = validator({"$ref": "#/components/schemas/EventData"})
    events = list(events_of(client.get(f"{link}/events")))
    assert [event.name for event in events][-2] == "progress"
    for event in events:
        described.validate(event.data)
        assert event.data["type"] == event.name


def test_data_is_a_described_problem_when_the_job_is_gone() -> None:
    """Whatever makes a job's record unreadable while its events are read."""
    for error in (
        ExpiredJobError("d"),
        UnknownJobError("d"),
        OtherVersionJobError("d"),
    ):
        GoneEvent.model_validate(
            problem_of(error).model_dump(exclude_none=True), extra="forbid"
        )
