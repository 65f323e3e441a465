"""The one exception that is meant for the person at the keyboard."""


class TwoFaceError(Exception):
    """Something the user can mend; its text names the file or field and says what to do."""


def require(condition: bool, message: str) -> None:
    """Raise a :class:`TwoFaceError` unless the condition holds."""
    if not condition:
        raise TwoFaceError(message)
