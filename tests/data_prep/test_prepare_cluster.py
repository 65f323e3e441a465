"""Preparing on a cluster: real Dask processes, one of which is killed; the same bytes as on one process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import FACED, TESTS, bytes_of, prepare_options

from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.workers import Workers
from twoface_pl.errors import TwoFaceError

distributed = pytest.importorskip("distributed")


def slowly_doubled(items: list[int]) -> list[tuple[int, int]]:
    """Each item twice, and who did it."""
    time.sleep(0.5)
    return [(2 * item, os.getpid()) for item in items]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, a process each; its address, and the workers."""
    folder = tmp_path_factory.mktemp("dask")
    here = os.pathsep.join([str(TESTS), str(Path(__file__).parent)])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": here}
    file = folder / "scheduler.json"
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    worker = ["worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in (scheduler, worker, worker)
    ]
    try:
        end = time.monotonic() + 120
        while not file.exists() and time.monotonic() < end:
            time.sleep(0.1)
        with distributed.Client(scheduler_file=str(file), timeout="60s") as client:
            client.wait_for_workers(2, timeout=120)
            address = client.scheduler.address
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_cluster_makes_the_same_bytes_and_outlives_a_worker(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], raw: Path, tmp_path: Path
) -> None:
    address, workers = cluster
    prepare(prepare_options(raw, tmp_path / "alone", **FACED))
    prepare(prepare_options(raw, tmp_path / "together", **FACED, workers=0, backend="dask", cluster=address))
    assert bytes_of(tmp_path / "together") == bytes_of(tmp_path / "alone")
    found: dict[int, list[tuple[int, int]]] = {}
    for number, values in Workers(0, "dask", address).map(slowly_doubled, [[item] for item in range(12)]):
        found[number] = values
        if len(found) == 2:
            workers[0].send_signal(signal.SIGKILL)
    assert sorted(found) == list(range(12))
    assert [found[number][0][0] for number in range(12)] == [2 * item for item in range(12)]
    assert {pid for values in found.values() for _, pid in values} <= {worker.pid for worker in workers}
    assert found[max(found)][0][1] == workers[1].pid


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"backend": "slurm"}, "backend=slurm is not one of local, dask, ray"),
        ({"cluster": "tcp://127.0.0.1:1"}, "cluster= needs backend=dask or ray"),
    ],
)
def test_backends_that_are_none(options: dict, says: str, raw: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match=says):
        prepare_options(raw, tmp_path / "set", **FACED, **options)


def test_a_cluster_that_is_not_named() -> None:
    with pytest.raises(TwoFaceError, match=r"backend=dask needs its scheduler: cluster=tcp://host:8786"):
        list(Workers(0, "dask").map(slowly_doubled, [[1]]))
