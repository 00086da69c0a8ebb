"""Settings, read from the environment."""

import os
from dataclasses import dataclass
from urllib.parse import quote_plus


@dataclass(frozen=True)
class Config:
    """What the application needs to know about its surroundings."""

    mongo_uri: str = "mongodb://localhost:27017"
    mongo_database: str = "inventory"
    redis_url: str = "redis://localhost:6379/0"
    cache_seconds: int = 30
    version: str = "development"

    @classmethod
    def from_environment(cls, environment=os.environ):
        """Read settings; a setting that is not there keeps its default."""
        cache_seconds = environment.get("CACHE_SECONDS", str(cls.cache_seconds))
        if not cache_seconds.isdigit():
            raise ValueError(
                f"CACHE_SECONDS must be a whole number of seconds, not {cache_seconds!r}"
            )
        return cls(
            mongo_uri=_mongo_uri(environment),
            mongo_database=environment.get("MONGO_DATABASE", cls.mongo_database),
            redis_url=environment.get("REDIS_URL", cls.redis_url),
            cache_seconds=int(cache_seconds),
            version=environment.get("APP_VERSION", cls.version),
        )


def _mongo_uri(environment):
    """Build the address from its parts, so that the password alone is a secret."""
    if "MONGO_URI" in environment:
        return environment["MONGO_URI"]
    host = environment.get("MONGO_HOST", "localhost:27017")
    user = environment.get("MONGO_USERNAME")
    password = environment.get("MONGO_PASSWORD")
    if not user or not password:
        return f"mongodb://{host}"
    return f"mongodb://{quote_plus(user)}:{quote_plus(password)}@{host}/?authSource=admin"
