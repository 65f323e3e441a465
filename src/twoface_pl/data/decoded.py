"""The photos of a split decoded once: for a GPU that takes more than the cores decode."""

from __future__ import annotations

import hashlib

import numpy as np
from tqdm import tqdm

from twoface_pl.data.index import ROLES
from twoface_pl.data.source import Source
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import decode_image


class Decoded:
    """Photos in memory, one copy of those that have several names; loading processes share it where they are forked.

    One that cannot be read, or has another size, is left out: who asks for it finds that it is not here.

    Args:
        source: a prepared data set.
        split: whose photos.
        size: pixels a side.
    """

    def __init__(self, source: Source, split: str, size: int) -> None:
        names = [
            f"{split}/{role}/{person}/{file}" for role in ROLES for person, file in source.photos(f"{split}/{role}")
        ]
        self._rows: dict[str, int] = {}
        known: dict[bytes, int] = {}
        kept: list[np.ndarray] = []
        for name in tqdm(names, desc=f"decoding {split}", unit="photo", disable=None, leave=False):
            try:
                content = source.read(name)
                digest = hashlib.blake2b(content, digest_size=16).digest()
                if digest not in known:
                    pixels = decode_image(content)
                    if pixels.shape != (size, size, 3):
                        continue
                    known[digest] = len(kept)
                    kept.append(pixels)
                self._rows[name] = known[digest]
            except TwoFaceError:
                continue
        self._pixels = np.stack(kept) if kept else np.empty((0, size, size, 3), np.uint8)

    def __len__(self) -> int:
        """How many photos are in memory."""
        return len(self._pixels)

    def find(self, name: str) -> np.ndarray | None:
        """A photo by its name in the source, uint8 (size, size, 3), not to be changed; None where it is not here."""
        row = self._rows.get(name)
        return None if row is None else self._pixels[row]
