"""What steps found so far, item by item, in one SQLite file: who is stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from twoface_pl.data_prep.workers import CHUNK, Workers
from twoface_pl.errors import TwoFaceError

AGAIN = "again"  # in a result that the next run is to find out anew
SAVE_EVERY = 1.0  # seconds of work that a kill may cost


@dataclass(frozen=True)
class Item:
    """Something to do: a result with the same stamp is still good."""

    key: str
    stamp: str
    argument: Any


def stamp(*parts: Any) -> str:
    """A short digest of plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]


class Work:
    """The results in a folder.

    Args:
        folder: made where it is missing.
        workers: who does it.

    Raises:
        TwoFaceError: the folder cannot be written, or its file is damaged.
    """

    def __init__(self, folder: Path, workers: Workers) -> None:
        self.folder = folder
        self.workers = workers
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TwoFaceError(f"{folder}: cannot be written ({error.strerror})") from None
        self._path = folder / "results.sqlite"
        with self._said():
            self._results = sqlite3.connect(self._path)
            self._results.execute("PRAGMA synchronous=NORMAL")
            self._results.execute(
                "CREATE TABLE IF NOT EXISTS results "
                "(step TEXT, key TEXT, stamp TEXT, value TEXT, PRIMARY KEY (step, key)) WITHOUT ROWID"
            )

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise TwoFaceError(
                f"{self._path}: {error}; free some space, or remove {self.folder} and start anew"
            ) from None

    def close(self) -> None:
        self._results.close()

    def _found(self, step: str, items: list[Item], still_there: Callable[[Item], bool] | None) -> dict[str, Any]:
        with self._said():
            rows = self._results.execute("SELECT key, stamp, value FROM results WHERE step = ?", (step,)).fetchall()
        stored = {key: (stamp, value) for key, stamp, value in rows}
        found = {}
        for item in items:
            if stored.get(item.key, ("", ""))[0] == item.stamp and (still_there is None or still_there(item)):
                found[item.key] = json.loads(stored[item.key][1])
        return found

    def _save(self, step: str, done: list[tuple[Item, Any]]) -> None:
        with self._said(), self._results:
            self._results.executemany(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)",
                [(step, item.key, item.stamp, json.dumps(value)) for item, value in done],
            )

    def run(
        self,
        step: str,
        stored_as: str,
        items: list[Item],
        function: Callable[[list[Any]], list[Any]],
        compute: bool,
        still_there: Callable[[Item], bool] | None = None,
    ) -> dict[str, Any]:
        """Each item's result, plain values, in the items' order: what is known already, the rest anew.

        Args:
            step: its name, as users give it.
            stored_as: the name that its results are kept under.
            items: what to do.
            function: at a module's top; takes items' arguments to results, one for one.
            compute: False: a result that is missing is an error.
            still_there: whether the files that an item's result speaks of are.

        Raises:
            TwoFaceError: results that are missing, a full disk, a worker that was killed.
        """
        found = self._found(stored_as, items, still_there)
        todo = [item for item in items if item.key not in found]
        if todo and not compute:
            raise TwoFaceError(
                f"{len(todo)} results of step {step} are missing; run `twoface prepare step={step}` first"
            )
        with tqdm(total=len(items), initial=len(found), desc=f"{stored_as:11}", unit="", mininterval=1) as bar:
            saved, unsaved = time.monotonic(), list[tuple[Item, Any]]()
            try:
                for chunk, values in self._compute(todo, function):
                    unsaved += [
                        (item, value)
                        for item, value in zip(chunk, values, strict=True)
                        if not (isinstance(value, dict) and value.get(AGAIN))
                    ]
                    bar.update(len(chunk))
                    if time.monotonic() - saved > SAVE_EVERY:
                        self._save(stored_as, unsaved)
                        saved, unsaved = time.monotonic(), []
                    found.update({item.key: value for item, value in zip(chunk, values, strict=True)})
            finally:
                if unsaved:
                    self._save(stored_as, unsaved)
        return {item.key: found[item.key] for item in items}

    def _compute(
        self, todo: list[Item], function: Callable[[list[Any]], list[Any]]
    ) -> Iterator[tuple[list[Item], list[Any]]]:
        chunks = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
        for number, values in self.workers.map(function, [[item.argument for item in chunk] for chunk in chunks]):
            yield chunks[number], values
