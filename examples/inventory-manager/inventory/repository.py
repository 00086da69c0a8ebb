"""Items in MongoDB."""

from bson import ObjectId
from pymongo import ReturnDocument


class ItemRepository:
    """Keeps items; identifiers are strings outside of it."""

    def __init__(self, database):
        self._items = database["items"]
        self._database = database

    def page(self, limit, offset):
        """Return one page of items, oldest first, and the number of all."""
        found = self._items.find().sort("_id", 1).skip(offset).limit(limit)
        return [_to_item(document) for document in found], self._items.count_documents(
            {}
        )

    def get(self, item_id):
        """Return an item, or None."""
        key = _to_key(item_id)
        return key and _to_item(self._items.find_one({"_id": key}))

    def add(self, item):
        """Store a new item and return it with its identifier."""
        document = dict(item)
        document["_id"] = self._items.insert_one(document).inserted_id
        return _to_item(document)

    def replace(self, item_id, item):
        """Replace an item and return it; None where there is none."""
        key = _to_key(item_id)
        return key and _to_item(
            self._items.find_one_and_replace(
                {"_id": key}, dict(item), return_document=ReturnDocument.AFTER
            )
        )

    def remove(self, item_id):
        """Remove an item and tell whether it was there."""
        key = _to_key(item_id)
        return bool(key) and self._items.delete_one({"_id": key}).deleted_count == 1

    def ping(self):
        """Raise PyMongoError where the database does not answer."""
        self._database.client.admin.command("ping")


def _to_key(item_id):
    return ObjectId(item_id) if ObjectId.is_valid(item_id) else None


def _to_item(document):
    if document is None:
        return None
    item = {key: value for key, value in document.items() if key != "_id"}
    return {"id": str(document["_id"]), **item}
