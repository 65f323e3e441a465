"""Who comes first is served first: a bounded queue before the one process that does the work."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic

from twoface_pl.serving.http.core import CoreLost
from twoface_pl.serving.http.memory import IDLE_SECONDS, give_back
from twoface_pl.serving.http.task import Reply, Task
from twoface_pl.serving.http.work import BATCHED, FAILED, Core

log = logging.getLogger(__name__)


@dataclass(eq=False)  # each is itself: bodies are long to compare
class Place:
    """A request in the queue."""

    task: Task
    answered: asyncio.Future[Reply]
    since: float = field(default_factory=monotonic)
    waited: float = 0.0  # seconds until the work on it began
    together: int = 1  # requests that it was answered with


class Queue:
    """Gives requests to the core in the order of their arrival, one or a batch at a time.

    A batch is what waits already: nobody waits for it to grow.

    Args:
        core: what answers.
        batch: requests of one kind that are given together.
    """

    def __init__(self, core: Core, batch: int) -> None:
        self.core = core
        self.batch = batch
        self._waiting: deque[Place] = deque()
        self._some = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "twoface-core")

    def __len__(self) -> int:
        """Requests that wait; not those in work."""
        return len(self._waiting)

    def put(self, task: Task) -> Place:
        """A place at the queue's end. To leave it, cancel its future."""
        place = Place(task, asyncio.get_running_loop().create_future())
        place.answered.add_done_callback(lambda _: self._leave(place))
        self._waiting.append(place)
        self._some.set()
        return place

    def _leave(self, place: Place) -> None:
        if place in self._waiting:
            self._waiting.remove(place)

    def _next(self) -> list[Place]:
        """Who comes next; those directly behind come with it if they can be answered together."""
        places = [self._waiting.popleft()]
        kind = places[0].task.kind
        while kind in BATCHED and self._waiting and self._waiting[0].task.kind == kind and len(places) < self.batch:
            places.append(self._waiting.popleft())
        for place in places:
            place.waited, place.together = monotonic() - place.since, len(places)
        return places

    async def run(self) -> None:
        """Serve for ever."""
        while True:
            self._some.clear()
            while self._waiting:
                await self._serve(self._next())
            try:
                await asyncio.wait_for(self._some.wait(), IDLE_SECONDS)
            except TimeoutError:
                await asyncio.to_thread(give_back)
                await self._some.wait()

    async def _serve(self, places: Sequence[Place]) -> None:
        """Answer those that still wait; where one request of several ends the process, each by itself."""
        waiting = [place for place in places if not place.answered.done()]
        if not waiting:
            return
        try:
            loop, tasks = asyncio.get_running_loop(), [place.task for place in waiting]
            replies = await loop.run_in_executor(self._thread, self.core.answer, tasks)
        except CoreLost as error:
            if len(waiting) > 1:
                log.error("%s; the requests of its batch are answered one by one", error)
                for place in waiting:
                    await self._serve([place])
                return
            replies = [Reply.error(FAILED, 500, str(error))]
        except Exception as error:  # the process could not be started, say: the next request tries again
            replies = [Reply.error(FAILED, 500, f"{type(error).__name__}: {error}") for _ in waiting]
        for place, reply in zip(waiting, replies, strict=True):
            if not place.answered.done():  # else it left in the meantime
                place.answered.set_result(reply)

    async def exchange(self, core: Core) -> Core:
        """Another core from the next request on; returns the old one, which nobody asks any more."""
        old = self.core
        self.core = core
        await asyncio.get_running_loop().run_in_executor(self._thread, lambda: None)  # after what is in work
        return old
