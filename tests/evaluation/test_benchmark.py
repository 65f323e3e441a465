"""The benchmark: from photos to the table by one command, and any system's pictures judged like ours."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import HOLE, Run, evaluate_options

from twoface_pl.data.protocol import Trial, trials_text
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.compared import ComparedPictures
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.networks.checkpoint import load_generator


def _trials(photos: Path) -> list[Trial]:
    people = sorted(path.name for path in photos.iterdir() if path.is_dir())
    found = []
    for number, person in enumerate(people):
        first, second, third = (f"{person}/{path.name}" for path in sorted((photos / person).iterdir())[:3])
        other = people[(number + 1) % len(people)]
        found.append(Trial(first, second, third, f"{other}/{Path(first).name}", number))
    return found


@pytest.fixture
def protocol(raw: Path, tmp_path: Path) -> list[str]:
    """What names a list of the drawn people's photos, as JPEG, as a protocol."""
    photos = tmp_path / "photos"
    for path in raw.rglob("*.png"):
        write_image(photos / path.parent.name / f"{path.stem}.jpg", decode_image(path))
    text = trials_text(_trials(photos))
    (tmp_path / "own.tsv").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return [f"photos={photos}", f"protocol.trials={tmp_path / 'own.tsv'}", f"protocol.sha256={digest}"]


def test_from_photos_to_the_table(protocol: list[str], twoface: Run, tmp_path: Path) -> None:
    common = ["benchmark", *protocol, "recogniser=none", "output=out", "trials=3"]
    done = twoface(*common, "inputs=given", "holes=[center64,parts]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = sorted(path.relative_to(tmp_path / "given").parts[:2] for path in (tmp_path / "given").rglob("*.png"))
    assert set(names) == {
        (hole, kind) for hole in ("center64", "parts")
        for kind in ("photo", "mask", "reference", "wrong_reference", "occluded_reference")
    }  # fmt: skip
    assert len(names) == 2 * 5 * 3
    given = tmp_path / "given" / "center64"
    (tmp_path / "theirs").mkdir()
    for side, whose in (("right", "reference"), ("wrong", "wrong_reference")):  # a system that pastes references
        for path in (given / whose).rglob("*.png"):
            pixels = decode_image(path)
            larger = np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1)
            write_image(tmp_path / "theirs" / "center64" / side / path.relative_to(given / whose), larger)
    done = twoface(*common, "holes=center64", "against=theirs", cwd=tmp_path, timeout=400)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    figures = results["holes"]["center64"]
    assert figures["photos"] == 3
    assert figures["heading"]["compared"] == {"pictures": "theirs/center64"}
    assert {"compared generator", "compared, wrong reference", "occluded reference", "patchmatch"} <= set(
        figures["conditions"]
    )
    assert "opencv telea" in figures["conditions"]
    assert "opencv navier_stokes" in figures["conditions"]
    table = (tmp_path / "out" / "results.md").read_text()
    assert table in done.stdout
    assert "| compared generator |" in table
    (tmp_path / "out" / "results.json").unlink()  # as one that was stopped: what is done is not done again
    goes_on = twoface(*common, "holes=center64", "against=theirs", cwd=tmp_path)
    assert "there already" in goes_on.stdout, goes_on.stderr
    assert (tmp_path / "out" / "results.md").read_text() == table
    again = twoface(*common, cwd=tmp_path)
    assert again.returncode == 1
    assert "exists and is kept; set force=true" in again.stderr


def test_photos_that_somebody_lacks(protocol: list[str], twoface: Run, tmp_path: Path) -> None:
    person = next(path for path in sorted((tmp_path / "photos").iterdir()))
    next(iter(sorted(person.iterdir()))).unlink()
    done = twoface("benchmark", *protocol, cwd=tmp_path)
    assert done.returncode == 1
    assert "photos are not there: " in done.stderr
    assert not (tmp_path / "benchmark" / "lfw" / "data").exists()
    wrong = twoface("benchmark", *protocol, "protocol.sha256=" + "0" * 64, cwd=tmp_path)
    assert "is not the protocol's list" in wrong.stderr
    assert "holes: none is chosen" in twoface("benchmark", *protocol, "holes=[]", cwd=tmp_path).stderr
    assert (
        "holes: 'mouth' is not in the protocol" in twoface("benchmark", *protocol, "holes=mouth", cwd=tmp_path).stderr
    )


def test_pictures_of_any_system(checkpoint: Path, prepared: Path, tmp_path: Path) -> None:
    """Outside of the hole a picture does not count, of any size it is brought to the photos', and none may lack."""
    trained, options = load_generator(checkpoint), evaluate_options(prepared, photos=2)
    truth = prepared / "test" / "masked"
    for path in truth.rglob("*.jpg"):
        pixels = decode_image(path)
        rows = slice((len(pixels) - HOLE) // 2, (len(pixels) + HOLE) // 2)
        only_hole = np.zeros_like(pixels)
        only_hole[rows, rows] = pixels[rows, rows]
        write_image((tmp_path / "whole" / path.relative_to(truth)).with_suffix(".png"), only_hole)
    figures = evaluate(trained, options, None, ComparedPictures(tmp_path / "whole")).figures
    assert figures["conditions"]["compared generator"]["psnr_db"]["value"] > 90  # the photo itself
    made = list((tmp_path / "whole").rglob("*.png"))
    for path in made:
        write_image(path, decode_image(path)[:-1])
    with pytest.raises(TwoFaceError, match="a fill is square"):
        evaluate(trained, options, None, ComparedPictures(tmp_path / "whole"))
    for path in made:
        path.unlink()
    with pytest.raises(TwoFaceError, match=r"against: .*whole lacks 2 of 2 pictures"):
        evaluate(trained, options, None, ComparedPictures(tmp_path / "whole"))
    with pytest.raises(TwoFaceError, match="no folder"):
        ComparedPictures(tmp_path / "none")
