"""Overrides as Hydra's grammar wants them, and lines that can be pasted into a shell."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

OVERRIDE = re.compile(r"(?P<key>[+~]{0,2}[A-Za-z_][\w./@:-]*)=(?P<value>.*)", re.DOTALL)
# The last part of keys whose values are paths: a folder may be called 2019, or have a comma in its name.
PATHS = frozenset(
    (
        *("root", "work", "output", "folder", "dir", "image"),
        *("checkpoint", "against", "init", "resume", "figures", "teacher"),
        *("weights", "vgg_weights", "vgg", "lpips", "inception", "sface", "inputs"),
    )
)
PATHS_OF = {"benchmark": frozenset(("photos",))}  # elsewhere that is a number


def quoted(text: str) -> str:
    """A value that Hydra's grammar takes for text, whatever is in it."""
    # A backslash is only one that escapes where a quote follows, or the end.
    escaped = re.sub(r"(\\*)'", lambda found: 2 * found[1] + "\\'", text)
    return "'" + escaped + "\\" * (len(text) - len(text.rstrip("\\"))) + "'"


def override(key: str, value: Path | str) -> str:
    """``key=value``, in quotes where the path has characters that mean something to Hydra."""
    text = str(value)
    is_name = re.fullmatch(r"[A-Za-z_./-][A-Za-z0-9_./-]*", text) and re.search("[A-Za-z_]", text)
    is_plain = is_name and text.lower() not in ("true", "false", "null", "nan", "inf", "-nan", "-inf")  # nor a number
    return f"{key}={text if is_plain else quoted(text)}"


def command_line(*arguments: str) -> str:
    """A command of ours as people can paste it into a shell."""
    return shlex.join(["twoface", *arguments])


def _parsed(argument: str) -> Any:
    """Hydra's reading of an argument; None where it has none."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        (found,) = OverridesParser.create().parse_overrides([argument])
    except (HydraException, ValueError):  # Hydra's lexer fails on some characters with the second
        return None
    return found


def _readable_list(key: str, text: str, is_path: bool) -> str:
    """A list whose parts are in quotes where Hydra could not read them, or would read a path as something else."""

    def part(text: str) -> str:
        text = os.path.expanduser(text) if is_path else text
        found = _parsed(f"{key}={text}")
        kept = found is not None and (not is_path or text[:1] in ("'", '"') or found.value() == text)
        return text if kept else quoted(text)

    return "[" + ",".join(part(piece.strip()) for piece in text[1:-1].split(",")) + "]"


def _readable(argument: str, multirun: bool, paths: frozenset[str]) -> str:
    match = OVERRIDE.fullmatch(argument)
    if match is None:
        return argument
    key, text = match["key"], match["value"]
    is_path = re.split(r"[./@]", key)[-1] in paths
    if is_path and text.startswith("~"):
        text = os.path.expanduser(text)
    found = _parsed(f"{key}={text}")
    if text.startswith("[") and text.endswith("]") and (is_path or found is None):
        text = _readable_list(key, text, is_path)
        found = _parsed(f"{key}={text}")
    if found is None:
        in_quotes = f"{key}={quoted(text)}"
        return in_quotes if _parsed(in_quotes) else argument
    if is_path and text and text[0] not in "'\"[$" and text not in ("null", "???"):
        is_sweep = found.is_sweep_override()
        if (is_sweep and not multirun) or (not is_sweep and found.value() != text):
            return f"{key}={quoted(text)}"
    return f"{key}={text}"


def is_sweep(text: str) -> bool:
    """Whether an override has several values, one for each run."""
    found = _parsed(text)
    return found is not None and bool(found.is_sweep_override())


def plain_value(text: str) -> Any:
    """An override's value, as Hydra reads it; None where it cannot."""
    found = _parsed(text)
    return found.value() if found is not None else None


def readable(overrides: list[str], multirun: bool = False, command: str = "") -> list[str]:
    """Overrides with values in quotes that Hydra's grammar cannot read as they are, or would read wrongly:
    ``source.root=fotos José (1)``, ``root=2019``, without ``--multirun`` ``root=a,b``.

    Args:
        overrides: as people wrote them.
        multirun: values may be several.
        command: whose they are.
    """
    paths = PATHS | PATHS_OF.get(command, frozenset())
    return [_readable(override, multirun, paths) for override in overrides]
