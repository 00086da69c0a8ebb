"""Health: is the process alive, and can it serve?"""

from flask import Blueprint, jsonify
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError


def health_blueprint(repository, cache, version):
    """Return /health and /ready."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/health")
    def health():
        return jsonify(status="ok", version=version)

    @blueprint.get("/ready")
    def ready():
        mongodb = _answers(repository.ping, PyMongoError)
        # Without the cache requests are slower and still right: not a reason to take no traffic.
        redis = _answers(cache.ping, RedisError)
        body = {
            "mongodb": "ok" if mongodb else "down",
            "redis": "ok" if redis else "down",
        }
        return jsonify(body), 200 if mongodb else 503

    return blueprint


def _answers(ping, trouble):
    try:
        ping()
    except trouble:
        return False
    return True
