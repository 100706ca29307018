"""Write what is made from the contract: `python -m app.openapi_file`.

openapi.json is the served schema, for whoever generates a client. Two modules list the
options that change pixels (worker/contract/pixel_options.py) for the page and for the
engine in JavaScript, which may be used without each other.
"""

import json
from pathlib import Path

from app.main import create_app
from app.settings import Settings
from worker.contract.jobs import VERSION
from worker.contract.kinds import KINDS
from worker.contract.pixel_options import pixel_options, type_of

PATH = Path("openapi.json")
OPTION_LISTS = (
    Path("app/playground/js/service/pixel_options.js"),
    Path("engine/pixel_options.js"),
)
_HEAD = """/** The options that change the pixels of drawn images. Made by `python -m app.openapi_file`. */

/** Pictures that name a later version say options that are not known here. */
export const VERSION = {version};

/** Of each kind of job the options, with the type of their values. @type {{Record<string, Record<string, string>>}} */
export const PIXEL_OPTIONS = {{
"""
_TYPES = {
    "flag": "boolean",
    "integer": "number",
    "number": "number",
    "text": "string",
    "texts": "string | string[]",
}


def text() -> str:
    """The schema as it is served, in a form that compares well line by line."""
    return (
        json.dumps(create_app(Settings()).openapi(), indent=2, ensure_ascii=False)
        + "\n"
    )


def option_list() -> str:
    """The options of each kind that draws, as a module of JavaScript."""
    lines = [_HEAD.format(version=VERSION)]
    types: dict[str, str] = {}
    for kind in KINDS.values():
        if not kind.draws:
            continue
        lines.append(f"  {kind.word}: {{\n")
        for name in pixel_options(kind.options):
            found = type_of(kind.options, name)
            lines.append(f'    {name}: "{found}",\n')
            if found == "texts" or name not in types:
                types[name] = _TYPES[found]
        lines.append("  },\n")
    lines.append("};\n\n/**\n * @typedef {object} PixelOptions\n")
    for name, found in types.items():
        lines.append(f" * @property {{{found} | null}} [{name}]\n")
    lines.append(" */\n")
    return "".join(lines)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
    for path in OPTION_LISTS:
        path.write_text(option_list(), encoding="utf-8")
