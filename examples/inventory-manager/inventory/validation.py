"""Checks what clients send before it reaches the database."""

import math

MAX_NAME = 100
MAX_DESCRIPTION = 1000
MAX_QUANTITY = 1_000_000_000
MAX_PRICE = 1_000_000_000

FIELDS = {"name", "quantity", "price", "description"}


class ValidationError(Exception):
    """Everything that is wrong with an item, by field."""

    def __init__(self, problems):
        super().__init__("invalid item")
        self.problems = problems


def parse_item(body):
    """Return the item a client sent, or raise ValidationError with every problem at once."""
    if not isinstance(body, dict):
        raise ValidationError({"body": "must be a JSON object"})
    problems = {
        field: "is not a field of an item" for field in sorted(set(body) - FIELDS)
    }
    checks = {
        "name": _check_name(body.get("name")),
        "quantity": _check_quantity(body.get("quantity")),
        "price": _check_price(body.get("price")),
        "description": _check_description(body.get("description", "")),
    }
    problems.update({field: problem for field, problem in checks.items() if problem})
    if problems:
        raise ValidationError(problems)
    return {
        "name": body["name"].strip(),
        "quantity": body["quantity"],
        "price": round(float(body["price"]), 2),
        "description": body.get("description", ""),
    }


def parse_page(args):
    """Return limit and offset of a listing."""
    limit = _parse_number(args.get("limit", "50"), "limit", 1, 200)
    offset = _parse_number(args.get("offset", "0"), "offset", 0, MAX_QUANTITY)
    return limit, offset


def _parse_number(text, field, lowest, highest):
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise ValidationError(
            {field: f"must be a whole number from {lowest} to {highest}"}
        )
    return int(text)


def _check_name(name):
    if not isinstance(name, str) or not name.strip():
        return "is required and must be text"
    if len(name) > MAX_NAME:
        return f"must have at most {MAX_NAME} characters"
    return None


def _check_quantity(quantity):
    # True is an int in Python; it is no quantity.
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        return "is required and must be a whole number"
    if not 0 <= quantity <= MAX_QUANTITY:
        return f"must be from 0 to {MAX_QUANTITY}"
    return None


def _check_price(price):
    if isinstance(price, bool) or not isinstance(price, (int, float)):
        return "is required and must be a number"
    if not math.isfinite(price) or not 0 <= price <= MAX_PRICE:
        return f"must be from 0 to {MAX_PRICE}"
    return None


def _check_description(description):
    if not isinstance(description, str):
        return "must be text"
    if len(description) > MAX_DESCRIPTION:
        return f"must have at most {MAX_DESCRIPTION} characters"
    return None
