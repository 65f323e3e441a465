"""``twoface serve``."""

from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

from twoface_pl.cli.inpaint_options import add_model
from twoface_pl.errors import TwoFaceError, require

BATCH = 8  # more at once are no faster on a CPU, and leave it idle while their clients ask anew
LEAST_TOKEN = 16
REFUSALS = {  # of listening
    errno.EADDRINUSE: "--port {port}: another program listens there; end it, or give another port",
    errno.EACCES: "--port {port}: this user may not listen there; give a port from 1024 on",
    errno.EADDRNOTAVAIL: "--host {host}: this machine has no such address; 0.0.0.0 stands for all that it has",
}
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # an address to listen on, and one to ask


def parse_port(text: str) -> int:
    """A port's number."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"'{text}' is not a port, 1 to 65535")
    return int(text)


def parse_host(text: str) -> str:
    """A name or address to listen on; IPv6 also in brackets."""
    host = text.removeprefix("[").removesuffix("]") if text.startswith("[") else text
    if not re.fullmatch(r"[\w.:%-]+", host):
        raise argparse.ArgumentTypeError(f"'{text}' is not a host's name or address")
    return host


def parse_name(text: str) -> str:
    """A host's name as clients give it."""
    if not re.fullmatch(r"[\w.-]+", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a host's name; leave out http:// and the port")
    return text


def parse_origin(text: str) -> str:
    """A web page's origin."""
    if not re.fullmatch(r"https?://[\w.:\[\]-]+", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not an origin, as https://faces.example")
    return text


def parse_number(text: str, most: int = 99_999) -> int:
    """A whole number from 1 on."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) <= most):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 to {most}")
    return int(text)


parse_queue = partial(parse_number, most=150)  # of 200 connections: some wait and ask nothing
parse_megapixels = partial(parse_number, most=64)  # no larger picture is read


def url_of(host: str, port: int) -> str:
    """The address to ask a server that listens on ``host``."""
    reachable = ANYWHERE.get(host, host)
    name = f"[{reachable.replace('%', '%25')}]" if ":" in reachable else reachable
    return f"http://{name}:{port}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_model(parser)
    add(
        "--host",
        type=parse_host,
        default="127.0.0.1",
        help="address to listen on (%(default)s); 0.0.0.0 for every network",
    )
    add("--port", type=parse_port, default=8501, help="port to listen on (%(default)s)")
    add(
        "--allow-host",
        type=parse_name,
        action="append",
        default=[],
        metavar="NAME",
        help="a name that clients reach it by, beside localhost, --host and any IP address; may be given again",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where onnxruntime runs (%(default)s)")
    add("--watch", action="store_true", help="take a new version in the model's folder without a stop")
    add("--token-file", type=Path, metavar="FILE", help="answer only requests that bring this file's text as a token")
    add(
        "--allow-origin",
        type=parse_origin,
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a web page elsewhere that may ask, as https://faces.example; may be given again",
    )
    add("--queue", type=parse_queue, default=64, help="requests at once; more are asked to wait (%(default)s)")
    add("--batch", type=parse_number, default=BATCH, help="waiting pictures filled at once (%(default)s)")
    add("--deadline", type=parse_number, default=60, metavar="SECONDS", help="for an answer (%(default)s)")
    add("--max-body", type=parse_number, default=80, metavar="MB", help="of a request (%(default)s)")
    add("--max-megapixels", type=parse_megapixels, default=50, help="of a photo (%(default)s; 64 at most)")


def _read_token(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeError):
        raise TwoFaceError(
            f"--token-file {path}: cannot be read as text; put one line of letters and digits there"
        ) from None
    require(len(token) >= LEAST_TOKEN, f"--token-file {path}: a token has at least {LEAST_TOKEN} characters")
    require(token.isprintable() and " " not in token, f"--token-file {path}: a token is one word")
    return token


def _refusal(family: int, kind: int, protocol: int, address: Any) -> int:
    """The number of the error that listening there ends with; 0 of none."""
    try:
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # as asyncio does: what a server that has ended leaves for a while is no matter
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
    except OSError as error:
        return error.errno or 0
    return 0


def _check_place(host: str, port: int) -> None:
    """Say what keeps a server from listening there before a model is opened for it.

    Raises:
        TwoFaceError: no such host, a port that is taken or not permitted.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        raise TwoFaceError(f"--host {host}: there is no such name or address") from None
    found = [_refusal(family, kind, protocol, address) for family, kind, protocol, _, address in places]
    for number, says in REFUSALS.items():
        if number in found and (number != errno.EADDRNOTAVAIL or all(found)):  # a name may have several addresses
            raise TwoFaceError(says.format(host=host, port=port))


def _end_on_hangup() -> None:
    """A terminal that closes ends the server as SIGTERM does, unless it was told to stay (nohup)."""
    number = getattr(signal, "SIGHUP", None)  # Windows has none
    if number is not None and signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def run(arguments: argparse.Namespace) -> int:
    from twoface_pl.serving.http.app import create_app
    from twoface_pl.serving.http.connections import Server
    from twoface_pl.serving.http.core import CoreLost, CoreProcess
    from twoface_pl.serving.http.core_options import CoreOptions
    from twoface_pl.serving.http.desk import AppOptions, Desk
    from twoface_pl.serving.http.page import START
    from twoface_pl.serving.http.telemetry import log_as_json
    from twoface_pl.serving.http.watch import Watcher
    from twoface_pl.serving.versions import find_model

    token = _read_token(arguments.token_file) if arguments.token_file is not None else None
    most_bytes, seconds = arguments.max_body * 10**6, arguments.deadline
    most_pixels = arguments.max_megapixels * 10**6
    options = CoreOptions(find_model(arguments.model), arguments.device, arguments.batch, most_bytes, most_pixels)
    names = [arguments.host, *arguments.allow_host]
    asked = AppOptions(
        names, arguments.allow_origin, token, arguments.queue, most_bytes, most_pixels, arguments.batch, seconds
    )
    _check_place(arguments.host, arguments.port)
    core = CoreProcess(options)
    try:
        served = core.start()
        desk = Desk(core, asked)
        besides = [Watcher(arguments.model, options, desk).run] if arguments.watch else []
        url = url_of(arguments.host, arguments.port) + START

        def say() -> None:
            print(f"serving {served.path} on {served.provider}: {url}", flush=True)

        def end() -> None:
            desk.draining = True

        log_as_json(sys.stderr)
        _end_on_hangup()
        try:
            Server(create_app(desk, besides), arguments.host, arguments.port, say, end).run()
        finally:
            desk.queue.core.close()  # of the version that is served by then
    except CoreLost as error:
        raise TwoFaceError(f"{options.model}: {error}") from None
    finally:
        core.close()
    return 0
