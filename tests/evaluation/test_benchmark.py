"""The benchmark: from photos to the table by one command, and any system's pictures judged like ours."""

import copy
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import HOLE, SIZE, TIGHT, Run, evaluate_options
from listed import listed_trials

from twoface_pl.data.protocol import Trial, Trials, read_trials, trials_text
from twoface_pl.data_prep.listed import prepare_listed
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation import benchmark as module
from twoface_pl.evaluation.benchmark import Benchmark, result_rows
from twoface_pl.evaluation.compared import ComparedGenerator, ComparedPictures
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.networks.checkpoint import TrainedGenerator, load_generator


@pytest.fixture
def protocol(raw: Path, tmp_path: Path) -> list[str]:
    """What names a list of the drawn people's photos, as JPEG, as a protocol."""
    photos = tmp_path / "photos"
    for path in raw.rglob("*.png"):
        write_image(photos / path.parent.name / f"{path.stem}.jpg", decode_image(path))
    text = trials_text(listed_trials(photos))
    (tmp_path / "own.tsv").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return [
        f"photos={photos}",
        f"protocol.trials={tmp_path / 'own.tsv'}",
        f"protocol.sha256={digest}",
        "protocol.name=own",
    ]


def _given(folder: Path, kind: str) -> dict[str, np.ndarray]:
    """Pictures of one kind, by person and photo."""
    return {str(path.relative_to(folder / kind)): decode_image(path) for path in sorted((folder / kind).rglob("*.png"))}


def test_what_other_systems_are_given(protocol: list[str], twoface: Run, tmp_path: Path) -> None:
    common = ["benchmark", *protocol, "recogniser=none", "output=out", "trials=3"]
    done = twoface(*common, "inputs=given", "holes=[center64,parts]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    framed, sides = tmp_path / "out" / "own" / "framed" / "data" / "test" / "reference", {}
    trials = list(read_trials(tmp_path / "own.tsv").as_prepared().by_target.values())[:3]
    for hole in ("center64", "parts"):
        folder = tmp_path / "given" / hole
        kinds = {kind.name: _given(folder, kind.name) for kind in folder.iterdir()}
        assert set(kinds) == {"photo", "mask", "reference", "wrong_reference", "occluded_reference"}
        for trial in trials:
            name = ComparedPictures.name_of(trial.target)
            photo, mask = kinds["photo"][name], kinds["mask"][name]
            hidden = mask[..., 0] == 255
            assert (mask == np.where(hidden[..., None], 255, 0)).all()
            assert np.array_equal(photo[~hidden], decode_image(framed / trial.target)[~hidden])
            assert (photo[hidden] == 128).all()
            for kind, of in (("reference", trial.reference), ("wrong_reference", trial.wrong_reference)):
                assert np.array_equal(kinds[kind][name], decode_image(framed / of)), (kind, name)
            covered = (kinds["occluded_reference"][name] != kinds["reference"][name]).any(axis=2)
            assert 0.02 < covered.mean() < 0.6
            sides[hole] = hidden.mean()
        assert {kind: len(pictures) for kind, pictures in kinds.items()} == dict.fromkeys(kinds, 3)
    assert sides["center64"] == 0.25
    assert 0 < sides["parts"] < 0.5


def test_from_photos_to_the_table(protocol: list[str], twoface: Run, tmp_path: Path) -> None:
    common = ["benchmark", *protocol, "recogniser=none", "output=out", "trials=3"]
    assert twoface(*common, "inputs=given", "holes=center64", cwd=tmp_path).returncode == 0
    for side, kind in (("right", ""), ("wrong", "wrong_"), ("occluded", "occluded_")):  # references are pasted
        for name, pixels in _given(tmp_path / "given" / "center64", f"{kind}reference").items():
            larger = np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1)
            write_image(tmp_path / "theirs" / "center64" / side / name, larger)
    early = twoface(*common, "holes=[center64,parts]", "against=theirs", cwd=tmp_path)
    assert early.returncode == 1
    assert "against=theirs/parts: no folder" in early.stderr  # before the other hole is filled
    results, table = (tmp_path / "out" / "own" / f"results.{suffix}" for suffix in ("json", "md"))
    done = twoface(*common, "holes=center64", "against=theirs", cwd=tmp_path, timeout=400)
    assert done.returncode == 0, done.stderr
    figures = json.loads(results.read_text())["holes"]["center64"]
    assert figures["photos"] == 3
    assert figures["heading"]["compared"] == {"pictures": "theirs/center64"}
    theirs = {"compared generator", "compared, wrong reference", "compared, occluded reference"}
    assert theirs | {"occluded reference", "patchmatch", "opencv telea", "opencv navier_stokes"} <= set(
        figures["conditions"]
    )
    first = table.read_text()
    assert first in done.stdout
    assert "| compared generator |" in first
    results.unlink()  # as one that was stopped: what is done is not done again
    goes_on = twoface(*common, "holes=center64", "against=theirs", cwd=tmp_path)
    assert "there already" in goes_on.stdout, goes_on.stderr
    assert table.read_text() == first
    picture = next((tmp_path / "theirs").rglob("*.png"))
    write_image(picture, decode_image(picture) // 2)
    other = twoface(*common, "holes=center64", "against=theirs", cwd=tmp_path)
    assert other.returncode == 1
    assert "center64 holds figures of another compared; set force=true to replace" in other.stderr
    assert table.read_text() == first
    replaced = twoface(*common, "holes=center64", "against=theirs", "force=true", cwd=tmp_path, timeout=400)
    assert replaced.returncode == 0, replaced.stderr
    assert table.read_text() != first


@pytest.fixture(scope="module")
def faced(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set that says where faces are, as a benchmark's."""
    folder = tmp_path_factory.mktemp("faced")
    (folder / "list.tsv").write_text(trials_text(listed_trials(raw)))
    return prepare_listed(raw, read_trials(folder / "list.tsv"), folder / "framed", TIGHT, SIZE)


@pytest.fixture(scope="module")
def trained(checkpoint: Path) -> TrainedGenerator:
    """Said to work in that frame."""
    return dataclasses.replace(load_generator(checkpoint), frame=TIGHT)


def _benchmark(faced: Path, trained: TrainedGenerator, folder: Path, **changes: Any) -> Benchmark:
    """Of two trials among the prepared people, and holes that are quick to fill."""
    people = sorted((faced / "test" / "reference").iterdir())
    files = [[f"{person.name}/{path.name}" for path in sorted(person.iterdir())] for person in people[:2]]
    trials = [Trial(*of[:3], files[1 - number][0], number) for number, of in enumerate(files)]
    listed = Trials({trial.target: trial for trial in trials}, "0" * 64)
    holes = {name: {"name": "center", "size": size} for name, size in (("small", 8), ("large", HOLE))}
    protocol = {"name": "own", "version": 1, "holes": holes, "image_size": SIZE, "frame": TIGHT.options()}
    options = evaluate_options(faced, trials=listed, **changes)
    return Benchmark(protocol, folder, options, trained, None, {})


def test_holes_come_one_by_one_and_of_nothing_else(
    trained: TrainedGenerator, faced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real = module.evaluate
    monkeypatch.setattr(module, "evaluate", lambda *given: done.append(f"{given[1].mask['size']}") or real(*given))
    benchmark = _benchmark(faced, trained, tmp_path)
    table, _ = benchmark.run(["small"], "a", force=False)
    assert "## small" in table.read_text()
    assert "## large" not in table.read_text()
    benchmark.run(["large"], "a", force=False)  # what is there of another hole stays in the table
    text = table.read_text()
    assert text.index("## small") < text.index("## large")
    benchmark.run(["small", "large"], "a", force=False)
    assert done == ["8", "16"]
    benchmark.run(["large"], "a", force=True)
    assert done == ["8", "16", "16"]
    (tmp_path / "vgg.pt").write_bytes(b"weights")
    with torch.no_grad():
        other = dataclasses.replace(trained, generator=copy.deepcopy(trained.generator))
        next(other.generator.parameters()).add_(1)
    for changed, photos, says in (
        (_benchmark(faced, other, tmp_path), "a", "small holds figures of another generator"),
        (benchmark, "b", "small holds figures of another photos"),
        (_benchmark(faced, trained, tmp_path, vgg=tmp_path / "vgg.pt"), "a", "another vgg"),
    ):
        with pytest.raises(TwoFaceError, match=says):
            changed.run(["small"], photos, force=False)
    with pytest.raises(TwoFaceError, match="cannot be read"):
        _benchmark(faced, trained, tmp_path, vgg=tmp_path / "none.pt").run(["small"], "a", force=False)
    (tmp_path / "small" / "evaluation.json").write_text("{")  # torn: made anew
    benchmark.run(["small"], "a", force=False)
    assert done[3:] == ["8"]


def test_a_generator_of_another_size_or_frame_is_refused(
    trained: TrainedGenerator, faced: Path, tmp_path: Path
) -> None:
    for change, says in (
        ({"image_size": 2 * SIZE}, f"the checkpoint works at {2 * SIZE} px; here are photos of {SIZE} px"),
        ({"frame": FrameKind("none")}, "the checkpoint was trained in the frame none; here it is tight"),
    ):
        other = dataclasses.replace(trained, **change)
        with pytest.raises(TwoFaceError, match=says):
            _benchmark(faced, other, tmp_path).run(["small"], "a", force=False)
        compared = dataclasses.replace(
            _benchmark(faced, trained, tmp_path), against={"small": ComparedGenerator(other)}
        )
        with pytest.raises(TwoFaceError, match=says.replace("checkpoint", "compared generator")):
            compared.run(["small"], "a", force=False)


def test_who_is_verified_is_said_by_the_judge() -> None:
    """Not by the network that losses use, whose record comes first."""

    def said(share: float) -> dict:
        return {"conditions": {"right reference": {"of_untouched": {"value": share}}}}

    figures = {
        "heading": {"judge": "sface"},
        "conditions": {"right reference": {"psnr_db": {"value": 20.0}, "judge_to_truth": {"value": 0.5}}},
        "verification": {
            "facenet (in the losses), 1.0% false accepts": said(0.99), "sface, 1.0% false accepts": said(0.11),
            "sface, 0.1% false accepts": said(0.05),
        },
        "gaze": {"photos": 7, "conditions": {"right reference": {"value": 0.2, "low": 0.15, "high": 0.25}}},
        "told_apart": {"right reference": 0.75}, "distribution": None,
    }  # fmt: skip
    head, row = result_rows(figures)
    assert dict(zip(head, row, strict=True)) == {
        "": "right reference", "PSNR, dB": "20.00", "likeness": "0.500", "verified": "11%",
        "gaze, 7 photos": "0.200 ± 0.050", "told": "0.75",
    }  # fmt: skip


def test_photos_that_somebody_lacks(protocol: list[str], twoface: Run, tmp_path: Path) -> None:
    person = next(path for path in sorted((tmp_path / "photos").iterdir()))
    next(iter(sorted(person.iterdir()))).unlink()
    done = twoface("benchmark", *protocol, cwd=tmp_path)
    assert done.returncode == 1
    assert "photos are not there: " in done.stderr
    assert not (tmp_path / "benchmark").exists()
    wrong = twoface("benchmark", *protocol, "protocol.sha256=" + "0" * 64, cwd=tmp_path)
    assert "is not the protocol's list" in wrong.stderr
    for given, says in (
        ("holes=[]", "holes: none is chosen"), ("holes=5", "holes: none is chosen"),
        ("holes=mouth", "holes: 'mouth' is not in the protocol"),
        ("holes=[[parts]]", "holes: '['parts']' is not in the protocol"),
        ("protocol.trials=null", "protocol.trials=None: give the list's file"),
    ):  # fmt: skip
        refused = twoface("benchmark", *protocol, given, cwd=tmp_path)
        assert refused.returncode == 1, given
        assert says in refused.stderr, given


def test_pictures_of_any_system(checkpoint: Path, prepared: Path, tmp_path: Path) -> None:
    """Outside of the hole a picture does not count, of any size it is brought to the photos', and none may lack."""
    trained, options = load_generator(checkpoint), evaluate_options(prepared, photos=2)
    truth = prepared / "test" / "masked"
    for path in truth.rglob("*.jpg"):
        pixels = decode_image(path)
        rows = slice((len(pixels) - HOLE) // 2, (len(pixels) + HOLE) // 2)
        only_hole = np.zeros_like(pixels)
        only_hole[rows, rows] = np.maximum(pixels[rows, rows], 1) - 1
        write_image((tmp_path / "whole" / path.relative_to(truth)).with_suffix(".png"), only_hole)
    figures = evaluate(trained, options, None, ComparedPictures(tmp_path / "whole")).figures
    assert figures["conditions"]["compared generator"]["psnr_db"]["value"] > 48  # next to the photo itself
    made = list((tmp_path / "whole").rglob("*.png"))
    for path in made:
        write_image(path, np.minimum(decode_image(path), 254) + 1)
    with pytest.raises(
        TwoFaceError, match=r"against: in .*whole \d+% of the hole is the photo itself, to the last digit"
    ):
        evaluate(trained, options, None, ComparedPictures(tmp_path / "whole"))
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
