"""Pictures to verify, and who verifies each: the command, the service, and the engine in
JavaScript. make.py wrote most of them; those of 0.2 to 0.4 are by these versions."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ANSWERS: dict[str, dict[str, Any]] = json.loads((FOLDER / "answers.json").read_text())
"""File name -> the model that drew it, and who verifies it."""
