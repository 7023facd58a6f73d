"""Positions on the highways."""

import pytest

from service.demo_fleet.highways import HIGHWAYS, Place, place_along

WAY = (Place(100, 30), Place(110, 30), Place(110, 40))


@pytest.mark.parametrize(
    ("share", "place"),
    [(0, (100, 30)), (0.25, (105, 30)), (0.5, (110, 30)), (0.75, (110, 35)), (1, (110, 40))],
)
def test_place_along_returns_the_position_at_a_share_of_the_route(share: float, place: tuple[float, float]) -> None:
    assert place_along(WAY, share) == place


@pytest.mark.parametrize("name", HIGHWAYS)
def test_place_along_starts_and_ends_in_the_first_and_last_city(name: str) -> None:
    highway = HIGHWAYS[name]
    assert (place_along(highway, 0), place_along(highway, 1)) == (highway[0], highway[-1])
