"""Manufacturers and models of the demo fleet: real names, approximate numbers."""

from typing import Final, NamedTuple


class CatalogModel(NamedTuple):
    """A truck model. `maker` and `description` are the first 3 and the next 5 characters of its VINs.

    Hydrogen trucks have small batteries and long ranges.
    """

    manufacturer: str
    name: str
    maker: str
    description: str
    battery_kwh: int
    range_km: int


CATALOG: Final = (
    CatalogModel("BYD", "Q3 tractor", "LC0", "CE4DC", 435, 240),
    CatalogModel("BYD", "T8 box truck", "LC0", "CE3CB", 255, 280),
    CatalogModel("Dongfeng", "Tianlong KL electric", "LGA", "G4DY3", 350, 210),
    CatalogModel("Dongfeng", "Tianlong KL hydrogen", "LGA", "H4DY3", 105, 420),
    CatalogModel("FAW Jiefang", "J6P electric", "LFW", "SRXSJ", 282, 190),
    CatalogModel("FAW Jiefang", "J7 hydrogen", "LFW", "HRXRJ", 118, 600),
    CatalogModel("Foton", "Auman iBlue", "LVB", "V6PEB", 423, 260),
    CatalogModel("Foton", "Auman hydrogen", "LVB", "H6PEB", 162, 800),
    CatalogModel("JAC", "Gallop K7 electric", "LJ1", "RKEBD", 350, 200),
    CatalogModel("SAIC Hongyan", "Genlyon H6 electric", "LZF", "F25T4", 282, 180),
    CatalogModel("Shacman", "X5000E", "LZG", "JX4R6", 374, 230),
    CatalogModel("Sinotruk", "HOWO TX electric", "LZZ", "5DXSB", 350, 210),
    CatalogModel("Sinotruk", "HOWO T7 hydrogen", "LZZ", "7HXSB", 130, 500),
    CatalogModel("Yutong", "T570 electric tractor", "LZY", "TDGBW", 350, 200),
)
