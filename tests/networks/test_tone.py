"""Monochrome photos: known for what they are, and filled in their own tone."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import HOLE, SHARED, SIZE

from twoface_pl.faces.image import decode_image, encode_jpeg
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.masks import CenterSquare
from twoface_pl.model_file import REPAIR
from twoface_pl.networks.tone import Tones, find_tones, grey_image, in_tone
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.inpaint import inpaint
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model

NOWHERE = np.zeros((64, 64), bool)
TONES = {  # the colours of black and of white
    "grey": ((0, 0, 0), (255, 255, 255)),
    "cyanotype": ((20, 40, 80), (225, 235, 245)),
    "faded": ((70, 50, 40), (240, 225, 190)),
    "sepia": ((10, 0, 0), (255, 240, 200)),
}


def toned(photo: np.ndarray, kind: str, quality: int = 90) -> np.ndarray:
    """A photo in one tone, as a JPEG has it."""
    black, white = (np.array(colour, np.float32) for colour in TONES[kind])
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None] / np.float32(255)
    return decode_image(encode_jpeg(np.round(black + (white - black) * grey).astype(np.uint8), quality))


def planes(photo: np.ndarray) -> torch.Tensor:
    """Uint8 (H, W, 3) as (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(photo / np.float32(255)).permute(2, 0, 1)[None]


def tones_of(photo: np.ndarray, hole: np.ndarray) -> Tones:
    return find_tones(planes(photo), torch.from_numpy(hole).float()[None, None])


@pytest.mark.parametrize("kind", TONES)
def test_a_toned_photo_is_known_and_its_tone_comes_back(kind: str) -> None:
    for person in range(8):
        photo = toned(synthetic_photo(person, 0, 64), kind)
        tones = tones_of(photo, NOWHERE)
        assert tones.toned.all(), person
        assert (in_tone(tones, planes(photo)) - planes(photo)).abs().mean() < 3 / 255


def test_a_photo_in_colours_is_not_taken_for_a_toned_one() -> None:
    for person in range(20):
        photo = synthetic_photo(person, 0, 64)
        tones = tones_of(photo, NOWHERE)
        assert not tones.toned.any()
        assert torch.equal(grey_image(tones, planes(photo)), planes(photo))
        assert torch.equal(in_tone(tones, planes(photo)), planes(photo))


def test_each_photo_of_a_batch_has_its_own() -> None:
    photos = [synthetic_photo(1, 0, 64), *(toned(synthetic_photo(person, 0, 64), "sepia") for person in (2, 3))]
    images, holes = torch.cat([planes(photo) for photo in photos]), torch.zeros(3, 1, 64, 64)
    together = find_tones(images, holes)
    assert together.toned.tolist() == [False, True, True]
    for number, photo in enumerate(photos):
        alone = tones_of(photo, NOWHERE)
        assert torch.allclose(in_tone(together, images)[number], in_tone(alone, planes(photo))[0], atol=1e-5)


@pytest.mark.skipif(not (SHARED / "faces").is_dir(), reason="no real faces in ../shared")
def test_real_photos_in_colours_and_toned() -> None:
    paths = sorted((SHARED / "faces" / "celeba").glob("*/*.jpg"))[::100][:60]
    found = {kind: 0 for kind in (*TONES, "colour")}
    for path in paths:
        photo = decode_image(path)
        for kind in found:
            seen = photo if kind == "colour" else toned(photo, kind, 85)
            face = cv2.resize(seen[40:178, 20:158], (128, 128), interpolation=cv2.INTER_AREA)
            found[kind] += int(tones_of(face, np.zeros((128, 128), bool)).toned)
    assert found.pop("colour") <= 2
    assert min(found.values()) >= 57


def test_what_the_hole_holds_says_nothing_and_too_little_is_no_evidence() -> None:
    photo = toned(synthetic_photo(1, 0, 64), "sepia")
    hole = CenterSquare(32).draw(np.random.default_rng(0), 64)
    photo[hole] = (0, 255, 0)
    assert tones_of(photo, hole).toned.all()
    assert not tones_of(photo, NOWHERE).toned.any()
    assert not tones_of(photo, ~NOWHERE).toned.any()


@pytest.fixture(scope="module")
def sessions(model: Path) -> tuple[FillSession, RepairSession]:
    return FillSession(model, "cpu"), RepairSession(find_model(model, REPAIR), "cpu")


@pytest.mark.parametrize("kind", TONES)
def test_every_door_fills_a_toned_photo_in_its_tone(sessions: tuple[FillSession, RepairSession], kind: str) -> None:
    session, repairs = sessions
    photo, reference = toned(synthetic_photo(1, 0, SIZE), kind), synthetic_photo(1, 1, SIZE)
    black, white = (np.array(colour, np.float32) for colour in TONES[kind])

    def off(pixels: np.ndarray) -> float:
        """How far colours lie from the straight line between black and white."""
        share = (pixels.mean(axis=1) - black.mean()) / (white - black).mean()
        return float(np.abs(pixels - (black + share[:, None] * (white - black))).max())

    by_photo = inpaint(repairs, photo, reference)
    changed = (by_photo != photo).any(axis=2)
    hole = session.default_mask
    (by_request,) = session.fill(
        *(array[None] for array in (photo / np.float32(255), hole, reference / np.float32(255)))
    )
    assert changed.sum() > HOLE**2 / 2
    assert off(by_photo[changed].astype(np.float32)) < 6
    assert off(255 * by_request[hole]) < 6
    assert np.abs(by_request[~hole] - photo[~hole] / 255).max() < 1e-6
    (in_colours,) = session.fill(*(a[None] for a in (reference / np.float32(255), hole, photo / np.float32(255))))
    assert np.ptp(in_colours[hole], axis=1).max() > 0.05
