"""Puts the parts together."""

import redis
from flask import Flask, jsonify
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from werkzeug.exceptions import HTTPException

from inventory.cache import Cache
from inventory.config import Config
from inventory.health import health_blueprint
from inventory.items import items_blueprint
from inventory.metrics import Metrics
from inventory.repository import ItemRepository
from inventory.validation import ValidationError

MAX_BODY = 64 * 1024


def create_app(config=None, mongo=None, cache_client=None):
    """Return the application. Tests hand in clients of their own."""
    config = config or Config.from_environment()
    mongo = mongo or MongoClient(config.mongo_uri, serverSelectionTimeoutMS=2000)
    cache_client = cache_client or redis.Redis.from_url(
        config.redis_url, socket_timeout=1, socket_connect_timeout=1
    )
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.json.sort_keys = False

    metrics = Metrics()
    repository = ItemRepository(mongo[config.mongo_database])
    cache = Cache(cache_client, config.cache_seconds, metrics.count_lookup)
    metrics.watch(app)
    app.register_blueprint(items_blueprint(repository, cache))
    app.register_blueprint(health_blueprint(repository, cache, config.version))
    _answer_errors_in_json(app)
    return app


def _answer_errors_in_json(app):
    @app.errorhandler(ValidationError)
    def invalid(error):
        return jsonify(error="the item is not valid", fields=error.problems), 400

    @app.errorhandler(HTTPException)
    def refused(error):
        return jsonify(error=error.description), error.code

    @app.errorhandler(PyMongoError)
    def unavailable(error):
        app.logger.error("database: %s", error)
        return jsonify(error="the database does not answer; try again"), 503
