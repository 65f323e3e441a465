"""A new version in the model's folder is taken without a request lost; a broken one is refused, the old one stays."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

from twoface_pl.errors import TwoFaceError
from twoface_pl.model_file import FILES
from twoface_pl.serving.http.core import CoreLost, CoreProcess
from twoface_pl.serving.http.core_options import CoreOptions
from twoface_pl.serving.http.desk import Desk
from twoface_pl.serving.http.telemetry import tell
from twoface_pl.serving.versions import find_model

LOOK_SECONDS = 2.0
Found = tuple[Path, list[tuple[str, int, int]]]  # the generator's file; of all of its version, when they changed, bytes


class Watcher:
    """Looks for versions.

    Args:
        path: of the model, as :func:`find_model` takes it.
        options: how the work is done.
        desk: what answers.
    """

    def __init__(self, path: Path, options: CoreOptions, desk: Desk) -> None:
        self.path, self.options, self.desk = path, options, desk
        self._seen = self._look()

    def _look(self) -> Found | None:
        """The version that counts; None where there is none just now."""
        try:
            file = find_model(self.path)
            beside = [each for name in FILES.values() if (each := file.with_name(name)).exists()] or [file]
            return file, [(each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in beside]
        except (TwoFaceError, OSError):
            return None

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            found = await asyncio.to_thread(self._look)
            if found is None or found == self._seen:
                continue
            self._seen = found  # refused or not: it is not tried again until it changes
            await self._take(found[0])

    async def _take(self, file: Path) -> None:
        core = CoreProcess(replace(self.options, model=file))
        try:
            served = await asyncio.to_thread(core.start)
        except asyncio.CancelledError:  # the server ends
            core.close()
            raise
        except (TwoFaceError, CoreLost, OSError) as error:
            tell(logging.ERROR, "a new version is refused; the old one stays", failure=str(error))
            return
        old = await self.desk.queue.exchange(core)
        tell(logging.INFO, "a new version is served", version=served.version, provider=served.provider)
        await asyncio.to_thread(old.close)
