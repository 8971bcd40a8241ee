"""Figures for Prometheus: requests, stages of answers, forward passes, jobs. They name routes, never what is asked.

With several workers the figures of all are added up: Prometheus' client keeps them in files of a folder that the
variable below names, which has to be set before the client is imported.
"""

from __future__ import annotations

import os

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder that workers share."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128)


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        of_requests = ("route", "method", "status")
        self._requests = self._counter("requests", "Requests answered.", of_requests)
        self._latency = self._histogram("request_seconds", "Time to the end of an answer.", ("route",))
        self._received = self._counter("received_bytes", "Bytes of the bodies of requests.", ("route",))
        self._sent = self._counter("sent_bytes", "Bytes of the bodies of answers.", ("route",))
        self._stages = self._histogram("stage_seconds", "Time of one stage of an answer.", ("stage",))
        self._images = self._histogram("pass_images", "Images of a forward pass.", (), _IMAGES)
        self._passes = self._histogram("pass_seconds", "Time of a forward pass.", ())
        self._jobs = self._counter("jobs", "Jobs ended.", ("verb", "outcome"))
        self._inside = self._gauge("requests_inside", "Requests that are computed or wait for it.")
        self._running = self._gauge("requests_running", "Requests that are computed.")

    def request(self, route: str, method: str, status: int, seconds: float, received: int, sent: int) -> None:
        """Count an answered request, refused ones (503) as well."""
        self._requests.labels(route, method, str(status)).inc()
        self._latency.labels(route).observe(seconds)
        self._received.labels(route).inc(received)
        self._sent.labels(route).inc(sent)

    def stage(self, stage: str, seconds: float) -> None:
        """Count a stage of an answer: those of `dinosearch.timing`, and `queue`."""
        self._stages.labels(stage).observe(seconds)

    def forward_pass(self, images: int, seconds: float) -> None:
        """Count a forward pass."""
        self._images.observe(images)
        self._passes.observe(seconds)

    def job(self, verb: str, outcome: str) -> None:
        """Count a job that ended."""
        self._jobs.labels(verb, outcome).inc()

    def busy(self, inside: int, running: int) -> None:
        """Note how many requests there are."""
        self._inside.set(inside)
        self._running.set(running)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        if SHARED not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def close(self) -> None:
        """Take this process out of the gauges of all."""
        if SHARED in os.environ:
            multiprocess.mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]

    def _counter(self, name: str, said: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"dinosearch_{name}", said, labels, registry=self._registry)

    def _histogram(
        self, name: str, said: str, labels: tuple[str, ...], buckets: tuple[float, ...] = _SECONDS
    ) -> Histogram:
        return Histogram(f"dinosearch_{name}", said, labels, registry=self._registry, buckets=buckets)

    def _gauge(self, name: str, said: str) -> Gauge:
        return Gauge(f"dinosearch_{name}", said, registry=self._registry, multiprocess_mode="livesum")


def metric_routes(metrics: Metrics) -> APIRouter:
    """The route that Prometheus reads."""
    routes = APIRouter()

    def figures() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    routes.add_api_route("/metrics", figures, methods=["GET"], include_in_schema=False)
    return routes
