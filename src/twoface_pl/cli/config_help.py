"""``--help`` of a command with a config."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import Any

from twoface_pl.cli.config_keys import ConfigKeys
from twoface_pl.cli.overrides import is_sweep

INDENT, COLUMN = 2, 36  # of a key, and of what is said of it
MORE = """\
  --cfg job         print the config as YAML, and do nothing
  --multirun, -m    one run for each of key=a,b
  --config-dir DIR  configs of your own beside these, DIR/<group>/<choice>.yaml
  --hydra-help      Hydra's other options"""


def _written(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return str(value)


def _line(head: str, said: str, width: int) -> str:
    head = " " * INDENT + head
    lines = textwrap.wrap(said, max(width - COLUMN, 30), break_long_words=False, break_on_hyphens=False)
    if len(head) >= COLUMN:
        lines = [head, *(" " * COLUMN + line for line in lines)]
    else:
        first, *rest = lines or [""]
        lines = [f"{head:{COLUMN}}{first}".rstrip(), *(" " * COLUMN + line for line in rest)]
    return "\n".join(lines)


def help_text(
    command: str, summary: str, overrides: list[str], beside: Path | None = None, width: int | None = None
) -> str:
    """What the command takes: its groups of choices, and each key with its value and what it is.

    Args:
        command: of ``twoface``.
        summary: what it does.
        overrides: keys and values are those with them; of a sweep, those without.
        beside: a folder of people's own configs.
        width: characters of a line; None: the terminal's.
    """
    width = width or shutil.get_terminal_size((120, 24)).columns
    keys = ConfigKeys(command, [text for text in overrides if not is_sweep(text)], beside)
    comments = keys.comments()
    # The command's own first: those of its groups are many.
    values = dict(sorted(keys.values.items(), key=lambda item: item[0].partition(".")[0] in keys.choices))
    lines = [f"usage: twoface {command} [<group>=<choice> ...] [<key>=<value> ...]", "", summary]
    if keys.choices:
        lines += ["", f"choices; `twoface {command} <group>=<choice> --help` shows the keys of another"]
        for group, name in keys.choices.items():
            lines.append(_line(f"{group}={_written(name)}", f"of {', '.join(keys.known(group))}", width))
    lines += ["", "keys, with their values; ??? must be given"]
    lines += [_line(f"{key}={_written(value)}", comments.get(key, ""), width) for key, value in values.items()]
    return "\n".join([*lines, "", "more", MORE])
