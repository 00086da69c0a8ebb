"""Health, readiness, figures and settings."""

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from inventory.config import Config
from inventory.repository import ItemRepository


@pytest.fixture
def no_mongodb(monkeypatch):
    def fail(*_):
        raise ServerSelectionTimeoutError("no server")

    monkeypatch.setattr(ItemRepository, "ping", fail)
    monkeypatch.setattr(ItemRepository, "page", fail)


def test_health(client):
    assert client.get("/health").get_json() == {"status": "ok", "version": "test"}


def test_ready(client):
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.get_json() == {"mongodb": "ok", "redis": "ok"}


def test_ready_without_redis(client, redis_server):
    redis_server.connected = False
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.get_json() == {"mongodb": "ok", "redis": "down"}


def test_without_mongodb(client, no_mongodb):
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 503
    answer = client.get("/api/items")
    assert answer.status_code == 503
    assert "database" in answer.get_json()["error"]


def test_metrics(client, pen):
    client.get(f"/api/items/{pen['id']}")
    client.get("/nowhere")
    text = client.get("/metrics").get_data(as_text=True)
    assert 'method="GET",route="/api/items/<item_id>",status="200"' in text
    assert 'method="GET",route="unknown",status="404"' in text
    assert pen["id"] not in text


@pytest.mark.parametrize(
    ("environment", "uri"),
    [
        ({}, "mongodb://localhost:27017"),
        ({"MONGO_URI": "mongodb://x"}, "mongodb://x"),
        ({"MONGO_HOST": "mongodb:27017"}, "mongodb://mongodb:27017"),
        (
            {"MONGO_HOST": "m", "MONGO_USERNAME": "app", "MONGO_PASSWORD": "p@ss/word"},
            "mongodb://app:p%40ss%2Fword@m/?authSource=admin",
        ),
    ],
)
def test_address_of_mongodb(environment, uri):
    assert Config.from_environment(environment).mongo_uri == uri


def test_other_settings():
    config = Config.from_environment({"CACHE_SECONDS": "5", "APP_VERSION": "1.2"})
    assert (config.cache_seconds, config.version) == (5, "1.2")
    with pytest.raises(ValueError, match="CACHE_SECONDS"):
        Config.from_environment({"CACHE_SECONDS": "soon"})
