"""How long things take beside each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def median_of_turns(
    runs: Mapping[str, Callable[[], object]], rounds: int, turns: int = 3, warm_up: int = 3
) -> dict[str, float]:
    """Median seconds of each: in turns, each for a while, since one run at a time would empty the caches for the other.

    Args:
        runs: by name.
        rounds: that count, of each turn.
        turns: how often it is each one's.
        warm_up: first runs of a turn, which do not count.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            for number in range(warm_up + rounds):
                start = time.perf_counter()
                run()
                if number >= warm_up:
                    times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}
