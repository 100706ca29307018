"""Settings that the API and the workers read in the same way from their environment."""

import os
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

T = TypeVar("T")


def redis_url() -> str:
    """REDIS_URL, as everybody spells it, or else this machine's server. PIXELRNN_REDIS_URL wins over both."""
    return os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


def _checked(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("expected redis://HOST:PORT/DB, rediss://... or unix:///PATH?db=0")
    return url


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


RedisUrl = Annotated[str, AfterValidator(_checked)]
"""redis://, rediss:// or unix://."""

CommaList = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split)]
"""Several values in one variable, separated by commas."""
