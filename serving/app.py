"""The HTTP server's application."""

from __future__ import annotations

import asyncio
import logging

import numpy as np
import orjson
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from twoface_pl import __version__
from twoface_pl.errors import TwoFaceError
from twoface_pl.serving.protocol import MAX_BATCH, parse_request, write_answer
from twoface_pl.serving.session import FillSession

log = logging.getLogger(__name__)

MODEL_NAME = "two_face_model"
BYTES_PER_VALUE = 24  # of JSON: a float with its sign, digits, exponent and comma


class _TooLarge(TwoFaceError):
    """A body over the limit."""


async def _read_body(request: Request, limit: int) -> bytes:
    """The body, given up on as soon as it is longer than the limit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _TooLarge(f"the body is larger than {limit} bytes; send fewer pictures a request")
    return bytes(body)


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def create_app(session: FillSession) -> FastAPI:
    """The application around a session: predict, model status, liveness."""
    app = FastAPI(title="Two-Face", version=__version__)
    body_limit = 2 * MAX_BATCH * session.image_size**2 * 3 * BYTES_PER_VALUE
    one_at_a_time = asyncio.Lock()  # a session already uses every core

    def predict_now(body: bytes) -> bytes:
        masked, reference = parse_request(body, session.image_size)
        masks = np.broadcast_to(session.default_mask, (len(masked), *session.default_mask.shape))
        return write_answer(session.fill(masked, masks, reference))

    @app.post(f"/v1/models/{MODEL_NAME}:predict")
    async def predict(request: Request) -> Response:
        """Fill the default mask of each picture from its reference (TensorFlow Serving's REST API)."""
        try:
            body = await _read_body(request, body_limit)
            async with one_at_a_time:
                if await request.is_disconnected():  # it stopped waiting
                    return Response()
                answer = await run_in_threadpool(predict_now, body)
        except TwoFaceError as error:
            return _json({"error": str(error)}, 413 if isinstance(error, _TooLarge) else 400)
        except ClientDisconnect:
            return Response()  # nobody reads it
        except Exception:  # onnxruntime's, or memory: answered in the protocol's form, said in the log
            log.exception("a request failed")
            return _json({"error": "the server failed; its log says why"}, 500)
        return Response(answer, media_type="application/json")

    @app.get(f"/v1/models/{MODEL_NAME}")
    def status() -> Response:
        """The model's state, as TensorFlow Serving gives it."""
        version = session.path.parent.name
        state = {
            "version": version if version.isdigit() else "1",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return _json({"model_version_status": [state]})

    @app.get("/healthz")
    def liveness() -> Response:
        """The server lives; with what it serves and runs on."""
        return _json({"status": "ok", "model": str(session.path), "provider": session.provider})

    return app
