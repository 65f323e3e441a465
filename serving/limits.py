"""How much is taken at once, and for how long a body may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from twoface_pl.errors import TwoFaceError
from twoface_pl.serving.answers import error_answer
from twoface_pl.serving.protocol import MAX_BATCH, StructureCount, TooLarge

MOST_REQUESTS = 16  # predictions at once: in work, waiting, or being sent
RETRY_AFTER = 2  # seconds; a request of one picture takes a tenth of that
BODY_SECONDS = 30  # for the whole body: 75 MB, the longest of 128 px, at 20 Mbit/s
SILENT_SECONDS = 10  # for its next piece
BYTES_PER_VALUE = 24  # of JSON: a float with its sign, digits, exponent and comma
SMALL_PICTURES = 2  # a body of so many may lie in memory while others do
LARGE_BODIES = 2  # of more pictures: one in work, one on its way


class TooSlow(TwoFaceError):
    """A body that did not come in time."""


class RequestLimit:
    """Takes so many predictions at once, counted before a body is read and until the answer is sent.

    Args:
        app: what is limited.
        path: of the predictions; anything else passes.
        most: how many at once; one more gets status 503.
    """

    def __init__(self, app: ASGIApp, path: str, most: int = MOST_REQUESTS) -> None:
        self.app = app
        self.path = path
        self.most = most
        self.taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self.path or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        if self.taken >= self.most:
            refusal = error_answer(
                f"{self.most} requests are being answered; send this one again", 503, retry_after=str(RETRY_AFTER)
            )
            await refusal(scope, receive, send)
            return
        self.taken += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.taken -= 1


class Inbox:
    """Reads bodies, never more of them at once than memory has room for.

    A body over the size of :data:`SMALL_PICTURES` waits, unread, until fewer than :data:`LARGE_BODIES` such are there.

    Args:
        size: the side of a picture in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        picture = 2 * size**2 * 3 * BYTES_PER_VALUE  # with its reference
        self.limit = MAX_BATCH * picture
        self.small = SMALL_PICTURES * picture
        self._large = asyncio.Semaphore(LARGE_BODIES)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytearray]:
        """The body; inside, its place in memory is held.

        Raises:
            TooLarge: longer, or of more lists and values, than the largest request.
            TooSlow: it took longer than :data:`BODY_SECONDS`, not counting the wait for a place, or a piece of it
                longer than :data:`SILENT_SECONDS`.
            TwoFaceError: it cannot be a request.
            ClientDisconnect: the client went away.
        """
        if int(request.headers.get("content-length", 0)) > self.limit:
            raise self._too_large()
        body, count = bytearray(), StructureCount(self.size)
        chunks = request.stream()
        async with AsyncExitStack() as held:
            if not await self._read(chunks, body, count, self.small):
                await held.enter_async_context(self._large)
                await self._read(chunks, body, count, self.limit)
            yield body

    async def _read(self, chunks: AsyncIterator[bytes], body: bytearray, count: StructureCount, pause: int) -> bool:
        """Read until the end (True), or until the body is longer than ``pause`` bytes."""
        now = asyncio.get_running_loop().time
        end = now() + BODY_SECONDS
        try:
            async with asyncio.timeout(SILENT_SECONDS) as clock:
                async for chunk in chunks:
                    clock.reschedule(min(end, now() + SILENT_SECONDS))
                    count.add(chunk)
                    body += chunk
                    if len(body) > self.limit:
                        raise self._too_large()
                    if len(body) > pause:
                        return False
        except TimeoutError:
            took = f"{BODY_SECONDS} seconds for all of it, {SILENT_SECONDS} for its next piece"
            raise TooSlow(f"the body came too slowly: it has {took}") from None
        return True

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is larger than {self.limit} bytes; send fewer pictures a request")
