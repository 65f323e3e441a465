"""A command's config as a list of keys, and what its files say of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from twoface_pl.cli.overrides import quoted
from twoface_pl.cli.shape import groups

LINE = re.compile(r"(?P<indent> *)(?P<key>[\w/]+):(?P<rest>.*)")
OF_HYDRA = "hydra"


def flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Options by dotted key, those of Hydra itself left out.

    >>> flat({"seed": 0, "data": {"root": "a", "sizes": [1, 2]}})
    {'seed': 0, 'data.root': 'a', 'data.sizes': [1, 2]}
    """
    found: dict[str, Any] = {}
    for key, value in options.items():
        if not prefix and key == OF_HYDRA:
            continue
        dotted = f"{prefix}{key}"
        found |= flat(value, f"{dotted}.") if isinstance(value, dict) and value else {dotted: value}
    return found


def comments_in(text: str) -> dict[str, str]:
    """What a YAML file says at the end of each key's line, by dotted key."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []  # indents and keys that the line may stand under
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            continue
        indent = len(match["indent"])
        above = [(depth, key) for depth, key in above if depth < indent] + [(indent, match["key"])]
        _, hash_sign, comment = match["rest"].partition(" # ")
        if hash_sign:
            found[".".join(key for _, key in above)] = comment.strip()
    return found


def _comments_of(folders: Sequence[Traversable], name: str | None) -> dict[str, str]:
    """Of a config of a group, and of those of the group that it stands on."""
    there = [folder / f"{name}.yaml" for folder in folders if (folder / f"{name}.yaml").is_file()]
    if not there:  # none is chosen
        return {}
    text = there[0].read_text("utf-8")
    plain: Any = OmegaConf.to_container(OmegaConf.create(text))
    found: dict[str, str] = {}
    for entry in plain.get("defaults", []) if isinstance(plain, dict) else ():
        if isinstance(entry, str):  # a config of another group stands under its own key
            found |= _comments_of(folders, entry)
    return found | comments_in(text)


def _searched(beside: Path | None) -> list[str]:
    """The override by which Hydra looks for configs in a further folder."""
    return [] if beside is None else [f"hydra.searchpath=[{quoted(f'file://{beside.absolute()}')}]"]


class ConfigKeys:
    """What a command takes, with some choices made.

    Args:
        command: of ``twoface``, whose config this is.
        chosen: overrides, of which Hydra composes it.
        beside: a folder of people's own configs (``--config-dir``).

    Attributes:
        values: by dotted key.
        choices: which config of each group; None where none is.

    Raises:
        HydraException: what Hydra says of overrides that do not fit.
    """

    def __init__(self, command: str, chosen: list[str], beside: Path | None = None) -> None:
        from hydra import compose, initialize_config_module
        from hydra.core.global_hydra import GlobalHydra

        GlobalHydra.instance().clear()
        with initialize_config_module("twoface_pl.conf", version_base="1.3"):
            config = compose(command, [*chosen, *_searched(beside)], return_hydra_config=True)
        plain: Any = OmegaConf.to_container(config, resolve=False)
        of_hydra: dict[str, str | None] = plain[OF_HYDRA]["runtime"]["choices"]
        self.command = command
        ours = [group for group in of_hydra if not group.startswith(OF_HYDRA)]
        self._chosen = {group: of_hydra[group] for group in reversed(ours)}  # in the order of the config's defaults
        self.choices = {group: name for group, name in self._chosen.items() if "@" not in group}
        self.values = flat(plain)
        self._beside = [beside] if beside is not None else []
        self._folders: list[Traversable] = [files("twoface_pl.conf"), *self._beside]

    def known(self, group: str) -> list[str]:
        """The configs that there are of a group."""
        own = (file.stem for folder in self._beside for file in (folder / group).glob("*.yaml"))
        return sorted({*groups().get(group, ()), *own})

    def comments(self) -> dict[str, str]:
        """What each key is, by dotted key."""
        found = comments_in((self._folders[0] / f"{self.command}.yaml").read_text("utf-8"))
        for place, name in self._chosen.items():
            group, _, within = place.partition("@")
            of_group = _comments_of([folder / group for folder in self._folders], name)
            found |= {f"{within or group}.{key}": comment for key, comment in of_group.items()}
        return found
