"""The HTTP server's application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from twoface_pl import __version__
from twoface_pl.errors import TwoFaceError
from twoface_pl.model_file import is_version
from twoface_pl.serving.answers import InPieces, error_answer, json_answer
from twoface_pl.serving.fill import FillError, FillSession
from twoface_pl.serving.guard import HostGuard
from twoface_pl.serving.limits import Inbox, RequestLimit, TooSlow
from twoface_pl.serving.protocol import TooLarge
from twoface_pl.serving.worker import JsonWorker

log = logging.getLogger(__name__)

MODEL_NAME = "two_face_model"
PREDICT = f"/v1/models/{MODEL_NAME}:predict"
# The second is what curl and urllib say of any body, and clients of 2018 with them.
CONTENT_TYPES = ("application/json", "application/x-www-form-urlencoded", "")


def _version(session: FillSession) -> str:
    folder = session.path.parent.name
    return folder if is_version(folder) else "1"


class Predictor:
    """Answers predictions, one after the other: a session already uses every core."""

    def __init__(self, session: FillSession) -> None:
        self.session = session
        self.worker = JsonWorker(session.image_size)
        self.inbox = Inbox(session.image_size)
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, request: Request) -> Response:
        """The answer to a request, whatever is wrong with it."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in CONTENT_TYPES:
            return error_answer("the body must be JSON; send it with Content-Type: application/json", 415)
        try:
            async with self.inbox.body(request) as body, self._one_at_a_time:
                if await request.is_disconnected():  # it stopped waiting
                    return Response()
                return InPieces(await run_in_threadpool(self._predict, body))
        except TooLarge as error:
            return error_answer(str(error), 413)
        except TooSlow as error:
            return error_answer(str(error), 408, connection="close")
        except ClientDisconnect:
            return Response()  # nobody reads it
        except Exception as error:
            if isinstance(error, TwoFaceError) and not isinstance(error, FillError):
                return error_answer(str(error), 400)
            log.exception("a request failed")  # the model's fault, or want of memory: in the protocol's form
            return error_answer("the server failed; its log says why", 500)

    def _predict(self, body: bytearray) -> bytes:
        masked, reference = self.worker.parse(body)
        masks = np.broadcast_to(self.session.default_mask, (len(masked), *self.session.default_mask.shape))
        return self.worker.write(self.session.fill(masked, masks, reference))


def create_app(session: FillSession, names: Collection[str] = ()) -> FastAPI:
    """The application around a session: predict, model status, liveness.

    Args:
        session: what fills.
        names: of this server, beside ``localhost`` and IP addresses.
    """
    predictor = Predictor(session)

    @asynccontextmanager
    async def worker_lives(_: FastAPI) -> AsyncIterator[None]:
        predictor.worker.start()
        yield
        predictor.worker.close()

    # FastAPI's pages of documentation load from elsewhere.
    app = FastAPI(
        title="Two-Face",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=worker_lives,
    )
    app.add_middleware(RequestLimit, path=PREDICT)
    app.add_middleware(HostGuard, names=names)  # the last is the outermost

    @app.exception_handler(HTTPException)
    async def refuse(_: Request, error: HTTPException) -> Response:
        return json_answer({"error": error.detail}, error.status_code, dict(error.headers or {}))

    @app.post(PREDICT)
    async def predict(request: Request) -> Response:
        """Fill the default mask of each picture from its reference (TensorFlow Serving's REST API)."""
        return await predictor(request)

    @app.get(f"/v1/models/{MODEL_NAME}")
    async def status() -> Response:
        """The model's state, as TensorFlow Serving gives it."""
        ok = {"error_code": "OK", "error_message": ""}
        state = {"version": _version(session), "state": "AVAILABLE", "status": ok}
        return json_answer({"model_version_status": [state]})

    @app.get("/healthz")
    async def liveness() -> Response:
        """The server lives; with what it serves and runs on."""
        return json_answer(
            {"status": "ok", "model": MODEL_NAME, "version": _version(session), "provider": session.provider}
        )

    return app
