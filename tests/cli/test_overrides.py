"""Paths as people type them on Hydra's command line, and lines they paste."""

import shlex
from pathlib import Path

import pytest
from conftest import Run
from hydra.core.override_parser.overrides_parser import OverridesParser

from twoface_pl.cli.overrides import command_line, override, readable

AWKWARD = (
    *("fotos José", "photos (1)", "a=b", "Tom's", "a,b", "2019", "1e3", "true", "人", "a;b!c#d", "{x}", " leading"),
    *("trailing ", 'quote"', "back\\slash", "a b", "~tilde", "[1]", "100%", "a:b", "+plus", "$dollar"),
)


def _read(argument: str) -> object:
    (found,) = OverridesParser.create().parse_overrides([argument])
    return found.value()


@pytest.mark.parametrize("name", AWKWARD)
def test_a_path_of_any_name_gets_through_as_it_is(name: str) -> None:
    for key in ("source.root", "root", "+data.root", "checkpoint", "mask.folder", "hydra.run.dir"):
        (argument,) = readable([f"{key}={name}"])
        if name not in ("[1]", "~tilde"):  # a list, and somebody's home
            assert _read(argument) == name
    assert _read(override("root", Path(name))) == str(Path(name))
    assert readable([override("root", Path(name))]) == [override("root", Path(name))]


@pytest.mark.parametrize(
    "argument",
    [
        *(
            "max_batches=4",
            "optimizer.generator_lr=1e-3,1e-4",
            "mask=strokes",
            "resume=null",
            "~trainer",
        ),
        *("stop_when={validation/psnr_in_hole:24}", "mask.stroke_width=[4,8]", "root='a b'", 'root="José"'),
        *("split.test=0.3", "source.root=[first,second]", "root=${oc.env:HOME}/x", "x=range(1,3)", "trainer@other=cpu"),
    ],
)
def test_what_hydra_reads_stays_as_it_is(argument: str) -> None:
    assert readable([argument]) == [argument]


def test_lists_sweeps_and_home() -> None:
    assert _read(readable(["source.root=[fotos José,b,Tom's]"])[0]) == ["fotos José", "b", "Tom's"]
    assert _read(readable(["source.root=[2019,2020]"])[0]) == ["2019", "2020"]
    assert _read(readable(["source.root=[~/a,b]"])[0]) == [str(Path("~/a").expanduser()), "b"]
    assert readable(["root=a,b"], multirun=True) == ["root=a,b"]
    assert readable(["root=José,b"], multirun=True) == ["root='José,b'"]
    assert readable(["photos=2019"]) == ["photos=2019"]  # so many
    assert readable(["photos=2019"], command="benchmark") == ["photos='2019'"]
    assert readable(["root=~/x"]) == [f"root={Path('~/x').expanduser()}"]


def test_a_printed_line_can_be_pasted() -> None:
    line = command_line("evaluate", override("checkpoint", Path("runs/Tom's (1), José/best.ckpt")))
    command, name, argument = shlex.split(line)
    assert (command, name) == ("twoface", "evaluate")
    assert _read(argument) == "runs/Tom's (1), José/best.ckpt"


@pytest.mark.parametrize("name", ["fotos José", "a=b", "2019"])
def test_the_command_reads_it(name: str, twoface: Run, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    done = twoface("prepare", f"source.root={name}", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"twoface prepare: {name} holds no folders; photos are expected as <identity>/<photo>\n"
