"""The desk: takes requests for work, puts them in the queue, and gives them their answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from twoface_pl.serving.http import open_inference
from twoface_pl.serving.http.answers import as_answer, error_answer
from twoface_pl.serving.http.core_options import BATCH
from twoface_pl.serving.http.limits import MOST_REQUESTS, RETRY_AFTER, Inbox
from twoface_pl.serving.http.queue import Place, Queue
from twoface_pl.serving.http.task import Refusal, Reply, Served, Task
from twoface_pl.serving.http.telemetry import Metrics, tell
from twoface_pl.serving.http.work import OPEN_INFERENCE, TENSORFLOW, Core

# The second is what curl and urllib say of any body, and clients of 2018 with them.
JSON_TYPES = ("application/json", "application/x-www-form-urlencoded", "")
TYPES = {TENSORFLOW: JSON_TYPES, OPEN_INFERENCE: (*JSON_TYPES, open_inference.BINARY)}
KEPT_HEADERS = ("content-type", "content-encoding", "accept", "accept-encoding", open_inference.HEADER_LENGTH)


@dataclass(frozen=True)
class AppOptions:
    """How the server answers.

    Args:
        names: of this server, beside ``localhost`` and IP addresses.
        origins: of web pages elsewhere that may ask.
        token: the secret that requests must bring; None: none.
        most_requests: at once.
        most_bytes: of a body.
        most_pixels: of a photo.
        batch: requests that are answered together.
        seconds: from a body's end until its answer; the rest of a queue that is longer is refused.
    """

    names: Collection[str] = ()
    origins: Collection[str] = ()
    token: str | None = None
    most_requests: int = MOST_REQUESTS
    most_bytes: int = 80_000_000
    most_pixels: int = 50_000_000
    batch: int = BATCH
    seconds: float = 60


class Desk:
    """Takes requests for work, and gives them their answers.

    Args:
        core: what does the work.
        options: limits.
    """

    def __init__(self, core: Core, options: AppOptions) -> None:
        self.metrics = Metrics()
        self.queue = Queue(core, options.batch)
        self.inbox = Inbox(options.most_bytes)
        self.options = options
        self.draining = False  # it ends soon: not ready for more
        self.metrics.depth.set_function(lambda: len(self.queue))

    @property
    def served(self) -> Served:
        """What is served just now."""
        return self.queue.core.served

    async def answer(self, request: Request, kind: str) -> Response:
        """The answer to a request, whatever is wrong with it."""
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in TYPES and given not in TYPES[kind]:
            return error_answer("the body must be JSON; send it with Content-Type: application/json", 415)
        try:
            async with self.inbox.body(request) as body:
                kept = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
                reply = await self._reply(request, Task(kind, body, kept, request.path_params.get("version", "")))
        except Refusal as error:
            self.metrics.refused.labels("body").inc()
            more = {408: {"connection": "close"}, 503: {"retry_after": str(RETRY_AFTER)}}.get(error.status, {})
            return error_answer(str(error), error.status, **more)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        if reply is None:
            return Response(status_code=499)
        if reply.failure:
            self.metrics.lost.inc()
            tell(logging.ERROR, "a request failed", id=request.scope["state"]["id"], failure=reply.failure)
        elif reply.status >= 400:
            self.metrics.refused.labels("request").inc()
        self.metrics.pictures.inc(reply.pictures)
        return as_answer(reply)

    async def _reply(self, request: Request, task: Task) -> Reply | None:
        """The core's reply; None where the client went away before it."""
        place = self.queue.put(task)
        gone = asyncio.ensure_future(_gone(request))
        try:
            either: set[asyncio.Future[Any]] = {place.answered, gone}
            await asyncio.wait(either, timeout=self.options.seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if place.answered.done():
            self._note(request, place)
            return place.answered.result()
        place.answered.cancel()  # leaves the queue
        if gone.done() and not gone.cancelled():
            self.metrics.refused.labels("gone").inc()
            return None
        self.metrics.refused.labels("late").inc()
        late = f"no answer within {self.options.seconds:g} seconds; send this one again"
        return Reply.error(late, 504, retry_after=str(RETRY_AFTER))

    def _note(self, request: Request, place: Place) -> None:
        self.metrics.waited.observe(place.waited)
        self.metrics.batch.observe(place.together)
        request.scope["state"]["told"] = {"queued": round(place.waited, 4), "together": place.together}


async def _gone(request: Request) -> None:
    """Ends when the client goes away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
