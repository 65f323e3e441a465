"""Augmentation: drawn from the sample's own generators, the landmarks with the picture."""

import itertools
import random
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SIZE, prepare_options
from torch.utils.data import DataLoader

from twoface_pl.data.augment import Augmentation
from twoface_pl.data.augment_options import AugmentOptions
from twoface_pl.data.index import split_name
from twoface_pl.data.samplers import TrainingBatches
from twoface_pl.data.source import FolderSource
from twoface_pl.data.triples import TripleOptions, Triples
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.masks import build_mask_policy

FACE = synthetic_photo(1, 0, 128)
ALWAYS = AugmentOptions(flip=0.5, affine=1, colour=1, blur=1, jpeg=1)


def _augment(options: AugmentOptions, seed: int, pixels: np.ndarray = FACE, landmarks: np.ndarray | None = None):
    return Augmentation(options)(pixels, np.random.default_rng(seed), random.Random(seed), landmarks)


def test_nothing_is_changed_without_chances() -> None:
    pixels, landmarks = _augment(AugmentOptions(), 0, FACE, np.ones((5, 2)))
    assert pixels is FACE
    assert (landmarks == 1).all()


def test_the_same_generators_draw_the_same() -> None:
    before = FACE.copy()
    drawn = [_augment(ALWAYS, seed)[0] for seed in (1, 2, 1)]
    assert np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(FACE, before)
    assert all(pixels.dtype == np.uint8 and pixels.shape == FACE.shape for pixels in drawn)


def test_one_after_the_other_leaves_no_trace() -> None:
    """A sample does not depend on what the same object augmented before."""
    used = Augmentation(ALWAYS)
    for seed in range(5):
        used(FACE, np.random.default_rng(seed), random.Random(seed))
    again, _ = used(FACE, np.random.default_rng(3), random.Random(3))
    assert np.array_equal(again, _augment(ALWAYS, 3)[0])


@pytest.mark.parametrize("kind", ["flip", "affine", "colour", "blur", "jpeg"])
def test_each_change_does_what_it_says(kind: str) -> None:
    pixels, _ = _augment(AugmentOptions(**{kind: 1}), 5)
    off = np.abs(pixels.astype(int) - FACE).mean()
    assert off > 0
    if kind == "flip":
        assert np.array_equal(pixels, FACE[:, ::-1])
    elif kind == "colour":
        plain = np.full((8, 8, 3), 90, np.uint8)
        assert len(np.unique(_augment(AugmentOptions(colour=1), 5, plain)[0].reshape(-1, 3), axis=0)) == 1
    elif kind == "blur":
        assert cv2.Laplacian(pixels, cv2.CV_64F).var() < 0.8 * cv2.Laplacian(FACE, cv2.CV_64F).var()
    else:
        assert off < 30


def test_colours_of_a_grey_picture_change_in_brightness_only() -> None:
    grey = np.repeat(np.arange(0, 256, 2, dtype=np.uint8)[None, :, None], 3, axis=2)
    for seed in range(10):
        pixels = _augment(AugmentOptions(colour=1, brightness=0, contrast=0), seed, grey)[0]
        assert np.abs(pixels.astype(int) - grey).max() <= 1


def test_chances_are_kept() -> None:
    changed = [not np.array_equal(_augment(AugmentOptions(flip=0.3), seed)[0], FACE) for seed in range(300)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.08)


def test_landmarks_go_with_the_picture() -> None:
    points = FrameKind("tight", 33, 54).landmarks()
    options = AugmentOptions(flip=0.5, affine=1, degrees=15, shift=0.1, scale=0.1)
    for seed in range(20):
        dots = np.zeros((128, 128, 3), np.uint8)
        for x, y in 128 * points:
            cv2.circle(dots, (round(x), round(y)), 3, (255, 255, 255), -1)
        pixels, moved = _augment(options, seed, dots, points)
        assert moved is not None
        assert moved[0, 0] < moved[1, 0]
        assert moved[3, 0] < moved[4, 0]
        for x, y in np.round(128 * moved).astype(int):
            assert pixels[y - 1 : y + 2, x - 1 : x + 2].mean() > 200


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"flip": 2}, "flip=2 is no chance"),
        ({"blur_sigma": 3}, "smallest,largest"),
        ({"jpeg_quality": [90, 50]}, "smallest,largest"),
        ({"jpeg_quality": [50, 200]}, "beyond 100"),
        ({"degrees": "abc"}, "degrees=abc is not a number from 0 to 180"),
        ({"zoom": 1}, "zoom"),
    ],
)
def test_bad_options(options: dict, says: str) -> None:
    with pytest.raises(TwoFaceError, match=says):
        AugmentOptions.build(options)


CURRICULUM = {
    "name": "curriculum",
    "stages": {
        "first": {"before_epoch": 1, "mask": {"name": "strokes"}},
        "last": {
            "before_epoch": None,
            "mask": {
                "name": "mixture",
                "parts": {
                    "parts": {"weight": 1, "mask": {"name": "face_parts"}},
                    "strokes": {"weight": 1, "mask": {"name": "strokes"}},
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def framed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn photos in the tight frame, with landmarks; some faces are too small to be found at this size."""
    root = tmp_path_factory.mktemp("framed") / "set"
    prepare(prepare_options(photos, root, frame=FrameKind("tight", 33, 54), min_face=10))
    return root


def _triples(root: Path, **changes) -> Triples:
    options = {"image_size": SIZE, "seed": 3, "training": True, "augment_photo": ALWAYS, "augment_reference": ALWAYS}
    return Triples(FolderSource(root), "train", build_mask_policy(CURRICULUM), TripleOptions(**{**options, **changes}))


def test_the_same_batches_for_any_number_of_workers_and_after_a_resume(framed: Path) -> None:
    triples = _triples(framed)
    count = 2 * (len(triples) // 8) + 1  # into the third epoch

    def batches(workers: int, start: int = 0) -> list[dict]:
        sampler = TrainingBatches(len(triples), 8, seed=3, start=start)
        loader = DataLoader(triples, batch_sampler=sampler, num_workers=workers)
        return list(itertools.islice(loader, count - start))

    alone = batches(0)
    for other in (batches(1), batches(4), batches(0, start=2), batches(2, start=count - 1)):
        for one, two in zip(reversed(alone), reversed(other), strict=False):
            assert all(np.array_equal(one[key], two[key]) for key in one)
    assert not np.array_equal(alone[0]["photo"], alone[count // 2]["photo"])


def test_photo_and_truth_are_one_and_the_reference_is_on_its_own(framed: Path) -> None:
    flips = AugmentOptions(flip=0.5)
    plain = _triples(framed, augment_photo=AugmentOptions(), augment_reference=AugmentOptions())
    flipped = _triples(framed, augment_photo=flips, augment_reference=flips)
    seen = set()
    for position in range(len(plain)):
        before, after = plain[(0, position)], flipped[(0, position)]
        same = np.array_equal(before["photo"], after["photo"])
        assert same or np.array_equal(before["photo"].flip(1), after["photo"])
        identity = split_name(flipped.targets[position])[0]
        (file,) = flipped._training_references(position, np.random.default_rng((3, 0, position, 0)))
        seen.add((same, np.array_equal(flipped._load("reference", identity, file), after["references"][0])))
    assert len(seen) == 4


def test_evaluation_is_not_augmented(framed: Path) -> None:
    triples = Triples(
        FolderSource(framed), "test", build_mask_policy({"name": "face_parts"}), TripleOptions(SIZE, 0, training=False)
    )
    photo = triples[(0, 0)]["photo"]
    identity, file = triples.targets[0].split("/")
    assert np.array_equal(photo, triples._load("masked", identity, file))


def test_face_parts_need_a_frame(prepared: Path, framed: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match=r"needs to know where faces are.*frame=tight or loose"):
        _triples(prepared)
    shutil.copytree(framed, tmp_path / "set")
    (tmp_path / "set" / "train" / "landmarks.txt").unlink()
    assert _triples(tmp_path / "set")[(1, 0)]["mask"].any()  # by the frame's own
    (tmp_path / "set" / "train" / "landmarks.txt").write_text("a/b.jpg:1,2,3\n")
    with pytest.raises(TwoFaceError, match="has no five points"):
        _triples(tmp_path / "set")
