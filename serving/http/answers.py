"""Answers of ASGI: JSON, every error as ``{"error": ...}``, long ones in pieces."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from twoface_pl.serving.http.task import Reply

PIECE = 65536  # bytes; the server waits for a slow reader between two


class InPieces(Response):
    """An answer that may be long: it leaves as the client reads it, and what holds the request is held as long."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = memoryview(self.body)
        for start in range(0, len(body), PIECE):
            await send({"type": "http.response.body", "body": bytes(body[start : start + PIECE]), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def as_answer(reply: Reply) -> Response:
    """A reply as it is sent."""
    return InPieces(reply.body, reply.status, reply.headers, reply.media)


def json_answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Any JSON."""
    return as_answer(Reply.json(content, status, headers=headers or {}))


def error_answer(text: str, status: int, **headers: str) -> Response:
    """``{"error": text}``, with headers by name: ``retry_after="2"`` is ``Retry-After: 2``."""
    return as_answer(Reply.error(text, status, **headers))
