"""Configs of another shape than their command's, and runs that have no place."""

import os
from pathlib import Path

import pytest
from conftest import Run

from twoface_pl.cli.launched import require_writable, run_here
from twoface_pl.cli.shape import check_shape, choices, refuse_empty_groups
from twoface_pl.data.datamodule import DataOptions, TripleDataModule
from twoface_pl.errors import TwoFaceError
from twoface_pl.masks import build_mask_policy

BASE = {
    "seed": 0,
    "ema": None,
    "force": False,
    "placement": True,
    "stop_when": None,
    "data": {"root": "a", "workers": 2},
    "mask": {"name": "center", "size": 32},
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sed": 1}, "sed: there is no such option; there are seed, ema, force, placement, stop_when, data, mask"),
        ({"data": {"root": "a", "workers": 2, "foo": 1}}, "data.foo: there is no such option; data has root, workers"),
        ({"data": {"root": "a"}}, r"data\.workers is missing; it cannot be taken away"),
        ({"data": None}, "data=null is no set of options; it holds root, workers"),
        ({"data": "here"}, "data=here is no set of options"),
        ({"mask": 7}, "mask=7 is no set of options; it holds name, size"),
        ({"data": {"root": {"x": 2}, "workers": 2}}, r"data\.root is one value, and has no options"),
        ({"data": {"root": "a", "workers": "two"}}, r"data\.workers=two is not a number"),
        ({"data": {"root": "a", "workers": True}}, r"data\.workers=true is not a number"),
        ({"force": "no"}, "force=no is neither true nor false"),
        ({"force": 0}, "force=0 is neither true nor false"),
        ({"stop_when": 24}, r"stop_when=24 is no set of options, \{name:value\}"),
    ],
)
def test_a_config_of_another_shape_is_refused(changes: dict, said: str) -> None:
    with pytest.raises(TwoFaceError, match=said):
        check_shape({**BASE, **changes}, BASE)


def test_what_may_differ() -> None:
    check_shape({**BASE, "ema": {"a": 1}, "mask": {"name": "strokes", "hole_ratio": [0.1, 0.2]}}, BASE)
    given = ["seed=1", "+mask.jitter=0.1", "~ema", "data=null", "mask=strokes", "experiment=demo", "stop_when={a:1}"]
    assert choices(given) == ["mask=strokes", "experiment=demo"]
    check_shape({**BASE, "stop_when": None}, {**BASE, "stop_when": {"validation/psnr_in_hole": 3}})
    without = {key: value for key, value in BASE.items() if key != "mask"}
    check_shape({**BASE, "mask": {"name": "center"}}, without)  # evaluate has none of its own


def test_a_group_without_a_choice() -> None:
    refuse_empty_groups(["mask=strokes", "resume=null", "experiment=smoke", "--cfg", "job"])
    for text in ("mask=null", "mask=", "mask=Null"):
        with pytest.raises(TwoFaceError, match=r"choose one of center, center16, .*, curriculum, .*, or leave it out"):
            refuse_empty_groups([text])


@pytest.mark.parametrize(
    "mask",
    [
        {"name": "center", "size": 64},
        {"name": "random_box", "smallest": 3, "largest": 70},
        {"name": "mixture", "parts": {"a": {"weight": 1, "mask": {"name": "center", "size": 200}}}},
        {"name": "curriculum", "stages": {"a": {"before_epoch": None, "mask": {"name": "center", "size": 200}}}},
    ],
)
def test_a_hole_larger_than_the_picture_is_refused_before_anything_is_built(mask: dict, prepared: Path) -> None:
    options = DataOptions(prepared, 64, batch_size=4, workers=0, seed=0, validation_photos=4)
    with pytest.raises(TwoFaceError, match=r"a hole of \d+ px does not fit a picture of 64 px"):
        TripleDataModule(options, build_mask_policy(mask))


def test_a_run_without_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TwoFaceError, match=r"hydra\.run\.dir=.*/file/run: .*/file is a file; give another folder"):
        require_writable([f"hydra.run.dir={tmp_path}/file/run"])
    require_writable([f"hydra.run.dir={tmp_path}/new/run", "max_batches=3"])
    require_writable([f"hydra.run.dir={tmp_path}/file/run", "--cfg", "job"])
    require_writable([f"hydra.run.dir={tmp_path}/${{now:%H}}"])
    require_writable(["-m", f"hydra.run.dir={tmp_path}/file/run", f"hydra.sweep.dir={tmp_path}/sweep"])
    with pytest.raises(TwoFaceError, match=r"hydra\.sweep\.dir=.*/file is a file; .*: hydra\.sweep\.dir=<folder>"):
        require_writable(["--multirun", f"++hydra.sweep.dir={tmp_path}/file"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").touch()
    with pytest.raises(TwoFaceError, match="/runs is a file"):
        require_writable([])
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(TwoFaceError, match=f"{tmp_path} cannot be written into"):
        require_writable([f"hydra.run.dir={tmp_path}/new"])
    with pytest.raises(TwoFaceError, match=r"hydra\.run\.dir=s3://: name a bucket and a folder in it"):
        run_here(["hydra.run.dir=s3://"])


def test_the_command_says_it_and_leaves_nothing(twoface: Run, prepared: Path, tmp_path: Path) -> None:
    common = ["train", "experiment=smoke", f"data.root={prepared}", "hydra.run.dir=run"]
    for override, said in (
        ("+data.foo=1", "data.foo: there is no such option; data has root, zip_in_memory, decoded, batch_size"),
        ("references=2", "references=2 is no set of options; it holds most, none, itself"),
        ("mask=null", "mask=null: choose one of center"),
        ("mask.size=200", "a hole of 200 px does not fit a picture of 64 px"),
    ):
        done = twoface(*common, override, cwd=tmp_path)
        assert done.returncode == 1
        assert said in done.stderr.strip().splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert not list(tmp_path.iterdir()), override
