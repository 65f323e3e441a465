"""Several photos one after the other or side by side: past those that fail, with a bar, and what failed in a file."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from twoface_pl.cli.ending import as_options
from twoface_pl.errors import Stopped, TwoFaceError
from twoface_pl.faces.listing import counted

if TYPE_CHECKING:
    from twoface_pl.serving.plan import Job, Plan

FAILURES = "failed.txt"  # in the folder of several results
_at_hand: ContextVar[str] = ContextVar("_at_hand", default="")  # the photo, in the thread that fills it


class _NamedLines(logging.Handler):
    """Writes what is said of a photo with its name, above the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        said, name = as_options(record.getMessage()), _at_hand.get()
        tqdm.write(said if not name or name in said else f"{name}: {said}", file=sys.stderr)


@contextmanager
def named_lines() -> Iterator[None]:
    """Lets each line of the package name options, and the photo that it is about where there are several."""
    handler, logger = _NamedLines(), logging.getLogger("twoface_pl")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


def _failure(job: Job, error: BaseException) -> str:
    said = as_options(str(error))
    return said if said.startswith(str(job.photo)) else f"{job.photo}: {said}"


def do_all(plan: Plan, do: Callable[[Job], object], jobs: int, done_to: str) -> list[str]:
    """Every job of several, past those that fail.

    Args:
        plan: what there is to do.
        do: does one, in a thread.
        jobs: how many at once.
        done_to: what is done to them, as "filled".

    Returns:
        a sentence for each that failed, in the plan's order.

    Raises:
        Stopped: Ctrl-C or a signal; what is at hand is finished first.
    """
    from tqdm import tqdm

    def named(job: Job) -> None:
        _at_hand.set(str(job.photo))
        do(job)

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(named, job) for job in plan.jobs]
        try:
            for future in tqdm(as_completed(futures), total=len(futures), desc="inpainting", unit="photo"):
                if (error := future.exception()) is not None and not isinstance(error, TwoFaceError):
                    raise error
        except BaseException as stop:
            pool.shutdown(cancel_futures=True)
            if not isinstance(stop, KeyboardInterrupt | Stopped):
                raise
            done = sum(not future.cancelled() and future.exception() is None for future in futures)
            number = stop.number if isinstance(stop, Stopped) else signal.SIGINT
            kept = f"{done} of {counted(len(futures), 'photo')} {done_to}; the same command goes on"
            raise Stopped(number, kept) from None
    failed = [(job, error) for job, future in zip(plan.jobs, futures, strict=True) if (error := future.exception())]
    return [*plan.failures, *(_failure(job, error) for job, error in failed)]


def report(plan: Plan, output: Path, failures: list[str], done_to: str) -> None:
    """Write down what failed, in a file too.

    Raises:
        TwoFaceError: something did.
    """
    from twoface_pl.faces.files import write_text

    list_of_failures = output / FAILURES
    if not failures:
        list_of_failures.unlink(missing_ok=True)
        return
    write_text(list_of_failures, "\n".join(failures) + "\n")
    total = len(plan.jobs) + len(plan.failures)
    said = (
        f"{total - len(failures)} of {counted(total, 'photo')} {done_to}; what failed stands in {list_of_failures} too"
    )
    raise TwoFaceError("\n".join([said, *failures]))
