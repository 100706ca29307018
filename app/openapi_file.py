"""Write the served schema to openapi.json, for whoever generates a client: `python -m app.openapi_file`."""

import json
from pathlib import Path

from app.main import create_app
from app.settings import Settings

PATH = Path("openapi.json")


def text() -> str:
    """The schema as it is served, in a form that compares well line by line."""
    return (
        json.dumps(create_app(Settings()).openapi(), indent=2, ensure_ascii=False)
        + "\n"
    )


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
