"""Figures for Prometheus."""

import time

from flask import Blueprint, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)


class Metrics:
    """The figures of one application; each has its own registry, so that tests may have several."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "inventory_http_requests_total",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "inventory_http_request_seconds",
            "Time to answer.",
            ["method", "route"],
            registry=self.registry,
        )
        self.cache = Counter(
            "inventory_cache_lookups_total",
            "Lookups in the cache.",
            ["result"],
            registry=self.registry,
        )

    def count_lookup(self, result):
        """Count a lookup in the cache: hit, miss or error."""
        self.cache.labels(result).inc()

    def watch(self, app):
        """Count every request of the application and serve the figures."""
        blueprint = Blueprint("metrics", __name__)

        @blueprint.get("/metrics")
        def show():
            return Response(
                generate_latest(self.registry), content_type=CONTENT_TYPE_LATEST
            )

        @app.before_request
        def start():
            g.started = time.perf_counter()

        @app.after_request
        def count(response):
            # The rule, not the path: identifiers would make a series each.
            route = request.url_rule.rule if request.url_rule else "unknown"
            self.requests.labels(request.method, route, response.status_code).inc()
            self.seconds.labels(request.method, route).observe(
                time.perf_counter() - g.started
            )
            return response

        app.register_blueprint(blueprint)
