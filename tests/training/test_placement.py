"""The placement network: what it sees, how it learns, what is exported."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import TIGHT

from twoface_pl.data.damage import PAINTS, draw_hole, in_photo, paint
from twoface_pl.data.originals import Original, write_originals
from twoface_pl.data.placement import HOLES, PlacementSamples
from twoface_pl.errors import TwoFaceError
from twoface_pl.export.placement import export_placement
from twoface_pl.faces.face import MEAN_LANDMARKS, Face, share_in_box
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import spread
from twoface_pl.faces.image import write_image
from twoface_pl.faces.placer import about_face, about_hole, open_network
from twoface_pl.faces.window import GREY, HOLE, LANDMARKS, OUTSIDE, SEEN, SIZE, Windows, square, window_of
from twoface_pl.masks import build_mask_policy
from twoface_pl.networks.placement import PlacementNetwork, placement_loss, read_placement, to_windows
from twoface_pl.training.placement import fit_placement


def _smooth(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(("side", "angle"), [(50, 0.0), (64, 0.4), (150, -2.0), (500, 1.0)])
def test_a_window_shows_what_lies_there(side: float, angle: float) -> None:
    photo = _smooth(900, 1100)
    window = square(np.array([550.0, 450.0]), side, angle)
    landmarks = window.from_unit(np.array([(0.2, 0.2), (0.8, 0.3), (0.5, 0.5), (0.3, 0.8), (0.7, 0.7)]))
    for x, y in landmarks:  # a dot that a pixel of the window cannot miss
        cv2.circle(photo, (int(x), int(y)), max(2, round(side / SIZE)), (255, 255, 255), -1)
    dark = photo // 3
    dark[photo.min(axis=2) == 255] = 255
    look = Windows(dark, None).look(window)
    assert look.shape == (SIZE, SIZE, 4)
    assert (look[..., 3] == SEEN).all()
    shown = window.to_unit(landmarks) * SIZE
    for x, y in shown.astype(int):
        assert look[y - 1 : y + 2, x - 1 : x + 2, :3].max() > 170


def test_a_window_of_a_large_photo_shows_the_same() -> None:
    photo = _smooth(3000, 2600)
    window = Frame(700, 900, 1300, 0.3)
    half = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    there = Windows(photo, None).look(window).astype(int)
    assert np.abs(there - Windows(half, None).look(Frame(350, 450, 650, 0.3))).mean() < 2


def test_the_hole_is_never_seen() -> None:
    photo, hole = _smooth(200, 240), np.zeros((200, 240), bool)
    hole[60:120, 80:150] = True
    window = square(np.array([110.0, 90.0]), 300, 0.2)
    looks = [Windows(paint(photo, hole, kind, np.random.default_rng(0)), hole).look(window) for kind in PAINTS]
    assert all(np.array_equal(look, looks[0]) for look in looks)
    x, y = (window.to_unit(np.array([115.0, 90.0])) * SIZE).astype(int)
    assert looks[0][y, x].tolist() == [GREY, GREY, GREY, HOLE]
    assert looks[0][0, 0].tolist() == [GREY, GREY, GREY, OUTSIDE]


@pytest.mark.parametrize("kind", PAINTS)
def test_paint_changes_the_hole_alone(kind: str) -> None:
    photo, hole = _smooth(90, 80), np.zeros((90, 80), bool)
    hole[20:50, 30:60] = True
    painted = paint(photo, hole, kind, np.random.default_rng(1))
    assert np.array_equal(painted[~hole], photo[~hole])
    assert (painted[hole] != photo[hole]).any(axis=1).mean() > 0.3
    assert np.array_equal(paint(photo, np.zeros_like(hole), kind, np.random.default_rng(1)), photo)


def test_a_mask_of_a_frame_lies_where_the_frame_does() -> None:
    frame, mask = Frame(40, 30, 100, 0.3), np.zeros((64, 64), bool)
    mask[20:30, 40:52] = True
    hole = in_photo(mask, frame, 200, 200)
    rows, columns = np.nonzero(hole)
    shares = frame.to_unit(np.column_stack([columns, rows]) + 0.5) * 64
    assert shares.min(axis=0) == pytest.approx((40, 20), abs=0.8)
    assert shares.max(axis=0) == pytest.approx((52, 30), abs=0.8)
    assert hole.sum() == pytest.approx(mask.sum() * (100 / 64) ** 2, rel=0.06)


def test_what_surrounds_a_hole_is_spread_into_it() -> None:
    photo, hole = np.full((300, 400, 3), (90, 120, 150), np.uint8), np.zeros((300, 400), bool)
    hole[50:250, 100:300] = True
    photo[hole] = np.random.default_rng(0).integers(0, 256, (hole.sum(), 3), np.uint8)
    filled = spread(photo, hole)
    assert np.abs(filled.astype(int) - (90, 120, 150)).max() <= 8
    assert spread(photo, np.zeros_like(hole)) is photo
    assert len(np.unique(spread(photo, np.ones_like(hole)))) == 1  # nothing is known


def test_first_windows_lie_about_the_hole_and_the_face() -> None:
    hole = np.zeros((300, 300), bool)
    hole[100:140, 150:210] = True
    windows = about_hole(hole, 90)
    assert {round(np.degrees(window.angle)) for window in windows} == {90}
    assert all(
        ((unit := window.to_unit(np.array([180.0, 120.0]))) > 0.2).all() and (unit < 0.8).all() for window in windows
    )
    face = Face.by_hand((100, 100, 80, 80), 30)
    assert all(abs(np.degrees(window.angle) - 30) < 1e-6 for window in about_face(face))


def test_the_box_of_landmarks_is_the_one_they_are_made_of() -> None:
    for angle in (0, 90, -20):
        face = Face.by_hand((50, 60, 80, 80), angle)
        assert Face.by_landmarks(face.landmarks, 1.0).box == pytest.approx(face.box, abs=0.5)
    mask = np.zeros((100, 100), bool)
    mask[:20, :20] = True
    assert share_in_box(mask, (10, -5, 100, 200)) == pytest.approx(0.5)
    assert share_in_box(mask, (30, 30, 5, 5)) == 0


def _originals(folder: Path, count: int = 3) -> dict[str, Original]:
    """Photos with five bright dots where the landmarks are."""
    landmarks = np.array([120.0, 100.0]) + 30 * MEAN_LANDMARKS
    originals = {}
    for number in range(count):
        photo = np.full((240, 240, 3), 70, np.uint8)
        for x, y in landmarks:
            cv2.circle(photo, (int(x), int(y)), 5, (250, 250, 250), -1)
        write_image(folder / f"{number}.png", photo)
        originals[f"p{number}/a.jpg"] = Original(folder / f"{number}.png", landmarks)
    return originals


def test_samples_know_where_the_landmarks_are(tmp_path: Path) -> None:
    samples = PlacementSamples(list(_originals(tmp_path).values()), holes=4, seed=1)
    seen = dotted = 0
    for number in range(3):
        looks, points, there = samples[0, number]
        again = samples[0, number]
        assert torch.equal(looks, again[0])
        assert not torch.equal(looks, samples[1, number][0])
        assert looks.shape == (8, SIZE, SIZE, 4)
        for look, five, face in zip(looks.numpy(), points.numpy(), there, strict=True):
            for x, y in five if face else []:
                column, row = int(x * SIZE), int(y * SIZE)
                if not (1 <= column < SIZE - 1 and 1 <= row < SIZE - 1) or look[row, column, 3] != SEEN:
                    continue
                seen += 1
                near = look[row - 1 : row + 2, column - 1 : column + 2].astype(int)
                dotted += int(near[..., :3].max() > np.median(look[look[..., 3] == SEEN][:, :3]) + 25)
    assert seen > 20
    assert dotted > 0.8 * seen  # others lie beside a hole, or are too small


def test_every_hole_lies_about_the_face() -> None:
    landmarks = np.array([100.0, 90.0]) + 30 * MEAN_LANDMARKS
    window = window_of(landmarks)
    for options in HOLES:
        hole = draw_hole([build_mask_policy(dict(options))], landmarks, 220, 200, np.random.default_rng(0))
        rows, columns = np.nonzero(hole)
        inside = window.to_unit(np.column_stack([columns, rows]).mean(axis=0))
        assert inside.min() > 0
        assert inside.max() < 1


def test_the_loss_is_least_at_the_truth() -> None:
    points, there = torch.rand(6, 5, 2), torch.tensor([1.0, 1, 1, 1, 0, 0])
    scales, logits = torch.full((6, 5), -3.0), torch.tensor([5.0, 5, 5, 5, -5, -5])
    right = placement_loss((points, scales, logits), points, there)
    off = points.clone()
    off[0, 2] += 0.1
    assert placement_loss((off, scales, logits), points, there) > right
    assert placement_loss((points, scales, -logits), points, there) > right
    elsewhere = points.clone()
    elsewhere[5] += 0.5  # no face there: its landmarks do not count
    assert placement_loss((elsewhere, scales, logits), points, there) == right


def _set_of(folder: Path) -> Path:
    (folder / "train").mkdir(parents=True)
    write_originals(_originals(folder), folder / "train" / "originals.json")
    return folder


def test_a_training_goes_on_where_it_was_and_is_exported(tmp_path: Path) -> None:
    root = _set_of(tmp_path / "set")
    fit_placement([root], tmp_path / "whole.ckpt", 4, workers=0)
    fit_placement([root], tmp_path / "parts.ckpt", 4, workers=0, until=2)
    assert torch.load(tmp_path / "parts.ckpt", weights_only=True)["batches"] == 2
    fit_placement([root], tmp_path / "parts.ckpt", 4, workers=0)
    whole, parts = (read_placement(tmp_path / name).state_dict() for name in ("whole.ckpt", "parts.ckpt"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    export_placement(tmp_path / "whole.ckpt", tmp_path / "network.onnx")
    windows = torch.randint(0, 256, (3, SIZE, SIZE, 4), dtype=torch.uint8)
    found = open_network(file=tmp_path / "network.onnx")(windows.numpy())
    network = read_placement(tmp_path / "whole.ckpt")
    with torch.inference_mode():
        expected = network(to_windows(windows))
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other.numpy()).max() < 0.02  # weights in half precision


def test_a_set_that_does_not_say_where_it_is_from_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(TwoFaceError, match=r"originals\.json is missing.*run `twoface prepare` again"):
        fit_placement([tmp_path], tmp_path / "out.ckpt", 1, workers=0)
    (tmp_path / "train" / "originals.json").write_text('{"a/b.jpg": {"photo": "x"}}')
    with pytest.raises(TwoFaceError, match="is damaged"):
        fit_placement([tmp_path], tmp_path / "out.ckpt", 1, workers=0)


def test_the_network_takes_any_batch_and_is_small() -> None:
    network = PlacementNetwork()
    points, scales, there = network(torch.zeros(3, 4, SIZE, SIZE))
    assert (points.shape, scales.shape, there.shape) == ((3, 5, 2), (3, 5), (3,))
    assert sum(weight.numel() for weight in network.parameters()) < 480_000  # under 1 MB in half precision


def test_a_window_has_the_face_where_the_network_expects_it() -> None:
    landmarks = np.array([300.0, 200.0]) + 40 * MEAN_LANDMARKS
    assert np.abs(window_of(landmarks).to_unit(landmarks) - LANDMARKS).max() < 1e-9
    assert TIGHT.place(Face.by_landmarks(landmarks, 1.0)).side < window_of(landmarks).side
