"""Every config file composes, and every key says what it is."""

import re
from pathlib import Path

import pytest
from conftest import ROOT
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

CONF = ROOT / "conf"
ROOTS = ("prepare", "train", "evaluate", "benchmark", "export", "masks")
# Which program a group belongs to; the rest belongs to train.
PROGRAM = {
    "source": "prepare",
    "split": "prepare",
    "frame": "prepare",
    "recogniser": "prepare",
    "protocol": "benchmark",
}
FILES = sorted(path.relative_to(CONF).with_suffix("") for path in CONF.rglob("*.yaml"))


def test_the_groups_that_users_choose_from() -> None:
    groups = {path.parent.name for path in FILES if path.parent.name}
    assert groups >= {
        "source", "frame", "split", "recogniser", "mask", "augment", "generator", "losses", "trainer", "precision",
        "logger", "experiment",
    }  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_config_composes(file: Path) -> None:
    group = file.parent.name
    with initialize_config_module("twoface_pl.conf", version_base="1.3"):
        if not group:
            config = compose(file.name)
        else:
            config = compose(PROGRAM.get(group, "train"), overrides=[f"{group}={file.name}"])
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    if group not in ("", "experiment"):
        own = OmegaConf.load(CONF / file.with_suffix(".yaml"))
        assert set(own) - {"defaults"} <= set(plain[group])


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_key_has_a_comment(file: Path) -> None:
    text = (CONF / file).with_suffix(".yaml").read_text()
    body = re.sub(r"^defaults:.*\n(?:  - .*\n)*", "", text, flags=re.MULTILINE)
    for line in body.splitlines():
        assert not re.match(r"\s*[\w/]+:", line) or re.search(r" # \S", line), f"{file}: {line}"


@pytest.mark.parametrize("program", ROOTS)
def test_no_key_is_taken_for_a_group_on_the_command_line(program: str) -> None:
    """Hydra takes ``split=test`` for a choice of the group ``split``, and refuses it where none is chosen from."""
    config = OmegaConf.load(CONF / f"{program}.yaml")
    chosen = {re.split(r"[ @:]", str(name).strip("{}'"))[-1] for entry in config.defaults for name in _names(entry)}
    groups = {path.parent.name for path in FILES if path.parent.name}
    assert not (set(config) - {"defaults"} - chosen) & groups


def _names(entry: object) -> list[object]:
    return [entry] if isinstance(entry, str) else list(entry)  # type: ignore[call-overload]


@pytest.mark.parametrize("file", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_experiment_leaves_the_mask_to_who_chooses_another(file: Path) -> None:
    """It names a config of the group: keys of one policy are none of another, which is one's own."""
    assert "mask" not in OmegaConf.load(file)
