"""Where a face is although a hole hides part of it: windows about a first guess, refined by the placement network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.face import Face
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import bounding_box
from twoface_pl.faces.runtime import open_session
from twoface_pl.faces.window import EYE_DISTANCE, SEEN, Windows, square, window_of

FILE = Path(__file__).with_name("placement.onnx")  # made by `make placement`
# uint8 (N, 64, 64, 4) to landmarks (N, 5, 2), logarithms of their scales (N, 5), logits of a face (N,); see
# :class:`networks.placement.PlacementNetwork`.
Network = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]

HOLES_BY_WINDOW = (1.7, 2.9, 4.9)  # sides of first windows, over the hole's longer side
ASIDE = 0.22  # of a window: how far others lie beside the hole's middle
AROUND = ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))
PURSUED = 4  # first guesses that are refined
ROUNDS = 3  # of refinement
GLANCES, BESIDE = (1.0, 0.92, 1.08, 0.96, 1.04), 0.05  # of settling: sizes of its windows, and how far aside they lie
SURE = 4.0  # logit of a face from which on only its place matters


@dataclass(frozen=True)
class Guess:
    """Landmarks as the network places them."""

    landmarks: np.ndarray  # (5, 2), the photo's pixels
    scales: np.ndarray  # (5,), by how much each is expected to be off, in eye distances
    there: float  # logit that there is a face at all
    seen: float  # share of the window that shows anything

    @property
    def off(self) -> float:
        """By how much they are expected to be off, in eye distances."""
        return float(self.scales.mean())

    @property
    def worth(self) -> float:
        """Higher is surer."""
        return min(self.there, SURE) - 2 * float(np.log(self.off))


def open_network(threads: int = 1, file: Path = FILE) -> Network:
    """The network that comes with the package, or another file."""
    session = open_session(file.read_bytes(), "placement network", threads)

    def run(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        points, scales, there = session.run(None, {session.get_inputs()[0].name: windows})
        return np.asarray(points), np.asarray(scales), np.asarray(there)

    return run


def about_hole(hole: np.ndarray, turn: float = 0.0) -> list[Frame]:
    """First windows about a hole (bool (H, W)), turned clockwise by so many degrees."""
    rows, columns = bounding_box(hole)
    middle = np.array([columns.start + columns.stop, rows.start + rows.stop]) / 2
    longer = max(columns.stop - columns.start, rows.stop - rows.start)
    return [window for by in HOLES_BY_WINDOW for window in _around(middle, by * longer, turn)]


def about_face(face: Face) -> list[Frame]:
    """First windows about a face that is roughly there."""
    window = window_of(face.landmarks)
    turn = np.degrees(window.angle)
    return [around for by in (0.8, 1.0, 1.25) for around in _around(window.middle, by * window.side, turn)]


def _around(middle: np.ndarray, side: float, turn: float) -> list[Frame]:
    return [square(middle + ASIDE * side * np.array(aside), side, np.radians(turn)) for aside in AROUND]


def _look(network: Network, views: Windows, windows: list[Frame]) -> list[Guess]:
    if not windows:
        return []
    looks = np.stack([views.look(window) for window in windows])
    points, scales, there = network(looks)
    seen = (looks[..., 3] == SEEN).mean(axis=(1, 2))
    guesses = []
    for window, of_window, logs, logit, share in zip(windows, points, scales, there, seen, strict=True):
        landmarks = window.from_unit(of_window)
        try:
            eyes = window_of(landmarks).side * EYE_DISTANCE / window.side  # apart, in windows
        except TwoFaceError:
            continue  # all in one point: no face
        guesses.append(Guess(landmarks, np.exp(logs) / eyes, float(logit), float(share)))
    return guesses


def settle(network: Network, views: Windows, guess: Guess) -> Guess:
    """The mean of what several windows about a guess show, each by how sure it is: a little nearer than any of them."""
    window = window_of(guess.landmarks)
    windows = [
        square(window.middle + BESIDE * window.side * np.array(aside), by * window.side, window.angle)
        for by, aside in zip(GLANCES, AROUND, strict=True)
    ]
    glances = _look(network, views, windows)
    if not glances:
        return guess
    weights = np.array([glance.scales**-2.0 for glance in glances])  # (windows, 5)
    shares = (weights / weights.sum(axis=0))[..., None]
    landmarks = (shares * np.array([glance.landmarks for glance in glances])).sum(axis=0)
    return replace(guess, landmarks=landmarks)


def search(network: Network, views: Windows, windows: list[Frame], surely: int = 0) -> list[Guess]:
    """Guesses from first windows, refined.

    Args:
        network: of placement.
        views: of the photo and its hole.
        windows: to begin with.
        surely: of the first windows so many are refined whatever they show.

    Returns:
        As many as are pursued, in no order; none where all of them come to nothing.
    """
    rest = sorted(_look(network, views, windows[surely:]), key=lambda guess: -guess.worth)
    guesses = _look(network, views, windows[:surely]) + rest[:PURSUED]
    for _ in range(ROUNDS):
        guesses = _look(network, views, [window_of(guess.landmarks) for guess in guesses])
    return guesses
