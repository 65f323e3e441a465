"""Synthetic faces: deterministic drawings of identities under changing circumstances.

An identity is a set of stable traits. What lies around the hole (skin, face shape, hair, ears) is
drawn independently of what lies inside it (eyes, brows, nose, mouth, moles), so the inner traits can
be read only from another picture of the same person: a generator that ignores its reference cannot
do well on these faces. Used by the demo and by the tests, which therefore need no photos.
"""

from __future__ import annotations

import colorsys
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import write_image

EYE_LINE = 58 / 128  # height of the eye line, as a share of the picture
EYE_DISTANCE = 27 / 128  # between the pupils, as a share of the picture
SHIFT_BITS = 4  # OpenCV draws with 1/16 pixel steps
OVERSAMPLING = 2
MARKER = ".synthetic-faces"  # in folders that may be drawn anew

Colour = tuple[float, float, float]


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return 255 * red, 255 * green, 255 * blue


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255.0, channel * factor) for channel in colour)
    return red, green, blue


@dataclass(frozen=True)
class OuterTraits:
    """What of a person is seen around the hole."""

    skin: Colour
    face_width: float
    jaw: float
    hair: Colour
    hair_length: float
    fringe: float
    shirt: Colour


@dataclass(frozen=True)
class InnerTraits:
    """What of a person is seen inside the hole; lengths in eye distances."""

    iris: Colour
    eye_width: float
    eye_height: float
    brow: Colour
    brow_thickness: float
    brow_tilt: float
    brow_height: float
    nose_length: float
    nose_width: float
    nose_tone: float
    lips: Colour
    mouth_width: float
    lip_height: float
    moles: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Circumstances:
    """What changes from one picture of a person to the next."""

    shift: tuple[float, float]
    roll: float
    scale: float
    yaw: float
    smile: float
    mouth_open: float
    gaze: float
    light_direction: tuple[float, float]
    light: float
    warmth: float
    background: tuple[Colour, Colour]


@dataclass(frozen=True)
class Identity:
    """One synthetic person."""

    outer: OuterTraits
    inner: InnerTraits


def draw_identity(seed: int) -> Identity:
    """The person with this number; the same number is always the same person."""
    outer = np.random.default_rng((seed, 1)).uniform
    inner = np.random.default_rng((seed, 2)).uniform
    moles = [(inner(-0.75, 0.75), inner(0.25, 1.25)) for _ in range(int(inner(0, 3.99)))]
    return Identity(
        OuterTraits(
            skin=_colour(outer(0.045, 0.085), outer(0.25, 0.6), outer(0.45, 0.98)),
            face_width=outer(0.92, 1.12),
            jaw=outer(0.62, 0.95),
            hair=_colour(outer(0, 0.13), outer(0.1, 0.9), outer(0.1, 0.85)),
            hair_length=outer(0.1, 1.8),
            fringe=outer(0.55, 0.85),
            shirt=_colour(outer(0, 1), outer(0.3, 0.9), outer(0.3, 0.9)),
        ),
        InnerTraits(
            iris=_colour(inner(0, 1), inner(0.5, 1), inner(0.25, 0.95)),
            eye_width=inner(0.2, 0.3),
            eye_height=inner(0.1, 0.2),
            brow=_colour(inner(0, 0.13), inner(0.1, 0.9), inner(0.05, 0.8)),
            brow_thickness=inner(0.05, 0.19),
            brow_tilt=inner(-0.13, 0.13),
            brow_height=inner(0.3, 0.46),
            nose_length=inner(0.5, 0.85),
            nose_width=inner(0.13, 0.36),
            nose_tone=inner(0.6, 0.95),
            lips=_colour(inner(-0.08, 0.05), inner(0.3, 0.95), inner(0.3, 0.9)),
            mouth_width=inner(0.3, 0.62),
            lip_height=inner(0.07, 0.2),
            moles=tuple(moles),
        ),
    )


def draw_circumstances(rng: np.random.Generator) -> Circumstances:
    """Pose, expression, light and background of one picture."""
    draw = rng.uniform

    def backdrop() -> Colour:
        return _colour(draw(0, 1), draw(0.05, 0.5), draw(0.2, 0.95))

    return Circumstances(
        shift=(draw(-0.03, 0.03), draw(-0.03, 0.03)),
        roll=draw(-8, 8),
        scale=draw(0.93, 1.07),
        yaw=draw(-1, 1),
        smile=draw(-0.35, 1),
        mouth_open=max(0.0, draw(-0.6, 0.8)),
        gaze=draw(-1, 1),
        light_direction=(draw(-0.3, 0.3), draw(-0.2, 0.2)),
        light=draw(0.8, 1.15),
        warmth=draw(-0.06, 0.06),
        background=(backdrop(), backdrop()),
    )


class _Canvas:
    """Draws in face coordinates: origin between the eyes, x right, y down, unit = eye distance."""

    def __init__(self, size: int, at: Circumstances) -> None:
        self.side = size * OVERSAMPLING
        self.unit = EYE_DISTANCE * self.side * at.scale
        angle = np.deg2rad(at.roll)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self.linear = rotation * self.unit
        self.origin = np.array([0.5 + at.shift[0], EYE_LINE + at.shift[1]]) * self.side
        ramp = np.linspace(0, 1, self.side, dtype=np.float32)[:, None, None]
        top, bottom = (np.array(colour, np.float32) for colour in at.background)
        column = top * (1 - ramp) + bottom * ramp
        self.pixels = np.tile(column.astype(np.uint8), (1, self.side, 1))

    def _to_pixels(self, points: np.ndarray) -> np.ndarray:
        pixels = np.asarray(points, np.float64) @ self.linear.T + self.origin
        return np.round(pixels * 2**SHIFT_BITS).astype(np.int32)

    def polygon(self, points: np.ndarray, colour: Colour) -> None:
        cv2.fillPoly(self.pixels, [self._to_pixels(points)], colour, cv2.LINE_AA, shift=SHIFT_BITS)

    def ellipse(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        outline = np.stack([x + width * np.cos(angles), y + height * np.sin(angles)], axis=1)
        self.polygon(outline, colour)

    def stroke(self, points: np.ndarray, thickness: float, colour: Colour) -> None:
        pixels = self._to_pixels(points)
        width = max(1, round(thickness * self.unit))
        cv2.polylines(self.pixels, [pixels], False, colour, width, cv2.LINE_AA, SHIFT_BITS)


def _draw_head(canvas: _Canvas, outer: OuterTraits, yaw: float) -> None:
    back = outer.hair_length
    canvas.ellipse(0, 0.15, outer.face_width * 1.2, 1.5, outer.hair)
    if back > 0.6:
        canvas.polygon(np.array([[-1.25, 0], [1.25, 0], [1.3, 0.4 + back], [-1.3, 0.4 + back]]), outer.hair)
    canvas.ellipse(0, 3.5, 2.3, 1.35, outer.shirt)
    canvas.polygon(np.array([[-0.5, 1], [0.5, 1], [0.6, 2.5], [-0.6, 2.5]]), _shade(outer.skin, 0.8))
    for side in (-1, 1):
        canvas.ellipse(side * outer.face_width - 0.06 * yaw, 0.25, 0.14, 0.3, _shade(outer.skin, 0.85))
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    taper = np.where(np.sin(angles) > 0, 1 - (1 - outer.jaw) * np.sin(angles) ** 2, 1.0)
    face = np.stack([outer.face_width * taper * np.cos(angles), 0.3 + 1.42 * np.sin(angles)], axis=1)
    canvas.polygon(face, outer.skin)
    arc = np.linspace(np.pi, 2 * np.pi, 24)
    crown = np.stack([outer.face_width * 1.08 * np.cos(arc), -0.1 + 1.3 * np.sin(arc)], axis=1)
    fringe = np.array([[outer.face_width * 0.9, -0.5], [0.3 * yaw, -outer.fringe - 0.05]])
    canvas.polygon(np.concatenate([crown, fringe, [[-outer.face_width * 0.9, -0.5]]]), outer.hair)


def _draw_eyes(canvas: _Canvas, inner: InnerTraits, at: Circumstances) -> None:
    for side in (-1, 1):
        x = 0.5 * side + 0.1 * at.yaw
        canvas.ellipse(x, 0, inner.eye_width, inner.eye_height, (245, 245, 245))
        iris_x = x + 0.06 * at.gaze
        canvas.ellipse(iris_x, 0, inner.eye_height * 0.9, inner.eye_height * 0.9, inner.iris)
        canvas.ellipse(iris_x, 0, inner.eye_height * 0.4, inner.eye_height * 0.4, (15, 15, 15))
        lid = np.linspace(np.pi, 2 * np.pi, 12)
        upper = np.stack([x + inner.eye_width * np.cos(lid), inner.eye_height * np.sin(lid)], axis=1)
        canvas.stroke(upper, 0.05, (40, 30, 30))
        brow_y, lean = -inner.brow_height, inner.brow_tilt
        brow = np.array([[x - 0.27 * side, brow_y + lean], [x, brow_y - 0.05], [x + 0.3 * side, brow_y - lean]])
        canvas.stroke(brow, inner.brow_thickness, inner.brow)


def _draw_nose_and_mouth(canvas: _Canvas, inner: InnerTraits, at: Circumstances, skin: Colour) -> None:
    tip = inner.nose_length
    x = 0.16 * at.yaw
    bridge = 0.1 * at.yaw
    wing = inner.nose_width
    nose = np.array([[bridge - 0.06, 0.05], [bridge + 0.06, 0.05], [x + wing, tip], [x, tip + 0.1], [x - wing, tip]])
    canvas.polygon(nose, _shade(skin, inner.nose_tone))
    for side in (-1, 1):
        canvas.ellipse(x + side * wing * 0.55, tip, wing * 0.25, 0.045, _shade(skin, inner.nose_tone * 0.5))
    width = inner.mouth_width * (1 + 0.12 * at.smile)
    across = np.linspace(-1, 1, 16)
    mouth_x = 0.1 * at.yaw + width * across
    middle = 1.15 - 0.12 * at.smile * across**2
    lip = inner.lip_height * (1 - across**2)
    gap = 0.12 * at.mouth_open * (1 - across**2)
    upper = np.stack([mouth_x, middle - lip], axis=1)
    lower = np.stack([mouth_x, middle + lip + gap], axis=1)
    canvas.polygon(np.concatenate([upper, lower[::-1]]), inner.lips)
    opening = np.stack([mouth_x, middle + gap], axis=1)
    line = np.stack([mouth_x, middle - 0.02], axis=1)
    canvas.polygon(np.concatenate([line, opening[::-1]]), _shade(inner.lips, 0.35))
    for mole_x, mole_y in inner.moles:
        canvas.ellipse(mole_x + 0.1 * at.yaw, mole_y, 0.06, 0.06, (60, 35, 25))


def _light(pixels: np.ndarray, at: Circumstances) -> np.ndarray:
    side = len(pixels)
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    field = at.light * (1 + at.light_direction[0] * ramp[None] + at.light_direction[1] * ramp[:, None])
    tint = np.array([1 + at.warmth, 1.0, 1 - at.warmth], np.float32)
    return np.clip(pixels * field[..., None] * tint, 0, 255).astype(np.uint8)


def draw_face(identity: Identity, at: Circumstances, size: int = 128) -> np.ndarray:
    """One picture of a person: uint8 RGB of shape (size, size, 3)."""
    canvas = _Canvas(size, at)
    _draw_head(canvas, identity.outer, at.yaw)
    _draw_eyes(canvas, identity.inner, at)
    _draw_nose_and_mouth(canvas, identity.inner, at, identity.outer.skin)
    lit = _light(canvas.pixels, at)
    return cv2.resize(lit, (size, size), interpolation=cv2.INTER_AREA)


def synthetic_photo(person: int, photo: int, size: int = 128) -> np.ndarray:
    """Photo number ``photo`` of person number ``person``, always the same pixels.

    >>> synthetic_photo(person=11, photo=4, size=64).shape
    (64, 64, 3)
    """
    at = draw_circumstances(np.random.default_rng((person, photo, 3)))
    return draw_face(draw_identity(person), at, size)


def write_synthetic_photos(root: Path, people: int, photos: int, size: int, seed: int = 0) -> None:
    """Draw ``people`` identities into ``root/<identity>/<photo>.png``, ``photos`` of each.

    Faces drawn there before are replaced; what else lies beside them stays.

    Raises:
        TwoFaceError: the folder holds files, and no faces drawn before.
    """
    marker = root / MARKER
    if root.exists() and not marker.is_file() and any(root.iterdir()):
        raise TwoFaceError(f"{root} holds files that were not drawn here; give another source.root=")
    for drawn in root.glob("person_*"):
        shutil.rmtree(drawn)
    root.mkdir(parents=True, exist_ok=True)
    marker.touch()
    for person in range(people):
        folder = root / f"person_{person:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        for photo in range(photos):
            pixels = synthetic_photo(seed * 1_000_003 + person, photo, size)
            write_image(folder / f"{photo:03d}.png", pixels)
