"""Full load: memory and open files stay where they are. What leaks does so with requests, so these are counted, not
the time: `make soak` takes ten minutes for fourteen times as many as the tests, as many as a minute gave."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from drawn_faces import CLEAR
from served import INFER, PREDICT, Served, serving
from test_people import _file
from test_server_ends import _binary, _core_of

from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.serving.http.memory import IDLE_SECONDS

LIKE = 1.02  # memory at the end, of what it was once warm
ARENAS = 2 * 2**20  # bytes that Python's allocator takes and gives back at a time
SIDE = 160
CLIENTS = 4
PARTS = 6  # of the requests; after each, nobody asks for a moment
ROUNDS = [8, pytest.param(110, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]  # a part and client


def _resident(process: int) -> int:
    """Bytes that a process alone holds: pages of libraries come and go with the rest of the machine."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Private_Dirty")


def _handles(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


def _load(served: Served, rounds: int) -> set[int]:
    """Good and bad requests of every kind, one after the other; their statuses."""
    hole = np.zeros((SIDE, SIDE), np.uint8)
    hole[70:95, 60:100] = 255
    photo, other = (_file(synthetic_photo(CLEAR[0], number, SIDE)) for number in (0, 1))
    content, headers = _binary()
    with httpx.Client(base_url=f"http://{served.url}", timeout=60) as client:
        asks = [
            lambda: client.post(INFER, content=content, headers=headers),
            lambda: client.post(INFER, content=content, headers=headers),
            lambda: client.post("/inpaint", files={"photo": photo, "reference": other, "mask": _file(hole)}),
            lambda: client.post(PREDICT, content=b"{"),
            lambda: client.post("/inpaint", files={"photo": photo[:500], "reference": other}),
            lambda: client.get("/metrics"),
            lambda: client.get("/nowhere"),
        ]
        return {ask().status_code for _ in range(rounds) for ask in asks}


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is looked up in /proc")
@pytest.mark.parametrize("rounds", ROUNDS)
def test_memory_and_files_stay(tmp_path: Path, rounds: int) -> None:
    with serving(tmp_path / "log") as served, ThreadPoolExecutor(CLIENTS) as clients:
        processes = {"server": served.process.pid, "core": _core_of(served)}
        memory: dict[str, list[int]] = {name: [] for name in processes}
        files: dict[str, list[int]] = {name: [] for name in processes}
        for part in range(1 + PARTS):
            for statuses in clients.map(_load, [served] * CLIENTS, [rounds] * CLIENTS):
                assert statuses == {200, 400, 404}
            time.sleep(2 * IDLE_SECONDS)  # what a request takes comes and goes; this is what stays
            for name, process in processes.items() if part else ():  # the first one warms it
                memory[name].append(_resident(process))
                files[name].append(_handles(process))
        assert _core_of(served) == processes["core"]
    print({name: [round(each / 1e6, 1) for each in held] for name, held in memory.items()}, files)
    for name, held in memory.items():
        early, late = min(held[: PARTS // 2]), min(held[PARTS // 2 :])  # the allocator's ups and downs are no leak
        assert late <= max(LIKE * early, early + ARENAS), (name, held)
    for name in processes:
        assert files[name][-1] <= max(files[name][: PARTS // 2]) + 2, (name, files[name])
