"""Answers: JSON, every error as ``{"error": ...}``, long ones in pieces."""

from __future__ import annotations

import orjson
from fastapi import Response
from starlette.types import Receive, Scope, Send

PIECE = 65536  # bytes; the server waits for a slow reader between two


def json_answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Any JSON."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def error_answer(text: str, status: int, **headers: str) -> Response:
    """``{"error": text}``, with headers by name: ``retry_after="2"`` is ``Retry-After: 2``."""
    return json_answer({"error": text}, status, {name.replace("_", "-"): value for name, value in headers.items()})


class InPieces(Response):
    """JSON that may be long: it leaves as the client reads it, and what holds the request is held as long."""

    media_type = "application/json"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, len(self.body), PIECE):
            piece = self.body[start : start + PIECE]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
