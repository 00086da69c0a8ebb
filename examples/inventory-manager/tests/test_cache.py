"""The cache: quick, never stale, never in the way."""

from inventory.repository import ItemRepository
from tests.conftest import PEN


def lookups(client):
    """Return the lookups counted so far, by result."""
    text = client.get("/metrics").get_data(as_text=True)
    lines = [
        line for line in text.splitlines()
        if line.startswith("inventory_cache_lookups_total{")
    ]
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines}


def test_second_read_comes_from_the_cache(client, mongo, pen):
    path = f"/api/items/{pen['id']}"
    client.get(path)
    mongo["inventory"]["items"].delete_many({})
    assert client.get(path).get_json() == pen
    assert lookups(client) == {"hit": 1, "miss": 1}


def test_a_change_is_seen_at_once(client, pen):
    assert client.get("/api/items").get_json()["total"] == 1
    client.post("/api/items", json=PEN)
    assert client.get("/api/items").get_json()["total"] == 2
    client.delete(f"/api/items/{pen['id']}")
    assert client.get("/api/items").get_json()["total"] == 1


def test_missing_items_are_not_cached(client):
    client.get(f"/api/items/{'0' * 24}")
    client.get(f"/api/items/{'0' * 24}")
    assert lookups(client) == {"miss": 2}


def test_everything_works_without_redis(client, redis_server):
    redis_server.connected = False
    item = client.post("/api/items", json=PEN).get_json()
    assert client.get(f"/api/items/{item['id']}").get_json() == item
    assert lookups(client) == {"error": 1}


def test_redis_lost_between_reading_and_keeping(client, redis_server, monkeypatch, pen):
    real = ItemRepository.get

    def lose_redis(self, item_id):
        redis_server.connected = False
        return real(self, item_id)

    monkeypatch.setattr(ItemRepository, "get", lose_redis)
    assert client.get(f"/api/items/{pen['id']}").get_json() == pen
