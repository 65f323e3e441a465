"""Clients for `benchmarks/serve.py`: threads that ask a server as soon as they have their answer, in a process of their
own: clients.py WHAT BODY-FILE."""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from twoface_pl.faces.detector import usable_cores


@dataclass(frozen=True)
class Asked:
    """How a server is asked."""

    port: int
    path: str
    body: bytes
    headers: dict[str, str]


def ask_for(asked: Asked, clients: int, seconds: float) -> dict[str, float]:
    """Requests a second, latencies, and the processor's time that the clients took."""
    times: list[float] = []
    failures: list[int] = []
    end = time.perf_counter() + seconds

    def ask_on() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", asked.port, timeout=120)
        while time.perf_counter() < end:
            start = time.perf_counter()
            try:
                connection.request("POST", asked.path, asked.body, asked.headers)
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            if status == 200:
                times.append(time.perf_counter() - start)
            else:
                failures.append(status)
                time.sleep(0.1)

    start, used = time.perf_counter(), time.process_time()
    threads = [threading.Thread(target=ask_on) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - start
    ordered = sorted(times)
    return {
        "rate": len(times) / took,
        "p50": statistics.median(ordered) if ordered else float("nan"),
        "p99": ordered[int(0.99 * (len(ordered) - 1))] if ordered else float("nan"),
        "clients": (time.process_time() - used) / took / usable_cores(),
        "failed": len(failures),
    }


def in_process(asked: Asked, clients: int, seconds: float) -> dict[str, float]:
    """As :func:`ask_for`, from a process of its own."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(asked.body)
        file.flush()
        what = json.dumps([asked.port, asked.path, asked.headers, clients, seconds])
        done = subprocess.run([sys.executable, __file__, what, file.name], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


if __name__ == "__main__":
    port, path, headers, clients, seconds = json.loads(sys.argv[1])
    asked = Asked(port, path, Path(sys.argv[2]).read_bytes(), headers)
    print(json.dumps(ask_for(asked, clients, seconds)))
