"""Write two modules of pixelrnn/client: documents.py, the documents of openapi.json as
types of Python, and synchronous.py, the client that blocks, from asynchronous.py.

    python docs/tools/make_client.py
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill
from typing import Any

import unasync

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "pixelrnn" / "client"
PAGE = CLIENT / "documents.py"
BLOCKING = CLIENT / "synchronous.py"
READ = (
    "Job",
    "JobList",
    "Model",
    "Stage",
    "ScoreMap",
    "MarginalMap",
    "SignedLinks",
    "Problem",
)
"""Answers of the client's calls. The documents that these refer to are written before
them."""
HEAD = '''"""Types of the service's JSON documents, which the client reads as plain dictionaries.

Written by docs/tools/make_client.py from openapi.json.
"""

from typing import Literal, NotRequired, TypedDict
'''
_WORDS = {
    "AsyncClient": "Client",
    "AsyncJob": "Job",
    "asyncio": "time",
}
_WORDS |= {"aread": "read", "aclose": "close", "aiter_text": "iter_text"}
"""Names of the client that blocks for these; `unasync` knows those that Python itself has."""
_PLAIN = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
Schema = dict[str, Any]


def text(schemas: dict[str, Schema]) -> str:
    """Return the text of documents.py.

    schemas: of openapi.json, by name.
    """
    written: dict[str, str] = {}
    for name in READ:
        _write(name, schemas, written)
    return HEAD + "".join(f"\n\n{part}" for part in written.values())


def _write(name: str, schemas: dict[str, Schema], written: dict[str, str]) -> None:
    for other in sorted(
        {*_referred(schemas[name]), *_bases(name, schemas)} - written.keys()
    ):
        _write(other, schemas, written)
    if name not in written:
        written[name] = (_class if "properties" in schemas[name] else _alias)(
            name, schemas
        )


def _referred(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for item in node for name in _referred(item)}
    if not isinstance(node, dict):
        return set()
    own = {_name(node)} if "$ref" in node else set()
    return own | _referred(
        [
            *node.get("properties", {}).values(),
            node.get("items"),
            *node.get("anyOf", ()),
            *node.get("oneOf", ()),
        ]
    )


def _bases(name: str, schemas: dict[str, Schema]) -> list[str]:
    """Return the documents that are one of several pictures, if this one has all their
    fields and more."""
    parts = (other for other in schemas if other.endswith("Picture") and other != name)
    return [
        other
        for other in parts
        if _fields(other, schemas).items() <= _fields(name, schemas).items()
    ]


def _name(reference: Schema) -> str:
    return reference["$ref"].rpartition("/")[2]


def _alias(name: str, schemas: dict[str, Schema]) -> str:
    """Return the definition of a name, without null: `_type` adds that wherever the
    name is used."""
    kind = _type(schemas[name], schemas).removesuffix(" | None")
    if len(name) + len(kind) > 116:
        kind = "(\n    {}\n)".format(kind.replace(" | ", "\n    | "))
    return f"{name} = {kind}\n"


def _class(name: str, schemas: dict[str, Schema]) -> str:
    bases = _bases(name, schemas)
    lines = [*_docstring(schemas[name]), ""]
    there = {field for base in bases for field in schemas[base]["properties"]}
    for field, kind in _fields(name, schemas).items():
        if field not in there:
            described = _docstring(schemas[name]["properties"][field])
            lines += [f"    {field}: {kind}", *described]
    return (
        f"class {name}({', '.join(bases) or 'TypedDict'}):\n" + "\n".join(lines) + "\n"
    )


def _docstring(schema: Schema) -> list[str]:
    told = schema.get("description")
    if not told:
        return []
    pad = "    "
    return [fill(f'"""{told}"""', 88, initial_indent=pad, subsequent_indent=pad)]


def _fields(name: str, schemas: dict[str, Schema]) -> dict[str, str]:
    schema = schemas[name]
    kinds = {
        field: _type(of, schemas) for field, of in schema.get("properties", {}).items()
    }
    required = schema.get("required", ())
    return {
        field: kind if field in required else f"NotRequired[{kind}]"
        for field, kind in kinds.items()
    }


def _type(schema: Schema, schemas: dict[str, Schema]) -> str:
    if "$ref" in schema:
        optional = {"type": "null"} in schemas[_name(schema)].get("anyOf", ())
        return f"{_name(schema)} | None" if optional else _name(schema)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(_type(choice, schemas) for choice in choices)
    if words := schema.get("enum") or (
        [schema["const"]] if "const" in schema else None
    ):
        return f"Literal[{', '.join(map(json.dumps, words))}]"
    if schema["type"] == "array":
        return f"list[{_type(schema['items'], schemas)}]"
    return _PLAIN[schema["type"]]


def blocking() -> str:
    """Return the text of synchronous.py."""
    with TemporaryDirectory() as there:
        rule = unasync.Rule(f"{CLIENT}/", f"{there}/", _WORDS)
        unasync.unasync_files([str(CLIENT / "asynchronous.py")], [rule])
        return (Path(there) / "asynchronous.py").read_text(encoding="utf-8")


def main() -> None:
    BLOCKING.write_text(blocking(), encoding="utf-8")
    schemas = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))[
        "components"
    ]["schemas"]
    PAGE.write_text(text(schemas), encoding="utf-8")


if __name__ == "__main__":
    main()
