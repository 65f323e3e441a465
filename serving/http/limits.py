"""How much is taken at once, and for how long a body may take."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from twoface_pl.serving.http.answers import error_answer
from twoface_pl.serving.http.task import Refusal
from twoface_pl.serving.http.telemetry import Metrics

MOST_REQUESTS = 64  # at once: in work, waiting, coming, or being sent
RETRY_AFTER = 2  # seconds; a request of one picture takes a tenth of that
BODY_SECONDS = 30  # for a body, and as long again as its bytes take at the least rate
LEAST_RATE = 32_000  # bytes a second, of a body and of an answer: what a slow phone has
SILENT_SECONDS = 10  # for a body's next piece
SMALL_BYTES = 5_000_000  # a body up to so many may lie in memory while others do: two pictures in JSON
PLACE_SECONDS = 20  # that a large body waits for a place
LARGE_BODIES = 2  # larger ones, of the largest size: one in work, one on its way; of smaller ones as many more


class RequestLimit:
    """Takes so many requests for work at once, counted before a body is read and until the answer is sent.

    Args:
        app: what is limited.
        metrics: where they are counted.
        most: how many at once; one more gets status 503.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, most: int = MOST_REQUESTS) -> None:
        self.app, self.metrics, self.most = app, metrics, most
        self.taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        if self.taken >= self.most:
            self.metrics.refused.labels("full").inc()
            refusal = error_answer(
                f"{self.most} requests are being answered; send this one again", 503, retry_after=str(RETRY_AFTER)
            )
            await refusal(scope, receive, send)
            return
        self.taken += 1
        self.metrics.taken.set(self.taken)
        try:
            await self.app(scope, receive, send)
        finally:
            self.taken -= 1
            self.metrics.taken.set(self.taken)


class Room:
    """Bytes of memory, given to who comes first.

    Args:
        most: how many there are.
    """

    def __init__(self, most: int) -> None:
        self.left = most
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Waits for so many, which are held inside."""
        given = asyncio.get_running_loop().create_future()
        self._waiting.append((size, given))
        self._give()
        try:
            await given
            yield
        finally:
            if given.cancelled():
                self._waiting.remove((size, given))
            else:
                self.left += size
            self._give()

    def _give(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.left:
            size, given = self._waiting.popleft()
            self.left -= size
            given.set_result(None)


class Inbox:
    """Reads bodies, never more of them at once than memory has room for.

    A body over :data:`SMALL_BYTES` waits, unread, until there is room for all of it.

    Args:
        limit: bytes of a body.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._room = Room(LARGE_BODIES * limit)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytearray]:
        """The body; inside, its place in memory is held.

        Raises:
            Refusal: longer than the limit (413); or it took longer than :data:`BODY_SECONDS` and what its bytes take
                at :data:`LEAST_RATE`, not counting the wait for room, or a piece of it longer than
                :data:`SILENT_SECONDS` (408); or there was no room for :data:`PLACE_SECONDS` (503).
            ClientDisconnect: the client went away.
        """
        size = int(request.headers.get("content-length", self.limit))
        if size > self.limit:
            raise self._too_large()
        body, now = bytearray(), asyncio.get_running_loop().time
        chunks, start = request.stream(), now()
        async with AsyncExitStack() as held:
            if not await self._read(chunks, body, SMALL_BYTES, start):
                before = now()
                await self._enter(held, size)
                await self._read(chunks, body, self.limit, start + now() - before)
            yield body

    async def _enter(self, held: AsyncExitStack, size: int) -> None:
        """Wait for room for a large body."""
        try:
            async with asyncio.timeout(PLACE_SECONDS):
                await held.enter_async_context(self._room.taken(size))
        except TimeoutError:
            raise Refusal("other large bodies are on their way; send this one again", 503) from None

    async def _read(self, chunks: AsyncIterator[bytes], body: bytearray, pause: int, start: float) -> bool:
        """Read until the end (True), until the body is longer than ``pause`` bytes, or until its time is over."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(SILENT_SECONDS) as clock:
                async for chunk in chunks:
                    body += chunk
                    clock.reschedule(min(start + BODY_SECONDS + len(body) / LEAST_RATE, now() + SILENT_SECONDS))
                    if len(body) > self.limit:
                        raise self._too_large()
                    if len(body) > pause:
                        return False
        except TimeoutError:
            took = (
                f"{BODY_SECONDS} seconds and {LEAST_RATE} bytes a second, {SILENT_SECONDS} seconds for its next piece"
            )
            raise Refusal(f"the body came too slowly: it has {took}", 408) from None
        return True

    def _too_large(self) -> Refusal:
        return Refusal(f"the body is larger than {self.limit} bytes; send fewer pictures a request", 413)
