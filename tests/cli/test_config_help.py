"""What commands with configs say of their options, and of options that they do not have."""

import re
from pathlib import Path

import pytest
from conftest import Run

from twoface_pl.cli.arguments import Arguments
from twoface_pl.cli.config_help import help_text
from twoface_pl.cli.config_keys import ConfigKeys, comments_in, flat
from twoface_pl.cli.main import HYDRA_COMMANDS
from twoface_pl.cli.shape import check_shape
from twoface_pl.errors import TwoFaceError

CHOICES = {
    "train": ["mask=strokes", "losses=classic2018"],
    "evaluate": ["mask=center64"],
    "prepare": ["split=kfold"],
    "benchmark": ["protocol=celeba"],
    "export": [],
    "masks": ["mask=shipped"],
}


def test_comments_by_dotted_key() -> None:
    text = (
        "# a file\nname: a # what\ndata: # read\n  root: b # of it\n  deep: # down\n    er: 1 # one\nlast: [1] # end\n"
    )
    assert comments_in(text) == {
        "name": "what", "data": "read", "data.root": "of it", "data.deep": "down", "data.deep.er": "one", "last": "end",
    }  # fmt: skip
    assert flat({"hydra": {"a": 1}, "b": {"c": {}, "hydra": 2}}) == {"b.c": {}, "b.hydra": 2}


@pytest.mark.parametrize("command", HYDRA_COMMANDS)
@pytest.mark.parametrize("with_choices", [False, True])
def test_help_says_what_each_key_is(command: str, with_choices: bool) -> None:
    chosen = CHOICES[command] if with_choices else []
    keys = ConfigKeys(command, chosen)
    comments = keys.comments()
    assert [key for key in keys.values if not comments.get(key)] == []
    shown = help_text(command, "does it", chosen, width=100)
    assert max(map(len, shown.splitlines())) <= 100
    words = " ".join(shown.split())
    for key in keys.values:
        assert re.search(rf"^  {re.escape(key)}=", shown, re.MULTILINE), key
        assert " ".join(comments[key].split()) in words, key
    for choice in chosen:
        assert re.search(rf"^  {choice} +of ", shown, re.MULTILINE), choice


@pytest.mark.parametrize("command", HYDRA_COMMANDS)
def test_what_may_be_null_by_its_comment_may_be(command: str) -> None:
    keys = ConfigKeys(command, [])
    for key, comment in keys.comments().items():
        if "null" in comment and key in keys.values and "." not in key:
            check_shape({key: None}, {key: keys.values[key]})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("train mask=centre", "mask=centre: there is no such choice; choose one of center, .*; did you mean center?"),
        ("train -m seed=1,2 generator=nope", "generator=nope: there is no such choice; choose one of ours, .*"),
        ("train maskk=center", "maskk: there is no such option; did you mean mask? `twoface train --help` lists all"),
        ("train imagesize=3", "imagesize: there is no such option; did you mean image_size .*"),
        ("prepare data.root=x", "data.root: there is no such option; did you mean source.root or root? .*"),
        ("train data.root.x=3", "data.root.x: data.root is one value, and has no options; .*"),
        ("train mask=center ~mask.sise", "mask.sise: there is no such option; did you mean mask.size .*"),
        ("prepare mask=center", "mask: there is no such choice in this command; `twoface prepare --help` lists all"),
        ("train mask=1", "mask=1: there is no such choice; choose one of center, .*"),
        ("train mask={a:1}", "mask: give the name of a choice: center, .*"),
        ("train +experiment=demo", "\\+experiment=demo: a choice is made without the \\+: experiment=demo"),
        ("train 1=2", "'1=2' cannot be read as <key>=<value>; `twoface train --help` lists the keys"),
        ("train hydra.run.dr=1", "hydra.run.dr: there is no such option; `twoface train --cfg hydra` .*"),
        ("train +data.root.x=2", "data.root is one value, and has no options"),
        ("train --help seed", "'seed' cannot be read as <key>=<value>; .*"),
        ("train seed 3", "'seed' cannot be read as <key>=<value>; `twoface train --help` lists the keys"),
        ("train seed=${foo}", "seed: Interpolation key 'foo' not found"),
        ("train hydra.run.dir=${foo}", "hydra.run.dir: Interpolation key 'foo' not found"),
        ("train +seed=1", "Could not append to config. An item is already at 'seed'.\n.*\n.*"),
        ("train -m seed=1 --cfg job", "Only one of --run, --multirun, .* can be specified"),
        ("train mask=strokes --help maskk=1", "maskk: there is no such option; did you mean mask? .*"),
        ("evaluate", "give checkpoint=..."),
        ("train mask=files", "give mask.folder=..."),
        ("train +mask.sise=3", "mask policy 'center' has no option 'sise'; it has size"),
        ("prepare +split.foo=3", "split.foo: there is no such option; split has name, validation, test, seed"),
    ],
)  # fmt: skip
def test_what_is_misspelt_is_answered_in_our_words(arguments: str, said: str, twoface: Run, tmp_path: Path) -> None:
    command, *rest = arguments.split()
    done = twoface(command, *rest, cwd=tmp_path)
    assert done.returncode == 1
    pattern = re.escape(f"twoface {command}: ") + said.replace("?", "\\?").replace("...", "\\.\\.\\.")
    assert re.fullmatch(pattern.replace("${", "\\${"), done.stderr.strip()), done.stderr
    assert not list(tmp_path.iterdir())


def test_options_may_stand_anywhere(tmp_path: Path) -> None:
    (tmp_path / "a=b").mkdir()
    read = Arguments.read("train", ["mask=strokes", "-m", "~experiment", f"--config-dir={tmp_path}/a=b", "seed=1,2"])
    assert read.overrides == ["mask=strokes", "~experiment", "seed=1,2"]
    assert read.flags == ["--multirun", "--config-dir", f"{tmp_path}/a=b"] or read.flags[-1] == "--multirun"
    assert read.config_dir == tmp_path / "a=b"
    assert Arguments.read("train", ["mask=strokes", "--info"]).flags == ["--info", "all"]
    assert Arguments.read("train", ["-c", "job", "root=2019"]) == Arguments({"--cfg": "job"}, ["root='2019'"])
    with pytest.raises(TwoFaceError, match="--config-dir nowhere: no such folder"):
        Arguments.read("train", ["--config-dir", "nowhere"])


def test_own_configs_are_in_it(tmp_path: Path, twoface: Run) -> None:
    folder = tmp_path / "José's"
    (folder / "mask").mkdir(parents=True)
    (folder / "mask" / "bar.yaml").write_text("name: bar # a bar\nheight: 9 # how high\n")
    shown = twoface("train", "--config-dir", "José's", "mask=bar", "--help", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^  mask=bar +of bar, center,", shown.stdout, re.MULTILINE)
    assert re.search(r"^  mask\.height=9 +how high$", shown.stdout, re.MULTILINE)
    done = twoface("train", "--config-dir", "José's", "mask=bar", "mask.heigt=3", cwd=tmp_path)
    assert "mask.heigt: there is no such option; did you mean mask.height" in done.stderr
    (folder / "mask" / "broken.yaml").write_text("a: [1\nb: 2")
    done = twoface("train", "--config-dir", folder, "mask=broken", cwd=tmp_path)
    assert done.stderr.startswith("twoface train: while parsing a flow sequence\nin ")
    assert "broken.yaml" in done.stderr
    (folder / "mask" / "latin.yaml").write_bytes(b"name: caf\xe9 # a name\n")
    done = twoface("train", "--config-dir", folder, "mask=latin", cwd=tmp_path)
    assert done.stderr.startswith("twoface train: a config is no text in UTF-8")
    (folder / "mine").mkdir()
    (folder / "mine" / "x.yaml").write_text("- 1\n- 2\n")
    shown = twoface("train", "--config-dir", folder, "+mine=x", "--help", cwd=tmp_path)
    assert re.search(r"^  mine=x +of x$", shown.stdout, re.MULTILINE), shown.stderr


def test_a_sweep_of_own_configs(tmp_path: Path, twoface: Run) -> None:
    (tmp_path / "mine" / "mask").mkdir(parents=True)
    (tmp_path / "mine" / "mask" / "bar.yaml").write_text("name: bar # a bar\n")
    done = twoface("train", "mask=bar,center", "data.root=gone", "-m", "--config-dir", "mine", cwd=tmp_path)
    assert "mask policy 'bar' is not known" in done.stderr  # by the job: nobody has declared that policy
    assert "no folder gone/train" in done.stderr
