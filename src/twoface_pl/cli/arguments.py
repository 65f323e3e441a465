"""What stands on the command line of a command with a config: overrides, and Hydra's own options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twoface_pl.cli.overrides import readable
from twoface_pl.errors import require

OF_CONFIGS = ("--config-dir", "--config-path", "--config-name")  # what a job of a sweep needs too


@dataclass(frozen=True)
class Arguments:
    """A command line, read.

    Args:
        options: Hydra's own, by name, with their values; "" where they have none.
        overrides: as Hydra's grammar wants them.
    """

    options: dict[str, str]
    overrides: list[str]

    @classmethod
    def read(cls, command: str, given: list[str]) -> Arguments:
        """Of what people wrote, in any order.

        Raises:
            TwoFaceError: a folder of configs that is not there.
            SystemExit: an option that Hydra does not have.
        """
        from hydra._internal.utils import get_args_parser

        parser = get_args_parser()
        parser.prog = f"twoface {command}"
        found = vars(parser.parse_intermixed_args(given))
        overrides = found.pop("overrides")
        named = {action.dest: action.option_strings[0] for action in parser._actions if action.option_strings}
        options = {named[key]: "" if value is True else str(value) for key, value in found.items() if value}
        folder = options.get("--config-dir")
        if folder is not None:
            require(Path(folder).is_dir(), f"--config-dir {folder}: no such folder")
            options["--config-dir"] = str(Path(folder).absolute())
        return cls(options, readable(overrides, "--multirun" in options, command))

    @property
    def config_dir(self) -> Path | None:
        """A folder of people's own configs."""
        return Path(self.options["--config-dir"]) if "--config-dir" in self.options else None

    @property
    def flags(self) -> list[str]:
        """The options, as they are written."""
        return [word for name, value in self.options.items() for word in (name, value) if word]

    @property
    def config_flags(self) -> list[str]:
        """Those that say where configs are."""
        return [word for name in OF_CONFIGS if name in self.options for word in (name, self.options[name])]
