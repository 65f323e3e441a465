"""``twoface serve``."""

from __future__ import annotations

import argparse

from twoface_pl.cli.inpaint import add_model

MOST_REQUESTS = 16  # at once, each with a body in memory; more get status 503


def parse_port(text: str) -> int:
    """A port's number."""
    if not text.isdecimal() or not 0 < int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port, 1 to 65535")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_model(parser)
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s); 0.0.0.0 for every network")
    add("--port", type=parse_port, default=8501, help="port to listen on (%(default)s)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where onnxruntime runs (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    import uvicorn

    from twoface_pl.serving.app import MODEL_NAME, create_app
    from twoface_pl.serving.session import FillSession, find_model

    session = FillSession(find_model(arguments.model), arguments.device)
    print(
        f"serving {session.path} on {session.provider}: "
        f"http://{arguments.host}:{arguments.port}/v1/models/{MODEL_NAME}:predict",
        flush=True,
    )
    uvicorn.run(
        create_app(session),
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        limit_concurrency=MOST_REQUESTS,
    )
    return 0
