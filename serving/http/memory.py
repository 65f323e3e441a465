"""Memory that a request took and nobody needs any more."""

from __future__ import annotations

import ctypes
import gc
import sys

IDLE_SECONDS = 1.0  # without a request, after which it is given back


def give_back() -> None:
    """Free what lies in circles, and what the C library keeps of what was freed; others than glibc keep nothing."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
