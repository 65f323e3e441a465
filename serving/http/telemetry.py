"""What the server tells of itself: a number for every request, a line in the log, figures for Prometheus.

Neither holds anything of a picture.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twoface_pl.serving.http.answers import error_answer
from twoface_pl.serving.http.task import Served

log = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"
_GIVEN = re.compile(r"[\w.:/-]{1,128}", re.ASCII)  # an id that a client or a proxy may give
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60)
QUIET = ("/healthz", "/metrics", "/v2/health/live", "/v2/health/ready")  # asked every few seconds: not in the log
OTHER = "other"  # paths that there are not: a label for each would be a way to fill memory


def new_id(headers: Headers) -> str:
    """A request's id: its own, or a new one."""
    given = headers.get(REQUEST_ID, "")
    return given if _GIVEN.fullmatch(given) else uuid.uuid4().hex


class Metrics:
    """Figures of a server, in Prometheus' text format."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        named: dict[str, Any] = {"registry": self.registry, "namespace": "twoface"}
        self.seconds = Histogram(
            "request_seconds",
            "from a request's header to its answer's end",
            ("route", "status"),
            buckets=SECONDS,
            **named,
        )
        self.waited = Histogram("queue_seconds", "in the queue, before the work began", buckets=SECONDS, **named)
        self.batch = Histogram("batch_requests", "answered together", buckets=(1, 2, 3, 4, 6, 8, 12, 16, 32), **named)
        self.depth = Gauge("queue_depth", "requests that wait", **named)
        self.taken = Gauge("requests_taken", "requests in work, waiting, coming or being sent", **named)
        self.refused = Counter("refused", "requests that were refused", ("kind",), **named)
        self.pictures = Counter("pictures", "pictures that were filled", **named)
        self.lost = Counter("core_failures", "answers that the process for the work could not give", **named)
        self.info = Gauge("model_info", "1, of the model that is served", ("version", "provider"), **named)

    def serves(self, served: Served) -> None:
        """Another version is served."""
        self.info.clear()
        self.info.labels(served.version, served.provider).set(1)

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self.registry)


class JsonLines(logging.Formatter):
    """A log of JSON, one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_as_json(stream: TextIO) -> None:
    """Write the log of the package and of what serves it as JSON, a line each."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name, level in (("twoface_pl", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def tell(level: int, message: str, **fields: Any) -> None:
    """A line in the log, with fields."""
    log.log(level, message, extra={"fields": {name: value for name, value in fields.items() if value is not None}})


class Telemetry:
    """Numbers each request, and notes how it ended; the outermost layer.

    Args:
        app: what answers.
        metrics: figures.
        ending: whether the server ends soon: its clients are then asked to connect anew.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, ending: Callable[[], bool]) -> None:
        self.app, self.metrics, self.ending = app, metrics, ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.monotonic(), 0
        number = scope.setdefault("state", {})["id"] = new_id(Headers(scope=scope))

        async def numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = number
                if self.ending():
                    headers["connection"] = "close"
            await send(message)

        try:
            await self.app(scope, receive, numbered)
        except Exception:  # a fault of the server's own
            log.exception("a request failed", extra={"fields": {"id": number}})
            if not status:
                await error_answer("the server failed; its log says why", 500)(scope, receive, numbered)
        finally:
            self._note(scope, number, status, time.monotonic() - start)

    def _note(self, scope: Scope, number: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or OTHER
        # 499, as other servers have it: the client went away before the answer.
        self.metrics.seconds.labels(route, str(status or 499)).observe(seconds)
        if scope["path"] in QUIET and status == 200:
            return
        told = scope["state"].get("told", {})
        tell(
            logging.WARNING if status >= 500 else logging.INFO,
            "request",
            id=number,
            method=scope["method"],
            path=scope["path"][:200],
            status=status or 499,
            seconds=round(seconds, 4),
            **told,
        )
