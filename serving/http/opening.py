"""Opening a model's version for the server, and warming it."""

from __future__ import annotations

import hashlib

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.model_file import GENERATOR, REPAIR, is_version
from twoface_pl.model_signature import Values, signature
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.http.core_options import CoreOptions
from twoface_pl.serving.http.people import MOST_REFERENCES, People
from twoface_pl.serving.http.task import Repairs, Served
from twoface_pl.serving.http.work import Worker
from twoface_pl.serving.likeness import find_recogniser
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model


def _shapes(values: Values) -> dict[str, tuple[str, list[int]]]:
    return {
        name: (value.type, [side if isinstance(side, int) else -1 for side in value.shape])
        for name, value in values.items()
    }


def _repairs(session: RepairSession) -> Repairs:
    content = session.path.read_bytes()
    rows, columns = np.nonzero(session.default_mask)
    corners = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / session.image_size
    try:
        recogniser = str(find_recogniser(None)) if session.frame.aligned else None
    except TwoFaceError:
        recogniser = None
    return Repairs(
        str(session.path),
        len(content),
        hashlib.sha256(content).hexdigest(),
        session.facts.canonical.tolist(),
        corners.tolist(),
        min(session.facts.references or MOST_REFERENCES, MOST_REFERENCES),
        recogniser,
    )


def describe(session: FillSession, repair: RepairSession | None) -> Served:
    """What a session serves; a file in no numbered folder is version 1."""
    folder = session.path.parent.name
    takes, gives = signature(GENERATOR, session.facts)
    return Served(
        str(session.path),
        folder if is_version(folder) else "1",
        session.provider,
        session.image_size,
        session.facts.any_size,
        session.facts.references,
        _repairs(repair) if repair is not None else None,
        _shapes(takes),
        _shapes(gives),
    )


def _warm(session: FillSession, batch: int) -> None:
    """Run each size of batch once; on a CPU, where none is slower than others at first, one will do."""
    hole = session.default_mask
    for count in range(1, 2 if session.provider.startswith("CPU") else batch + 1):
        images = np.zeros((count, *hole.shape, 3), np.float32)
        references = np.zeros((count, session.facts.references or 1, *hole.shape, 3), np.float32)
        session.fill(images, np.broadcast_to(hole, (count, *hole.shape)), references)


def open_worker(options: CoreOptions) -> Worker:
    """A worker, warm.

    Raises:
        TwoFaceError: the model cannot be opened.
    """
    session = FillSession(options.model, options.device)
    try:
        repair = find_model(options.model, REPAIR)
        whole = repair.is_file()
    except TwoFaceError:
        whole = False
    people = None
    if whole:
        people = People(RepairSession(repair, options.device), options.most_pixels)
        people.session.finder.detector.detect(np.zeros((64, 64, 3), np.uint8), turned=False)
    _warm(session, options.batch)
    served = describe(session, people.session if people else None)
    return Worker(session, served, people, options.most_bytes, options.batch)
