"""Settings that API and workers read from their environment in the same way."""

import os
from typing import Annotated, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

T = TypeVar("T")

_DEFAULT_URL = "redis://127.0.0.1:6379/0"
_EXPECTED = (
    "expected redis://HOST:PORT/DB, rediss://... or unix:///PATH?db=0, "
    "where a password stands as :PASSWORD@ before the host; one with any of : / ? # "
    "[ ] @ % goes into PIXELRNN_REDIS_PASSWORD as it is"
)


def checked_url(url: str) -> str:
    """Return a Redis URL unchanged if it is valid.

    Raises ValueError if it is not, or if redis-py would misread it, for example because
    of an unescaped `?` or `#` in the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if parts.scheme == "unix":
        is_valid = bool(parts.path.strip("/"))
    else:
        database = parts.path.removeprefix("/")
        has_server = (
            parts.scheme in ("redis", "rediss") and bool(parts.hostname) and port != 0
        )
        has_database = not database or database.isdecimal()
        # A `?` in a password makes the rest of it, and the host, a query.
        is_valid = has_server and has_database and "@" not in parts.query
    # A `#` in a password makes a fragment, which redis-py would silently drop.
    if not is_valid or parts.fragment:
        raise ValueError(_EXPECTED)
    return url


def with_password(url: str, password: str) -> str:
    """Return the URL with this password, escaped. The URL is unchanged if it already
    has a password, or if `password` is empty."""
    parts = urlsplit(url)
    if not password or parts.password is not None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()


def _common_url() -> str:
    """Return the URL in REDIS_URL, the variable that most programs use, or the
    default."""
    return os.environ.get("REDIS_URL", _DEFAULT_URL)


class RedisSettings(BaseSettings):
    """Redis URL and password, read from the environment."""

    model_config = SettingsConfigDict(
        env_prefix="PIXELRNN_", frozen=True, extra="ignore"
    )

    redis_password: str = Field(default="", repr=False)
    """The server's password, of any characters; used if the URL contains none."""
    redis_url: str = Field(
        default_factory=_common_url, validate_default=True, repr=False
    )
    """PIXELRNN_REDIS_URL, else REDIS_URL, else the server of this machine. After
    reading it contains the password."""

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
"""A tuple whose environment variable has its values separated by commas."""
