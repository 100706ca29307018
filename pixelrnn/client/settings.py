"""What both clients tell httpx."""

from typing import Any

import httpx

TRIES = 8
_SILENCE_S = 60.0
"""Longer than a long poll, and than the pause between two comments on a quiet stream."""


def http_options(url: str, key: str | None) -> dict[str, Any]:
    """Address, key and timeouts of a client."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return {"base_url": url, "headers": headers, "timeout": httpx.Timeout(10.0, read=_SILENCE_S)}
