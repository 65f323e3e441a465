"""``twoface serve``."""

from __future__ import annotations

import argparse
import re

from twoface_pl.cli.inpaint_options import add_model

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


def run(arguments: argparse.Namespace) -> int:
    from twoface_pl.serving.app import PREDICT, create_app
    from twoface_pl.serving.connections import Server
    from twoface_pl.serving.fill import FillSession
    from twoface_pl.serving.model import find_model

    session = FillSession(find_model(arguments.model), arguments.device)
    url = url_of(arguments.host, arguments.port) + PREDICT

    def say() -> None:
        print(f"serving {session.path} on {session.provider}: {url}", flush=True)

    app = create_app(session, [arguments.host, *arguments.allow_host])
    Server(app, arguments.host, arguments.port, say).run()
    return 0
