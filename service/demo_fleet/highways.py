"""Routes of the demo fleet: some of China's expressways, as straight lines from city to city."""

from typing import Final, NamedTuple


class Place(NamedTuple):
    """A position in degrees."""

    longitude: float
    latitude: float


HIGHWAYS: Final[dict[str, tuple[Place, ...]]] = {
    "G2 Beijing-Shanghai": (
        Place(116.41, 39.90),
        Place(117.20, 39.13),
        Place(117.00, 36.67),
        Place(118.35, 35.05),
        Place(119.02, 33.60),
        Place(120.30, 31.57),
        Place(121.47, 31.23),
    ),
    "G4 Beijing-Guangzhou": (
        Place(116.41, 39.90),
        Place(114.51, 38.04),
        Place(113.63, 34.75),
        Place(114.30, 30.59),
        Place(112.94, 28.23),
        Place(113.03, 25.80),
        Place(113.26, 23.13),
    ),
    "G30 Lianyungang-Lanzhou": (
        Place(119.22, 34.60),
        Place(117.28, 34.20),
        Place(113.63, 34.75),
        Place(112.45, 34.62),
        Place(108.94, 34.34),
        Place(105.72, 34.58),
        Place(103.83, 36.06),
    ),
    "G42 Shanghai-Chengdu": (
        Place(121.47, 31.23),
        Place(118.80, 32.06),
        Place(117.23, 31.82),
        Place(114.30, 30.59),
        Place(111.29, 30.69),
        Place(108.39, 30.81),
        Place(104.07, 30.57),
    ),
    "G15 Shenyang-Haikou": (
        Place(123.43, 41.80),
        Place(121.61, 38.91),
        Place(120.38, 36.07),
        Place(121.55, 29.87),
        Place(119.30, 26.07),
        Place(118.09, 24.48),
        Place(114.06, 22.54),
    ),
}


def place_along(highway: tuple[Place, ...], share: float) -> Place:
    """Return the position at this share of the route, from 0 to 1. All legs count as equally long."""
    legs = len(highway) - 1
    leg = min(int(share * legs), legs - 1)
    part = share * legs - leg
    start, end = highway[leg], highway[leg + 1]
    return Place(
        start.longitude + (end.longitude - start.longitude) * part,
        start.latitude + (end.latitude - start.latitude) * part,
    )
