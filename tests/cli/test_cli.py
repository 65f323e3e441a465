"""The one command: help at once, Hydra's own ways, errors that say what to do, two processes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SIZE, Run

from twoface_pl import __version__
from twoface_pl.cli.trained import load_trained
from twoface_pl.errors import TwoFaceError

HEAVY = ("torch", "numpy", "cv2", "hydra", "pytorch_lightning", "onnxruntime", "fastapi", "PIL")
SMOKE = ["experiment=smoke", "logger=csv", "progress=false"]


def test_help_and_version(twoface: Run) -> None:
    shown = twoface("--help")
    assert shown.returncode == 0
    for command in ("prepare", "train", "evaluate", "export", "inpaint", "serve", "doctor", "demo"):
        assert re.search(rf"^  {command} ", shown.stdout, re.MULTILINE), command
    assert twoface("--version").stdout == f"twoface {__version__}\n"
    assert twoface().returncode == 2
    unknown = twoface("trian")
    assert unknown.returncode == 2
    assert "no command 'trian'; did you mean train" in unknown.stderr
    misspelt = twoface("--verison")
    assert (misspelt.returncode, "no option '--verison'; did you mean --version?" in misspelt.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["inpaint", "--imge", "a.png"], "there is no option --imge; did you mean --image?"),
        (["inpaint", "--image", "a.png", "--refrence=b.png"], "no option --refrence; did you mean --reference?"),
        (["inpaint", "--image", "a.png", "--zzz"], "there is no option --zzz\n"),
        (["serve", "--prot", "80"], "there is no option --prot; did you mean --port?"),
    ],
)
def test_a_misspelt_option_is_answered_with_the_one_that_was_meant(
    arguments: list[str], says: str, twoface: Run
) -> None:
    refused = twoface(*arguments)
    assert refused.returncode == 2
    assert says in refused.stderr


def test_what_is_no_checkpoint_but_was_meant_as_one(checkpoint: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for given, says in (
        (checkpoint.parent, f"a folder, not a checkpoint; give the file in it: {checkpoint}"),
        (model.parents[1], f"a folder, not a checkpoint; give the file in it: {model}"),
        (tmp_path / "empty", "a folder, not a checkpoint; train one"),
        ("shiped", "no checkpoint shiped; did you mean shipped"),
        (tmp_path / "gone.ckpt", "no checkpoint .*gone.ckpt; train one"),
    ):
        with pytest.raises(TwoFaceError, match=says):
            load_trained(given)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['twoface', '--help']; from twoface_pl.cli.main import main; main();"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.endswith("[]\n")


@pytest.mark.parametrize("command", ["prepare", "train", "evaluate", "export"])
def test_hydra_help_and_config(command: str, twoface: Run, tmp_path: Path) -> None:
    shown = twoface(command, "--cfg", "job", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "root:" in shown.stdout or "checkpoint: ???" in shown.stdout
    shown = twoface(command, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: twoface {command} ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["inpaint", "serve", "doctor", "demo"])
def test_plain_help(command: str, twoface: Run) -> None:
    shown = twoface(command, "--help")
    assert shown.returncode == 0
    assert f"usage: twoface {command}" in shown.stdout


def test_doctor(twoface: Run) -> None:
    shown = twoface("doctor")
    assert shown.returncode == 0, shown.stdout
    for part in (
        f"twoface {__version__}",
        "torch 2.",
        "onnxruntime runs on",
        "usable cores",
        "FaceNet:",
        "problems: none",
    ):
        assert part in shown.stdout
    assert re.search(r"CPU for torch: .* bfloat16 run \d+\.\d times as fast .*: precision=(bf16|fp32)\n", shown.stdout)


def test_bad_overrides_and_missing_values(twoface: Run, tmp_path: Path) -> None:
    for arguments, says in (
        (["train", "generator=unet"], "generator=unet: there is no such choice; choose one of ours"),
        (["train", "generator.colour=3"], "colour"),
        (["train", "data.batch_size=0"], "batch_size=0 is not a whole number from 1"),
        (["prepare", "image_size=0", "source.root=."], "image_size=0 is not a whole number from 16"),
        (["train"], "no folder data/prepared/train; make it with `twoface prepare"),
        (["evaluate"], "give checkpoint=..."),
        (["prepare", "root=.", "source.root=gone"], "lie in each other"),
        (["masks", "seed=-1"], "seed=-1 is below 0"),
        (["export", "checkpoint=gone.ckpt"], "no checkpoint gone.ckpt"),
        (["prepare", "source.root=gone"], "no folder gone"),
    ):
        done = twoface(*arguments, cwd=tmp_path)
        assert done.returncode == 1, arguments
        assert says in done.stderr, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_generator_that_cannot_fill_the_hole(twoface: Run, prepared: Path, tmp_path: Path) -> None:
    done = twoface(
        "train", *SMOKE, f"data.root={prepared}", "losses=reconstruction", "mask.size=20", "generator=seed",
        "generator.vgg_weights=random", "image_size=128", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "generator 'seed' fills only the centre 32x32 hole" in done.stderr
    assert "set mask=center mask.size=32" in done.stderr


@pytest.mark.slow
def test_multirun_makes_a_folder_a_job(twoface: Run, prepared: Path, identity_file: Path, tmp_path: Path) -> None:
    done = twoface(
        "train", "--multirun", *SMOKE, f"data.root={prepared}", "optimizer.generator_lr=1e-3,1e-4", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (sweep,) = (tmp_path / "runs").iterdir()
    assert (sweep / "0" / "last.ckpt").is_file()
    assert (sweep / "1" / "last.ckpt").is_file()
    configs = [(sweep / job / ".hydra" / "config.yaml").read_text() for job in "01"]
    assert "generator_lr: 0.001" in configs[0]
    assert "generator_lr: 0.0001" in configs[1]


def test_a_failed_job_does_not_end_a_multirun(
    twoface: Run, prepared: Path, identity_file: Path, tmp_path: Path
) -> None:
    home = tmp_path / "josé"  # a path that Hydra's grammar wants in quotes
    home.mkdir()
    done = twoface("train", "--multirun", *SMOKE, f"data.root={prepared}", "data.batch_size=0,4", cwd=home)
    assert done.returncode == 1
    assert "batch_size=0 is not a whole number from 1" in done.stderr
    assert "failed with status 1" in done.stderr
    (sweep,) = (home / "runs").iterdir()
    assert (sweep / "1" / "last.ckpt").is_file()


def test_a_refused_run_leaves_what_was_there(twoface: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "mine.log").write_text("mine")
    assert twoface("train", "data.root=gone", "hydra.run.dir=logs", cwd=tmp_path).returncode == 1
    assert (tmp_path / "logs" / "mine.log").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert twoface("train", "data.root=gone", "hydra.run.dir=new", cwd=tmp_path / "empty").returncode == 1
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("multirun", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_two_processes_train_into_one_folder(
    multirun: bool, twoface: Run, prepared: Path, identity_file: Path, tmp_path: Path
) -> None:
    jobs = 2 if multirun else 1
    arguments = ["--multirun", "seed=1,2"] if multirun else []
    done = twoface("train", *arguments, *SMOKE, f"data.root={prepared}", "trainer=two_cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("trained 4 batches") == jobs
    assert len(list((tmp_path / "runs").rglob("last.ckpt"))) == jobs
    assert len(list((tmp_path / "runs").iterdir())) == 1
    logs = "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    assert "2 process(es)" in logs
    records = [path.read_text().count("---\n") for path in tmp_path.rglob("record.yaml")]
    assert records == [1] * jobs
    ranks = {path.parent for path in tmp_path.rglob("train_ddp_process_1.log")}
    assert len(ranks) == jobs
    assert SIZE == 64  # what the smoke experiment expects of the data
