"""Clients that send nothing, half of it, too much or all at once: the server serves the others, and ends."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp

from twoface_pl.errors import require
from twoface_pl.serving.http import connections, limits
from twoface_pl.serving.http.answers import InPieces
from twoface_pl.serving.http.app import PREDICT, create_app
from twoface_pl.serving.http.connections import Server
from twoface_pl.serving.http.desk import AppOptions, Desk
from twoface_pl.serving.http.limits import RequestLimit
from twoface_pl.serving.http.task import Served
from twoface_pl.serving.http.telemetry import Metrics
from twoface_pl.serving.http.work import Worker

SIZE = 16
IMAGES = ("masked_image", "reference_image")
BODY = json.dumps({"inputs": {name: [[[[0.5] * 3] * SIZE] * SIZE] for name in IMAGES}})
SERVED = Served("1/model.onnx", "1", "none", SIZE, False, 1, None, {}, {})
HEAD = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\n"
LARGEST = 10_000_000  # bytes of a body


class Copier:
    """A session that fills nothing, as soon as it may."""

    image_size = SIZE
    default_mask = np.zeros((SIZE, SIZE), bool)
    facts = SimpleNamespace(any_size=False, largest_size=SIZE)

    def __init__(self) -> None:
        self.may = threading.Event()
        self.may.set()
        self.batches: list[int] = []

    def hole_at(self, size: int) -> np.ndarray:
        return self.default_mask

    def check_references(self, count: int) -> None:
        require(count == 1, "one reference")

    def check_mask(self, mask: np.ndarray) -> None:
        assert mask.any()

    def fill(self, images: np.ndarray, masks: np.ndarray, references: np.ndarray) -> np.ndarray:
        assert self.may.wait(60)
        self.batches.append(len(images))
        return images


def _desk(session: Copier, **options: Any) -> Desk:
    asked = AppOptions(most_requests=16, batch=4, most_bytes=LARGEST, **options)
    return Desk(Worker(session, SERVED, None, asked.most_bytes, 4), asked)


@contextlib.contextmanager
def _served(app: ASGIApp) -> Iterator[tuple[Server, int]]:
    """A server in a thread; without the main thread's signals, ended as they end it."""
    listens = threading.Event()
    server = Server(app, "127.0.0.1", 0, listens.set)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert listens.wait(30)
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def session() -> Copier:
    return Copier()


@pytest.fixture(scope="module")
def app(session: Copier) -> FastAPI:
    return create_app(_desk(session))


@pytest.fixture(scope="module")
def port(app: FastAPI) -> Iterator[int]:
    with _served(app) as (_, port):
        yield port


@pytest.fixture(scope="module")
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield client


def _connect(port: int, sent: str) -> socket.socket:
    """A connection on which the beginning of something was sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(sent.encode())
    return connection


def _read_all(connection: socket.socket) -> bytes:
    """What comes until the other side ends the connection, which is closed."""
    read = bytearray()
    with connection, contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            read += piece
    return bytes(read)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def _limit_of(app: FastAPI) -> RequestLimit:
    layer = app.middleware_stack
    while not isinstance(layer, RequestLimit):
        layer = layer.app
    return layer


def test_sixteen_at_once_are_served_and_one_more_is_asked_to_wait(
    app: FastAPI, client: httpx.Client, session: Copier
) -> None:
    session.may.clear()
    with ThreadPoolExecutor(16) as pool:
        try:
            answers = [pool.submit(client.post, PREDICT, content=BODY) for _ in range(16)]
            _until(lambda: _limit_of(app).taken == 16)
            refused = client.post(PREDICT, content=BODY)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert list(refused.json()) == ["error"]
            assert client.get("/healthz").status_code == 200
        finally:
            session.may.set()
        assert [answer.result().status_code for answer in answers] == [200] * 16
    assert client.post(PREDICT, content=BODY).json() == {"outputs": [[[[0.5] * 3] * SIZE] * SIZE]}


def test_silent_connections_keep_nobody_out(port: int, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 20)
    silent = [_connect(port, sent) for sent in ("", "GET / HT") for _ in range(30)]
    assert httpx.get(client.base_url.join("/healthz")).status_code == 200
    assert _read_all(silent[0]) == b""  # the one that waited longest had to go
    for connection in silent:
        connection.close()


@pytest.mark.parametrize("sent", ["", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_header_has_its_time(sent: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    assert _read_all(_connect(port, sent)) == b""


@pytest.mark.parametrize("limit", ["BODY_SECONDS", "SILENT_SECONDS"])
@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_body_has_its_time(limit: str, framing: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, limit, 0.2)
    answer = _read_all(_connect(port, f"{HEAD}{framing}\r\n\r\n2\r\n{{}}\r\n"))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert list(json.loads(answer.partition(b"\r\n\r\n")[2])) == ["error"]


def test_a_body_that_comes_slowly_and_steadily_is_taken(
    port: int, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 1)
    monkeypatch.setattr(limits, "SMALL_BYTES", 50_000)
    padded = BODY.encode() + b" " * (200_000 - len(BODY))

    def slowly(rate: int) -> Iterator[bytes]:
        for start in range(0, len(padded), rate // 10):
            time.sleep(0.1)
            yield padded[start : start + rate // 10]

    assert client.post(PREDICT, content=slowly(3 * limits.LEAST_RATE)).status_code == 200
    with pytest.raises(httpx.HTTPError):  # refused and hung up on
        client.post(PREDICT, content=slowly(limits.LEAST_RATE // 3)).raise_for_status()


def test_an_answer_that_is_read_slowly_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 2)
    content = b"1" * 20_000_000
    with _served(InPieces(content)) as (_, port):
        connection = _connect(port, f"{HEAD}Content-Length: 0\r\nConnection: close\r\n\r\n")
        read = 0
        start = time.monotonic()
        while piece := connection.recv(1_000_000):
            read += len(piece)
            time.sleep(len(piece) / 4_000_000)
        assert time.monotonic() - start > 4  # twice what an answer that nobody reads has
        assert read > len(content)


def test_an_answer_that_nobody_reads_frees_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.5)
    limit = RequestLimit(InPieces(b"1" * 30_000_000), Metrics(), most=1)  # more than the system's buffers take
    with _served(limit) as (_, port):
        unread = _connect(port, f"{HEAD}Content-Length: 0\r\n\r\n")
        _until(lambda: limit.taken == 1)
        url = f"http://127.0.0.1:{port}{PREDICT}"
        assert httpx.post(url).status_code == 503
        _until(lambda: limit.taken == 0)
        assert len(httpx.post(url).content) == 30_000_000
        assert len(_read_all(unread)) < 30_000_000


def test_what_is_no_http_is_refused_as_json(port: int) -> None:
    for sent in ("\x16\x03\x01\r\n\r\n", f"{HEAD}Content-Length: -1\r\n\r\n", "GET /healthz HTTP/1.1\r\n\r\n"):
        head, _, body = _read_all(_connect(port, sent)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert list(json.loads(body)) == ["error"]


def test_tiny_chunks_are_refused_and_others_taken(port: int, client: httpx.Client) -> None:
    answer = _read_all(_connect(port, f"{HEAD}Transfer-Encoding: chunked\r\n\r\n" + "1\r\n \r\n" * 1000))
    assert answer.startswith(b"HTTP/1.1 400 ")
    pieces = [BODY[start : start + 1000].encode() for start in range(0, len(BODY), 1000)]
    assert client.post(PREDICT, content=iter(pieces)).status_code == 200
    short = [BODY[:1].encode(), BODY[1:].encode()]
    assert client.post(PREDICT, content=iter(short)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": {"masked_image": [' + b"[]," * 500_000 + b"[]]}}",
        b"[" + b"1," * 1_000_000 + b"1]",
        b"{" + b",".join(b'"%d":1' % number for number in range(10_000)) + b"}",
        b'{"a":' * 3000,
    ],
)
def test_bodies_that_no_request_has_are_never_parsed(body: bytes, client: httpx.Client) -> None:
    answer = client.post(PREDICT, content=body)
    assert answer.status_code == 413
    assert len(answer.content) < 300


def test_large_bodies_wait_for_a_place_and_small_ones_do_not(
    port: int, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SILENT_SECONDS", 1)
    monkeypatch.setattr(limits, "SMALL_BYTES", 150_000)
    large = BODY.encode() + b" " * 200_000
    half = [
        _connect(port, f"{HEAD}Content-Length: {LARGEST}\r\n\r\n" + " " * 200_000) for _ in range(limits.LARGE_BODIES)
    ]
    time.sleep(0.2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, PREDICT, content=large)
        assert client.post(PREDICT, content=BODY).status_code == 200
        assert not waiting.done()
        assert waiting.result().status_code == 200  # as soon as the others' time is over
    assert all(_read_all(connection).startswith(b"HTTP/1.1 408 ") for connection in half)


def test_a_large_body_that_finds_no_place_is_asked_to_come_again(
    port: int, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SILENT_SECONDS", 1)
    monkeypatch.setattr(limits, "PLACE_SECONDS", 0.3)
    monkeypatch.setattr(limits, "SMALL_BYTES", 150_000)
    half = [
        _connect(port, f"{HEAD}Content-Length: {LARGEST}\r\n\r\n" + " " * 200_000) for _ in range(limits.LARGE_BODIES)
    ]
    time.sleep(0.2)
    refused = client.post(PREDICT, content=BODY.encode() + b" " * 200_000)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert all(_read_all(connection).startswith(b"HTTP/1.1 408 ") for connection in half)


@pytest.mark.parametrize("sent", ["", HEAD, f"{HEAD}Content-Length: 9\r\n\r\n{{", "unread"])
def test_the_end_is_bounded_whatever_a_client_does(sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "DRAIN_SECONDS", 0.5)
    app: ASGIApp = InPieces(b"1" * 30_000_000) if sent == "unread" else create_app(_desk(Copier()))
    with _served(app) as (server, port):
        client = _connect(port, HEAD + "\r\n" if sent == "unread" else sent)
        _until(lambda: bool(server.server_state.connections))
        time.sleep(0.1)
        start = time.monotonic()
    assert time.monotonic() - start < 8  # unbounded: the 10 seconds of a header or a body, or never
    client.close()
