"""Settings that the API and the workers read in the same way from their environment."""

import os
from typing import Annotated, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

T = TypeVar("T")

_DEFAULT_URL = "redis://127.0.0.1:6379/0"
_EXPECTED = (
    "expected redis://HOST:PORT/DB, rediss://... or unix:///PATH?db=0, where a password stands as :PASSWORD@ before "
    "the host; one with any of : / ? # [ ] @ % goes into PIXELRNN_REDIS_PASSWORD as it is"
)


def checked_url(url: str) -> str:
    """The address of a server, as it came. ValueError for what is none, also where redis-py finds another in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if parts.scheme == "unix":
        is_one = bool(parts.path.strip("/"))
    else:
        database = parts.path.removeprefix("/")
        is_one = (
            parts.scheme in ("redis", "rediss") and bool(parts.hostname) and port != 0
        )
        is_one = (
            is_one and (not database or database.isdecimal()) and "@" not in parts.query
        )
    if not is_one or parts.fragment:
        raise ValueError(_EXPECTED)
    return url


def with_password(url: str, password: str) -> str:
    """The same address with this password, of any characters; an address that has one keeps its own."""
    parts = urlsplit(url)
    if not password or parts.password is not None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()


def _url_of_everybody() -> str:
    return os.environ.get("REDIS_URL", _DEFAULT_URL)


class RedisSettings(BaseSettings):
    """The address of Redis, and what opens it."""

    model_config = SettingsConfigDict(
        env_prefix="PIXELRNN_", frozen=True, extra="ignore"
    )

    redis_password: str = Field(default="", repr=False)
    """The server's password, of any characters, where its address holds none."""
    redis_url: str = Field(
        default_factory=_url_of_everybody, validate_default=True, repr=False
    )
    """PIXELRNN_REDIS_URL; else REDIS_URL, as everybody spells it; else this machine's server. Read, it has the
    password."""

    @field_validator("redis_url", mode="after")
    @classmethod
    def _has_its_password(cls, url: str, others: ValidationInfo) -> str:
        return with_password(checked_url(url), others.data.get("redis_password", ""))


def _split(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, str)
        else value
    )


CommaList = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split)]
"""Several values in one variable, separated by commas."""
