"""The API: /api/items."""

from flask import Blueprint, jsonify, request

from inventory.validation import parse_item, parse_page


def items_blueprint(repository, cache):
    """Return the routes of items."""
    blueprint = Blueprint("items", __name__, url_prefix="/api/items")

    @blueprint.get("")
    def list_items():
        limit, offset = parse_page(request.args)

        def read():
            items, total = repository.page(limit, offset)
            return {"items": items, "total": total}

        return jsonify(cache.get_or_make(f"page:{limit}:{offset}", read))

    @blueprint.post("")
    def add_item():
        item = repository.add(parse_item(request.get_json()))
        cache.invalidate()
        return jsonify(item), 201, {"Location": f"/api/items/{item['id']}"}

    @blueprint.get("/<item_id>")
    def get_item(item_id):
        item = cache.get_or_make(f"item:{item_id}", lambda: repository.get(item_id))
        return _found(item)

    @blueprint.put("/<item_id>")
    def replace_item(item_id):
        item = repository.replace(item_id, parse_item(request.get_json()))
        cache.invalidate()
        return _found(item)

    @blueprint.delete("/<item_id>")
    def remove_item(item_id):
        removed = repository.remove(item_id)
        cache.invalidate()
        return ("", 204) if removed else _found(None)

    return blueprint


def _found(item):
    if item is None:
        return jsonify(error="there is no such item"), 404
    return jsonify(item)
