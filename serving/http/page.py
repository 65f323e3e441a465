"""The web page's files, and those of the model for a browser that fills by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twoface_pl import __version__
from twoface_pl.faces.detector import FILE as DETECTOR
from twoface_pl.faces.onnx_file import without_unused_inputs
from twoface_pl.faces.placer import FILE as PLACEMENT
from twoface_pl.serving.http.answers import InPieces, json_answer
from twoface_pl.serving.http.task import Served
from twoface_pl.serving.likeness import ACCEPTS

SITE = Path(__file__).parents[1] / "page" / "site"
RUNTIME = SITE / "vendor" / "ort.wasm.min.mjs"  # put there by `make page`
START, FILES = "/", "/page"
ABOUT, MODELS = f"{FILES}/about", f"{FILES}/models"
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",  # this and the next: else a browser lends WebAssembly one thread
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Service-Worker-Allowed": START,
}
MEDIA = "application/octet-stream"
FRESH = "no-cache"  # kept, but asked for again: an unchanged file is not sent
FOR_EVER = "private, max-age=31536000, immutable"  # under a name with its checksum


def is_page(path: str) -> bool:
    return path == START or path.startswith(FILES + "/")


def is_free(path: str) -> bool:
    """Whether a path is answered without a token: the page, which asks for it, but not the model."""
    return is_page(path) and not path.startswith(MODELS + "/")


class PageHeaders:
    """Says to browsers what the page may do: nothing beyond this server.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_page(scope["path"]):
            await self.app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", FRESH)
            await send(message)

        await self.app(scope, receive, told)


@dataclass(frozen=True)
class _ModelFile:
    """What a browser gets of a model."""

    content: bytes | Path
    bytes: int
    sha256: str


@cache
def _of_the_package() -> dict[str, _ModelFile]:
    return {path.name: _whole(path, path.read_bytes()) for path in (DETECTOR, PLACEMENT)}


@cache
def _recogniser(file: str) -> dict[str, _ModelFile]:
    """SFace, whose file names its weights as inputs, which not every runtime takes; none where it is broken."""
    try:
        content = without_unused_inputs(Path(file).read_bytes())
    except (OSError, ValueError, IndexError):
        return {}
    return {"recogniser.onnx": _whole(content, content)}


def _whole(sent: bytes | Path, content: bytes) -> _ModelFile:
    return _ModelFile(sent, len(content), hashlib.sha256(content).hexdigest())


def _model_files(served: Served) -> dict[str, _ModelFile]:
    """Files by name."""
    if (repairs := served.repairs) is None:
        return {}
    path = Path(repairs.file)
    files = {**_of_the_package(), path.name: _ModelFile(path, repairs.bytes, repairs.sha256)}
    return files | (_recogniser(repairs.recogniser) if repairs.recogniser is not None else {})


def about(served: Served, limits: dict[str, int], needs_token: bool) -> dict[str, Any]:
    """What the page needs to know.

    Args:
        served: by this server.
        limits: ``body`` in bytes, ``pixels`` of a photo.
        needs_token: whether requests must bring a token.
    """
    files = {
        name: {"url": f"{MODELS}/{file.sha256}/{name}", "bytes": file.bytes, "sha256": file.sha256}
        for name, file in _model_files(served).items()
    }
    told: dict[str, Any] = {
        "software": __version__,
        "version": served.version,
        "provider": served.provider,
        "token": needs_token,
        "limits": limits,
        "runtime": RUNTIME.is_file(),
        "files": files,
    }
    if (repairs := served.repairs) is not None:
        told["limits"] = {**limits, "references": repairs.references}
        told |= {"landmarks": repairs.landmarks, "hole": repairs.hole, "checks": repairs.recogniser is not None}
        told["likeness"] = dict(zip(("same", "perhaps"), (least for _, least in ACCEPTS), strict=True))
    return told


def model_file(served: Served, checksum: str, name: str) -> Response:
    """A file of the model that is served.

    Raises:
        HTTPException: another name or checksum.
    """
    file = _model_files(served).get(name)
    if file is None or checksum != file.sha256:
        raise HTTPException(404, "no such file of the model that is served")
    headers = {"Cache-Control": FOR_EVER}
    if isinstance(file.content, Path):
        return FileResponse(file.content, media_type=MEDIA, headers=headers)
    return InPieces(file.content, media_type=MEDIA, headers=headers)


def add(app: FastAPI, serves: Callable[[], Served], limits: dict[str, int], needs_token: bool) -> None:
    """Give an application the page's paths.

    Args:
        app: it.
        serves: what is served just then.
        limits, needs_token: as :func:`about` takes them.
    """

    @app.get(ABOUT, include_in_schema=False)
    def told() -> Response:
        return json_answer(about(serves(), limits, needs_token))

    @app.get(MODELS + "/{checksum}/{name}", include_in_schema=False)
    def file(checksum: str, name: str) -> Response:
        return model_file(serves(), checksum, name)

    @app.get(START, include_in_schema=False)
    async def page() -> Response:
        return FileResponse(SITE / "index.html")

    app.mount(FILES, StaticFiles(directory=SITE))
