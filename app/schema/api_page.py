"""The schema as a page to read: every call, field and answer. No script, and nothing from anywhere else.

It knows OpenAPI as app.schema.openapi leaves it, and nothing of this service.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from app.schema.request_bodies import FILES

Node = dict[str, Any]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: light-dark(#0b57c2, #8ab4ff); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 58rem; margin: 0 auto; padding: 1.5rem; }
a { color: var(--accent); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
code, pre { font: 0.875em/1.5 ui-monospace, monospace; }
code { background: var(--soft); border-radius: 3px; padding: 0.1em 0.25em; }
pre { background: var(--soft); border-radius: 6px; padding: 0.75rem 1rem; overflow-x: auto; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin-top: 2.5rem; scroll-margin-top: 1rem; }
h3 code { background: none; padding: 0; font-size: 1em; }
h4 { margin: 1.25rem 0 0.25rem; }
nav ul { columns: 3 15rem; list-style: none; padding: 0; }
table { border-collapse: collapse; width: 100%; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.75rem 0.3rem 0; border-top: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; }
td:nth-child(2) { min-width: 9rem; }
"""
POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy under which the page still works."""

_INTRODUCTION = """<p><a href="/openapi.json">openapi.json</a> is this page for programs: generators make clients of it.
The <a href="/">playground</a> uses the same calls. Below, <code>URL</code> is where this page is, such
as <code>http://127.0.0.1:8000</code>.</p>"""
_PROBLEM = "application/problem+json"
_METHODS = ("get", "post", "put", "patch", "delete")
_BOUNDS = {"minimum": "at least", "maximum": "at most", "minLength": "length from", "maxLength": "length to"}


def page(schema: Node) -> str:
    """The whole document."""
    info = schema["info"]
    operations = list(_operations(schema))
    tags = list(dict.fromkeys(operation["tags"][0] for _, _, operation in operations))
    said = {tag["name"]: tag["description"] for tag in schema["tags"]}
    parts = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        _prose(info["description"]),
        _INTRODUCTION,
        f"<nav><ul>{''.join(_entry(*operation) for operation in operations)}</ul></nav>",
    ]
    for tag in tags:
        parts += [f"<h2>{escape(tag.capitalize())}</h2>", _prose(said.get(tag, ""))]
        parts += [_section(schema, *found) for found in operations if found[2]["tags"][0] == tag]
    parts.append("<h2>Documents</h2>")
    parts += [_document(name, model) for name, model in sorted(schema["components"]["schemas"].items())]
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><style>{STYLE}</style>"
    title = f"<title>{escape(info['title'])}: API</title>"
    return f"<!doctype html><html lang=en><head>{head}{title}</head><body>{''.join(parts)}</body></html>"


def _operations(schema: Node) -> Iterator[tuple[str, str, Node]]:
    """Method, path and description of every call."""
    for path, methods in schema["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield method.upper(), path, methods[method]


def _entry(method: str, path: str, operation: Node) -> str:
    return f'<li><a href="#{operation["operationId"]}"><code>{method} {escape(path)}</code></a></li>'


def _section(schema: Node, method: str, path: str, operation: Node) -> str:
    name = operation["operationId"]
    parts = [f'<h3 id="{name}"><a href="#{name}"><code>{method} {escape(path)}</code></a></h3>']
    parts.append(_prose(operation.get("description", "")))
    body = operation.get("requestBody", {}).get("content", {})
    parts.append(f"<pre>{escape(_command(schema, method, path, body))}</pre>")
    if parameters := operation.get("parameters"):
        rows = [(p["name"], f"{_type(p['schema'])}, in the {p['in']}", _details(p, p["schema"])) for p in parameters]
        parts.append(_table("Parameters", rows))
    parts.append(_prose(operation.get("requestBody", {}).get("description", "")))
    for media, content in body.items():
        model = _model(schema, content["schema"])
        fields = _fields(model) if "properties" in model else []  # else a file as it is
        parts.append(_table(f"Body: <code>{escape(media)}</code>", fields))
    parts.append(_answers(operation["responses"]))
    return "".join(parts)


def _answers(responses: Node) -> str:
    """One row for each good answer, and one line for all problems."""
    wanted = {status: answer for status, answer in responses.items() if _PROBLEM not in answer.get("content", {})}
    rows = [(status, _media(answer), _text(answer["description"])) for status, answer in sorted(wanted.items())]
    problems = [
        f"<code>{status}</code>&nbsp;{_text(answer['description'])}"
        for status, answer in sorted(responses.items())
        if status not in wanted
    ]
    line = f"<p>Or a {_type({'$ref': 'Problem'})}: {' · '.join(problems)}.</p>" if problems else ""
    return _table("Answers", rows) + line


def _command(schema: Node, method: str, path: str, body: Node) -> str:
    """The call as a curl command."""
    words = ["curl"] + ([] if method == "GET" else ["-X", method])
    words.append("$URL" + re.sub(r"\{(\w+)\}", lambda name: "$" + name[1].upper(), path))
    if "multipart/form-data" in body:
        form = _model(schema, body["multipart/form-data"]["schema"])
        words += [f"-F {name}={_example_value(name, form['properties'][name])}" for name in form["required"]]
    elif "application/json" in body:
        (example,) = _model(schema, body["application/json"]["schema"])["examples"]
        words.append(f"-H 'Content-Type: application/json' -d '{json.dumps(example)}'")
    elif body:
        words += [f"-H 'Content-Type: {media}' --data-binary @file" for media in body]
    return " ".join(words)


def _example_value(name: str, field: Node) -> str:
    if field.get("items", field).get("format") == "binary":
        return "@picture.png" if name in FILES else f"@{name}"
    return str(field.get("examples", ["..."])[0])


def _document(name: str, model: Node) -> str:
    parts = [f'<h3 id="{name}"><a href="#{name}"><code>{name}</code></a></h3>', _prose(model.get("description", ""))]
    if "properties" in model:
        parts.append(_table("", _fields(model)))
    else:
        parts.append(f"<p>{_type(model)}</p>")
    return "".join(parts)


def _fields(model: Node) -> list[tuple[str, str, str]]:
    required = model.get("required", ())
    return [
        (
            name,
            _type(field) + (", required" if name in required and "default" not in field else ""),
            _details(field, field),
        )
        for name, field in model["properties"].items()
    ]


def _details(described: Node, schema: Node) -> str:
    """Description and bounds of a field or parameter."""
    bounds = [f"{word} {_number(schema[key])}" for key, word in _BOUNDS.items() if key in schema]
    if schema.get("default") is not None:
        bounds.append(f"{json.dumps(schema['default'])} when absent")
    return _text(described.get("description", "")) + (
        f" <small>({escape(', '.join(bounds))})</small>" if bounds else ""
    )


def _number(value: float) -> str:
    return str(int(value) if value == int(value) else value)


def _type(schema: Node) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema.get("enum", [schema.get("const")]))
    if "contentSchema" in schema:
        return f"text: {_type(schema['contentSchema'])}"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return "file" if schema.get("format") == "binary" else escape(str(schema.get("type", "anything")))


def _model(schema: Node, reference: Node) -> Node:
    """The schema that is referred to, or that stands there itself."""
    if "$ref" not in reference:
        return reference
    return schema["components"]["schemas"][reference["$ref"].rpartition("/")[2]]


def _media(answer: Node) -> str:
    found = answer.get("content", {})
    return "<br>".join(
        f"<code>{escape(media)}</code> {_type(content.get('schema', {}))}" for media, content in found.items()
    )


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """A table; the first cell of each row is text, the others are HTML."""
    lines = "".join(f"<tr><th scope=row><code>{escape(a)}</code></th><td>{b}</td><td>{c}</td></tr>" for a, b, c in rows)
    return (f"<h4>{title}</h4>" if title else "") + f"<table>{lines}</table>"


def _prose(text: str) -> str:
    return "".join(f"<p>{_text(part)}</p>" for part in text.split("\n\n") if part)


def _text(text: str) -> str:
    """HTML; words in backquotes become code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
