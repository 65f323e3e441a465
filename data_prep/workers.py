"""Who does the work of a step: this process, processes of this machine, or a cluster's, all through joblib."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import cv2
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.detector import usable_cores

LOCAL, DASK, RAY = "local", "dask", "ray"
BACKENDS = (LOCAL, DASK, RAY)
CHUNK = 8  # items a worker takes at once
AHEAD = 2  # chunks for each worker that wait for it
ROUND = 8  # chunks for each worker that are given out at once where results come all together

Chunks = Iterator[tuple[int, list[Any]]]  # a chunk's number and its results


@dataclass(frozen=True)
class Workers:
    """Where work is done.

    Args:
        count: processes; 0: all cores, or all of the cluster.
        backend: ``local``, ``dask`` or ``ray``.
        address: of the cluster's scheduler, such as ``tcp://host:8786``; None: as its library finds it.

    Raises:
        TwoFaceError: no such backend.
    """

    count: int = 0
    backend: str = LOCAL
    address: str | None = None

    def __post_init__(self) -> None:
        require(self.backend in BACKENDS, f"backend={self.backend} is not one of {', '.join(BACKENDS)}")
        require(self.backend != LOCAL or self.address is None, "cluster= needs backend=dask or ray")

    def map(self, function: Callable[[list[Any]], list[Any]], chunks: list[list[Any]]) -> Chunks:
        """Each chunk's number and results, as they come.

        Args:
            function: at a module's top; takes a chunk's items to results, one for one.
            chunks: of items.

        Raises:
            TwoFaceError: a worker that was killed, a cluster that is not there.
        """
        count = self.count or usable_cores()
        if self.backend == LOCAL and (count == 1 or len(chunks) <= 1):
            return ((number, function(chunk)) for number, chunk in enumerate(chunks))
        return self._map(function, chunks, count)

    def _map(self, function: Callable[[list[Any]], list[Any]], chunks: list[list[Any]], count: int) -> Chunks:
        with self._connected() as found:
            count = found or count
            todo = iter(enumerate(chunks))
            results = self._results((delayed(_numbered)(number, function, chunk) for number, chunk in todo), count)
            try:
                for number, values, error in results:
                    if error is not None:
                        raise error
                    yield number, values
            except TerminatedWorkerError:
                raise TwoFaceError(
                    "a worker process was killed, perhaps for want of memory; start again with fewer workers=, "
                    "what is done stays done"
                ) from None
            finally:  # what is at hand is finished: joblib would kill who writes a file
                deque(todo, maxlen=0)
                deque(results, maxlen=0)

    def _results(self, calls: Iterator[Any], count: int) -> Iterator[Any]:
        """What calls give, as they come; Ray's way gives all of a round at its end."""
        if self.backend == RAY:
            while some := [*itertools.islice(calls, ROUND * count)]:
                yield from Parallel(n_jobs=count, batch_size=1)(some)
        else:
            given = {"return_as": "generator_unordered", "pre_dispatch": AHEAD * count}
            yield from Parallel(n_jobs=count, batch_size=1, **given)(calls)

    @contextmanager
    def _connected(self) -> Iterator[int]:
        """Joblib's way to the workers within the block; gives how many there are, 0 where that is not to be known."""
        if self.backend == LOCAL:
            # Fresh processes: onnxruntime and torch do not outlive a fork.
            with parallel_config("loky", initializer=_start_worker, inner_max_num_threads=1):
                try:
                    yield 0
                finally:  # joblib keeps processes for the next call, and who started them could not end before them
                    get_reusable_executor(reuse=True).shutdown(wait=True)
            return
        client, count = _dask(self.address) if self.backend == DASK else _ray(self.address)
        with client, parallel_config(self.backend):
            yield self.count or count


def _dask(address: str | None) -> tuple[Any, int]:
    try:
        from distributed import Client
    except ImportError:
        raise TwoFaceError("backend=dask needs its package: pip install 'twoface-pl[dask]'") from None
    require(address is not None, "backend=dask needs its scheduler: cluster=tcp://host:8786")
    try:
        client = Client(address, timeout="20s")
    except (OSError, ValueError, TimeoutError) as error:
        raise TwoFaceError(f"cluster={address}: no Dask scheduler answers there ({error})") from None
    count = sum(client.nthreads().values())
    require(count > 0, f"cluster={address}: the Dask scheduler has no workers; start some")
    return client, count


def _ray(address: str | None) -> tuple[Any, int]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise TwoFaceError("backend=ray needs its package: pip install ray") from None
    try:
        ray.init(address, ignore_reinit_error=True, log_to_driver=False)
    except (OSError, ValueError) as error:
        raise TwoFaceError(f"cluster={address}: no Ray cluster answers there ({error})") from None
    register_ray()
    return nullcontext(), int(ray.cluster_resources().get("CPU", 1))


def _numbered(
    number: int, function: Callable[[list[Any]], list[Any]], chunk: list[Any]
) -> tuple[int, list[Any], TwoFaceError | None]:
    """An error is given back, not raised: at one that is raised joblib kills the other workers as they write."""
    cv2.setNumThreads(1)
    try:
        return number, function(chunk), None
    except TwoFaceError as error:
        return number, [], error


def _start_worker() -> None:
    """Each worker has one core, since libraries that start threads of their own would fight over them; and an end."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process stops the workers
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    threading.Thread(target=_end_with_the_main_process, daemon=True).start()


def _end_with_the_main_process() -> None:
    """Killed, it cannot stop its workers, and they would wait for work forever."""
    main = os.getppid()
    while os.getppid() == main:
        time.sleep(1)
    os._exit(1)
