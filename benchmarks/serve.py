"""Speed of `twoface serve`, in one run: against the bare network, and against LitServe where it is installed.

    make bench-serve
    make bench-serve ARGS="--seconds 30 --batch 8 --before ../earlier"   # a checkout of an earlier version beside it

Requests are one framed picture of 128 pixels with its reference. The limit is the package's generator in onnxruntime in
a loop, without any server, at the size of batch that is fastest. Clients are threads of a process of their own, which
send as soon as they have their answer; on the same machine they take from the server what they need themselves, which
is told as the share of all cores that they had. Each contender is asked in turns, between two measurements of the
limit: where a machine's speed varies, only neighbours compare.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import importlib.util
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from clients import Asked, in_process

from twoface_pl.faces.image import encode_jpeg
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.model_file import SHIPPED
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.http import tensorflow_serving
from twoface_pl.serving.http.task import Task

CLIENTS, BATCHES = (1, 8, 32), (1, 2, 4, 8, 16)
OURS, OURS_JSON, LITSERVE = "twoface serve, binary", "twoface serve, 2018's JSON", "LitServe"
BEFORE = "the earlier version, JSON"
SERVE = ("-m", "twoface_pl", "serve", "--device", "cpu")
PERSON = 12  # a drawn face that the detector is sure of


@dataclass(frozen=True)
class Contender:
    """A server: its command up to the port, a request for it, the path that says it is ready, its checkout."""

    command: list[str]
    request: Callable[[int], Asked]
    ready: str
    checkout: Path | None = None


def _pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images, references = rng.random((2, count, 128, 128, 3), np.float32)
    return images, references


def limit_of(session: FillSession, batch: int, seconds: float) -> float:
    """Pictures a second without a server."""
    images, references = _pictures(batch)
    masks = np.broadcast_to(session.default_mask, (batch, *session.default_mask.shape))
    session.fill(images, masks, references)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        session.fill(images, masks, references)
        done += batch
    return done / (time.perf_counter() - start)


def best_batch(session: FillSession, rounds: int) -> int:
    """The size of batch that is fastest without a server, in turns."""
    rates: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for _ in range(rounds):
        for batch in BATCHES:
            rates[batch].append(limit_of(session, batch, 1))
    return max(BATCHES, key=lambda batch: statistics.median(rates[batch]))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(command: list[str], port: int, path: str, checkout: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A server, as soon as it answers; of another checkout where one is given."""
    environment = os.environ | ({"PYTHONPATH": str(checkout / "src")} if checkout else {})
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for _ in range(600):
            if process.poll() is not None:
                sys.exit(f"{' '.join(command)}: ended")
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    break
            except OSError:
                pass  # not yet
            time.sleep(0.1)
        else:
            sys.exit(f"{' '.join(command)}: not ready within a minute")
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def binary_request(port: int) -> Asked:
    """Of KServe's protocol."""
    images, references = _pictures(1)
    inputs = [
        {"name": name, "datatype": "FP32", "shape": [*shape], "parameters": {"binary_data_size": images.nbytes}}
        for name, shape in (("masked_image", images.shape), ("reference_images", (1, *references.shape)))
    ]
    text = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(text)), "Content-Type": "application/octet-stream"}
    return Asked(port, "/v2/models/two_face_model/infer", text + images.tobytes() + references.tobytes(), headers)


def json_request(port: int) -> Asked:
    """Of 2018."""
    names = ("masked_image", "reference_image")
    inputs = {name: np.round(each.astype(float), 6).tolist() for name, each in zip(names, _pictures(1), strict=True)}
    body = json.dumps({"inputs": inputs}, separators=(",", ":")).encode()
    return Asked(port, "/v1/models/two_face_model:predict", body, {"Content-Type": "application/json"})


def _litserve_request(port: int) -> Asked:
    images = [base64.b64encode(each.tobytes()).decode() for each in _pictures(1)]
    return Asked(port, "/predict", json.dumps({"images": images}).encode(), {"Content-Type": "application/json"})


def _memory(process: int) -> float:
    """Megabytes at most, of a process and its children."""
    most = 0.0
    for thread in Path(f"/proc/{process}/task").iterdir():
        most += sum(_memory(int(child)) for child in (thread / "children").read_text().split())
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return most + next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


def _contenders(batch: int, best: int, before: Path | None) -> dict[str, Contender]:
    ours = [*SERVE, "--batch", str(batch), "--port"]
    servers = {
        OURS: Contender(ours, binary_request, "/healthz"),
        OURS_JSON: Contender(ours, json_request, "/healthz"),
    }
    if before is not None:
        servers[BEFORE] = Contender([*SERVE, "--port"], json_request, "/healthz", before.resolve())
    if importlib.util.find_spec("litserve") is not None:
        rival = str(Path(__file__).with_name("litserve_server.py"))
        servers[LITSERVE] = Contender([rival, str(best)], _litserve_request, "/health")
    else:
        print("LitServe is not installed: pip install litserve")
    return servers


def print_tensors(counts: list[int], seconds: float, rounds: int, batch: int, before: Path | None) -> None:
    """Requests of one framed picture: each server's share of the limit, which is taken before and after its turn."""
    session = FillSession(SHIPPED, "cpu")
    best = best_batch(session, rounds)
    servers = _contenders(batch, best, before)
    for clients in counts:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        limits = [limit_of(session, best, seconds)]
        for _ in range(rounds):
            for name, each in servers.items():
                turn = _turn(each, clients, seconds)
                limits.append(limit_of(session, best, seconds))
                found[name].append({**turn, "share": turn["rate"] / statistics.mean(limits[-2:])})
        _print_turns(clients, best, limits, found)


def _turn(contender: Contender, clients: int, seconds: float) -> dict[str, float]:
    port = free_port()
    command = [sys.executable, *contender.command, str(port)]
    with server(command, port, contender.ready, contender.checkout):
        in_process(contender.request(port), clients, 2)
        return in_process(contender.request(port), clients, seconds)


def _print_turns(clients: int, best: int, limits: list[float], found: dict[str, list[dict[str, float]]]) -> None:
    told = f"{statistics.median(limits):.1f} ({min(limits):.1f} to {max(limits):.1f}) pictures a second, {best} at once"
    print(f"{clients} clients; without a server {told}; medians, all that failed:")
    print(f"  {'':28}{'a second':>9}{'of it':>7}{'':14}{'p50 ms':>9}{'p99 ms':>9}{'clients':>9}{'failed':>8}")
    for name, turns in found.items():
        middle = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
        failed = sum(turn["failed"] for turn in turns)
        shares = [turn["share"] for turn in turns]
        spread = f" ({min(shares):.0%} to {max(shares):.0%})"
        print(
            f"  {name:28}{middle['rate']:9.1f}{middle['share']:7.0%}{spread:14}{1000 * middle['p50']:9.0f}"
            f"{1000 * middle['p99']:9.0f}{middle['clients']:9.0%}{failed:8.0f}",
            flush=True,
        )


def print_json(rounds: int) -> None:
    """What reading and writing the JSON of 2018 takes of a request."""
    session = FillSession(SHIPPED, "cpu")
    task = Task("tensorflow", json_request(0).body)
    parts: dict[str, list[float]] = {"read": [], "fill": [], "write": []}
    for _ in range(rounds):
        marks = [time.perf_counter()]
        pictures, name = tensorflow_serving.parse(task, task.body, session)
        marks.append(time.perf_counter())
        filled = session.fill(pictures.images, pictures.masks, pictures.references)
        marks.append(time.perf_counter())
        tensorflow_serving.write(filled, name)
        marks.append(time.perf_counter())
        for part, start, end in zip(parts.values(), marks, marks[1:], strict=False):
            part.append(end - start)
    middle = {name: statistics.median(times) for name, times in parts.items()}
    share = 1 - middle["fill"] / sum(middle.values())
    told = ", ".join(f"{name} {1000 * took:.1f} ms" for name, took in middle.items())
    print(f"2018's JSON, {len(task.body) / 1e6:.1f} MB a request: {told}; reading and writing {share:.0%}")


def _form(photo: bytes, reference: bytes) -> tuple[bytes, dict[str, str]]:
    boundary = "twoface-benchmark"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.jpg"\r\n\r\n'.encode() + each
        for name, each in (("photo", photo), ("reference", reference))
    ]
    body = b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()])
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def print_photos(seconds: float) -> None:
    """Whole repairs of JPEGs, two clients."""
    for megapixels in (0.5, 12):
        height, width = (round(1000 * np.sqrt(megapixels * ratio)) for ratio in (3 / 4, 4 / 3))
        files = []
        for number in (0, 1):
            photo = np.full((height, width, 3), (120, 140, 150), np.uint8)
            top, left, side = height // 4, (width - height // 2) // 2, height // 2
            photo[top : top + side, left : left + side] = synthetic_photo(PERSON, number, side)
            files.append(encode_jpeg(photo))
        port = free_port()
        with server([sys.executable, *SERVE, "--port", str(port)], port, "/healthz") as process:
            found = in_process(Asked(port, "/inpaint", *_form(*files)), 2, seconds)
            memory = _memory(process.pid)
        print(
            f"/inpaint, {megapixels} megapixels: {found['rate']:.2f} photos a second, p50 {found['p50']:.2f} s, "
            f"{memory:.0f} MB at most in all its processes, {found['failed']:.0f} failed",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (%(default)s)")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS, help="at once (%(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="requests answered together (%(default)s)")
    parser.add_argument("--before", type=Path, help="a checkout of an earlier version, to be put beside this one")
    parser.add_argument("--photos", action=argparse.BooleanOptionalAction, default=True, help="whole repairs too")
    given = parser.parse_args()
    if given.before is not None and not (given.before / "src" / "twoface_pl").is_dir():
        parser.error(f"--before {given.before}: no checkout of this project")
    print_json(30)
    print_tensors(given.clients, given.seconds, given.rounds, given.batch, given.before)
    if given.photos:
        print_photos(given.seconds)


if __name__ == "__main__":
    main()
