"""Places along the highways."""

import pytest

from service.demo_fleet.highways import HIGHWAYS, Place, place_along

WAY = (Place(100, 30), Place(110, 30), Place(110, 40))


@pytest.mark.parametrize(
    ("share", "place"),
    [(0, (100, 30)), (0.25, (105, 30)), (0.5, (110, 30)), (0.75, (110, 35)), (1, (110, 40))],
)
def test_place_lies_at_its_share_of_the_way(share: float, place: tuple[float, float]) -> None:
    assert place_along(WAY, share) == place


@pytest.mark.parametrize("name", HIGHWAYS)
def test_highway_begins_and_ends_in_its_cities(name: str) -> None:
    highway = HIGHWAYS[name]
    assert (place_along(highway, 0), place_along(highway, 1)) == (highway[0], highway[-1])
