"""What an operator may set, read once from the environment: PIXELRNN_*, and REDIS_URL as everybody spells it."""

import os

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _redis_url() -> str:
    return os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PIXELRNN_", frozen=True, extra="ignore")

    redis_url: str = Field(default_factory=_redis_url, validate_default=True)
    """PIXELRNN_REDIS_URL, else REDIS_URL. redis://, rediss:// or unix://."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    max_streams: int = Field(default=256, ge=1)
    """Open event streams and long polls of this process; each holds one Redis connection."""
    max_upload_bytes: int = Field(default=2 * 1024 * 1024, ge=1024)
    """Of one uploaded file."""
    redis_budget_s: float = Field(default=3.0, gt=0)
    """After this long without an answer from Redis a request gets 503."""
    ping_s: float = Field(default=15.0, gt=0)
    """Between comments on an event stream where nothing happens, so that proxies keep it open."""
    drain_s: int = Field(default=5, ge=1)
    """How long a stopping server waits for its requests."""

    @field_validator("redis_url", mode="after")
    @classmethod
    def _has_a_scheme_that_redis_knows(cls, url: str) -> str:
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("expected redis://HOST:PORT/DB, rediss://... or unix:///PATH?db=0")
        return url
