"""How much the server holds at once."""

import asyncio
import contextlib
import json

import pytest

from twoface_pl.serving.http import limits
from twoface_pl.serving.http.json_input import Skeleton
from twoface_pl.serving.http.task import Refusal

SIZE = 16
IMAGES = ("masked_image", "reference_image")


def test_room_is_given_in_turn_and_comes_back() -> None:
    async def many() -> list[str]:
        room, told = limits.Room(10), []

        async def one(name: str, size: int, seconds: float, most: float = 60) -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(most), room.taken(size):
                    told.append(name)
                    await asyncio.sleep(seconds)

        given = [("a", 6, 0.2), ("b", 4, 0.1), ("late", 9, 0, 0.05), ("c", 7, 0), ("d", 1, 0)]
        await asyncio.gather(*(one(*each) for each in given))
        assert (room.left, len(room._waiting)) == (10, 0)
        return told

    assert asyncio.run(many()) == ["a", "b", "c", "d"]  # d too, which had room, after c


def test_the_largest_request_is_within_the_limits() -> None:
    picture = [[[0.123456789] * 3] * SIZE] * SIZE
    body = json.dumps({"inputs": {name: [picture] * 32 for name in IMAGES}}).encode()
    Skeleton(body).check_extent(SIZE)
    with pytest.raises(Refusal, match="more lists or values"):
        Skeleton(body * 6).check_extent(SIZE)
