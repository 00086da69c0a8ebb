"""Rules of an item, one by one."""

import pytest

from inventory.validation import ValidationError, parse_item
from tests.conftest import PEN


def test_a_valid_item_is_tidied():
    item = parse_item({"name": "  Pen ", "quantity": 1, "price": 1.239})
    assert item == {"name": "Pen", "quantity": 1, "price": 1.24, "description": ""}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", 5),
        ("name", ""),
        ("name", "x" * 101),
        ("quantity", None),
        ("quantity", "3"),
        ("quantity", 1.5),
        ("quantity", True),
        ("quantity", -1),
        ("quantity", 10**10),
        ("price", None),
        ("price", "1"),
        ("price", False),
        ("price", -0.01),
        ("price", float("nan")),
        ("price", float("inf")),
        ("description", 5),
        ("description", "x" * 1001),
    ],
)
def test_invalid_values(field, value):
    with pytest.raises(ValidationError) as caught:
        parse_item({**PEN, field: value})
    assert list(caught.value.problems) == [field]


@pytest.mark.parametrize("body", [None, [], "Pen", 5])
def test_bodies_that_are_no_object(body):
    with pytest.raises(ValidationError):
        parse_item(body)
