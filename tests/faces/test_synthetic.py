"""Synthetic faces are deterministic, and what lies in the hole is known only from the reference."""

import cv2
import numpy as np

from twoface_pl.faces.synthetic import InnerTraits, draw_identity, synthetic_photo

SIZE = 64
HOLE = slice(16, 48)  # the demo's hole: half the picture
PEOPLE, PHOTOS, FITTED = 500, 6, 350


def test_same_numbers_same_pixels_and_photos_differ() -> None:
    assert np.array_equal(synthetic_photo(3, 5, SIZE), synthetic_photo(3, 5, SIZE))
    assert not np.array_equal(synthetic_photo(3, 5, SIZE), synthetic_photo(3, 6, SIZE))
    assert not np.array_equal(synthetic_photo(3, 5, SIZE), synthetic_photo(4, 5, SIZE))


def _features(photos: np.ndarray) -> np.ndarray:
    small = [cv2.resize(photo, (24, 24), interpolation=cv2.INTER_AREA) for photo in photos]
    return np.stack(small).reshape(len(photos), -1) / 255.0


def _accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    """A ridge classifier fitted on the first people's photos; its accuracy on the others'."""
    known = FITTED * PHOTOS
    centred = features - features[:known].mean(0)
    fitted, unseen = centred[:known], centred[known:]
    signs = labels[:known] * 2.0 - 1
    weights = np.linalg.solve(fitted.T @ fitted + 3 * np.eye(fitted.shape[1]), fitted.T @ signs)
    return float(((unseen @ weights > 0) == labels[known:]).mean())


def test_inner_traits_are_read_from_a_reference_and_not_from_the_surroundings() -> None:
    photos = np.stack([synthetic_photo(person, photo, SIZE) for person in range(PEOPLE) for photo in range(PHOTOS)])
    masked = photos.copy()
    masked[:, HOLE, HOLE] = 0
    reference_features, masked_features = _features(photos), _features(masked)
    traits = {
        "nose_tone": lambda inner: inner.nose_tone,
        "mouth_width": lambda inner: inner.mouth_width,
        "nose_length": lambda inner: inner.nose_length,
        "bluish iris": lambda inner: inner.iris[2] - inner.iris[0],
    }
    people: list[InnerTraits] = [draw_identity(person).inner for person in range(PEOPLE)]
    for name, trait in traits.items():
        values = np.array([trait(inner) for inner in people])
        labels = np.repeat(values > np.median(values), PHOTOS)
        assert _accuracy(reference_features, labels) > 0.68, name
        assert _accuracy(masked_features, labels) < 0.6, name  # chance is 0.5
