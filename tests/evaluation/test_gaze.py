"""Gaze: pupils of drawn faces whose gaze is known; and references in which something covers the face."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import TIGHT

from twoface_pl.evaluation.gaze import GazeRecord, gaze_error
from twoface_pl.evaluation.occlusion import OCCLUDERS, occluded
from twoface_pl.faces.synthetic import EYE_DISTANCE, EYE_LINE, draw_circumstances, draw_face, draw_identity

SIZE = 128
# Where a drawn face has its eyes where nothing moved it, and the rest about where people have it.
POINTS = np.array(
    [(0.5 - EYE_DISTANCE / 2, EYE_LINE), (0.5 + EYE_DISTANCE / 2, EYE_LINE), (0.5, 0.6), (0.43, 0.7), (0.57, 0.7)]
)
SHIFT = 0.06  # eye distances that a gaze of 1 moves the iris by


def _looking(person: int, gaze: float) -> np.ndarray:
    at = replace(
        draw_circumstances(np.random.default_rng(person)), gaze=gaze, yaw=0.0, roll=0.0, scale=1.0, shift=(0.0, 0.0)
    )
    return draw_face(draw_identity(person), at, SIZE)


def _over_eyes() -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[40:76, 30:98] = True
    return mask


def test_the_error_is_how_far_the_pupils_moved() -> None:
    errors = {
        gaze: np.mean(
            [gaze_error(_looking(person, gaze), _looking(person, -1), _over_eyes(), POINTS) for person in range(20)]
        )
        for gaze in (-1, 0, 1)
    }
    assert errors[-1] == 0
    assert errors[0] == pytest.approx(SHIFT, rel=0.35)
    assert errors[1] == pytest.approx(2 * SHIFT, rel=0.35)


def test_eyes_that_the_hole_did_not_hide_are_not_looked_at() -> None:
    mask = _over_eyes()
    mask[:, 64:] = False  # the right eye is the photo's own
    truth, filled = _looking(3, -1), _looking(3, 1)
    assert np.isfinite(gaze_error(filled, truth, mask, POINTS))
    assert np.isnan(gaze_error(filled, truth, np.roll(mask, 40, axis=0), POINTS))
    record = GazeRecord({}, None)
    record.add({"a": filled[None]}, truth[None], mask[None], ["p/1.jpg"])
    assert record.summary(np.array(["p"])) is None


def test_a_record_says_who_looks_where_the_photo_does() -> None:
    people, mask = np.array([f"p{person}" for person in range(12)]), np.stack([_over_eyes()] * 12)
    truth = np.stack([_looking(person, 0.8) for person in range(12)])
    fills = {"same": truth, "away": np.stack([_looking(person, -0.8) for person in range(12)])}
    record = GazeRecord({}, POINTS)
    record.add(fills, truth, mask, [f"{person}/1.jpg" for person in people])
    found = record.summary(people)
    assert found is not None
    assert found["photos"] == 12
    assert found["conditions"]["same"]["value"] == 0
    assert found["conditions"]["away"]["low"] > 0.5 * 1.6 * SHIFT


@pytest.mark.parametrize("number", range(len(OCCLUDERS)))
def test_something_covers_the_face_and_nothing_else(number: int) -> None:
    photo = np.full((SIZE, SIZE, 3), 90, np.uint8)
    points = TIGHT.landmarks()
    covered = occluded(photo, points, number)
    changed = (covered != photo).any(axis=2)
    assert 0.03 < changed.mean() < 0.35
    hidden = [changed[round(y * SIZE), round(x * SIZE)] for x, y in points]
    assert any(hidden)
    assert not all(hidden)
    assert np.array_equal(covered, occluded(photo, points, number + len(OCCLUDERS)))
    assert (photo == 90).all()
