"""The schema as it is served: what FastAPI writes, corrected where clients would stumble."""

import threading
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app.schema import examples, rate_limit_headers
from app.schema.answers import PROBLEM_TYPE, Job, MarginalMap, Problem
from app.schema.event_data import EventData
from app.schema.preference_headers import PICTURES
from worker.contract.coded_file import MEDIA_TYPE as CODED_FILE

_REFERENCE = "#/components/schemas/{model}"
_EVENTS = "text/event-stream"
_FORM = "multipart/form-data"
_JSON_BODY = "x-json-body"
_BINARY = {"type": "string", "format": "binary"}
_COME_BACK = (409, 429, 503, 504)
_KEYS = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key, if the server has keys: `GET /info` says.",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_LICENCE = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
_SERVERS = [
    {"url": "/", "description": "The server of this document"},
    {"url": "http://127.0.0.1:8000", "description": "`pixelrnn up` on this machine"},
]
_TAGS = [
    {
        "name": "draw",
        "description": "Calls that make a job. All are answered at once, unless the client asks to wait.",
    },
    {
        "name": "jobs",
        "description": "A job's state, its rows as they are drawn, its pictures.",
    },
    {"name": "models", "description": "Models that draw."},
    {
        "name": "server",
        "description": "The server's health, and how much may be asked of it.",
    },
]
_DESCRIPTIONS = {
    400: "The body cannot be read",
    401: "A key is needed",
    403: "Another site's page, another name than this server's, a wrong or outdated signature, or a missing right",
    404: "There is nothing under this name or id for this caller",
    409: "Too early: it is not there yet, or the job has not ended; or the name is taken",
    410: "The job is no longer kept",
    412: "What is to be exchanged is another by now",
    413: "The body is too large",
    415: "The body has another type than this call takes",
    422: "The request is not as expected",
    424: "A picture was waited for, and its job has failed or was canceled; `Location` names it",
    429: "Too fast, or too much at once; `Retry-After` says when to come back",
    501: "The operator has not set this up",
    503: "Redis, a worker or room is missing; `Retry-After` says when to come back",
    504: "A picture was waited for, and is not drawn yet; `Location` names its job, which goes on",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route that may answer with these problems; where a key may be asked for, also with 403 and
    429."""
    every = sorted({*statuses, 403, 429} if 401 in statuses else statuses)
    return {status: _problem(status) for status in every}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    described = {
        "description": _DESCRIPTIONS[status],
        "content": {PROBLEM_TYPE: {"schema": schema}},
    }
    if status in _COME_BACK:
        seconds = {
            "description": "Seconds",
            "schema": {"type": "integer", "minimum": 0},
        }
        described["headers"] = {
            "Retry-After": seconds,
            **(rate_limit_headers.DESCRIBED if status == 429 else {}),
        }
    return described


def json_content(model: type[BaseModel]) -> dict[str, Any]:
    """`content=` of a call that answers with this document where the client prefers it to a picture."""
    return {
        "application/json": {
            "schema": {"$ref": _REFERENCE.format(model=model.__name__)}
        }
    }


def events_content() -> dict[str, Any]:
    """`content=` of a stream of events. It says what the data of each event is. It is binary, since clients in Java
    take every other string for JSON."""
    every = {
        "type": "array",
        "items": {"$ref": _REFERENCE.format(model=EventData.__name__)},
    }
    schema = {**_BINARY, "contentMediaType": _EVENTS, "contentSchema": every}
    return {_EVENTS: {"schema": schema}}


def job_responses(has_picture: bool = True) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a request that makes a job, what it may answer when nothing goes wrong."""
    location = {
        "Location": {"description": "The job", "schema": {"type": "string"}},
        **rate_limit_headers.DESCRIBED,
    }
    picture = (
        {media.value: {"schema": dict(_BINARY)} for media in PICTURES}
        if has_picture
        else {}
    )
    pictured = (
        ", and with `Accept: image/png`, `image/webp`, `image/jpeg` or `application/x-npy` for its picture (a grid of "
        "several samples, or the array of all)"
    )
    return {
        200: {
            "description": f"`Prefer: wait` asks for the job, ended{pictured if has_picture else ''}. "
            "`Accept: text/event-stream` asks for its events, as `GET /jobs/{id}/events` gives them",
            "content": {**json_content(Job), **events_content(), **picture},
            "headers": location,
        },
        202: {
            "description": "The job, queued; or not ended in the time that was asked for",
            "headers": location,
        },
    }


def coded_file_body() -> dict[str, Any]:
    """`openapi_extra=` of a POST whose body is a file of coded images."""
    told = "The file; `application/octet-stream` does as well."
    return {
        "requestBody": {
            "description": told,
            "required": True,
            "content": {CODED_FILE: {"schema": dict(_BINARY)}},
        }
    }


def install(app: FastAPI) -> None:
    """`app.openapi()` is the corrected schema, for whichever thread asks."""

    building = threading.Lock()
    facts: dict[str, Any] = {
        "license_info": _LICENCE,
        "servers": _SERVERS,
        "tags": _TAGS,
    }
    facts |= {
        "title": app.title,
        "version": app.version,
        "description": app.description,
    }

    def openapi() -> dict[str, Any]:
        with building:
            if app.openapi_schema is None:
                app.openapi_schema = _corrected(get_openapi(**facts, routes=app.routes))
            return app.openapi_schema

    app.openapi = openapi


def _corrected(schema: dict[str, Any]) -> dict[str, Any]:
    schemas = schema["components"]["schemas"]
    for model in (
        Problem,
        EventData,
        MarginalMap,
    ):  # of answers that FastAPI does not write itself
        document = model.model_json_schema(
            ref_template=_REFERENCE, mode="serialization"
        )
        schemas |= {**document.pop("$defs", {}), model.__name__: document, **schemas}
    schemas["Job"]["examples"] = [
        examples.JOB
    ]  # FastAPI leaves out what is null, though it is required
    schema["components"]["securitySchemes"] = _KEYS
    schema["security"] = [{}, *({name: []} for name in _KEYS)]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for operation in _operations(schema):
        _drop_automatic_422(operation)
        _pictures_are_binary(operation)
        for parameter in operation.get("parameters", ()):
            _never_null(parameter["schema"])
    _add_json_forms(schema)
    for form in _forms(schema):
        for field in form["properties"].values():
            _never_null(field)
            _lists_of_files_have_any_length(field)
    # generated clients take FastAPI's `contentMediaType` for text
    return _with_files_as({"format": "binary"}, schema)


def _operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        operation for path in schema["paths"].values() for operation in path.values()
    ]


def _drop_automatic_422(operation: dict[str, Any]) -> None:
    """FastAPI adds one wherever there is a parameter; routes that can answer it name it themselves, as a problem."""
    if PROBLEM_TYPE not in operation["responses"].get("422", {}).get("content", {}):
        operation["responses"].pop("422", None)


def _pictures_are_binary(operation: dict[str, Any]) -> None:
    """FastAPI says text of every answer that is not JSON."""
    for answer in operation["responses"].values():
        for media, content in answer.get("content", {}).items():
            if media.startswith("image/") or media in (
                "application/zip",
                "application/x-npy",
                CODED_FILE,
            ):
                content["schema"] = dict(_BINARY)


def _add_json_forms(schema: dict[str, Any]) -> None:
    """Each form is a body of JSON too, whose files are base64 (app.routes.json_forms). It is told beside the types of
    the body and not among them: of a form with two types, generated clients send the fields of one as the other."""
    schemas = schema["components"]["schemas"]
    for operation in _operations(schema):
        body = operation.get("requestBody", {})
        if "$ref" in body.get("content", {}).get(_FORM, {}).get(
            "schema", {}
        ):  # one of ours alone is no JSON
            form = body["content"][_FORM]["schema"]["$ref"].rpartition("/")[2]
            body["description"] = (
                "A form; or `application/json` with the same fields, where a file is base64 or a `data:` URL with it."
            )
            body[_JSON_BODY] = _with_files_as(
                {"contentEncoding": "base64"}, schemas[form]
            )
            lists = [
                name
                for name, field in schemas[form]["properties"].items()
                if field.get("type") == "array"
            ]
            if lists:  # a client in Ruby else joins the files by commas
                body["content"][_FORM]["encoding"] = {
                    name: {"style": "form", "explode": True} for name in lists
                }


def _forms(schema: dict[str, Any]) -> list[dict[str, Any]]:
    bodies = [
        operation["requestBody"]["content"]
        for operation in _operations(schema)
        if "requestBody" in operation
    ]
    forms = [body[_FORM]["schema"] for body in bodies if _FORM in body]
    return [
        schema["components"]["schemas"].get(
            form.get("$ref", "").rpartition("/")[2], form
        )
        for form in forms
    ]


def _never_null(field: dict[str, Any]) -> None:
    """A parameter or form field is there or absent: a nullable one makes generated clients send the text "null"."""
    choices = [
        choice for choice in field.pop("anyOf", []) if choice != {"type": "null"}
    ]
    if len(choices) == 1:
        field.update(choices[0])


def _lists_of_files_have_any_length(field: dict[str, Any]) -> None:
    """The service refuses too few and too many, and the field's text says how many are taken: a client in Go that is
    told the lengths does not compile."""
    if field.get("type") == "array":
        field.pop("minItems", None)
        field.pop("maxItems", None)


def _with_files_as(said: dict[str, str], node: Any) -> Any:
    """The same with every upload described by these words; FastAPI describes it by its `contentMediaType`."""
    if isinstance(node, list):
        return [_with_files_as(said, item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _with_files_as(said, value) for key, value in node.items()}
    if node.get("contentMediaType") == "application/octet-stream":
        del node["contentMediaType"]
        node |= said
    return node
