"""What is counted about requests, and the engine's load as gauges."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as written
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.health import Load

# The Agent Server's own names, so that dashboards made for it go on working.
requests = Counter("lg_api_http_requests", "Requests answered", ["method", "path", "status"])
durations = Histogram(
    "lg_api_http_requests_latency_seconds", "Time to the end of the answer", ["method", "path"]
)
GAUGES = {
    "runs_queued": ("lg_api_num_pending_runs", "Runs that wait"),
    "runs_running": ("lg_api_num_running_runs", "Runs that are executed"),
    "longest_seconds": ("lg_api_pending_runs_wait_time_max", "Longest wait of a due run, seconds"),
    "median_seconds": ("lg_api_pending_runs_wait_time_med", "Median wait of due runs, seconds"),
    "workers": ("lg_api_workers_active", "Worker processes alive"),
    "places": ("lg_api_workers_max", "Runs they can execute at once"),
    "gates_open": ("holdfast_gates_open", "Questions that wait for an answer"),
    "messages_pending": ("holdfast_messages_pending", "Messages that are to be delivered"),
    "messages_dead": ("holdfast_messages_dead", "Messages that could not be delivered"),
    "threads_unpruned": ("holdfast_threads_unpruned", "Threads written to since the last sweep"),
}


class RequestMetrics:
    """Counts and times every request under its route's template, so that labels stay few."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            path = str(getattr(scope.get("route"), "path", "unmatched"))
            requests.labels(scope["method"], path, status).inc()
            durations.labels(scope["method"], path).observe(time.perf_counter() - began)


def prometheus(load: Load) -> bytes:
    """Return everything that is counted, in Prometheus' text format."""
    gauges = CollectorRegistry()
    for name, value in asdict(load).items():
        title, meaning = GAUGES[name]
        Gauge(title, meaning, registry=gauges).set(value)
    return written(REGISTRY) + written(gauges)


def as_json(load: Load) -> Mapping[str, Any]:
    """Return the load and the requests as JSON."""
    return {
        "queue": {
            "n_pending": load.runs_queued,
            "n_running": load.runs_running,
            "pending_runs_wait_time_max_secs": load.longest_seconds,
            "pending_runs_wait_time_med_secs": load.median_seconds,
        },
        "workers": {"max": load.places, "active": load.workers},
        "api": {
            "http_requests": [
                {**sample.labels, "count": sample.value}
                for metric in requests.collect()
                for sample in metric.samples
                if sample.name.endswith("_total")
            ]
        },
        "holdfast": {
            name: value
            for name, value in asdict(load).items()
            if GAUGES[name][0].startswith("holdfast")
        },
    }
