"""Mask policies: True is the hole."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Run

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.masks import CenterSquare, RandomBox, build_mask_policy
from twoface_pl.masks.face_parts import PARTS

LANDMARKS = FrameKind("tight", 33, 54).landmarks()


def _draws(options: dict, count: int = 60, size: int = 128, epoch: int | None = None) -> list[np.ndarray]:
    policy = build_mask_policy(options)
    return [policy.draw(np.random.default_rng(seed), size, LANDMARKS, epoch) for seed in range(count)]


def test_the_2018_hole() -> None:
    mask = CenterSquare(32).draw(np.random.default_rng(0), 128)
    expected = np.zeros((128, 128), bool)
    expected[48:80, 48:80] = True
    assert np.array_equal(mask, expected)


def test_random_boxes_stay_within_their_sizes_and_the_picture() -> None:
    policy = RandomBox(10, 20)
    masks = [policy.draw(np.random.default_rng(seed), 64) for seed in range(50)]
    for mask in masks:
        height, width = mask.any(1).sum(), mask.any(0).sum()
        assert 10 <= height <= 20
        assert 10 <= width <= 20
        assert mask.sum() == height * width
    assert len({mask.tobytes() for mask in masks}) > 40
    assert np.array_equal(masks[7], policy.draw(np.random.default_rng(7), 64))


def _folder(root: Path) -> str:
    for name, columns in (("a", slice(10, 30)), ("b", slice(60, 90))):
        pixels = np.zeros((50, 100, 3), np.uint8)
        pixels[10:30, columns] = 255
        write_image(root / f"{name}.png", pixels)
    return str(root)


ALL = [
    {"name": "center", "size": 32},
    {"name": "random_box", "smallest": 12, "largest": 40},
    {"name": "strokes"},
    {"name": "face_parts"},
    {"name": "mixture", "parts": {"one": {"weight": 1, "mask": {"name": "strokes"}}}},
    {"name": "curriculum", "stages": {"only": {"before_epoch": None, "mask": {"name": "random_box", "largest": 40}}}},
]


@pytest.mark.parametrize("options", ALL, ids=lambda options: options["name"])
@pytest.mark.parametrize("size", [64, 128, 200])
def test_every_policy_draws_holes_by_its_generator_alone(options: dict, size: int) -> None:
    first, again = (_draws(options, 8, size) for _ in range(2))
    for mask, same in zip(first, again, strict=True):
        assert mask.dtype == bool
        assert mask.shape == (size, size)
        assert mask.any()
        assert not mask.all()
        assert np.array_equal(mask, same)
    if options["name"] != "center":
        assert len({mask.tobytes() for mask in first}) > 4


@pytest.mark.parametrize("ratio", [(0.2, 0.4), (0.05, 0.06), (0.6, 0.8), (0.001, 0.002)])
@pytest.mark.parametrize("size", [64, 128])
def test_strokes_keep_to_their_hole_ratio(ratio: tuple[float, float], size: int) -> None:
    ratios = np.array([mask.mean() for mask in _draws({"name": "strokes", "hole_ratio": list(ratio)}, 60, size)])
    assert ratios.min() >= ratio[0] - 1 / size**2
    assert ratios.max() <= ratio[1] + 1 / size**2
    if ratio == (0.2, 0.4):  # the whole range is drawn from
        assert ratios.min() < 0.23
        assert ratios.max() > 0.37


def test_strokes_have_their_width() -> None:
    """The thickest disc that fits into a single stroke is as wide as the pen."""
    for width, size in ((8, 128), (20, 128), (8, 64)):
        masks = _draws({"name": "strokes", "hole_ratio": [0.03, 0.05], "stroke_width": [width, width]}, 20, size)
        widest = [2 * cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5).max() for mask in masks]
        assert np.quantile(widest, 0.25) == pytest.approx(width * size / 128, abs=2)


@pytest.mark.parametrize("part", PARTS)
def test_a_face_part_covers_its_landmarks_and_not_the_others(part: str) -> None:
    covered = {"eyes": (0, 1), "nose": (2,), "mouth": (3, 4), "lower_half": (2, 3, 4), "left_half": (0, 3)}.get(
        part, (1, 4)
    )
    outside = {"eyes": (2, 3, 4), "nose": (0, 1, 3, 4), "mouth": (0, 1, 2), "lower_half": (0, 1), "left_half": (1, 4)}
    points = (128 * LANDMARKS).astype(int)
    for mask in _draws({"name": "face_parts", "parts": [part]}, 20):
        assert all(mask[points[at][1], points[at][0]] for at in covered)
        assert not any(mask[points[at][1], points[at][0]] for at in outside.get(part, (0, 3)))


def test_face_parts_follow_the_photos_own_landmarks() -> None:
    policy = build_mask_policy({"name": "face_parts", "parts": ["mouth"], "jitter": 0})
    moved = policy.draw(np.random.default_rng(0), 128, np.add(LANDMARKS, (0.1, -0.05)))
    rows, columns = np.nonzero(moved)
    there = 128 * np.add(LANDMARKS[3:], (0.1, -0.05)).mean(axis=0)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx(tuple(there), abs=1)
    with pytest.raises(TwoFaceError, match="frame=tight or loose"):
        policy.draw(np.random.default_rng(0), 128)


def test_masks_from_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy = build_mask_policy({"name": "files", "folder": _folder(tmp_path), "flip": False})
    masks = {policy.draw(np.random.default_rng(seed), 100).tobytes() for seed in range(30)}
    assert len(masks) == 2
    one = policy.draw(np.random.default_rng(0), 100)
    assert one.sum() in (40 * 20, 40 * 30)  # stretched to the square
    flipped = build_mask_policy({"name": "files", "folder": str(tmp_path)})
    assert len({flipped.draw(np.random.default_rng(seed), 100).tobytes() for seed in range(40)}) == 4
    write_image(tmp_path / "c.png", np.zeros((20, 20, 3), np.uint8))
    (tmp_path / "d.png").write_bytes(b"broken")
    again = build_mask_policy({"name": "files", "folder": str(tmp_path), "flip": False})
    assert {again.draw(np.random.default_rng(seed), 100).tobytes() for seed in range(40)} == masks
    assert "c.png is left out: it has no hole" in caplog.text
    assert "d.png" in caplog.text


def test_folders_without_a_mask(tmp_path: Path) -> None:
    for folder, says in ((tmp_path, "no pictures in"), (tmp_path / "nowhere", "no folder"), ("", "no folder")):
        with pytest.raises(TwoFaceError, match=says):
            build_mask_policy({"name": "files", "folder": str(folder)})
    write_image(tmp_path / "black.png", np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(TwoFaceError, match="white is the hole"):
        build_mask_policy({"name": "files", "folder": str(tmp_path)}).draw(np.random.default_rng(0), 64)


def test_a_mixture_draws_by_weight() -> None:
    parts = {
        "small": {"weight": 3, "mask": {"name": "center", "size": 10}},
        "large": {"weight": 1, "mask": {"name": "center", "size": 40}},
        "never": {"weight": 0, "mask": {"name": "face_parts"}},
    }
    sums = [mask.sum() for mask in _draws({"name": "mixture", "parts": parts}, 400)]
    assert set(sums) == {100, 1600}
    assert sums.count(100) / 400 == pytest.approx(0.75, abs=0.07)
    assert not build_mask_policy({"name": "mixture", "parts": parts}).needs_landmarks
    parts["never"]["weight"] = 1
    assert build_mask_policy({"name": "mixture", "parts": parts}).needs_landmarks


def test_a_curriculum_goes_by_epochs() -> None:
    stages = {
        "first": {"before_epoch": 2, "mask": {"name": "center", "size": 10}},
        "then": {"before_epoch": 5, "mask": {"name": "center", "size": 20}},
        "last": {"before_epoch": None, "mask": {"name": "center", "size": 30}},
    }
    sides = [
        int(_draws({"name": "curriculum", "stages": stages}, 1, epoch=epoch)[0].sum() ** 0.5) for epoch in range(7)
    ]
    assert sides == [10, 10, 20, 20, 20, 30, 30]
    assert _draws({"name": "curriculum", "stages": stages}, 1, epoch=None)[0].sum() == 900


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "donut"}, "not known; there are: center, random_box, strokes"),
        ({"name": "center", "radius": 3}, "radius"),
        ({"size": 3}, "not known"),
        ({"name": "strokes", "hole_ratio": [0.4, 0.2]}, "must rise"),
        ({"name": "strokes", "hole_ratio": 0.4}, "not two numbers"),
        ({"name": "strokes", "stroke_width": [0, 3]}, "above 0"),
        ({"name": "face_parts", "parts": ["ear"]}, r"\['ear'\]; there are: eyes"),
        ({"name": "face_parts", "parts": []}, "there are: eyes"),
        ({"name": "face_parts", "jitter": 2}, "jitter=2"),
        ({"name": "mixture", "parts": {}}, "no part has a weight"),
        ({"name": "mixture", "parts": [1]}, "parts must be policies by name, not list"),
        ({"name": "mixture", "parts": {"a": {"weight": 1}}}, "parts.a must have just weight and mask"),
        ({"name": "mixture", "parts": {"a": {"weight": -1, "mask": {"name": "center"}}}}, "not a number from 0"),
        ({"name": "mixture", "parts": {"a": {"weight": 1, "mask": {"name": "donut"}}}}, "'donut' is not known"),
        ({"name": "curriculum", "stages": {"a": {"before_epoch": 3, "mask": {"name": "center"}}}}, "null for the last"),
    ],
)
def test_bad_options_are_refused_by_name(options: dict, says: str) -> None:
    with pytest.raises(TwoFaceError, match=says):
        build_mask_policy(options)


@pytest.mark.parametrize("size", [64, 100, 2.5])
def test_a_hole_that_does_not_fit(size: float) -> None:
    with pytest.raises(TwoFaceError, match="does not fit"):
        CenterSquare(size).draw(np.random.default_rng(0), 64)  # type: ignore[arg-type]


def test_the_command_draws_every_policy(twoface: Run, tmp_path: Path) -> None:
    done = twoface("masks", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    everything = decode_image(tmp_path / "masks.png")
    one = twoface("masks", "mask=strokes", "mask.stroke_width=[4,5]", "samples=2", "output=one.png", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    picture = decode_image(tmp_path / "one.png")
    assert everything.shape[1] > 7 * picture.shape[1]
    assert (picture == 255).all(axis=2).mean() > 0.15
    assert "exists and is kept" in twoface("masks", cwd=tmp_path).stderr
