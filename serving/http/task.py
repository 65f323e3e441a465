"""What passes between the server and the process that does its work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from twoface_pl.errors import TwoFaceError

JSON = "application/json"


class Refusal(TwoFaceError):
    """A request that is not answered.

    Args:
        text: what is wrong with it, and what to do.
        status: of HTTP.
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Task:
    """A request whose body has come.

    Args:
        kind: what it asks for: a name of :data:`~twoface_pl.serving.http.work.KINDS`.
        body: its bytes as they came.
        headers: of the request, names in lower case.
        version: of the model that is asked for; empty: any.
    """

    kind: str
    body: bytes | bytearray
    headers: dict[str, str] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer.

    Args:
        body: its bytes.
        status: of HTTP.
        media: its type.
        headers: further ones.
        pictures: how many were filled.
        failure: what the log should say where it is the server's own fault.
    """

    body: bytes
    status: int = 200
    media: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    pictures: int = 0
    failure: str = ""

    @classmethod
    def json(cls, content: Any, status: int = 200, **more: Any) -> Reply:
        """Any JSON; arrays of numbers too."""
        return cls(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, **more)

    @classmethod
    def error(cls, text: str, status: int, failure: str = "", **headers: str) -> Reply:
        """``{"error": text}``, with headers by name: ``retry_after="2"`` is ``Retry-After: 2``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls.json({"error": text}, status, headers=named, failure=failure)


@dataclass(frozen=True)
class Repairs:
    """How photos of any size are repaired, for those who do it themselves with the same file."""

    file: str  # repair.onnx
    bytes: int  # of it
    sha256: str  # of all of them
    landmarks: list[list[float]]  # of a mean face, in shares of the frame
    hole: list[float]  # about the default hole: left, top, right, bottom, in shares of the frame
    references: int  # the most that it takes
    recogniser: str | None  # of whom a fill looks like: its file


@dataclass(frozen=True)
class Served:
    """What is served: a model's version, open."""

    path: str  # of the generator's file
    version: str
    provider: str  # what onnxruntime really runs on
    image_size: int
    any_size: bool
    references: int | None  # the one number that it takes; None: any from 1 on
    repairs: Repairs | None  # of photos of any size; None: they are not repaired
    takes: dict[str, tuple[str, list[int]]]  # of the generator's inputs: type, and shape with -1 for any
    gives: dict[str, tuple[str, list[int]]]
