"""The one exception that is meant for the person at the keyboard."""

import re
from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any, TypeVar

ARGUMENT = re.compile(r"`([a-z][a-z_]*)`")
T = TypeVar("T")


class TwoFaceError(Exception):
    """Something the user can mend; its text names the file or field and says what to do.

    An argument stands in it as `name`: a command says its option instead, a server its field (:func:`in_words_of`).
    """


def in_words_of(text: str, name: Callable[[str], str]) -> str:
    """What is said of arguments, said of what these are to who asked.

    >>> in_words_of("give a larger `reference_box`", lambda name: f"--{name}".replace("_", "-"))
    'give a larger --reference-box'
    """
    return ARGUMENT.sub(lambda found: name(found[1]), text)


def require(condition: bool, message: str) -> None:
    """Raise a :class:`TwoFaceError` unless the condition holds."""
    if not condition:
        raise TwoFaceError(message)


def name_and_options(what: str, options: object) -> tuple[Any, dict[str, Any]]:
    """What a config chooses by ``name``, and its other options.

    Raises:
        TwoFaceError: it is no set of options.
    """
    if not isinstance(options, Mapping):
        raise TwoFaceError(f"{what}={options!s:.80} is no set of options")
    arguments = dict(options)
    return arguments.pop("name", None), arguments


def call_with_options(what: str, call: Callable[..., T], options: Mapping[str, Any], *given: Any) -> T:
    """Call a class or function of ours with what a config says.

    Args:
        what: is built, for the message.
        call: takes the options by name.
        options: of the config.
        given: arguments before them.

    Raises:
        TwoFaceError: no options; one that it does not have, lacks, or that is of another kind.
    """
    require(isinstance(options, Mapping), f"{what}={options!s:.80} is no set of options")
    takes = dict(list(signature(call).parameters.items())[len(given) :])
    has = f"it has {', '.join(takes)}" if takes else "it has none"
    for name in options:
        require(name in takes, f"{what} has no option '{name}'; {has}")
    for name, parameter in takes.items():
        require(parameter.default is not Parameter.empty or name in options, f"{what} needs the option '{name}'")
    try:
        return call(*given, **options)
    except TypeError as error:  # numbers compared with words, and the like
        raise TwoFaceError(f"{what}: {error}") from error


class Stopped(BaseException):
    """A signal asked the process to stop; no error, so that no ``except Exception`` holds it up.

    Args:
        number: the signal's.
        kept: what of the work is kept, and how to go on.
    """

    def __init__(self, number: int, kept: str = "") -> None:
        super().__init__(kept)
        self.number = number
        self.kept = kept
