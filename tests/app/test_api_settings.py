"""What an operator sets, and the schema file that is kept in step."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from redis.exceptions import AuthenticationError

import app.settings
import worker.settings
from app import openapi_file
from pixelrnn.embedded import EmbeddedRedis, connect
from tests.ports import free_port


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


@pytest.mark.parametrize("settings", [app.settings.Settings, worker.settings.Settings])
@pytest.mark.parametrize(
    "tail", ["q/4+Zk=@h:6379/0", "a#b@h", "123/4@h:6379/0", "1?x@h", "a[b@h:1/0"]
)
def test_password_that_breaks_an_address_is_pointed_elsewhere(
    settings: type[BaseSettings], tail: str
) -> None:
    """redis-py would take part of it for a host, a port or a database; the sentence does not repeat it."""
    with pytest.raises(ValidationError, match="PIXELRNN_REDIS_PASSWORD") as refused:
        settings(redis_url=f"redis://:{tail}")
    assert tail not in refused.value.errors()[0]["msg"]


PASSWORDS = ("q/4+Zk=", ":@/#?%41[]", " ü\"'$\\", "a" * 200)


@pytest.mark.parametrize("with_port", [False, True], ids=["unix", "tcp"])
def test_password_of_its_own_setting_may_be_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_port: bool
) -> None:
    """A real server with that password lets us in; an address that holds one keeps its own."""
    with EmbeddedRedis(tmp_path) as server, connect(server.url) as operator:
        url = server.url
        if with_port:
            port = free_port()
            operator.config_set("port", port)
            url = f"redis://127.0.0.1:{port}/0"
        monkeypatch.setenv("PIXELRNN_REDIS_URL", url)
        for password in PASSWORDS:
            operator.config_set("requirepass", password)
            monkeypatch.setenv("PIXELRNN_REDIS_PASSWORD", password)
            for settings in (app.settings.Settings, worker.settings.Settings):
                with connect(settings().redis_url) as client:
                    assert client.ping()
            with connect(url) as client, pytest.raises(AuthenticationError):
                client.ping()
    for settings in (app.settings.Settings, worker.settings.Settings):
        kept = settings(redis_url="redis://user:own@h/0").redis_url
        assert kept == "redis://user:own@h/0"


def test_schema_file_is_current_when_checked() -> None:
    """If this fails, run `python -m app.openapi_file` and look at what changed for clients."""
    assert (Path(__file__).parents[2] / "openapi.json").read_text(
        encoding="utf-8"
    ) == openapi_file.text()
