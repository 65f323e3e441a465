"""The work: requests in, answers out. It runs in a process of its own, and what a request holds cannot end it."""

from __future__ import annotations

import traceback
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.formats import TooLargeError
from twoface_pl.serving.fill import FillError, FillSession
from twoface_pl.serving.http import open_inference, tensorflow_serving
from twoface_pl.serving.http.people import People, as_fields
from twoface_pl.serving.http.pictures import Pictures, joined
from twoface_pl.serving.http.task import Refusal, Reply, Served, Task

TENSORFLOW, OPEN_INFERENCE, INPAINT, FACES = KINDS = ("tensorflow", "open_inference", "inpaint", "faces")
BATCHED = frozenset({TENSORFLOW, OPEN_INFERENCE})  # pictures of several such requests are filled together
ENCODINGS = {"gzip": 31, "deflate": 15}  # and zlib's way of reading them
FASTEST = 1  # of a compressed answer
FAILED = "the server failed; its log says why"


class Core(Protocol):
    """What answers requests."""

    @property
    def served(self) -> Served:
        """What it serves."""
        ...

    def answer(self, tasks: Sequence[Task]) -> list[Reply]:
        """A reply to each of some requests, all of one kind where they are several."""
        ...

    def close(self) -> None:
        """It is not asked any more."""
        ...


def plain_body(task: Task, most: int) -> bytes | bytearray:
    """A request's body, inflated where it came compressed.

    Raises:
        Refusal: an encoding that is not known, broken or cut off, or more than ``most`` bytes.
    """
    encoding = task.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return task.body
    if encoding not in ENCODINGS:
        raise Refusal(f"Content-Encoding {encoding[:40]!r} is not read; there are {', '.join(ENCODINGS)}", 415)
    inflator = zlib.decompressobj(ENCODINGS[encoding])
    try:
        body = inflator.decompress(task.body, most + 1)
    except zlib.error:
        raise Refusal(f"the body is not {encoding}") from None
    if len(body) > most:
        raise Refusal(f"the body is larger than {most} bytes", 413)
    if not inflator.eof or inflator.unused_data:
        raise Refusal(f"the body's {encoding} is cut off, or something comes after it")
    return body


def compressed(reply: Reply, accepts: str) -> Reply:
    """An answer as its reader asked for it: the first encoding that is known."""
    for entry in accepts.lower().split(","):
        encoding, _, quality = (part.strip() for part in entry.partition(";"))
        if encoding in ENCODINGS and quality.replace(" ", "") not in ("q=0", "q=0.0"):
            deflator = zlib.compressobj(FASTEST, wbits=ENCODINGS[encoding])
            body = deflator.compress(reply.body) + deflator.flush()
            return replace(reply, body=body, headers={**reply.headers, "Content-Encoding": encoding})
    return reply


@dataclass(frozen=True)
class _Asked:
    """A request for predictions that was read."""

    pictures: Pictures
    write: Callable[[np.ndarray], Reply]


def guarded(do: Callable[[], Reply]) -> Reply:
    """A reply, whatever happens."""
    try:
        return do()
    except FillError as error:
        return Reply.error(FAILED, 500, str(error))
    except Refusal as error:
        return Reply.error(str(error), error.status)
    except TooLargeError as error:
        return Reply.error(str(error), 413)
    except TwoFaceError as error:
        return Reply.error(as_fields(str(error)), 400)
    except MemoryError:
        return Reply.error("there is not enough memory for this request", 503, traceback.format_exc(), retry_after="2")
    except Exception:
        return Reply.error(FAILED, 500, traceback.format_exc())


class Worker:
    """Answers requests with a model's version.

    Args:
        session: its generator.
        people: photos of any size; None: they are not repaired.
        most_bytes: of an inflated body.
        batch: pictures that are filled at once.
    """

    def __init__(
        self, session: FillSession, served: Served, people: People | None, most_bytes: int, batch: int
    ) -> None:
        self.session, self.served, self.people = session, served, people
        self.most_bytes, self.batch = most_bytes, batch

    def answer(self, tasks: Sequence[Task]) -> list[Reply]:
        """See :class:`Core`."""
        if tasks[0].kind in BATCHED:
            return self._predictions(tasks)
        return [guarded(lambda task=task: self._alone(task)) for task in tasks]  # type: ignore[misc]

    def close(self) -> None:
        """See :class:`Core`; nothing is to be ended."""

    def _alone(self, task: Task) -> Reply:
        if self.people is None:
            raise Refusal("this model has no repair.onnx: it fills framed faces alone; export it again", 501)
        do = self.people.inpaint if task.kind == INPAINT else self.people.faces
        return do(task, plain_body(task, self.most_bytes))

    def _read(self, task: Task) -> _Asked:
        if task.version not in ("", self.served.version):  # another came while it waited
            raise Refusal(f"version {task.version[:20]} is not served; {self.served.version} is", 404)
        body = plain_body(task, self.most_bytes)
        if task.kind == TENSORFLOW:
            pictures, name = tensorflow_serving.parse(task, body, self.session)
            return _Asked(pictures, lambda filled: tensorflow_serving.write(filled, name))
        pictures, wanted = open_inference.parse(task, body, self.session)
        accepts = task.headers.get("accept-encoding", "")

        def write(filled: np.ndarray) -> Reply:
            model = tensorflow_serving.MODEL_NAME
            return compressed(open_inference.write(filled, wanted, self.served, model), accepts)

        return _Asked(pictures, write)

    def _predictions(self, tasks: Sequence[Task]) -> list[Reply]:
        """Each request is read by itself: a bad one costs the others nothing."""
        replies: dict[int, Reply] = {}
        groups: dict[Any, dict[int, _Asked]] = {}
        for number, task in enumerate(tasks):

            def read(number: int = number, task: Task = task) -> Reply:
                asked = self._read(task)
                groups.setdefault(asked.pictures.shape, {})[number] = asked
                return Reply(b"")

            replies[number] = guarded(read)
        for group in groups.values():
            replies |= self._filled(group)
        return [replies[number] for number in range(len(tasks))]

    def _filled(self, group: dict[int, _Asked]) -> dict[int, Reply]:
        """Requests whose pictures are of one shape, filled together; where that fails, each by itself."""
        if len(group) == 1:
            ((number, asked),) = group.items()
            return {number: guarded(lambda: asked.write(self._fill(asked.pictures)))}
        try:
            filled = self._fill(joined([asked.pictures for asked in group.values()]))
        except Exception:  # said of the one whose fault it is
            return {number: reply for one in group.items() for number, reply in self._filled(dict([one])).items()}
        ends = np.cumsum([len(asked.pictures) for asked in group.values()])
        parts = np.split(filled, ends[:-1])
        return {
            number: guarded(lambda asked=asked, part=part: asked.write(part))  # type: ignore[misc]
            for (number, asked), part in zip(group.items(), parts, strict=True)
        }

    def _fill(self, pictures: Pictures) -> np.ndarray:
        each = [
            self.session.fill(
                pictures.images[start : start + self.batch],
                pictures.masks[start : start + self.batch],
                pictures.references[start : start + self.batch],
            )
            for start in range(0, len(pictures), self.batch)
        ]
        return each[0] if len(each) == 1 else np.concatenate(each)
