"""Inventory Manager: a small HTTP API for stock items."""

from inventory.app import create_app

__all__ = ["create_app"]
