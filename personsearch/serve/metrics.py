"""What Prometheus asks: how many requests, how long they took, how many wait, what the gallery holds."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from personsearch.version import __version__

#: Seconds: searches take milliseconds, a picture on a processor a second, a line of them many.
BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
#: The route of a request that is for none.
NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Metrics:
    """Counts of one service. Labels are route templates, methods and statuses alone, so that there are few of them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "personsearch_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "personsearch_request_seconds",
            "Seconds from a request's headers to its answer's last byte.",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._pictures = Counter(
            "personsearch_pictures", "Pictures that the network looked at.", registry=self._registry
        )
        self._people = Counter("personsearch_people_found", "People found in them.", registry=self._registry)
        self._gallery = Gauge(
            "personsearch_gallery",
            "What the gallery holds; absent while it cannot be read.",
            ("what",),
            registry=self._registry,
        )
        Gauge("personsearch_version", "1, with the version.", ("version",), registry=self._registry).labels(
            __version__
        ).set(1)
        self._waiting = Gauge(
            "personsearch_network_waiting", "Requests that wait for the network or are in it.", registry=self._registry
        )

    def follow(self, waiting: Callable[[], int]) -> None:
        """Ask for the length of the network's line whenever Prometheus asks."""
        self._waiting.set_function(waiting)

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route or NO_ROUTE, str(status)).inc()
        self._seconds.labels(route or NO_ROUTE).observe(seconds)

    def looked_at(self, pictures: int, people: int) -> None:
        """Count what the network did."""
        self._pictures.inc(pictures)
        self._people.inc(people)

    def text(self, gallery: dict[str, int]) -> bytes:
        """Return Prometheus' text.

        Args:
            gallery: what it holds -> how many; empty where it cannot be read.
        """
        self._gallery.clear()
        for what, count in gallery.items():
            self._gallery.labels(what).set(count)
        return generate_latest(self._registry)
