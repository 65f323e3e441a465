"""The judge sees what users see: photos that are damaged before their faces are looked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import FACED, HOLE, TIGHT, Run, evaluate_options, prepare_options, split_rule

from twoface_pl.data_prep.prepare import prepare
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.evaluation.placement import IN_PLACE, PLACED, outcome, rough_box
from twoface_pl.evaluation.report import page, table
from twoface_pl.faces.face import MEAN_LANDMARKS, Face
from twoface_pl.faces.finder import FaceFinder
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.faces.window import square
from twoface_pl.networks.checkpoint import load_generator


@pytest.fixture(scope="module")
def faced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn people in frame tight, all but two of them in the test split."""
    folder = tmp_path_factory.mktemp("faced")
    for person in (12, 13, 18, 22, 24, 37, 54, 55):
        for photo in range(3):
            pixels = np.full((260, 280, 3), 110, np.uint8)
            pixels[40:220, 50:230] = synthetic_photo(person, photo, 180)
            (folder / "photos" / f"p{person}").mkdir(parents=True, exist_ok=True)
            write_image(folder / "photos" / f"p{person}" / f"{photo}.png", pixels)
    rule = split_rule(validation=0.0, test=0.9, seed=3)
    prepare(prepare_options(folder / "photos", folder / "set", rule, **FACED))
    return folder / "set"


@pytest.mark.parametrize("kind", ["damaged", pytest.param("rough_box", marks=pytest.mark.slow)])
def test_fills_of_damaged_photos_are_measured_beside_the_others(kind: str, faced: Path, checkpoint: Path) -> None:
    options = evaluate_options(faced, mask={"name": "center", "size": 2 * HOLE}, photos=9, placement=kind)
    evaluation = evaluate(load_generator(checkpoint), options, None)
    figures = evaluation.figures
    placement = figures["placement"]
    assert placement["fine"] + placement["misplaced"] + placement["refused"] == pytest.approx(1, abs=1e-3)
    assert placement["fine"] >= 0.6
    means = {name: values["psnr_db"]["value"] for name, values in figures["conditions"].items()}
    assert means[IN_PLACE] == pytest.approx(means["right reference"], abs=1.0)  # the same fill, by way of the photo
    lost = means[IN_PLACE] - means[PLACED]
    assert placement["lost"]["psnr_db"]["value"] == pytest.approx(lost, abs=2e-3)
    assert figures["heading"]["placement"] == kind
    shown = table(figures)
    assert f"placement {kind}, paint each in turn" in shown
    assert "the face as it is found in the damaged photo" in shown
    assert "true placement above, psnr_db" in shown
    assert PLACED in page(figures)
    assert PLACED in evaluation.examples
    assert set(figures["skin"]) <= {"dark", "middle", "light"}
    assert sum(tercile["photos"] for tercile in figures["skin"].values()) == 9


def test_refused_photos_count_at_opencvs_fill(faced: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Face:
        raise TwoFaceError("nobody")

    monkeypatch.setattr(FaceFinder, "find", refuse)
    options = evaluate_options(faced, photos=4, placement="damaged", painted="black")
    figures = evaluate(load_generator(checkpoint), options, None).figures
    assert figures["placement"]["refused"] == 1
    conditions = figures["conditions"]
    assert conditions[PLACED]["psnr_db"] == conditions[figures["opencv"]]["psnr_db"]
    assert figures["heading"]["paint"] == "black"


def test_misplaced_is_what_a_user_would_see() -> None:
    true = TIGHT.place(Face.by_landmarks(np.array([100.0, 100.0]) + 40 * MEAN_LANDMARKS, 1.0))

    def moved(right: float = 0, growth: float = 1, turn: float = 0) -> Frame:
        side, angle = true.side * growth, true.angle + np.radians(turn)
        return square(true.middle + np.array([40 * right, 0]), side, angle)

    for frame in (moved(), moved(right=0.2), moved(growth=1.12), moved(growth=1 / 1.12), moved(turn=6)):
        assert outcome(frame, true, TIGHT) == "fine"
    for frame in (moved(right=0.3), moved(growth=1.2), moved(growth=0.8), moved(turn=-10)):
        assert outcome(frame, true, TIGHT) == "misplaced"


def test_a_rough_box_is_by_a_fifth_off() -> None:
    landmarks = np.array([100.0, 100.0]) + 40 * MEAN_LANDMARKS
    x, y, width, _ = Face.by_landmarks(landmarks, 1.0).box
    boxes = [rough_box(landmarks, np.random.default_rng(seed)) for seed in range(200)]
    sizes = np.array([box[2] for box in boxes]) / width
    shifts = np.array([(box[0] + box[2] / 2 - x - width / 2, box[1] + box[3] / 2 - y - width / 2) for box in boxes])
    assert 0.8 <= sizes.min() < 0.83 < 1.17 < sizes.max() <= 1.2
    assert 0.18 * width < np.abs(shifts).max() <= 0.2 * width + 1e-6


def test_what_cannot_be_damaged_is_said(
    twoface: Run, prepared: Path, faced: Path, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(TwoFaceError, match="needs a data set that was prepared with frame=tight or loose"):
        evaluate(load_generator(checkpoint), evaluate_options(prepared, placement="damaged"), None)
    wrong = (({"placement": "guessed"}, "true, damaged, rough_box"), ({"painted": "pink"}, "white, black"))
    for changes, says in wrong:
        with pytest.raises(TwoFaceError, match=says):
            evaluate_options(faced, **changes)
    originals = faced / "test" / "originals.json"
    content = originals.read_text()
    gone = {entry: {**value, "photo": "/nowhere/photo.png"} for entry, value in json.loads(content).items()}
    originals.write_text(json.dumps(gone))
    try:
        command = ["evaluate", f"checkpoint={checkpoint}", f"root={faced}", "identity=none", "placement=damaged"]
        done = twoface(*command, f"output={tmp_path / 'out'}", cwd=tmp_path)
    finally:
        originals.write_text(content)
    assert done.returncode == 1
    assert "/nowhere/photo.png" in done.stderr
    assert "Traceback" not in done.stderr
