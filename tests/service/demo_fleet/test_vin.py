"""Vehicle identification numbers."""

import pytest

from service.demo_fleet.vin import check_digit, make_vin


# From 49 CFR 565 and from real vehicles, not from the code under test.
@pytest.mark.parametrize("vin", ["11111111111111111", "1M8GDM9AXKP042788", "5GZCZ43D13S812715", "LSVAM4187C2184847"])
def test_check_digit_matches_real_vins(vin: str) -> None:
    assert check_digit(vin) == vin[8]


def test_make_vin_combines_its_parts() -> None:
    vin = make_vin(maker="LZZ", description="5DXSB", year="S", plant="A", serial=42)
    assert (vin[:8], vin[9:]) == ("LZZ5DXSB", "SA000042")
    assert check_digit(vin) == vin[8]
