"""Fixtures: the application on a MongoDB and a Redis that live in the test's memory."""

import fakeredis
import mongomock
import pytest

from inventory import create_app
from inventory.config import Config

PEN = {"name": "Pen", "quantity": 3, "price": 1.5, "description": "blue"}


@pytest.fixture
def redis_server():
    """A Redis that can be taken away: server.connected = False."""
    return fakeredis.FakeServer()


@pytest.fixture
def mongo():
    return mongomock.MongoClient()


@pytest.fixture
def app(mongo, redis_server):
    app = create_app(
        Config(version="test"), mongo, fakeredis.FakeRedis(server=redis_server)
    )
    app.testing = True
    return app


@pytest.fixture
def pen(client):
    """An item that is already there."""
    return client.post("/api/items", json=PEN).get_json()
