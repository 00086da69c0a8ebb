"""The API as a client sees it."""

import pytest

from tests.conftest import PEN


def test_no_items_at_first(client):
    answer = client.get("/api/items")
    assert answer.status_code == 200
    assert answer.get_json() == {"items": [], "total": 0}


def test_add_and_get(client):
    added = client.post("/api/items", json=PEN)
    assert added.status_code == 201
    item = added.get_json()
    assert {key: item[key] for key in PEN} == PEN
    assert added.headers["Location"] == f"/api/items/{item['id']}"
    assert client.get(added.headers["Location"]).get_json() == item


def test_description_is_optional(client):
    added = client.post("/api/items", json={"name": "Ink", "quantity": 0, "price": 0})
    assert added.status_code == 201
    assert added.get_json()["description"] == ""


def test_list_in_pages(client):
    for number in range(5):
        client.post("/api/items", json={**PEN, "name": f"Pen {number}"})
    page = client.get("/api/items?limit=2&offset=2").get_json()
    assert [item["name"] for item in page["items"]] == ["Pen 2", "Pen 3"]
    assert page["total"] == 5


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "offset=-1", "offset=²"])
def test_pages_that_are_none(client, query):
    assert client.get(f"/api/items?{query}").status_code == 400


def test_replace(client, pen):
    answer = client.put(f"/api/items/{pen['id']}", json={**PEN, "quantity": 7})
    assert answer.status_code == 200
    assert answer.get_json() == {**pen, "quantity": 7}
    assert client.get(f"/api/items/{pen['id']}").get_json()["quantity"] == 7


def test_remove(client, pen):
    assert client.delete(f"/api/items/{pen['id']}").status_code == 204
    assert client.get(f"/api/items/{pen['id']}").status_code == 404
    assert client.delete(f"/api/items/{pen['id']}").status_code == 404


@pytest.mark.parametrize("item_id", ["0" * 24, "not-an-id", "%00"])
def test_items_that_are_not_there(client, item_id):
    assert client.get(f"/api/items/{item_id}").status_code == 404
    assert client.put(f"/api/items/{item_id}", json=PEN).status_code == 404
    assert client.delete(f"/api/items/{item_id}").status_code == 404


def test_problems_come_all_at_once(client):
    answer = client.post("/api/items", json={"name": " ", "quantity": -1, "colour": "red"})
    assert answer.status_code == 400
    assert set(answer.get_json()["fields"]) == {"name", "quantity", "price", "colour"}


def test_bodies_that_are_no_json(client):
    assert client.post("/api/items", data="{", content_type="application/json").status_code == 400
    assert client.post("/api/items", data="name=Pen").status_code == 415


def test_bodies_that_are_too_long(client):
    answer = client.post("/api/items", json={**PEN, "description": "x" * 100_000})
    assert answer.status_code == 413
    assert "error" in answer.get_json()


def test_errors_are_json(client):
    assert "error" in client.get("/nowhere").get_json()
    assert client.patch("/api/items").status_code == 405
