"""The one exception that is meant for the person at the keyboard."""


class TwoFaceError(Exception):
    """Something the user can mend; its text names the file or field and says what to do."""


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
