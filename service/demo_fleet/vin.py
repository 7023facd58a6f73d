"""Vehicle identification numbers by ISO 3779, with the check digit of GB 16735 (the same as in 49 CFR 565)."""

from typing import Final

CHECK_DIGIT_POSITION: Final = 8
WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
# A VIN does not contain the letters I, O and Q.
CHARACTERS: Final = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
VALUES: Final = dict(zip(CHARACTERS, map(int, "012345678912345678123457923456789"), strict=True))
DIGITS: Final = "0123456789X"


def make_vin(*, maker: str, description: str, year: str, plant: str, serial: int) -> str:
    """Return a VIN: 3 characters for the maker, 5 for the model, one each for year and plant, and a serial number."""
    vin = f"{maker}{description}0{year}{plant}{serial:06}"
    return vin[:CHECK_DIGIT_POSITION] + check_digit(vin) + vin[CHECK_DIGIT_POSITION + 1 :]


def check_digit(vin: str) -> str:
    """Return the check digit, the ninth character of a VIN. The ninth character of the argument has no effect."""
    weighted = sum(VALUES[character] * weight for character, weight in zip(vin, WEIGHTS, strict=True))
    return DIGITS[weighted % len(DIGITS)]
