"""What Hydra and OmegaConf refuse, said of the command line that people wrote."""

from __future__ import annotations

import re

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from twoface_pl.cli.arguments import Arguments
from twoface_pl.cli.config_keys import ConfigKeys
from twoface_pl.cli.near import nearest
from twoface_pl.cli.overrides import OVERRIDE, is_sweep, plain_value
from twoface_pl.cli.shape import choices, groups

NO_SUCH_KEY = re.compile(r"Could not (?:override|delete from config\.) '(?P<key>[^']+)'")
CHOSEN_TWICE = re.compile(
    r"Multiple values for |.* appears more than once in the final defaults list|force-add of config"
)
NO_NAME = "Config group override must be a string"
CONFIG_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError)


def _keys(command: str, given: Arguments, without: str) -> ConfigKeys:
    """The command's, with the choices that were made, as far as these can be had."""
    chosen = [text for text in choices(given.overrides) if not text.startswith(f"{without}=") and not is_sweep(text)]
    try:
        return ConfigKeys(command, chosen, given.config_dir)
    except CONFIG_ERRORS:  # a choice is wrong too
        return ConfigKeys(command, [])


def _did_you_mean(word: str, known: list[str]) -> str:
    last = word.rpartition(".")[2]
    same_end = [key for key in known if key.rpartition(".")[2] == last]
    found = " or ".join(same_end[:3]) or nearest(word, known)
    return f"did you mean {found}? " if found else ""


def _no_such_key(command: str, key: str, given: Arguments) -> str:
    keys = _keys(command, given, key)
    if key in keys.choices:
        return f"{key}: give the name of a choice: {', '.join(keys.known(key))}"
    if key in groups():
        return f"{key}: there is no such choice in this command; `twoface {command} --help` lists all"
    if key.startswith("hydra."):
        return f"{key}: there is no such option; `twoface {command} --cfg hydra` shows Hydra's own"
    whole = key.rpartition(".")[0]
    if keys.values.get(whole) is not None:
        return f"{key}: {whole} is one value, and has no options; `twoface {command} --help` lists what there is"
    meant = _did_you_mean(key, [*keys.values, *keys.choices])
    return f"{key}: there is no such option; {meant}`twoface {command} --help` lists all"


def _no_such_choice(error: MissingConfigException, given: Arguments) -> str:
    group, _, name = str(error.missing_cfg_file).rstrip("/").rpartition("/")
    written = [text for text in given.overrides if text.lstrip("+").startswith(f"{group}=") and name in text]
    options = sorted(error.options or [])
    near = "" if name in options else nearest(name, options, most=1)
    meant = f"; did you mean {near}?" if near else ""
    said = written[0] if written else f"{group}={name}"
    return f"{said}: there is no such choice; choose one of {', '.join(options)}{meant}"


def _of_a_choice(text: str, command: str, given: Arguments) -> str | None:
    """What is wrong with how a group's choice is written; None where nothing is."""
    for override in given.overrides:
        match = OVERRIDE.fullmatch(override)
        if match is None or match["key"].lstrip("+") not in groups():
            continue
        group, value = match["key"].lstrip("+"), plain_value(override)
        if text.startswith(NO_NAME) and not is_sweep(override) and not isinstance(value, str | list):
            known = ", ".join(_keys(command, given, group).known(group))
            return f"{override}: there is no such choice; choose one of {known}"
        if CHOSEN_TWICE.match(text) and match["key"] != group:
            return f"{override}: a choice is made without the +: {group}={match['value']}"
    return None


def said_of(error: Exception, command: str, given: Arguments) -> str:
    """One sentence on a config that could not be composed.

    Args:
        error: Hydra's, OmegaConf's or YAML's.
        command: of ``twoface``.
        given: what it was called with.
    """
    text = str(error).strip()
    missing = NO_SUCH_KEY.match(text)
    if isinstance(error, MissingConfigException) and error.options:
        return _no_such_choice(error, given)
    if missing is not None:
        return _no_such_key(command, missing["key"], given)
    told = [line.strip() for line in text.splitlines() if line.strip(" ^") and not line.startswith("See http")]
    lines = told or [type(error).__name__]
    if isinstance(error, OverrideParseException):
        why = f" ({lines[1]})" if "=" in str(error.override) and len(lines) > 1 else ""
        return f"'{error.override}' cannot be read as <key>=<value>{why}; `twoface {command} --help` lists the keys"
    if isinstance(error, OmegaConfBaseException):
        return f"{error.full_key}: {lines[0]}" if error.full_key else lines[0]
    if isinstance(error, UnicodeDecodeError):
        return f"a config is no text in UTF-8 ({error.reason} at byte {error.start})"
    return _of_a_choice(text, command, given) or "\n".join(lines)
