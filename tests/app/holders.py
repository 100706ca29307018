"""Two holders of keys, and settings that know them."""

from app.access.api_keys import digest_of, parse_keys
from app.settings import Settings

SAMPLE = {"model": "grey"}
KEYS = parse_keys(f"alice:{digest_of('alice-key')},bob:{digest_of('bob-key')}")
ALICE, BOB = {"Authorization": "Bearer alice-key"}, {"X-API-Key": "bob-key"}


def settings(redis_url: str, **more: object) -> Settings:
    return Settings(
        **{
            "redis_url": redis_url,
            "port": 0,
            "fleet_age_s": 0,
            "api_keys": KEYS,
            **more,
        }
    )
