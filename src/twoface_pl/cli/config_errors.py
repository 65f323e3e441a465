"""What Hydra and OmegaConf refuse, said of the command line that people wrote."""

from __future__ import annotations

import difflib
import re

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from twoface_pl.cli.config_keys import ConfigKeys
from twoface_pl.cli.overrides import config_dir
from twoface_pl.cli.shape import choices, groups

NO_SUCH_KEY = re.compile(r"Could not (?:override|delete from config\.) '(?P<key>[^']+)'")


def _did_you_mean(word: str, known: list[str]) -> str:
    last = word.rpartition(".")[2]
    same_end = [key for key in known if key.rpartition(".")[2] == last]
    found = same_end or difflib.get_close_matches(word, known, n=3)
    return f"did you mean {' or '.join(found[:3])}? " if found else ""


def _no_such_key(command: str, key: str, given: list[str]) -> str:
    try:
        chosen = [text for text in choices(given) if not text.startswith(f"{key}=")]
        keys = ConfigKeys(command, chosen, config_dir(given))
    except (HydraException, OmegaConfBaseException):  # a choice is wrong too
        keys = ConfigKeys(command, [])
    whole = key.rpartition(".")[0]
    if whole in keys.values:
        return f"{key}: {whole} is one value, and has no options; `twoface {command} --help` lists what there is"
    meant = _did_you_mean(key, [*keys.values, *keys.choices])
    elsewhere = " (it is a choice of other commands)" if key in groups() and not meant else ""
    return f"{key}: there is no such option{elsewhere}; {meant}`twoface {command} --help` lists all"


def _no_such_choice(error: MissingConfigException) -> str:
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    options = sorted(error.options or [])
    near = difflib.get_close_matches(name, options, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"{group}={name}: there is no such choice; choose one of {', '.join(options)}{meant}"


def said_of(error: Exception, command: str, given: list[str]) -> str:
    """One sentence on a config that could not be composed.

    Args:
        error: Hydra's or OmegaConf's.
        command: of ``twoface``.
        given: its arguments.
    """
    text = str(error).strip()
    missing = NO_SUCH_KEY.match(text)
    if isinstance(error, MissingConfigException) and error.options:
        return _no_such_choice(error)
    if missing is not None:
        return _no_such_key(command, missing["key"], given)
    first, *rest = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    if isinstance(error, OverrideParseException):
        word = str(error.override)
        why = "" if "=" not in word else f" ({rest[0]})" if rest else ""
        return f"'{word}' cannot be read as <key>=<value>{why}; `twoface {command} --help` lists the keys"
    if isinstance(error, OmegaConfBaseException):
        return f"{error.full_key}: {first}" if error.full_key else first
    return "\n".join([first, *rest])
