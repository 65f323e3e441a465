"""The one exception that is meant for the person at the keyboard."""

import re
from collections.abc import Callable

ARGUMENT = re.compile(r"`([a-z][a-z_]*)`")


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
