"""The served schema: what FastAPI generates, with corrections for generated clients."""

import threading
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app import quotas
from app.schema import examples
from app.schema.answers import PROBLEM_TYPE, Job, MarginalMap, Problem
from app.schema.event_data import EventData
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
        "description": "An API key, if the server needs one (`needs_key` of `GET "
        "/info`).",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_LICENCE = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
_TAGS = [
    {
        "name": "draw",
        "description": "Calls that make a job. Each is answered at once unless the "
        "client asks to wait.",
    },
    {
        "name": "jobs",
        "description": "A job's state, its rows while they are drawn, its pictures.",
    },
    {"name": "models", "description": "Models that draw."},
    {"name": "operating", "description": "Calls of operators only."},
    {
        "name": "openai",
        "description": "Images and models for programs written for OpenAI's API.",
    },
    {
        "name": "server",
        "description": "The server's health, features and limits.",
    },
]
_DESCRIPTIONS = {
    400: "The body cannot be read",
    401: "A key is needed",
    403: "A page of another site, another host name than this server's, a wrong or "
    "expired signature, or a missing right",
    404: "There is nothing with this name or id for this caller",
    409: "Too early: it does not exist yet, or the job has not ended; or the name is "
    "taken",
    410: "The job is no longer kept",
    412: "The model to exchange has changed",
    413: "The body is too large",
    415: "The body has a type that this call does not accept",
    422: "The request is not as expected",
    424: "The job of the requested picture has failed or was canceled; `Location` is "
    "its address",
    429: "Too fast, or too much at once; try again after `Retry-After` seconds",
    501: "The operator has not set this up",
    503: "Redis, a worker or memory is missing; try again after `Retry-After` seconds",
    504: "The requested picture is not drawn yet; `Location` is the address "
    "of its job, which continues",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the argument `responses` of a route that may answer with these problems.
    If 401 is among them, 403 and 429 are added."""
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
            **(quotas.DESCRIBED if status == 429 else {}),
        }
    return described


def json_content(model: type[BaseModel]) -> dict[str, Any]:
    """Return the argument `content` of a response that is this document if the client
    prefers it to a picture."""
    return {
        "application/json": {
            "schema": {"$ref": _REFERENCE.format(model=model.__name__)}
        }
    }


def events_content() -> dict[str, Any]:
    """Return the argument `content` of an event stream; it describes the data of each
    event."""
    every = {
        "type": "array",
        "items": {"$ref": _REFERENCE.format(model=EventData.__name__)},
    }
    # Binary, because clients in Java parse every other string as JSON.
    schema = {**_BINARY, "contentMediaType": _EVENTS, "contentSchema": every}
    return {_EVENTS: {"schema": schema}}


def job_responses(has_picture: bool = True) -> dict[int | str, dict[str, Any]]:
    """Return the argument `responses` of a request that makes a job: the answers if
    nothing goes wrong. Only the job is declared, because generated clients type an
    answer of several media types as any of them.

    has_picture: whether the job's picture may be the answer.
    """
    location = {
        "Location": {"description": "The job", "schema": {"type": "string"}},
        **quotas.DESCRIBED,
    }
    or_picture = (
        ", and with `Accept: image/png`, `image/webp`, `image/jpeg` or "
        "`application/x-npy` for its picture (a grid of several samples, or an array "
        "of all samples)"
    )
    description = (
        f"`Prefer: wait` asks for the ended job{or_picture if has_picture else ''}. "
        "`Accept: text/event-stream` asks for its events, as `GET /jobs/{id}/events` "
        "sends them"
    )
    return {
        200: {"description": description, "model": Job, "headers": location},
        202: {
            "description": "The job, queued, or not ended within the time asked for",
            "headers": location,
        },
    }


def coded_file_body() -> dict[str, Any]:
    """Return the argument `openapi_extra` of a POST whose body is a file of coded
    images."""
    description = "The file; `application/octet-stream` is accepted as well."
    return {
        "requestBody": {
            "description": description,
            "required": True,
            "content": {CODED_FILE: {"schema": dict(_BINARY)}},
        }
    }


def _servers(root_path: str) -> list[dict[str, str]]:
    return [
        {"url": root_path or "/", "description": "The server of this document"},
        {
            "url": "http://127.0.0.1:8000",
            "description": "`pixelrnn up` on this machine",
        },
    ]


def install(app: FastAPI) -> None:
    """Make `app.openapi()` return the corrected schema, which is generated once, on
    first use, by any thread."""

    building = threading.Lock()
    facts: dict[str, Any] = {
        "license_info": _LICENCE,
        "servers": _servers(app.state.settings.root_path),
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
    """Return FastAPI's schema with the corrections below; it is changed in place."""
    schemas = schema["components"]["schemas"]
    # FastAPI does not describe answers that handlers write themselves.
    for model in (Problem, EventData, MarginalMap):
        document = model.model_json_schema(
            ref_template=_REFERENCE, mode="serialization"
        )
        schemas |= {**document.pop("$defs", {}), model.__name__: document, **schemas}
    # FastAPI leaves null fields out of examples, although they are required.
    schemas["Job"]["examples"] = [examples.JOB]
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
    # Generated clients treat FastAPI's `contentMediaType` as text.
    return _with_files_as({"format": "binary"}, schema)


def _operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        operation for path in schema["paths"].values() for operation in path.values()
    ]


def _drop_automatic_422(operation: dict[str, Any]) -> None:
    """Remove the 422 that FastAPI adds to every operation with a parameter. Routes that
    can answer 422 declare it themselves, as a problem."""
    if PROBLEM_TYPE not in operation["responses"].get("422", {}).get("content", {}):
        operation["responses"].pop("422", None)


def _pictures_are_binary(operation: dict[str, Any]) -> None:
    """Declare pictures and other binary answers as binary; FastAPI declares every
    answer that is not JSON as text."""
    for answer in operation["responses"].values():
        for media, content in answer.get("content", {}).items():
            if media.startswith("image/") or media in (
                "application/zip",
                "application/x-npy",
                CODED_FILE,
            ):
                content["schema"] = dict(_BINARY)


def _add_json_forms(schema: dict[str, Any]) -> None:
    """Describe the JSON form of each form body, whose files are base64
    (app.routes.json_forms).

    It is described beside the media types of the body and not among them: if a form has
    two types, generated clients send the fields of one as the other.
    """
    schemas = schema["components"]["schemas"]
    for operation in _operations(schema):
        body = operation.get("requestBody", {})
        # A form without a schema of its own has no JSON form.
        if "$ref" in body.get("content", {}).get(_FORM, {}).get("schema", {}):
            form = body["content"][_FORM]["schema"]["$ref"].rpartition("/")[2]
            body["description"] = (
                "A form; or `application/json` with the same fields, "
                "in which a file is base64 or a `data:` URL."
            )
            body[_JSON_BODY] = _with_files_as(
                {"contentEncoding": "base64"}, schemas[form]
            )
            lists = [
                name
                for name, field in schemas[form]["properties"].items()
                if field.get("type") == "array"
            ]
            if lists:  # otherwise clients in Ruby join the files with commas
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
    """Make a parameter or form field not nullable: it is present or absent, and
    generated clients would send the text "null"."""
    choices = [
        choice for choice in field.pop("anyOf", []) if choice != {"type": "null"}
    ]
    if len(choices) == 1:
        field.update(choices[0])


def _lists_of_files_have_any_length(field: dict[str, Any]) -> None:
    """Remove the allowed lengths of lists: generated clients in Go that know them do
    not compile. The service refuses other lengths, and the field's description states
    them."""
    if field.get("type") == "array":
        field.pop("minItems", None)
        field.pop("maxItems", None)


def _with_files_as(keywords: dict[str, str], node: Any) -> Any:
    """Return a copy in which every upload is described by these keywords; FastAPI
    describes it by `contentMediaType`."""
    if isinstance(node, list):
        return [_with_files_as(keywords, item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _with_files_as(keywords, value) for key, value in node.items()}
    if node.get("contentMediaType") == "application/octet-stream":
        del node["contentMediaType"]
        node |= keywords
    return node
