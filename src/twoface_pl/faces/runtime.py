"""onnxruntime on files of unknown origin: opening and a first run, both with an end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.onnx_file import check_straight
from twoface_pl.faces.reading import first_line

if TYPE_CHECKING:
    import onnxruntime

CPU = ("CPUExecutionProvider",)
LONGEST_START = 60.0  # seconds that opening, and one picture, may take; ours take less than one
SILENT = 4  # onnxruntime's log level: what goes wrong is raised too


@contextmanager
def _alarm(rang: threading.Event, stop: Callable[[], None]) -> Iterator[None]:
    """Calls ``stop`` if the block takes too long, and sets ``rang``."""

    def ring() -> None:
        rang.set()
        stop()

    timer = threading.Timer(LONGEST_START, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def open_session(
    content: bytes, name: str, threads: int, providers: Sequence[str] = CPU, quantised: bool = False
) -> onnxruntime.InferenceSession:
    """An onnxruntime session of a file that is a straight line of ONNX's own operators.

    Args:
        content: the file's bytes.
        name: of the file, for errors.
        threads: for one operator.
        providers: what to try, best first.
        quantised: it computes in int8; else what is stored so becomes float32 once, at load, and not in every run.

    Raises:
        TwoFaceError: not such a file, or opening it takes too long.
    """
    import onnxruntime  # takes a moment, and many who come here never run a network

    check_straight(content, name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = SILENT
    # Where sizes are known in a run only, the plan of what may share memory takes seconds to make, and saves none.
    options.enable_mem_reuse = False
    options.add_session_config_entry("session.disable_quant_qdq", "0" if quantised else "1")
    rang = threading.Event()
    try:
        with _alarm(rang, lambda: options.set_load_cancellation_flag(True)):
            return onnxruntime.InferenceSession(content, options, providers=list(providers))
    except Exception as error:  # onnxruntime raises classes of its own, with no common base
        if "bad_alloc" in str(error):
            raise TwoFaceError(f"not enough memory to open {name}") from None
        reason = f"not within {LONGEST_START:.0f} s" if rang.is_set() else first_line(error)
        raise TwoFaceError(f"{name} is not an ONNX model that can be run: {reason}") from None


def run_options() -> onnxruntime.RunOptions:
    """Of a run that computes only what the outputs need that are asked for, and keeps no memory for the next one."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def first_run(
    session: onnxruntime.InferenceSession,
    feeds: Mapping[str, np.ndarray],
    name: str,
    outputs: Sequence[str] | None = None,
) -> list[np.ndarray]:
    """Outputs for the first input that a network of unknown origin gets; all of them, or those that are named.

    Raises:
        TwoFaceError: it fails or takes too long.
    """
    options = run_options()
    options.log_severity_level = SILENT
    rang = threading.Event()
    try:
        with _alarm(rang, lambda: setattr(options, "terminate", True)):
            return [np.asarray(output) for output in session.run(outputs, dict(feeds), options)]
    except Exception as error:  # as above
        reason = f"no answer within {LONGEST_START:.0f} s" if rang.is_set() else first_line(error)
        raise TwoFaceError(f"{name}: does not run: {reason}") from None
