"""A config's shape: options that were added to it, taken away, or replaced by what they cannot be."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from twoface_pl.cli.overrides import OVERRIDE
from twoface_pl.errors import TwoFaceError, require

# What builds them knows which options there are, also those that no config has.
OPEN = frozenset(("mask", "trainer", "precision", "generator", "discriminator", "optimizer"))
MAY_BE_NOTHING = frozenset(("stop_when",))  # which an experiment may have set
MAY_BE_WORDS = frozenset(("placement",))  # true, or one of its names
NOTHING = ("", "null", "~")


def choices(overrides: list[str]) -> list[str]:
    """The overrides that choose a config of a group: what is left of them has the command's shape."""
    known = groups()
    matches = [OVERRIDE.fullmatch(text) for text in overrides]
    return [match[0] for match in matches if match is not None and match["key"] in known]


def check_shape(found: dict[str, Any], base: dict[str, Any], prefix: str = "") -> None:
    """Refuse a config that is of another shape than its command's.

    Raises:
        TwoFaceError: names the first key that is unknown, missing, or no set of options.
    """
    for key in found:
        if key not in base and (prefix or key not in OPEN):  # where a group is optional
            inside = f"{prefix.rstrip('.')} has" if prefix else "there are"
            raise TwoFaceError(f"{prefix}{key}: there is no such option; {inside} {', '.join(map(str, base))}")
    for key, before in base.items():
        if key not in found:
            raise TwoFaceError(f"{prefix}{key} is missing; it cannot be taken away")
        is_nothing = not prefix and key in MAY_BE_NOTHING and found[key] is None
        if isinstance(before, dict) and before and not is_nothing:
            if not isinstance(found[key], dict):
                now = "null" if found[key] is None else found[key]
                raise TwoFaceError(f"{prefix}{key}={now} is no set of options; it holds {', '.join(map(str, before))}")
            if key not in OPEN or prefix:
                check_shape(found[key], before, f"{prefix}{key}.")
        else:
            _check_kind(f"{prefix}{key}", found[key], before)


def _check_kind(key: str, value: Any, before: Any) -> None:
    """Refuse a value of another kind than the config's: Hydra reads ``no`` and ``off`` as words."""
    shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else value
    if key in MAY_BE_NOTHING:
        require(value is None or isinstance(value, dict), f"{key}={shown} is no set of options, {{name:value}}")
    elif isinstance(value, dict) and before is not None and not isinstance(before, dict):
        raise TwoFaceError(f"{key} is one value, and has no options")
    elif isinstance(before, bool):
        require(isinstance(value, bool) or key in MAY_BE_WORDS, f"{key}={shown} is neither true nor false")
    elif isinstance(before, int | float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        require(is_number or value is None, f"{key}={shown} is not a number")  # null: who reads it knows


def groups() -> dict[str, list[str]]:
    """The groups of configs, and the configs in each."""
    found = {
        folder.name: sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))
        for folder in files("twoface_pl.conf").iterdir()
        if folder.is_dir()
    }
    return {group: names for group, names in found.items() if names}


def refuse_empty_groups(overrides: list[str]) -> None:
    """Refuse ``mask=null``, at which Hydra itself fails.

    Raises:
        TwoFaceError: says what there is to choose from.
    """
    known = groups()
    for text in overrides:
        match = OVERRIDE.fullmatch(text)
        if match is not None and match["key"] in known and match["value"].strip().lower() in NOTHING:
            raise TwoFaceError(f"{text}: choose one of {', '.join(known[match['key']])}, or leave it out")
