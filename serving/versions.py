"""A model's folder: which of its numbered versions counts, and where the files in it are."""

from __future__ import annotations

import os
from pathlib import Path

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.reading import shortened
from twoface_pl.model_file import ADVICE, FILES, GENERATOR, is_version


def find_model(path: Path, kind: str = GENERATOR) -> Path:
    """A model's file of a kind, one of ``FILES``.

    Args:
        path: a folder of numbered versions, of which the highest counts; one version's folder; any of its files; or a
            file of another name, which is taken as it is.

    Raises:
        TwoFaceError: nothing there.
    """
    name = FILES[kind]
    if os.path.isdir(path):  # unlike Path's, false for a name that is too long
        versions = [entry for entry in path.iterdir() if is_version(entry.name) and (entry / name).is_file()]
        folder = max(versions, key=lambda entry: int(entry.name), default=path)
        if (folder / name).is_file():
            return folder / name
    elif os.path.lexists(path):
        return path.with_name(name) if path.name in FILES.values() else path
    raise TwoFaceError(f"no model at {shortened(path)}; {ADVICE}, or give `model` a folder that holds {name}")
