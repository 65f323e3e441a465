"""Speed of `twoface serve`, in one run: against the bare network, and against LitServe where it is installed.

    make bench-serve
    make bench-serve ARGS="--seconds 30"

Requests are one framed picture of 128 pixels with its reference. The limit is the package's generator in onnxruntime in
a loop, without any server, at the size of batch that is fastest. Clients are threads of a process of their own, which
send as soon as they have their answer; on the same machine they take from the server what they need themselves, which
is told as the share of all cores that they had. Each contender is asked in turns.
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
from pathlib import Path

import numpy as np
from clients import Asked, in_process

from twoface_pl.data.synthetic import synthetic_photo
from twoface_pl.faces.image import encode_jpeg
from twoface_pl.model_file import SHIPPED
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.http import tensorflow_serving
from twoface_pl.serving.http.task import Task

CLIENTS, BATCHES = (1, 8, 32), (1, 2, 4, 8, 16)
OURS, OURS_JSON, LITSERVE = "twoface serve, binary", "twoface serve, 2018's JSON", "LitServe"
SERVE = ("-m", "twoface_pl.cli", "serve", "--device", "cpu")
PERSON = 12  # a drawn face that the detector is sure of


def _pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images, references = rng.random((2, count, 128, 128, 3), np.float32)
    return images, references


def limit_of(session: FillSession, seconds: float) -> tuple[float, int]:
    """Pictures a second without a server, at the best size of batch."""
    rates: dict[int, float] = {}
    for batch in BATCHES:
        images, references = _pictures(batch)
        masks = np.broadcast_to(session.default_mask, (batch, *session.default_mask.shape))
        session.fill(images, masks, references)
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds / len(BATCHES):
            session.fill(images, masks, references)
            done += batch
        rates[batch] = done / (time.perf_counter() - start)
    best = max(rates, key=rates.__getitem__)
    return rates[best], best


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(command: list[str], port: int, path: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server, as soon as it answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
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


def print_tensors(counts: list[int], seconds: float, rounds: int) -> None:
    """Requests of one framed picture: the limit, and each server's share of it."""
    session = FillSession(SHIPPED, "cpu")
    best = limit_of(session, seconds)[1]
    servers: dict[str, tuple[list[str], Callable[[int], Asked], str]] = {
        OURS: ([*SERVE, "--port"], binary_request, "/healthz"),
        OURS_JSON: ([*SERVE, "--port"], json_request, "/healthz"),
    }
    if importlib.util.find_spec("litserve") is not None:
        rival = str(Path(__file__).with_name("litserve_server.py"))
        servers[LITSERVE] = ([rival, str(best)], _litserve_request, "/health")
    else:
        print("LitServe is not installed: pip install litserve")
    for clients in counts:
        limits: list[float] = []
        found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for _ in range(rounds):
            limits.append(limit_of(session, seconds)[0])
            for name, (command, request, path) in servers.items():
                port = free_port()
                with server([sys.executable, *command, str(port)], port, path):
                    in_process(request(port), clients, 2)
                    found[name].append(in_process(request(port), clients, seconds))
        limit = statistics.median(limits)
        print(f"{clients} clients; without a server {limit:.1f} pictures a second, {best} at once", flush=True)
        print(f"  {'':28}{'a second':>9}{'of it':>7}{'p50 ms':>9}{'p99 ms':>9}{'clients':>9}{'failed':>8}")
        for name, runs in found.items():
            middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            print(
                f"  {name:28}{middle['rate']:9.1f}{middle['rate'] / limit:7.0%}{1000 * middle['p50']:9.0f}"
                f"{1000 * middle['p99']:9.0f}{middle['clients']:9.0%}{middle['failed']:8.0f}",
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
    parser.add_argument("--seconds", type=float, default=10, help="of each turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each (%(default)s)")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS, help="at once (%(default)s)")
    parser.add_argument("--photos", action=argparse.BooleanOptionalAction, default=True, help="whole repairs too")
    given = parser.parse_args()
    print_json(30)
    print_tensors(given.clients, given.seconds, given.rounds)
    if given.photos:
        print_photos(given.seconds)


if __name__ == "__main__":
    main()
