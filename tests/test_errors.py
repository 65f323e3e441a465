"""What configs say of classes and functions of ours."""

import re

import pytest

from twoface_pl.errors import TwoFaceError, call_with_options


def _area(scale: float, width: int, height: int = 2) -> float:
    return scale * width * height


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 1, "depth": 2}, "box has no option 'depth'; it has width, height"),
        ({"height": 1}, "box needs the option 'width'"),
        ({"scale": 2, "width": 1}, "box has no option 'scale'; it has width, height"),  # that is not the config's
        ({"width": None}, "box: unsupported operand type(s) for *: 'float' and 'NoneType'"),
        ({1: 2, "width": 1}, "box has no option '1'; it has width, height"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict, said: str) -> None:
    with pytest.raises(TwoFaceError, match=f"^{re.escape(said)}$"):
        call_with_options("box", _area, options, 0.5)


def test_options_that_fit() -> None:
    assert call_with_options("box", _area, {"width": 4}, 0.5) == 4
    with pytest.raises(TwoFaceError, match=r"^all has no option 'x'; it has none$"):
        call_with_options("all", lambda: 1, {"x": 2})
