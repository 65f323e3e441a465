"""uvicorn with an end to everything: of waiting for a header, of an answer nobody reads, of the server itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from types import FrameType

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from twoface_pl.serving.http.answers import error_answer
from twoface_pl.serving.http.limits import LEAST_RATE
from twoface_pl.serving.http.telemetry import tell

HEADER_SECONDS = 10  # for a whole header, from the connection's start or the last answer
ANSWER_SECONDS = 30  # for reading what LEAST_RATE makes of it, from when an answer is first waited for; then again
NOTICE_SECONDS = 0.5  # after SIGTERM, in which it is not ready and still takes what comes: balancers and clients see it
LINGER_SECONDS = 0.3  # then, for a request that is on its way over a connection which is there
DRAIN_SECONDS = 8  # after a signal, for what is being answered; container runtimes kill after 10
MOST_CONNECTIONS = 200  # with BACKLOG well under the 1,024 files that a process may have open
BACKLOG = 128  # connections that the system accepts before the server does
BETWEEN_MARKS = HIGH_WATER_LIMIT - HIGH_WATER_LIMIT // 4  # bytes read before a full buffer of asyncio's takes more
CHUNK_BYTES = 256  # of a body sent in chunks, on average: reading a chunk costs the same whatever its length


class _Connection(h11.Connection):
    """h11's state of a connection; refuses a body in tiny chunks, which would keep the server from all others."""

    _room = 0  # for tiny chunks

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._room = CHUNK_BYTES * CHUNK_BYTES
        elif isinstance(event, h11.Data):
            self._room += len(event.data) - CHUNK_BYTES * event.chunk_end
            if self._room < 0:
                raise h11.RemoteProtocolError(f"chunks of under {CHUNK_BYTES} bytes")
        return event


class TimedProtocol(H11Protocol):
    """A connection with one timer, for whatever it waits for on the client's side.

    The timer runs while a header is awaited, and while an answer is not read. A body's time is the application's
    affair; while it works there is no timer.
    """

    timer: asyncio.TimerHandle | None = None  # runs while the client is awaited
    _unsent, _read = 0, 0  # bytes of an answer when the timer began, and how many the client has read since
    _seen: RequestResponseCycle | None = None  # the last request whose header has come

    def _give(self, seconds: float | None, then: Callable[[], None] | None = None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.timer = None if seconds is None else self.loop.call_later(seconds, then or self.drop)

    def _watch_reading(self) -> None:
        """Begin to look at how fast an answer is read."""
        self._unsent, self._read = self.transport.get_write_buffer_size(), 0
        self._give(ANSWER_SECONDS, self._look)

    def _look(self) -> None:
        """Go on with a reader that is slow, and end one that is slower than anybody's line."""
        read = self._read + self._unsent - self.transport.get_write_buffer_size()
        if read < LEAST_RATE * ANSWER_SECONDS:
            self.drop()
        else:
            self._watch_reading()

    def drop(self) -> None:
        """End the connection now, with what is still unsent."""
        self._give(None)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.conn = _Connection(h11.SERVER)
        super().connection_made(transport)
        self._give(HEADER_SECONDS)
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def _make_room(self) -> None:
        """Drop the connection that has waited longest: silent ones never keep a new one out."""
        timed = [other for other in self.connections if isinstance(other, TimedProtocol)]
        deadlines = {other: other.timer.when() for other in timed if other.timer is not None}
        min(deadlines, key=deadlines.__getitem__).drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._give(None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not self._seen:  # a whole header came
            self._seen = self.cycle
            if not self.cycle.response_complete:
                if self.flow.write_paused:
                    self._watch_reading()
                else:
                    self._give(None)

    def on_response_complete(self) -> None:
        self._give(HEADER_SECONDS)  # also for reading the answer's last piece
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.timer is None:
            self._watch_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read += BETWEEN_MARKS

    def send_400_response(self, msg: str) -> None:
        """Said in the protocol's form, where an answer can still be given."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.drop()
            return
        number = uuid.uuid4().hex
        answer = error_answer(msg, 400, connection="close", x_request_id=number)
        tell(logging.INFO, "no HTTP", id=number, status=400)
        head = h11.Response(status_code=400, headers=answer.raw_headers, reason=b"Bad Request")
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self._give(HEADER_SECONDS)
        self.transport.close()

    def shutdown(self) -> None:
        """End the connection after what it asks; one that asks nothing has a moment for what is on its way."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER_SECONDS, self._end)
        else:
            self._end()

    def _end(self) -> None:
        try:
            super().shutdown()
        except h11.LocalProtocolError:  # a connection in trouble must not stop the others' end
            self.drop()


class Server(uvicorn.Server):
    """A uvicorn server that says when it listens, and ends within :data:`NOTICE_SECONDS` and :data:`DRAIN_SECONDS`
    whatever clients do.

    Args:
        app: the application.
        host: a name or address to listen on.
        port: 1 to 65535, or 0 for a free one.
        started: called once when it listens.
        ending: called when a signal says that it is to end.
    """

    def __init__(
        self, app: ASGIApp, host: str, port: int, started: Callable[[], None], ending: Callable[[], None] | None = None
    ) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            http=TimedProtocol,
            ws="none",
            backlog=BACKLOG,
            log_config=None,
            timeout_graceful_shutdown=DRAIN_SECONDS + 1,  # for work that goes on without its connection
        )
        super().__init__(config)
        self._call_started, self._call_ending = started, ending
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal. SIGTERM then ends the process, as without a server; SIGINT returns.

        Raises:
            SystemExit: it cannot listen there; the log says why.
        """
        with contextlib.suppress(KeyboardInterrupt):
            super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            self._call_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM has its notice; Ctrl-C, and a second signal, have none."""
        if self._call_ending is not None:
            ending, self._call_ending = self._call_ending, None
            ending()
            if sig == signal.SIGTERM and self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.call_later, NOTICE_SECONDS, super().handle_exit, sig, frame)
                return
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._drop_all)
        late = [asyncio.ensure_future(self._attach(connection)) for connection in self._accepted()]
        await super().shutdown(sockets)  # closes what listens before anything else: who connects now is refused
        await asyncio.gather(*late, return_exceptions=True)

    def _accepted(self) -> Iterator[socket.socket]:
        """Connections that the system has accepted and the server has not: closing what listens would cut them off."""
        for listener in (each for server in self.servers for each in server.sockets):
            with listener.dup() as own, contextlib.suppress(OSError):  # when there are no more
                own.setblocking(False)
                while True:
                    connection, _ = own.accept()
                    connection.setblocking(False)
                    yield connection

    async def _attach(self, connection: socket.socket) -> None:
        """Serve one of these, and end it as the others."""

        def protocol() -> TimedProtocol:
            return TimedProtocol(self.config, self.server_state, self.lifespan.state)

        _, attached = await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)
        attached.shutdown()

    def _drop_all(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, TimedProtocol):
                connection.drop()
