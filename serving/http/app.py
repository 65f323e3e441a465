"""The HTTP server's application: its paths, and the layers before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import Any

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from twoface_pl import __version__
from twoface_pl.serving.http import open_inference, openapi, page, tensorflow_serving
from twoface_pl.serving.http.answers import error_answer, json_answer
from twoface_pl.serving.http.desk import Desk
from twoface_pl.serving.http.guard import HostGuard, TokenGuard
from twoface_pl.serving.http.limits import RequestLimit
from twoface_pl.serving.http.people import REMARKS
from twoface_pl.serving.http.task import Served
from twoface_pl.serving.http.telemetry import REQUEST_ID, Telemetry
from twoface_pl.serving.http.tensorflow_serving import LABEL, MODEL_NAME
from twoface_pl.serving.http.work import FACES, INPAINT, OPEN_INFERENCE, TENSORFLOW, Core

MODEL = f"/v1/models/{MODEL_NAME}"
PREDICT = f"{MODEL}:predict"
MODEL_2 = f"/v2/models/{MODEL_NAME}"
LIVE = "/healthz"
HEALTH = (LIVE, "/v2/health/live", "/v2/health/ready", "/v2/health")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def _check_version(request: Request, served: Served) -> None:
    """Refuse a path that names a version which is not served."""
    number = request.path_params.get("version", served.version)
    if number != served.version:
        raise HTTPException(404, f"version {number[:20]} is not served; {served.version} is")


def _work(desk: Desk, kind: str, means: str) -> Handler:
    """A path that is worked for."""

    async def work(request: Request) -> Response:
        _check_version(request, desk.served)
        return await desk.answer(request, kind)

    work.__doc__ = means
    return work


def _told(desk: Desk, what: Callable[[Served], Any], means: str) -> Handler:
    """A path that says something of what is served."""

    async def told(request: Request) -> Response:
        _check_version(request, desk.served)
        return json_answer(what(desk.served))

    told.__doc__ = means
    return told


def _if_ready(desk: Desk, **about: str) -> Handler:
    async def ready(request: Request) -> Response:
        """Whether requests are answered: not while the server ends."""
        _check_version(request, desk.served)
        return error_answer("the server is ending", 503) if desk.draining else json_answer({**about, "ready": True})

    return ready


def _v1(app: FastAPI, desk: Desk) -> None:
    """TensorFlow Serving's paths."""
    for path in ("", "/versions/{version}", f"/labels/{LABEL}"):
        predict = _work(desk, TENSORFLOW, "Fill framed pictures from their references, in their holes or the model's.")
        extra = openapi.predict(desk.served, path)
        app.add_api_route(f"{MODEL}{path}:predict", predict, methods=["POST"], openapi_extra=extra)
        status = _told(desk, tensorflow_serving.status, "The model's state.")
        app.add_api_route(f"{MODEL}{path}", status, openapi_extra=openapi.version_of(path))
        metadata = _told(desk, tensorflow_serving.metadata, "What requests and answers hold.")
        app.add_api_route(f"{MODEL}{path}/metadata", metadata, openapi_extra=openapi.version_of(path))


def _v2(app: FastAPI, desk: Desk) -> None:
    """The Open Inference Protocol's paths."""
    about = {"name": "two-face", "version": __version__, "extensions": list(open_inference.EXTENSIONS)}
    app.add_api_route("/v2", _told(desk, lambda _: about, "The server's name, version and extensions."))
    app.add_api_route("/v2/health/ready", _if_ready(desk), responses=openapi.NOT_READY)
    for path in ("", "/versions/{version}"):
        infer = _work(desk, OPEN_INFERENCE, "Fill framed pictures from their references, by the generator's inputs.")
        extra = openapi.infer(desk.served, path)
        app.add_api_route(f"{MODEL_2}{path}/infer", infer, methods=["POST"], openapi_extra=extra)
        extra = openapi.version_of(path)
        about_model = partial(open_inference.metadata, model=MODEL_NAME)
        metadata = _told(desk, about_model, "The model's inputs and outputs.")
        app.add_api_route(f"{MODEL_2}{path}", metadata, openapi_extra=extra)
        app.add_api_route(
            f"{MODEL_2}{path}/ready", _if_ready(desk, name=MODEL_NAME), openapi_extra=extra, responses=openapi.NOT_READY
        )


def _people(app: FastAPI, desk: Desk) -> None:
    inpaint = _work(desk, INPAINT, "Repair a photo of any size from other photos of the same person.")
    app.add_api_route("/inpaint", inpaint, methods=["POST"], openapi_extra=openapi.INPAINT)
    faces = _work(desk, FACES, "Find the faces of a photo; with a mask, the one that it hides.")
    app.add_api_route("/faces", faces, methods=["POST"], openapi_extra=openapi.FACES)


def _health(app: FastAPI, desk: Desk) -> None:
    @app.get(LIVE)
    async def alive() -> Response:
        """The server lives; with what it serves and runs on."""
        served = desk.served
        told = {"status": "ok", "model": MODEL_NAME, "version": served.version, "provider": served.provider}
        return json_answer(told)

    @app.get("/v2/health/live")
    async def live() -> Response:
        """The server lives."""
        return json_answer({"live": True})

    @app.get("/v2/health")
    async def health() -> Response:
        """What the server does just now."""
        served = desk.served
        told = {"live": True, "ready": not desk.draining, "model": MODEL_NAME, "version": served.version}
        return json_answer({**told, "provider": served.provider, "waiting": len(desk.queue)})

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        desk.metrics.serves(desk.served)
        return Response(desk.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _page(app: FastAPI, desk: Desk) -> None:
    options = desk.options
    limits = {"body": options.most_bytes, "pixels": options.most_pixels}
    page.add(app, lambda: desk.served, limits, options.token is not None)


def _layers(app: FastAPI, desk: Desk) -> None:
    """What a request passes before its path; the last one added comes first."""
    options = desk.options
    app.add_middleware(RequestLimit, metrics=desk.metrics, most=options.most_requests)
    app.add_middleware(TokenGuard, token=options.token, is_free=lambda path: path in HEALTH or page.is_free(path))
    app.add_middleware(page.PageHeaders)
    if options.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(options.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=[REQUEST_ID, REMARKS, "Inference-Header-Content-Length", "Retry-After"],
        )
    app.add_middleware(HostGuard, names=options.names, origins=options.origins)
    app.add_middleware(Telemetry, metrics=desk.metrics, ending=lambda: desk.draining)


def _describe(app: FastAPI, desk: Desk) -> None:
    """Let the app's description be of the version that is served by then, whose sizes may differ."""
    first = desk.queue.core

    @lru_cache(maxsize=1)
    def described(core: Core) -> dict[str, Any]:
        return FastAPI.openapi(app if core is first else create_app(desk))

    app.openapi = lambda: described(desk.queue.core)  # type: ignore[method-assign, arg-type]


def create_app(desk: Desk, besides: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()) -> FastAPI:
    """The application.

    Args:
        desk: what answers.
        besides: what runs beside it, for ever.
    """

    @asynccontextmanager
    async def queue_runs(_: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.ensure_future(run()) for run in (desk.queue.run, *besides)]
        yield
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    # FastAPI's pages of documentation load from elsewhere.
    app = FastAPI(
        title="Two-Face",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=queue_runs,
    )

    @app.exception_handler(HTTPException)
    async def refuse(_: Request, error: HTTPException) -> Response:
        answer = json_answer({"error": error.detail}, error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    for paths in (_v1, _v2, _people, _health, _page):
        paths(app, desk)
    _layers(app, desk)
    _describe(app, desk)
    return app
