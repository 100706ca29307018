"""What an operator sets, and the schema file that is kept in step."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

import app.settings
import worker.settings
from app import openapi_file


@pytest.mark.parametrize("settings", [app.settings.Settings, worker.settings.Settings])
def test_own_name_wins_when_both_redis_variables_are_set(
    monkeypatch: pytest.MonkeyPatch, settings: type[BaseSettings]
) -> None:
    """PIXELRNN_REDIS_URL, then REDIS_URL, then this machine; an argument beats them all. For API and worker alike."""
    monkeypatch.delenv("PIXELRNN_REDIS_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert settings().redis_url == "redis://127.0.0.1:6379/0"
    monkeypatch.setenv("REDIS_URL", "redis://a:1/0")
    assert settings().redis_url == "redis://a:1/0"
    monkeypatch.setenv("PIXELRNN_REDIS_URL", "redis://b:1/0")
    assert settings().redis_url == "redis://b:1/0"
    assert settings(redis_url="unix:///c").redis_url == "unix:///c"


@pytest.mark.parametrize("settings", [app.settings.Settings, worker.settings.Settings])
@pytest.mark.parametrize("url", ["", "http://a", "localhost:6379"])
def test_settings_are_refused_when_the_redis_url_is_none(
    monkeypatch: pytest.MonkeyPatch, url: str, settings: type[BaseSettings]
) -> None:
    """The sentence shows what one looks like; from the environment too."""
    monkeypatch.delenv("PIXELRNN_REDIS_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(ValidationError, match="redis://HOST:PORT/DB"):
        settings()


def test_schema_file_is_current_when_checked() -> None:
    """If this fails, run `python -m app.openapi_file` and look at what changed for clients."""
    assert (Path(__file__).parents[2] / "openapi.json").read_text(encoding="utf-8") == openapi_file.text()
