"""What commands with configs say of their options, and of options that they do not have."""

import re
from pathlib import Path

import pytest
from conftest import Run

from twoface_pl.cli.config_help import help_text
from twoface_pl.cli.config_keys import ConfigKeys, comments_in, flat
from twoface_pl.cli.main import HYDRA_COMMANDS
from twoface_pl.cli.overrides import flags_first

CHOICES = {"train": ["mask=strokes", "losses=classic2018"], "evaluate": ["mask=center64"], "prepare": ["split=kfold"]}


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
    chosen = CHOICES.get(command, []) if with_choices else []
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
        ("prepare mask=center", "mask: there is no such option \\(it is a choice of other commands\\); .*"),
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


def test_flags_may_stand_anywhere() -> None:
    assert flags_first(["mask=strokes", "-m", "seed=1,2"]) == ["-m", "mask=strokes", "seed=1,2"]
    assert flags_first(["a=1", "--cfg", "job", "~b"]) == ["--cfg", "job", "~b", "a=1"]


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
    gone = twoface("train", "--help", "--config-dir", cwd=tmp_path)
    assert gone.returncode == 0
